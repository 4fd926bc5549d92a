"""The recognisers that come with the package, by name. Needs no PyTorch.

``NAME.onnx`` is for reading without PyTorch, ``NAME.pth`` for the rest. MODEL_CARD.md says what
they are, what they reach and how they were made.
"""

from pathlib import Path

from aocr_plugin.errors import CheckpointError

FOLDER = Path(__file__).parent
DEFAULT = "english"


def names() -> list[str]:
    """Returns the names of the recognisers that come along."""
    return sorted(file.stem for file in FOLDER.glob("*.pth"))


def resolve(model: str | Path, suffix: str = ".pth") -> str | Path:
    """Returns the file of a recogniser that comes along, or ``model`` itself if it is another's.

    Args:
        model: a name of :func:`names`, or any path or URL. A file of that name in the working
            directory comes first.
        suffix: of the form wanted, ".pth" or ".onnx".

    Raises:
        CheckpointError: a name without suffix or folder that neither is there nor comes along.
    """
    path = Path(str(model))
    if path.name != str(model) or path.suffix or path.exists():
        return model
    if path.name not in names():
        raise CheckpointError(
            f"{model}: no such file, and no recogniser of that name comes along (there are "
            f"{', '.join(names()) or 'none'})"
        )
    return FOLDER / f"{path.name}{suffix}"

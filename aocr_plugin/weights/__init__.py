"""The recognisers that come with the package, by name. Needs no PyTorch.

``NAME.onnx`` is for reading without PyTorch, ``NAME.pth`` for the rest. MODEL_CARD.md says what
they are, what they reach and how they were made.
"""

from importlib.util import find_spec
from pathlib import Path

from aocr_plugin.errors import CheckpointError

FOLDER = Path(__file__).parent
DEFAULT = "english"
VIEWS = {"english": 6}
"""In how many views each is best read; docs/WEIGHTS.md has what they bring and cost."""


def names() -> list[str]:
    """Returns the names of the recognisers that come along."""
    return sorted(file.stem for file in FOLDER.glob("*.pth"))


def resolve(
    model: str | Path, runtime: str | None = "pytorch", device: str | None = None
) -> str | Path:
    """Returns the file of a recogniser that comes along, or ``model`` itself if it is another's.

    Args:
        model: a name of :func:`names`, or any path or URL. A file of that name in the working
            directory comes first.
        runtime: that is to run it; None: ONNX Runtime where it is installed and ``device`` is the
            CPU, else PyTorch.
        device: that is to run it; None is the CPU.

    Raises:
        CheckpointError: a name without suffix or folder that neither is there nor comes along.
    """
    path = Path(str(model))
    if path.name != str(model) or path.suffix or path.is_file():
        return model
    if path.name not in names():
        raise CheckpointError(
            f"{model}: no such file, and no recogniser of that name comes along (there are "
            f"{', '.join(names()) or 'none'})"
        )
    if runtime is None and ((device or "cpu") != "cpu" or find_spec("onnxruntime") is None):
        runtime = "pytorch"
    return FOLDER / f"{path.name}{'.pth' if runtime == 'pytorch' else '.onnx'}"


def views(model: str | Path) -> int:
    """Returns in how many views a model is read if nothing is said.

    Args:
        model: as of :func:`resolve`.

    Raises:
        CheckpointError: as of :func:`resolve`.
    """
    return 1 if resolve(model) == model else VIEWS.get(str(model), 1)

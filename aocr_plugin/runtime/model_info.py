"""What an exported network needs to be told beside its weights; it travels inside the file."""

import json
from dataclasses import asdict, dataclass
from typing import Any

from aocr_plugin.errors import CheckpointError
from aocr_plugin.version import __version__

KEY = "aocr"
"""Name of the entry in an ONNX file's metadata, or in the runtime information of OpenVINO's."""

FORMAT = 1


@dataclass(frozen=True)
class ModelInfo:
    """From an image to the network's input, and from its output to text.

    Attributes:
        pipeline: the checkpoint's ``test_pipeline``; see :class:`Pipeline` for what is known.
        channels: C of the input.
        mean: of each channel, in pixels.
        std: of each channel, in pixels.
        bgr_to_rgb: whether the network wants RGB.
        padding: what normalised images are padded with on the right.
        divisor: the input's width is a multiple of it.
        width: the only width that the network takes, or None for any.
        batch: the only batch that the network takes, or None for any.
        symbols: what each of the V symbols prints as.
        silent: indexes of symbols that print nothing.
        end: index of the end symbol.
        score: kind of word score.
        temperature: that is inside the network.
        steps: L.
        precision: "fp32", "fp16", "bf16" or "int8": what it was exported and compared in.
        format: of this description.
        version: of the package that wrote it.
    """

    pipeline: list[dict[str, Any]]
    channels: int
    mean: list[float]
    std: list[float]
    bgr_to_rgb: bool
    padding: float
    divisor: int
    symbols: list[str]
    silent: list[int]
    end: int
    score: str
    temperature: float
    steps: int
    precision: str = "fp32"
    width: int | None = None
    batch: int | None = None
    format: int = FORMAT
    version: str = __version__

    def to_json(self) -> str:
        """Returns the description as text."""
        return json.dumps(asdict(self), ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str | None, path: str) -> "ModelInfo":
        """Reads a description.

        Args:
            text: of :meth:`to_json`, or None where the file has none.
            path: of the file, for errors.

        Raises:
            CheckpointError: there is none, it is malformed or of a newer format.
        """
        if not text:
            raise CheckpointError(
                f"{path}: the model does not say how to use it (no '{KEY}' in its metadata); write "
                "it with tools/export.py or tools/deploy.py"
            )
        try:
            found = json.loads(text)
            if found.get("format", 0) > FORMAT:
                raise CheckpointError(
                    f"{path}: written by a newer aocr_plugin ({found.get('version')}); upgrade "
                    "this one"
                )
            return cls(**found)
        except (ValueError, TypeError, AttributeError) as error:
            raise CheckpointError(f"{path}: its description is malformed ({error})") from error

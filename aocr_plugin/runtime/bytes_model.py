"""Opens a file of ``tools/export.py --bytes``: image files' bytes in, texts out.

Needs ONNX Runtime and onnxruntime-extensions; no OpenCV, no PyTorch.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from aocr_plugin import storage
from aocr_plugin.errors import CheckpointError, ConfigError, ImageError
from aocr_plugin.runtime.model_info import KEY, ModelInfo

FORM, BYTES = "aocr_form", "bytes"
"""Name of the entry in the file's metadata that tells its form, and what it says."""

_REFUSED = re.compile(r"Name:'([^'/]+)' Status Message: indices element out .* idx=(\d+) must")
_DECODER = "[ImageDecoder]"


def open_session(model: str | bytes, name: str, threads: int | None = None) -> Any:
    """Opens a model with the operators of onnxruntime-extensions.

    Args:
        model: the file's path, or its content.
        name: for errors.
        threads: for one call; None is one a core.

    Raises:
        ConfigError: a package is not installed.
        CheckpointError: no such file, or no ONNX model.
    """
    try:
        import onnxruntime
        import onnxruntime_extensions
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"{name}: bytes in, text out needs ONNX Runtime and its extensions: "
            "pip install 'aocr-plugin[bytes]'"
        ) from error
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # a refused image is the caller's business, not the log's
    options.intra_op_num_threads = threads or 0
    options.register_custom_ops_library(onnxruntime_extensions.get_library_path())
    try:
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        if not type(error).__module__.startswith("onnxruntime"):
            raise
        if isinstance(model, str) and not Path(model).is_file():
            raise CheckpointError(f"{name}: no such file") from error
        what = str(error).splitlines()[0]
        raise CheckpointError(f"{name}: not an ONNX model that can be run ({what})") from error


def run(session: Any, images: Sequence[bytes], outputs: Sequence[str]) -> list[Any]:
    """Runs a graph on image files; returns the outputs named.

    Raises:
        ImageError: a file cannot be decoded, which fails the whole call.
    """
    try:
        texts = [data.decode("latin-1") for data in images]
        found: list[Any] = session.run(list(outputs), {"input": texts})
    except Exception as error:
        said, many = str(error), len(images)
        refused = _REFUSED.search(said)
        if refused:
            raise ImageError(f"image {refused[2]} of {many} is {refused[1]}") from error
        if _DECODER in said:
            why = said.rsplit(_DECODER, 1)[1].strip(": \n")
            raise ImageError(f"one of {many} images cannot be decoded ({why})") from error
        raise
    return found


class BytesModel:
    """A whole recogniser in one ONNX file.

    Args:
        path: of the file, or its URL.
        threads: for one call; None is one a core.

    Raises:
        ConfigError: a package is not installed.
        CheckpointError: no such file, no ONNX model, or not of this form.
    """

    def __init__(self, path: str | Path, *, threads: int | None = None) -> None:
        self.session = open_session(str(storage.local_copy(path)), str(path), threads)
        metadata = self.session.get_modelmeta().custom_metadata_map
        if metadata.get(FORM) != BYTES:
            raise CheckpointError(
                f"{path}: the model does not take image files' bytes; write one that does with "
                "tools/export.py --bytes, or give this one to Recognizer"
            )
        self.info = ModelInfo.from_json(metadata.get(KEY), str(path))

    def __call__(self, images: Sequence[bytes]) -> list[tuple[str, float]]:
        """Reads image files, PNG or JPEG, at once; returns texts and probabilities.

        Raises:
            ImageError: see :func:`run`.
        """
        if not images:
            return []
        texts, probabilities = run(self.session, images, ["output", "probability"])
        return list(zip(texts.tolist(), probabilities.tolist(), strict=True))

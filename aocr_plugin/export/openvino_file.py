"""Writes an ONNX model in OpenVINO's own form."""

from pathlib import Path
from typing import Any

from aocr_plugin.runtime.model_info import KEY
from aocr_plugin.runtime.openvino_runtime import import_openvino


def save(model: Any, path: Path) -> None:
    """Writes ``path``, whose name ends in ``.xml``, and a ``.bin`` beside it.

    Args:
        model: with a description in its metadata.
        path: the ``.xml`` file.

    Raises:
        ConfigError: OpenVINO is not installed.
    """
    openvino = import_openvino(path)
    made = openvino.Core().read_model(model.SerializeToString())
    (description,) = (entry.value for entry in model.metadata_props if entry.key == KEY)
    made.set_rt_info(description, KEY)
    openvino.save_model(made, str(path), compress_to_fp16=False)

"""Opens an exported file in the runtime asked for."""

import dataclasses
from pathlib import Path

from aocr_plugin.errors import ConfigError
from aocr_plugin.runtime import onnx_runtime, openvino_runtime
from aocr_plugin.runtime.engine import GraphEngine
from aocr_plugin.scores import check_score


def open_engine(
    path: str | Path,
    runtime: str,
    *,
    device: str | None = None,
    attention: bool = False,
    score: str | None = None,
    precision: str | None = None,
    threads: int | None = None,
) -> GraphEngine:
    """Returns an engine of ``Recognizer`` for an exported file; see there for the arguments.

    Args:
        path: of the file.
        runtime: "onnxruntime" or "openvino".
        device: "cpu" or "cuda".
        attention: keep the attention weights.
        score: kind of word score, or None for the model's own.
        precision: of OpenVINO.
        threads: of the runtime.

    Raises:
        ConfigError: the runtime is not installed, or has no such device or precision.
        CheckpointError: the file cannot be used.
    """
    if runtime == "onnxruntime":
        if precision is not None:
            raise ConfigError(
                f"precision '{precision}': an ONNX file in ONNX Runtime computes in what it was "
                "exported in; leave precision out"
            )
        run, info = onnx_runtime.open_model(path, threads=threads, device=device)
    else:
        if device not in (None, "cpu"):
            raise ConfigError(f"device '{device}': OpenVINO is run on the CPU here")
        run, info = openvino_runtime.open_model(path, threads=threads, precision=precision)
    if score is not None:
        info = dataclasses.replace(info, score=check_score(score))
    return GraphEngine(run, info, attention)

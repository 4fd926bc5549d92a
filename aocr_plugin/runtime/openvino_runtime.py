"""Exported networks in OpenVINO: ONNX files, or its own ``.xml`` and ``.bin``."""

from pathlib import Path
from typing import Any

from aocr_plugin import storage
from aocr_plugin.errors import CheckpointError, ConfigError
from aocr_plugin.runtime.engine import Images, Run
from aocr_plugin.runtime.model_info import KEY, ModelInfo

PRECISIONS = {"fp32": "f32", "bf16": "bf16", "fp16": "f16", "int8": "bf16"}


def import_openvino(path: str | Path) -> Any:
    """Returns the module.

    Raises:
        ConfigError: it is not installed.
    """
    try:
        import openvino
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"{path}: reading with OpenVINO needs it: pip install 'aocr-plugin[openvino]'"
        ) from error
    return openvino


def open_model(
    path: str | Path,
    *,
    threads: int | None = None,
    precision: str | None = None,
    throughput: bool = False,
) -> tuple[Run, ModelInfo]:
    """Returns a file's network, compiled for this CPU, and what goes with it.

    Args:
        path: ``.onnx``, or ``.xml`` with its ``.bin`` beside it.
        threads: for all calls together; None is one a core.
        precision: "fp32", "bf16" or "fp16": what it may compute in; None is what the file was
            exported and compared in.
        throughput: several calls at a time, each on fewer cores.

    Raises:
        ConfigError: OpenVINO is not installed, the precision is unknown, or the file is an int8
            one that was compared in ONNX Runtime.
        CheckpointError: no such file, no model, or not of this package's making.
    """
    openvino = import_openvino(path)
    if precision not in (None, "fp32", "bf16", "fp16"):
        raise ConfigError(f"precision is '{precision}'; it is one of fp32, bf16, fp16")
    settings: dict[str, Any] = {"PERFORMANCE_HINT": "THROUGHPUT" if throughput else "LATENCY"}
    if threads:
        settings["INFERENCE_NUM_THREADS"] = threads
    try:
        file = storage.local_copy(path)
        if not Path(file).is_file():
            raise FileNotFoundError(file)
        model = openvino.Core().read_model(str(file))
    except FileNotFoundError as error:
        raise CheckpointError(f"{path}: no such file") from error
    except RuntimeError as error:
        what = str(error).splitlines()[-1].strip()
        raise CheckpointError(f"{path}: not a model that OpenVINO reads ({what})") from error
    text = model.get_rt_info([KEY]).astype(str) if model.has_rt_info([KEY]) else None
    info = ModelInfo.from_json(text or _onnx_metadata(model), str(path))
    if info.precision == "int8" and Path(file).suffix == ".onnx":
        raise ConfigError(
            f"{path}: its int8 was compared with PyTorch in ONNX Runtime only; for OpenVINO export "
            "FILE.xml with --precision int8"
        )
    settings["INFERENCE_PRECISION_HINT"] = PRECISIONS[precision or info.precision]
    try:
        compiled = openvino.Core().compile_model(model, "CPU", settings)
    except RuntimeError as error:
        lines = [line for line in str(error).splitlines() if line.strip()]
        raise CheckpointError(
            f"{path}: OpenVINO {openvino.__version__} cannot compile this network "
            f"({lines[-1].strip()})"
        ) from error
    outputs = compiled.outputs

    def run(images: Images) -> tuple[Any, Any]:
        found = compiled(images)
        return found[outputs[0]], found[outputs[1]] if len(outputs) > 1 else None

    return run, info


def _onnx_metadata(model: Any) -> str | None:
    """Returns the description in an ONNX file's metadata, which OpenVINO keeps under framework."""
    for place in (["framework", KEY], ["onnx", KEY]):
        if model.has_rt_info(place):
            return str(model.get_rt_info(place).astype(str))
    return None

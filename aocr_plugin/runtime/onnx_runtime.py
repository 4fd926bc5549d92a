"""Exported networks in ONNX Runtime."""

from pathlib import Path
from typing import Any

from aocr_plugin import storage
from aocr_plugin.errors import CheckpointError, ConfigError
from aocr_plugin.runtime.engine import Images, Run
from aocr_plugin.runtime.model_info import KEY, ModelInfo

_HALF = b'"precision": "fp16"'
_CRASHES = ["NchwcTransformer"]  # ONNX Runtime 1.26 on the CPU, on float16 pooling


def session(path: str | Path, *, threads: int | None = None, device: str | None = None) -> Any:
    """Opens an ONNX file.

    Args:
        path: of the file, or its URL.
        threads: for one call; None is one a core.
        device: "cpu" or "cuda"; None is the CPU.

    Raises:
        ConfigError: ONNX Runtime is not installed or has no such device, or the file is one of
            ``--bytes``.
        CheckpointError: no such file, or no ONNX model.
    """
    try:
        import onnxruntime
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"{path}: reading with an ONNX file needs ONNX Runtime: "
            "pip install 'aocr-plugin[runtime]'"
        ) from error
    providers = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}
    kind = (device or "cpu").split(":")[0]
    wanted = providers.get(kind)
    if wanted not in onnxruntime.get_available_providers():
        raise ConfigError(f"device '{device}' is unknown, or this ONNX Runtime is not built for it")
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = threads or 0
    try:
        file = storage.local_copy(path)
        opened = onnxruntime.InferenceSession(
            str(file),
            options,
            providers=[wanted, "CPUExecutionProvider"][: 1 + (kind != "cpu")],
            disabled_optimizers=_CRASHES if _HALF in Path(file).read_bytes() else None,
        )
        if opened.get_providers()[0] != wanted:  # it goes on on the CPU without a word
            raise ConfigError(
                "ONNX Runtime cannot start its CUDA path: no GPU, or CUDA's libraries are missing "
                "(pip install 'onnxruntime-gpu[cuda,cudnn]')"
            )
        return opened
    except FileNotFoundError as error:
        raise CheckpointError(f"{path}: no such file") from error
    except Exception as error:
        if type(error).__module__.startswith("onnxruntime"):
            what = str(error).splitlines()[0]
            if "DecodeImage" in what:
                raise ConfigError(
                    f"{path}: takes image files' bytes and needs no Recognizer; read with "
                    "examples/one_file.py or aocr_plugin.runtime.bytes_model.BytesModel"
                ) from error
            raise CheckpointError(f"{path}: not an ONNX model that can be run ({what})") from error
        raise


def open_model(
    path: str | Path, *, threads: int | None = None, device: str | None = None
) -> tuple[Run, ModelInfo]:
    """Returns an ONNX file's network and what goes with it.

    Args:
        path: of the file, or its URL.
        threads: for one call; None is one a core.
        device: "cpu" or "cuda"; None is the CPU.

    Raises:
        ConfigError: see :func:`session`.
        CheckpointError: see :func:`session`; or the file is not of this package's making.
    """
    opened = session(path, threads=threads, device=device)
    metadata = opened.get_modelmeta().custom_metadata_map
    info = ModelInfo.from_json(metadata.get(KEY), str(path))
    (image_input,) = opened.get_inputs()

    def run(images: Images) -> tuple[Any, Any]:
        found = opened.run(None, {image_input.name: images})
        return found[0], found[1] if len(found) > 1 else None

    return run, info

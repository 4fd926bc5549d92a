"""Engines of TensorRT, on the GPU that they were built for."""

from typing import Any

import numpy as np

from aocr_plugin.errors import ConfigError, ExportError
from aocr_plugin.runtime.engine import Images, Run


def import_tensorrt() -> Any:
    """Returns the module tensorrt.

    Raises:
        ConfigError: it is not installed, or too old.
    """
    try:
        import tensorrt
    except ImportError as error:
        raise ConfigError(
            "TensorRT is not installed: on a machine with an NVIDIA GPU and its driver, "
            "pip install tensorrt (8.6 to 10 for MMDeploy's int8), and a CUDA build of PyTorch"
        ) from error
    if not hasattr(tensorrt, "TensorIOMode"):
        raise ConfigError(f"TensorRT is {tensorrt.__version__}; 8.5 or newer is needed")
    return tensorrt


def open_engine(trt: Any, data: Any, device: str = "cuda") -> Run:
    """Returns an engine's network; its memory is that of PyTorch's tensors.

    Args:
        trt: the module tensorrt, 8.5 or newer.
        data: the engine's bytes.
        device: of PyTorch, where it runs.

    Raises:
        ConfigError: the engine is for another GPU or version of TensorRT.
        ExportError: while it runs: images are outside of the engine's shapes, or it fails.
    """
    import torch

    where = torch.device(device)
    engine = trt.Runtime(trt.Logger(trt.Logger.ERROR)).deserialize_cuda_engine(data)
    if engine is None:
        raise ConfigError("the engine is for another GPU or version of TensorRT: build it here")
    names = [engine.get_tensor_name(index) for index in range(engine.num_io_tensors)]
    outputs = [n for n in names if engine.get_tensor_mode(n) == trt.TensorIOMode.OUTPUT]
    context = engine.create_execution_context()
    stream = torch.cuda.Stream(where) if where.type == "cuda" else None

    def run(images: Images) -> tuple[Any, Any]:
        with torch.cuda.stream(stream):
            given = torch.from_numpy(np.ascontiguousarray(images, np.float32)).to(where)
            if not context.set_input_shape("input", tuple(given.shape)):
                raise ExportError(f"images of {tuple(given.shape)} do not fit the engine's shapes")
            made = {
                name: torch.empty(tuple(context.get_tensor_shape(name)), device=where)
                for name in outputs
            }
            for name, tensor in {"input": given, **made}.items():
                context.set_tensor_address(name, tensor.data_ptr())
            if not context.execute_async_v3(stream.cuda_stream if stream else 0):
                raise ExportError(f"TensorRT fails on images of {tuple(given.shape)}")
            found = {name: tensor.cpu().numpy() for name, tensor in made.items()}
        return found["output"], found.get("attention")

    return run

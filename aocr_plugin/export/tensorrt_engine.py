"""Engines of TensorRT from an ONNX model: their shapes, and how they are built.

MMDeploy 1.3.1 builds them where it can: up to TensorRT 10, whose builder chooses where it computes
in float16. From TensorRT 11 on a network computes in the types that it is written in, so the model
is turned into float16 first. N batch, C channels, W pixels.
"""

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

import numpy as np

from aocr_plugin.errors import ExportError
from aocr_plugin.runtime.model_info import ModelInfo
from aocr_plugin.runtime.pipeline import Pipeline

Shapes = dict[str, list[int]]
"""``min_shape``, ``opt_shape`` and ``max_shape`` of the input, as MMDeploy's configs name them."""

MAX_BATCH = 32
MAX_WIDTH = 512
WORKSPACE = 1 << 30
"""Bytes that a layer may take while it runs."""

_EXTREMES = (1, 16384)  # widths of images 32 pixels high that find a pipeline's limits


def shapes(info: ModelInfo, widest: int = MAX_WIDTH) -> Shapes:
    """Returns the input's least, best and largest shapes for a model.

    Args:
        info: the model's; its pipeline says which widths there can be, of which a model of the
            original's kind has one.
        widest: pixels, where the pipeline sets no limit.
    """
    pipeline = Pipeline(info.pipeline)
    sizes = [pipeline(np.zeros((32, width), np.uint8)).shape for width in _EXTREMES]
    low, high = (info.width or size[1] + -size[1] % info.divisor for size in sizes)
    high = max(low, min(high, widest + -widest % info.divisor))
    batches = (info.batch,) * 3 if info.batch else (1, 8, MAX_BATCH)
    widths = (low, min(max(low, 128), high), high)
    names = ("min_shape", "opt_shape", "max_shape")
    return {
        name: [batch, info.channels, int(sizes[0][0]), width]
        for name, batch, width in zip(names, batches, widths, strict=True)
    }


def half(model: Any) -> Any:
    """Returns an ONNX model that computes all in float16; inputs and outputs stay float32.

    ``quantization.float16`` leaves LSTM and GRU in float32, for ONNX Runtime's CPU. TensorRT has
    them in float16, and TensorRT-RTX 1.7.1 does not build a GRU in float32 amid float16.
    """
    from onnxruntime.transformers.float16 import DEFAULT_OP_BLOCK_LIST, convert_float_to_float16

    return convert_float_to_float16(
        model, keep_io_types=True, op_block_list=list(DEFAULT_OP_BLOCK_LIST)
    )


def parse(trt: Any, data: bytes, logger: Any) -> tuple[Any, Any]:
    """Parses an ONNX file; returns TensorRT's builder and network.

    Args:
        trt: the module tensorrt, or TensorRT-RTX's of the same interface.
        data: the file.
        logger: of ``trt``.

    Raises:
        ExportError: the parser refuses it; its first words, and the node, are in the message.
    """
    builder = trt.Builder(logger)
    kinds = trt.NetworkDefinitionCreationFlag
    typed = hasattr(kinds, "STRONGLY_TYPED")
    flag = kinds.STRONGLY_TYPED if typed else kinds.EXPLICIT_BATCH
    network = builder.create_network(1 << int(flag))
    parser = trt.OnnxParser(network, logger)
    if not parser.parse(data):
        found = [parser.get_error(index) for index in range(parser.num_errors)]
        said = "; ".join(f"{_node(error)}{error.desc()}" for error in found[:3])
        raise ExportError(f"TensorRT's parser refuses the model: {said or 'no reason given'}")
    return builder, network


def _node(error: Any) -> str:
    """Returns the node that an error of the parser is about, where its version says it."""
    if not hasattr(error, "node_name"):
        return f"node {error.node()}: "
    name, operator = error.node_name(), error.node_operator()
    return f"{name} ({operator}): " if name or operator else ""


def build(
    trt: Any,
    data: bytes,
    profile: Shapes,
    *,
    logger: Any = None,
    fp16: bool = False,
    configure: Callable[[Any], None] = lambda config: None,
) -> Any:
    """Builds an engine of an ONNX file with TensorRT itself; returns its serialized bytes.

    Args:
        trt: see :func:`parse`.
        data: the file; its types are what is computed in.
        profile: of :func:`shapes`.
        logger: of ``trt``.
        fp16: let the builder choose float16; for versions before networks had types.
        configure: is given the builder's config before it builds.

    Raises:
        ExportError: the parser or the builder refuses it.
    """
    logger = logger or trt.Logger(trt.Logger.ERROR)
    builder, network = parse(trt, data, logger)
    config = builder.create_builder_config()
    config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, WORKSPACE)
    config.clear_flag(trt.BuilderFlag.TF32)
    if fp16:
        config.set_flag(trt.BuilderFlag.FP16)
    optimisation = builder.create_optimization_profile()
    optimisation.set_shape("input", *profile.values())
    config.add_optimization_profile(optimisation)
    configure(config)
    engine = builder.build_serialized_network(network, config)
    if engine is None:
        raise ExportError("TensorRT's builder fails; its log above says why")
    return engine


@contextmanager
def plugins_not_needed() -> Iterator[None]:
    """Lets MMDeploy go on where its library of plugins, made for TensorRT 8, cannot be loaded.

    The networks of this package have no operators of it.
    """
    from mmdeploy.backend.tensorrt import utils

    load = utils.load_tensorrt_plugin

    def load_where_it_can() -> bool:
        try:
            return bool(load())
        except OSError:  # no libnvinfer.so.8
            return False

    utils.load_tensorrt_plugin = load_where_it_can
    try:
        yield
    finally:
        utils.load_tensorrt_plugin = load


def build_with_mmdeploy(model: Any, profile: Shapes, fp16: bool) -> bytes:
    """Builds an engine with MMDeploy's own function.

    Args:
        model: ONNX, in float32.
        profile: of :func:`shapes`.
        fp16: let the builder choose float16.

    Raises:
        ExportError: the parser or the builder refuses it.
    """
    from mmdeploy.backend.tensorrt import from_onnx

    with plugins_not_needed(), tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "network")
        try:
            from_onnx(model, path, {"input": profile}, WORKSPACE, fp16_mode=fp16)
        except (RuntimeError, AssertionError) as error:
            raise ExportError(f"MMDeploy cannot build the engine: {error}") from error
        with open(f"{path}.engine", "rb") as file:
            return file.read()


def from_model(trt: Any, model: Any, profile: Shapes, precision: str) -> tuple[Any, str]:
    """Builds an engine as the TensorRT at hand wants it.

    Args:
        trt: the module tensorrt.
        model: ONNX, in float32.
        profile: of :func:`shapes`.
        precision: "fp32" or "fp16".

    Returns:
        The engine's bytes, and who built it.

    Raises:
        ExportError: the parser or the builder refuses it.
    """
    fp16 = precision == "fp16"
    kinds = trt.NetworkDefinitionCreationFlag
    version = f"TensorRT {trt.__version__}"
    if hasattr(kinds, "EXPLICIT_BATCH") and find_spec("mmdeploy"):
        return build_with_mmdeploy(model, profile, fp16), f"MMDeploy, {version}"
    if hasattr(kinds, "STRONGLY_TYPED"):
        data = (half(model) if fp16 else model).SerializeToString()
        return build(trt, data, profile), version
    return build(trt, model.SerializeToString(), profile, fp16=fp16), version

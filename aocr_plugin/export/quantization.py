"""Smaller numbers in an exported network: float16, and int8 convolutions."""

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aocr_plugin.errors import ConfigError

_KEPT = ["LSTM", "GRU"]
"""Operators left in float32: ONNX Runtime has them in nothing else on the CPU."""


def float16(model: Any) -> Any:
    """Returns an ONNX model that computes in float16; inputs and outputs stay float32.

    Raises:
        ConfigError: a package is missing.
    """
    try:
        from onnxruntime.transformers.float16 import DEFAULT_OP_BLOCK_LIST, convert_float_to_float16
    except ModuleNotFoundError as error:
        raise ConfigError(f"fp16 needs ONNX Runtime's tools ({error})") from error
    kept = [*DEFAULT_OP_BLOCK_LIST, *_KEPT]
    return convert_float_to_float16(model, keep_io_types=True, op_block_list=kept)


def int8(model: Any, batches: Sequence[NDArray[np.float32]], openvino: bool = False) -> Any:
    """Returns an ONNX model whose convolutions compute in int8; inputs and outputs stay float32.

    The convolutions are where the time goes, and with the pooling between them they are one
    stretch of int8. The recurrent parts, whose errors add up over the steps, stay as they are.
    Weights take 7 of the 8 bits: processors without VNNI add two products in 16 bits, which all 8
    overflow, so that a file would read one thing where it is made and another where it is used.

    Args:
        model: in float32.
        batches: normalised images [N, C, 32, W] to calibrate on.
        openvino: arrange it for OpenVINO and not for ONNX Runtime: numbers are rounded behind
            each ReLU alone, biases are added apart, and the last convolution stays as it is. In
            ONNX Runtime's arrangement OpenVINO 2026.4 drops biases and reads other texts; the
            scales of the last one it would move behind the encoder's change of shape.
    """
    import onnx
    from onnxruntime.quantization import (
        CalibrationDataReader,
        CalibrationMethod,
        QuantFormat,
        QuantType,
        quantize_static,
    )
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Batches(CalibrationDataReader):
        def __init__(self) -> None:
            self.left = iter(batches)

        def get_next(self) -> dict[str, Any] | None:
            batch = next(self.left, None)
            return None if batch is None else {"input": batch}

    options: dict[str, Any] = {"ActivationSymmetric": False, "WeightSymmetric": True}
    kept: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        source, ready, target = (os.path.join(folder, name) for name in ("a.onnx", "b.onnx", "c"))
        onnx.save(model, source)
        quant_pre_process(source, ready, skip_symbolic_shape=True)
        if openvino:
            onnx.save(apart := _biases_apart(onnx.load(ready)), ready)
            kept = [node.name for node in apart.graph.node if node.op_type == "Conv"][-1:]
            options["OpTypesToExcludeOutputQuantization"] = ["Conv"]
        quantize_static(
            ready,
            target,
            Batches(),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=["Conv", "Relu", "MaxPool"],
            nodes_to_exclude=kept,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            reduce_range=True,
            calibrate_method=CalibrationMethod.MinMax,
            extra_options=options,
        )
        return onnx.load(Path(target))


def _biases_apart(model: Any) -> Any:
    """Returns the model with every convolution's bias in an addition of its own."""
    from onnx import helper, numpy_helper, shape_inference

    graph = model.graph
    tensors = {tensor.name: tensor for tensor in graph.initializer}
    nodes = []
    for node in graph.node:
        nodes.append(node)
        if node.op_type != "Conv" or len(node.input) < 3:
            continue
        name, out = node.input.pop(), node.output[0]
        bias = numpy_helper.to_array(tensors[name]).reshape(1, -1, 1, 1)
        tensors[name].CopyFrom(numpy_helper.from_array(bias, name))
        node.output[0] = f"{out}_without_bias"
        nodes.append(helper.make_node("Add", [node.output[0], name], [out], f"{node.name}_bias"))
    del graph.node[:], graph.value_info[:]
    graph.node.extend(nodes)
    return shape_inference.infer_shapes(model)

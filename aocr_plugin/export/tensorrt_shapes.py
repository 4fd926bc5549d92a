"""Whether a graph's shapes are known before it runs, and what TensorRT wants of its operators.

``tensorrt_support`` looks operators and types up in the table of TensorRT's parser. Here is what
the table's last column adds for the operators of our exports (as of TensorRT 10.1), and a walk over
every shape: its sizes are whole numbers, or formulas of the input's named dimensions such as
``ceiling(width/2)``.
"""

import logging
import re
from typing import Any

from aocr_plugin.errors import ExportError

AXES = frozenset({"batch", "width"})
"""Dimensions of the input that may be open."""

_CONTROL = ("Loop", "If", "Scan", "SequenceMap")
_CONSTANT_INPUT = {  # which input has to be a constant
    **dict.fromkeys(("ReduceSum", "Squeeze", "Unsqueeze"), 1),
    **dict.fromkeys(("Pad", "Slice"), 3),
}
_FUNCTIONS = {"ceiling", "floor", "Max", "Min", "Mod"}


def check(model: Any, axes: frozenset[str] = AXES) -> None:
    """Checks an ONNX model.

    Args:
        model: to check; its shapes are inferred anew.
        axes: dimensions of the input that may be open.

    Raises:
        ExportError: a node branches, breaks one of TensorRT's rules, or has an output whose shape
            is not known before it runs.
    """
    if model.functions:
        raise ExportError(f"function {model.functions[0].name}: TensorRT is given plain nodes only")
    constants = {tensor.name for tensor in model.graph.initializer}
    for node in model.graph.node:
        where = f"{node.name or node.output[0]} ({node.op_type})"
        graphs = any(attribute.HasField("g") or attribute.graphs for attribute in node.attribute)
        if node.domain not in ("", "ai.onnx"):
            raise ExportError(f"{where}: an operator of '{node.domain}', not of ONNX's own")
        if node.op_type in _CONTROL or graphs:
            raise ExportError(f"{where}: control flow; an export has a fixed number of steps")
        _check_rules(node, where, constants)
        if node.op_type == "Constant":
            constants.update(node.output)
    _check_shapes(model, axes)


def _check_rules(node: Any, where: str, constants: set[str]) -> None:
    """Checks the restrictions that TensorRT's list has for an operator."""
    given = {attribute.name: attribute for attribute in node.attribute}
    place = _CONSTANT_INPUT.get(node.op_type)
    if place is not None and len(node.input) > place:
        name = node.input[place]
        if name and name not in constants:
            raise ExportError(f"{where}: its axes, {name}, are no constant")
    if node.op_type in ("LSTM", "GRU"):
        listed = given["activations"].strings if "activations" in given else []
        kinds = [kind.decode() for kind in listed]
        half = len(kinds) // 2
        if _text(given, "direction") == "bidirectional" and kinds[:half] != kinds[half:]:
            raise ExportError(f"{where}: its directions have different activations, {kinds}")
        for name in ("input_forget", "layout"):
            if name in given and given[name].i:
                raise ExportError(f"{where}: {name} is {given[name].i}, not 0")
    if node.op_type == "MaxPool":
        if len(node.output) > 1 or any(size != 1 for size in _numbers(given, "dilations")):
            raise ExportError(f"{where}: it gives indices, or is dilated")
        if len(_numbers(given, "kernel_shape")) not in (2, 3):
            raise ExportError(f"{where}: it is over neither 2 nor 3 dimensions")


def _text(given: dict[str, Any], name: str) -> str:
    return str(given[name].s.decode()) if name in given else ""


def _numbers(given: dict[str, Any], name: str) -> list[int]:
    return list(given[name].ints) if name in given else []


def _check_shapes(model: Any, axes: frozenset[str]) -> None:
    """Checks every tensor's shape, as ONNX Runtime's symbolic inference finds it."""
    from onnxruntime.tools.symbolic_shape_infer import SymbolicShapeInference

    bare = type(model)()
    bare.CopyFrom(model)
    del bare.graph.value_info[:]
    log = logging.getLogger("onnxruntime.tools.symbolic_shape_infer")
    level = log.level
    log.setLevel(logging.CRITICAL)
    try:
        inferred = SymbolicShapeInference.infer_shapes(bare)
    except Exception as error:
        raise ExportError(f"shapes cannot be inferred{_first(bare)}: {error}") from error
    finally:
        log.setLevel(level)
    graph = inferred.graph
    found = {value.name: value.type for value in [*graph.input, *graph.value_info, *graph.output]}
    for value in graph.input:
        _check_shape(value.name, f"input {value.name}", value.type, axes)
    for node in graph.node:
        for name in node.output:
            if name:
                where = f"{node.name or node.output[0]} ({node.op_type})"
                _check_shape(name, where, found.get(name), axes)


def _first(model: Any) -> str:
    """Returns words for the first node that ONNX's own inference finds no shape for, or none."""
    import onnx

    found = onnx.shape_inference.infer_shapes(model).graph
    known = {value.name for value in found.value_info if value.type.tensor_type.HasField("shape")}
    last = {value.name for value in found.output}
    unknown = (node for node in found.node if not known.union(last).issuperset(node.output))
    node = next(unknown, None)
    return "" if node is None else f" at {node.name or node.output[0]} ({node.op_type})"


def _check_shape(name: str, where: str, kind: Any, axes: frozenset[str]) -> None:
    if kind is None or not kind.HasField("tensor_type") or not kind.tensor_type.HasField("shape"):
        raise ExportError(f"{where}: the shape of {name} is not known before it runs")
    for dim in kind.tensor_type.shape.dim:
        names = set(re.findall(r"[A-Za-z_]\w*", dim.dim_param)) - _FUNCTIONS
        if dim.WhichOneof("value") is None or not names <= axes:
            size = f"'{dim.dim_param}'" if dim.dim_param else "nothing"
            raise ExportError(
                f"{where}: a dimension of {name} is {size}, which does not follow from "
                f"{' and '.join(sorted(axes)) or 'fixed sizes'}"
            )

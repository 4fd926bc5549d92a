"""What TensorRT's ONNX parser takes, and whether a graph keeps to it.

The table is of the operators that our exports use, as onnx-tensorrt's ``docs/operators.md`` lists
them for TensorRT 8.5, the first that takes opset 17 (commit 6d0ab7b, Apache-2.0); later versions
take more. INT64 is taken there where INT32 is, cast down.
"""

from typing import Any

from aocr_plugin.errors import ExportError

OPSET = 17
_FLOATS = "FLOAT FLOAT16"
_ALL = "FLOAT FLOAT16 INT32 INT8 BOOL"
OPERATORS: dict[str, frozenset[str]] = {
    name: frozenset(types.split())
    for names, types in (
        ("ArgMax Div GRU LSTM MatMul ReduceSum Softmax", _FLOATS),
        ("Conv Gemm MaxPool Relu Sigmoid Tanh", f"{_FLOATS} INT8"),
        ("Add Greater Less Mul Sub", f"{_FLOATS} INT32"),
        ("Pad", f"{_FLOATS} INT8 INT32"),
        ("Where", f"{_FLOATS} INT32 BOOL"),
        ("Expand", f"{_FLOATS} INT32 BOOL"),
        ("Cast Concat Gather Identity Reshape Shape Slice Squeeze Transpose Unsqueeze", _ALL),
        ("ConstantOfShape", "FLOAT"),
    )
    for name in names.split()
}
_INTEGER_ARGUMENTS = {  # shapes, axes, indexes: constants or shapes, not data
    *("ConstantOfShape", "Expand", "Pad", "ReduceSum", "Reshape", "Slice", "Squeeze", "Unsqueeze")
}
_INDEX_OUTPUT = {"ArgMax"}
_COMPARES = {"Greater", "Less"}


def check(model: Any) -> None:
    """Checks an ONNX model against the table.

    Args:
        model: to check; its shapes are inferred anew.

    Raises:
        ExportError: an operator, type, shape or opset that TensorRT is not listed to take.
    """
    import onnx

    for opset in model.opset_import:
        if opset.domain not in ("", "ai.onnx") or opset.version > OPSET:
            raise ExportError(
                f"operators of '{opset.domain or 'ai.onnx'}' {opset.version}; TensorRT is listed "
                f"to take ONNX's own up to {OPSET}"
            )
    model = onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)
    graph = model.graph
    types = {tensor.name: tensor.data_type for tensor in graph.initializer}
    free = {d.dim_param for v in graph.input for d in v.type.tensor_type.shape.dim if d.dim_param}
    for value in [*graph.input, *graph.output, *graph.value_info]:
        tensor = value.type.tensor_type
        types[value.name] = tensor.elem_type
        if not tensor.HasField("shape"):
            raise ExportError(f"{value.name}: its shape cannot be inferred")
    for node in graph.node:
        _check_node(onnx, node, types)
    for value in graph.input:
        sizes = [d.dim_param or d.dim_value for d in value.type.tensor_type.shape.dim]
        if any(not size for size in sizes) or not free <= {"batch", "width"}:
            raise ExportError(f"{value.name}: its shape {sizes} has an unnamed dimension")


def _check_node(onnx: Any, node: Any, types: dict[str, int]) -> None:
    where = f"{node.name or node.output[0]} ({node.op_type})"
    listed = OPERATORS.get(node.op_type)
    if listed is None or node.domain not in ("", "ai.onnx"):
        raise ExportError(f"{where}: not among the operators that TensorRT is listed to take here")
    data = list(node.input[:1] if node.op_type in _INTEGER_ARGUMENTS else node.input)
    if node.op_type == "Where":
        data = data[1:]
    if node.op_type == "Gather":
        data = data[:1]
    if node.op_type == "ConstantOfShape":
        data = []
    results = [] if node.op_type in (*_INDEX_OUTPUT, *_COMPARES, "Shape") else list(node.output)
    for name in [*data, *results]:
        if not name:
            continue
        if name not in types:
            raise ExportError(f"{where}: the type of {name} cannot be inferred")
        kind = onnx.TensorProto.DataType.Name(types[name])
        if (kind if kind != "INT64" else "INT32") not in listed:
            raise ExportError(f"{where}: {name} is {kind}, which TensorRT is not listed to take")

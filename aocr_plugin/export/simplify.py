"""Takes zero states and sums of constants out of a graph that PyTorch's exporter wrote."""

from typing import Any


def simplify(model: Any) -> None:
    """Simplifies an ONNX model in place; what it computes stays the same."""
    _start_at_zero(model)
    _fold_constants(model)
    _drop_unused(model)


def _start_at_zero(model: Any) -> None:
    """Takes the first states out of recurrent operators: zeros, which are what they take anyway."""
    for node in model.graph.node:
        if node.op_type in ("LSTM", "GRU"):
            del node.input[5:]


def _fold_constants(model: Any) -> None:
    """Computes what depends on nothing but constants, such as the amounts of a padding."""
    import onnx
    from onnx.reference import ReferenceEvaluator

    known = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    weights = set(known)
    kept = []
    for node in model.graph.node:
        if not all(name in known for name in node.input if name):
            kept.append(node)
            continue
        graph = onnx.helper.make_graph(
            [node],
            "constant",
            [],
            [onnx.helper.make_empty_tensor_value_info(name) for name in node.output],
            [onnx.numpy_helper.from_array(known[name], name) for name in set(node.input) if name],
        )
        single = onnx.helper.make_model(graph, opset_imports=list(model.opset_import))
        for name, value in zip(node.output, ReferenceEvaluator(single).run(None, {}), strict=True):
            known[name] = value
    del model.graph.node[:]
    model.graph.node.extend(kept)
    for name, value in known.items():
        if name not in weights:
            model.graph.initializer.append(onnx.numpy_helper.from_array(value, name))


def _drop_unused(model: Any) -> None:
    wanted = {value.name for value in model.graph.output}
    kept = []
    for node in reversed(model.graph.node):
        if wanted.intersection(node.output):
            kept.append(node)
            wanted.update(node.input)
    del model.graph.node[:]
    model.graph.node.extend(reversed(kept))
    tensors = [tensor for tensor in model.graph.initializer if tensor.name in wanted]
    del model.graph.initializer[:]
    model.graph.initializer.extend(tensors)

"""Writes ONNX graphs as one writes NumPy: operators on values become nodes."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

BOOL, FLOAT, DOUBLE = TensorProto.BOOL, TensorProto.FLOAT, TensorProto.DOUBLE
INT64, UINT8, STRING = TensorProto.INT64, TensorProto.UINT8, TensorProto.STRING

Operand = Any
"""A value, or a number, list or array that becomes a constant: whole numbers int64."""


class Value:
    """A tensor of a graph; what operators add goes to that graph."""

    def __init__(self, nodes: "Nodes", name: str) -> None:
        self.nodes, self.name = nodes, name

    def __add__(self, other: Operand) -> "Value":
        return self.nodes.op("Add", self, other)

    def __sub__(self, other: Operand) -> "Value":
        return self.nodes.op("Sub", self, other)

    def __mul__(self, other: Operand) -> "Value":
        return self.nodes.op("Mul", self, other)

    def __floordiv__(self, other: Operand) -> "Value":
        return self.nodes.op("Div", self, other)  # of whole numbers from 0 on

    def __mod__(self, other: Operand) -> "Value":
        return self.nodes.op("Mod", self, other)

    def __lt__(self, other: Operand) -> "Value":
        return self.nodes.op("Less", self, other)

    def __le__(self, other: Operand) -> "Value":
        return self.nodes.op("LessOrEqual", self, other)

    def __gt__(self, other: Operand) -> "Value":
        return self.nodes.op("Greater", self, other)

    def __and__(self, other: Operand) -> "Value":
        return self.nodes.op("And", self, other)

    def __or__(self, other: Operand) -> "Value":
        return self.nodes.op("Or", self, other)

    def __invert__(self) -> "Value":
        return self.nodes.op("Not", self)

    def equals(self, other: Operand) -> "Value":
        """Compares element by element."""
        return self.nodes.op("Equal", self, other)

    def take(self, index: Operand, **attributes: Any) -> "Value":
        """Gathers along the first axis, or the ``axis`` given."""
        return self.nodes.op("Gather", self, index, **attributes)

    def cast(self, kind: int) -> "Value":
        """Changes the type."""
        return self.nodes.op("Cast", self, to=kind)

    def total(self, axis: int | None = None) -> "Value":
        """Adds all elements up, or those along an axis."""
        return self.nodes.op("ReduceSum", self, *[[axis]] * (axis is not None), keepdims=0)

    def every(self) -> "Value":
        """Whether all elements are true."""
        return self.nodes.op("ReduceMin", self.cast(INT64), keepdims=0).cast(BOOL)

    def length(self) -> "Value":
        """Returns the size of the first axis."""
        return self.nodes.op("Shape", self).take(0)


class Nodes:
    """A graph, or the body of a loop or branch, which may use the values around it.

    Args:
        prefix: of all its names; no two graphs in a file may share it.
    """

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self.list: list[onnx.NodeProto] = []
        self.inputs: list[onnx.ValueInfoProto] = []
        self._constants: dict[tuple[str, tuple[int, ...], bytes], Value] = {}
        self._count = 0

    def _name(self) -> str:
        self._count += 1
        return f"{self.prefix}{self._count}"

    def input(self, name: str, kind: int, shape: Sequence[str | int] | None) -> Value:
        """Adds an input; a ``shape`` of None is a sequence of tensors of any shape."""
        full = self.prefix + name
        make = helper.make_tensor_value_info
        if shape is None:
            self.inputs.append(helper.make_tensor_sequence_value_info(full, kind, None))
        else:
            self.inputs.append(make(full, kind, shape))
        return Value(self, full)

    def use(self, value: Value) -> Value:
        """Returns a value of a graph around this one, to go on with here."""
        return Value(self, value.name)

    def constant(self, what: Operand) -> Value:
        """Returns a constant, the same one for the same content."""
        array = np.asarray(what)
        if array.dtype.kind in "US":
            texts = [str(text).encode() for text in array.reshape(-1)]
            tensor = helper.make_tensor("", STRING, array.shape, texts)
        else:
            tensor = numpy_helper.from_array(array)
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self._constants:
            self._constants[key] = self.op("Constant", value=tensor)
        return self._constants[key]

    def op(self, kind: str, *inputs: Operand, **attributes: Any) -> Value:
        """Adds a node of one output; ``domain`` and ``name`` may be among the attributes."""
        return self.ops(kind, *inputs, count=1, **attributes)[0]

    def ops(self, kind: str, *inputs: Operand, count: int, **attributes: Any) -> list[Value]:
        """Adds a node of several outputs."""
        names = [
            (value if isinstance(value, Value) else self.constant(value)).name for value in inputs
        ]
        outputs = [self._name() for _ in range(count)]
        attributes.setdefault("name", outputs[0])
        self.list.append(helper.make_node(kind, names, outputs, **attributes))
        return [Value(self, name) for name in outputs]

    def call(self, model: onnx.ModelProto, inputs: dict[str, Value]) -> dict[str, Value]:
        """Adds a whole model, whose names get this graph's prefix.

        Args:
            model: with initializers, without names that start with the prefix.
            inputs: a value for each input that the model uses.

        Returns:
            Its outputs by name.
        """
        prefix = self._name() + "/"
        copied = onnx.compose.add_prefix(model, prefix)
        renamed = {prefix + name: value.name for name, value in inputs.items()}
        for initializer in copied.graph.initializer:
            self.list.append(
                helper.make_node("Constant", [], [initializer.name], value=initializer)
            )
        for node in copied.graph.node:
            node.input[:] = [renamed.get(name, name) for name in node.input]
            self.list.append(node)
        return {value.name: Value(self, prefix + value.name) for value in model.graph.output}

    def graph(self, outputs: Sequence[tuple[str, Value, int, Any]]) -> onnx.GraphProto:
        """Returns the graph.

        Args:
            outputs: name, value, type and shape; a shape of None is a sequence.
        """
        described = []
        for name, value, kind, shape in outputs:
            full = self.prefix + name
            self.list.append(helper.make_node("Identity", [value.name], [full]))
            if shape is None:
                described.append(helper.make_tensor_sequence_value_info(full, kind, None))
            else:
                described.append(helper.make_tensor_value_info(full, kind, shape))
        return helper.make_graph(self.list, self.prefix or "graph", self.inputs, described)

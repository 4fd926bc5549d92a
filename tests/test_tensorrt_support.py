"""Shapes of our graphs are known before they run; no rule of TensorRT's parser is broken."""

import re

import pytest
from exported import kinds, write
from onnx import TensorProto, helper
from onnx.helper import make_node, make_tensor_value_info

from aocr_plugin.errors import ExportError
from aocr_plugin.export import (
    gpu_check,
    onnx_graph,
    quantization,
    sample_images,
    tensorrt_engine,
    tensorrt_shapes,
    tensorrt_support,
)
from aocr_plugin.inference.pytorch_engine import PyTorchEngine

KINDS = sorted(kinds())


@pytest.fixture(scope="module", params=KINDS)
def engine(request, tmp_path_factory):
    path = tmp_path_factory.mktemp(request.param) / "a.pth"
    return PyTorchEngine(write(request.param, path), device="cpu")


def test_every_shape_is_known(engine):
    model = onnx_graph.graph(engine, None, None)
    tensorrt_shapes.check(model)
    tensorrt_support.check(model)
    with pytest.raises(ExportError, match="a dimension of input is 'width', which does not"):
        tensorrt_shapes.check(model, frozenset({"batch"}))


@pytest.mark.parametrize("kind", ["masked", "original"])
def test_every_size_of_a_static_export_is_a_number(kind, tmp_path):
    engine = PyTorchEngine(write(kind, tmp_path / "a.pth"), device="cpu")
    model = onnx_graph.graph(engine, 160, 1)
    tensorrt_shapes.check(model, frozenset())
    tensorrt_support.check(model)


@pytest.mark.parametrize("convert", [quantization.float16, tensorrt_engine.half])
def test_half_precision(convert, tmp_path):
    engine = PyTorchEngine(write("masked_gru", tmp_path / "a.pth"), device="cpu")
    model = convert(onnx_graph.graph(engine, None, None))
    tensorrt_shapes.check(model)
    tensorrt_support.check(model)
    (gru, *_) = [node for node in model.graph.node if node.op_type == "GRU"]
    types = {tensor.name: tensor.data_type for tensor in model.graph.initializer}
    whole = convert is tensorrt_engine.half
    assert types[gru.input[1]] == (TensorProto.FLOAT16 if whole else TensorProto.FLOAT)


@pytest.mark.parametrize("kind", ["masked_gru", "original"])
def test_all_in_half_precision_reads_the_same(kind, tmp_path, monkeypatch):
    """In PyTorch: what TensorRT is given for float16 is run by no runtime on a CPU."""
    made = sample_images.word_images()[::4]
    monkeypatch.setattr(sample_images, "word_images", lambda: made)
    monkeypatch.setattr(gpu_check, "TIMED_BATCHES", ())
    path = write(kind, tmp_path / "a.pth")
    (done,) = gpu_check.check(
        path, "pytorch", precisions=["fp16"], device="cpu", report=lambda line: None
    )
    assert 0 < done.agreement.worst < 2e-2 and done.agreement.images == 6


def graph(nodes, inputs=(), kind=TensorProto.FLOAT, out=("batch", 4), functions=()):
    """Returns a model of a few nodes from x [batch, 4] to y."""
    values = [make_tensor_value_info("x", kind, ("batch", 4))]
    values += [make_tensor_value_info(*one) for one in inputs]
    y = make_tensor_value_info("y", TensorProto.FLOAT, out)
    opsets = [helper.make_opsetid("", 17)]
    if functions or any(node.domain for node in nodes):
        opsets.append(helper.make_opsetid("my", 1))
    body = helper.make_graph(nodes, "g", values, [y])
    return helper.make_model(body, opset_imports=opsets, functions=functions)


def loop():
    """Returns nodes with a Loop."""
    step = helper.make_graph(
        [make_node("Identity", ["c"], ["d"]), make_node("Relu", ["s"], ["t"])],
        "step",
        [
            make_tensor_value_info("i", TensorProto.INT64, ()),
            make_tensor_value_info("c", TensorProto.BOOL, ()),
            make_tensor_value_info("s", TensorProto.FLOAT, ("batch", 4)),
        ],
        [
            make_tensor_value_info("d", TensorProto.BOOL, ()),
            make_tensor_value_info("t", TensorProto.FLOAT, ("batch", 4)),
        ],
    )
    times = helper.make_tensor("n", TensorProto.INT64, (), [3])
    return [
        make_node("Constant", [], ["n"], value=times),
        make_node("Loop", ["n", "", "x"], ["y"], name="steps", body=step),
    ]


def constant(name, values):
    tensor = helper.make_tensor(name, TensorProto.INT64, [len(values)], values)
    return make_node("Constant", [], [name], value=tensor)


def recurrent(**attributes):
    return [make_node("LSTM", ["x", "w", "r"], ["y"], name="l", hidden_size=2, **attributes)]


LONG, REAL = TensorProto.INT64, TensorProto.FLOAT
FUNCTION = helper.make_function("my", "F", ["a"], ["b"], [make_node("Relu", ["a"], ["b"])], [])


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (graph(loop()), "steps (Loop): control flow; an export has a fixed number of steps"),
        (graph([], functions=[FUNCTION]), "function F: TensorRT is given plain nodes only"),
        (
            graph([make_node("ReduceSum", ["x", "a"], ["y"])], [("a", LONG, (1,))]),
            "y (ReduceSum): its axes, a, are no constant",
        ),
        (
            graph([make_node("Slice", ["x", "a", "a", "a"], ["y"])], [("a", LONG, (1,))]),
            "y (Slice): its axes, a, are no constant",
        ),
        (
            graph(recurrent(direction="bidirectional", activations=list("abcdef"))),
            "l (LSTM): its directions have different activations, ['a', 'b', 'c', 'd', 'e', 'f']",
        ),
        (graph(recurrent(layout=1)), "l (LSTM): layout is 1, not 0"),
        (graph(recurrent(input_forget=1)), "l (LSTM): input_forget is 1, not 0"),
        (
            graph([make_node("MaxPool", ["x"], ["y", "i"], kernel_shape=[2, 2])]),
            "y (MaxPool): it gives indices, or is dilated",
        ),
        (
            graph([make_node("MaxPool", ["x"], ["y"], kernel_shape=[2])]),
            "y (MaxPool): it is over neither 2 nor 3 dimensions",
        ),
        (
            graph(
                [
                    make_node("NonZero", ["x"], ["n"], name="which"),
                    make_node("Cast", ["n"], ["y"], to=REAL),
                ],
                out=(2, "found"),
            ),
            "which (NonZero): a dimension of n is 'NonZero_0_o0__d1', which does not",
        ),
        (
            graph([make_node("Reshape", ["x", "s"], ["y"])], [("s", LONG, (2,))], out=("a", "b")),
            "y (Reshape): a dimension of y is",
        ),
        (
            graph([make_node("Odd", ["x"], ["y"], domain="my", name="odd")]),
            "odd (Odd): an operator of 'my', not of ONNX's own",
        ),
    ],
)
def test_what_is_not_known_is_named(model, words):
    with pytest.raises(ExportError, match=re.escape(words)):
        tensorrt_shapes.check(model)


def test_constants_may_be_nodes():
    nodes = [constant("a", [1]), make_node("ReduceSum", ["x", "a"], ["y"])]
    tensorrt_shapes.check(graph(nodes, out=("batch", 1)))


def test_a_string_is_refused_and_a_broken_graph_named():
    text = graph([make_node("Cast", ["x"], ["y"], to=REAL)], kind=TensorProto.STRING)
    with pytest.raises(ExportError, match="x is STRING, which TensorRT is not listed to take"):
        tensorrt_support.check(text)
    bad = graph([make_node("MatMul", ["x", "x"], ["y"])])
    bad.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 3
    with pytest.raises(ExportError, match="shapes cannot be inferred"):
        tensorrt_shapes.check(bad)

"""An ONNX graph around a network: image files' bytes in, texts and probabilities out.

ONNX's strings are UTF-8, and ONNX Runtime cuts bytes that are not off at the first zero. So a
file's bytes come as the 256 first characters of Unicode (``data.decode("latin-1")``), or in base64.
N images, C channels, W pixels, L steps, V symbols.
"""

from typing import Any

import numpy as np
import onnx

from aocr_plugin.export import jpeg_check, pixel_graph
from aocr_plugin.export.onnx_nodes import (
    BOOL,
    DOUBLE,
    FLOAT,
    INT64,
    STRING,
    UINT8,
    Nodes,
    Value,
)
from aocr_plugin.runtime.model_info import ModelInfo

OPSET, IR = 17, 8
MOST_PIXELS = 50_000_000
DOMAINS = {
    "": OPSET,
    "ai.onnx.ml": 3,
    "com.microsoft": 1,  # Tokenizer
    "ai.onnx.contrib": 1,  # StringJoin
    "com.microsoft.extensions": 1,  # DecodeImage
}
REFUSALS = (
    "neither a PNG nor a JPEG file, as Latin-1 or base64",
    "a PNG that is interlaced or has more than 50 million pixels",
    "a JPEG that is cut off, damaged, progressive, CMYK or has more than 50 million pixels",
)
"""Names of the nodes that fail a call; the index that they complain of is the image's, from 1."""

_PNG = (0x89, *b"PNG\r\n\x1a\n")
_SIX = np.full(256, 64, np.int64)
_SIX[list(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")] = range(64)


def _refuse_unless(value: Value, fine: Value, number: Value, why: str) -> Value:
    """Returns ``value`` by way of a node that fails where it is not fine, and says why."""
    n = value.nodes
    zero = n.op("Gather", np.zeros(1, np.int64), n.op("Where", fine, 0, number), name=why)
    return value + zero


def _from_base64(outer: Nodes, characters: Value) -> onnx.GraphProto:
    """Returns a branch: from base64's characters, int64, to bytes, int64; -1 where it is none."""
    n = Nodes(f"{outer.prefix}base64/")
    characters = n.use(characters)
    ends = characters.equals(ord("="))
    six = n.constant(_SIX).take(n.op("Where", ends, ord("A"), n.op("Max", characters, 0)))
    size = n.op("Shape", characters)
    whole = n.op("Reshape", n.op("Slice", six, [0], size // 4 * 4), [-1, 4])
    words = n.op("ReduceSum", whole * [1 << 18, 1 << 12, 1 << 6, 1], [1], keepdims=1)
    data = n.op("Reshape", words // [1 << 16, 1 << 8, 1] % 256, [-1])
    data = n.op("Slice", data, [0], size // 4 * 3 - n.op("Reshape", ends.cast(INT64).total(), [1]))
    wrong = ~(six < 64).every() | (size % 4 > 0)
    data = n.op("Where", wrong, -1, data)
    return n.graph([("bytes", data, INT64, [None])])


def _bytes(n: Nodes, text: Value, number: Value, gray: bool) -> tuple[Value, Value]:
    """Returns a file's bytes, uint8, and whether it is a PNG, of its string [1]."""
    keys = [chr(code) for code in range(256)]
    characters = n.op(
        "Tokenizer",
        text,
        domain="com.microsoft",
        mark=0,
        mincharnum=1,
        pad_value="",
        separators=[""],
    )
    codes = n.op(
        "LabelEncoder",
        characters,
        domain="ai.onnx.ml",
        keys_strings=keys,
        values_int64s=list(range(256)),
        default_int64=-1,
    )
    codes = n.op("Reshape", codes, [-1])
    behind = np.zeros(jpeg_check.PADDING, np.int64)
    first = n.op("Concat", codes, behind, axis=0).take(0)
    plain = Nodes(f"{n.prefix}plain/")
    same = plain.graph([("bytes", plain.op("Identity", codes), INT64, [None])])
    in_base64 = first.equals(ord("i")) | first.equals(ord("/"))
    data = n.op("If", in_base64, then_branch=_from_base64(n, codes), else_branch=same)
    length = data.length()
    padded = n.op("Concat", data, behind, axis=0)
    is_png = padded.take(np.arange(8)).equals(np.array(_PNG)).every()
    is_jpeg = padded.take(np.arange(3)).equals(np.array([0xFF, 0xD8, 0xFF])).every()
    known = (is_png | is_jpeg) & (padded.equals(-1).cast(INT64).total() < 1)
    padded = _refuse_unless(padded, known, number, REFUSALS[0])
    wide = n.op("Reshape", padded.take(16 + np.arange(8)), [2, 4]) * [1 << 24, 1 << 16, 256, 1]
    wide = n.op("ReduceSum", wide, [1], keepdims=0)
    small = (wide <= MOST_PIXELS).every() & (wide.take(0) * wide.take(1) <= MOST_PIXELS)
    png_ok = small & padded.take(28).equals(0)
    padded = _refuse_unless(padded, png_ok | ~is_png, number, REFUSALS[1])
    passed, looked = Nodes(f"{n.prefix}png/"), Nodes(f"{n.prefix}jpeg/")
    fine, mended = jpeg_check.check(looked.use(padded), looked.use(length), MOST_PIXELS, gray)
    as_it_is = passed.op("Slice", padded, [0], n.op("Reshape", length, [1]))
    fine, data = n.ops(
        "If",
        is_png,
        count=2,
        then_branch=passed.graph(
            [("fine", passed.constant(True), BOOL, []), ("file", as_it_is, INT64, [None])]
        ),
        else_branch=looked.graph([("fine", fine, BOOL, []), ("file", mended, INT64, [None])]),
    )
    return _refuse_unless(data, fine, number, REFUSALS[2]).cast(UINT8), is_png


def image(n: Nodes, text: Value, number: Value, gray: bool) -> tuple[Value, Value]:
    """Decodes a file.

    Args:
        n: graph to add to.
        text: the file's bytes, string [1].
        number: of the image, for the errors.
        gray: whether no more than a JPEG's gray is wanted.

    Returns:
        Pixels [H, W, 3] BGR, uint8, and whether it was a PNG.
    """
    data, is_png = _bytes(n, text, number, gray)
    return n.op("DecodeImage", data, domain="com.microsoft.extensions"), is_png


def _batch(n: Nodes, texts: Value, info: ModelInfo) -> Value:
    """Returns the network's input [N, C, 32, W] of strings [N]."""
    count, prepare = texts.length(), pixel_graph.Preparation(info)
    body = Nodes("decode/")
    turn = body.input("turn", INT64, [])
    body.input("on", BOOL, [])
    before = body.input("images", FLOAT, None)
    widest = body.input("widest", INT64, [])
    pixels, is_png = image(
        body, body.op("Reshape", body.use(texts).take(turn), [1]), turn + 1, prepare.gray
    )
    preparation = pixel_graph.traced(prepare, OPSET)
    values = {"image": pixels, "size": body.op("Shape", pixels), "is_png": is_png}
    prepared = body.call(preparation, values)["prepared"]
    width = body.op("Shape", prepared).take(2)
    loop = body.graph(
        [
            ("on_out", body.constant(True), BOOL, []),
            ("images_out", body.op("SequenceInsert", before, prepared), FLOAT, None),
            ("widest_out", body.op("Max", widest, width), INT64, []),
        ]
    )
    empty = n.op("SequenceEmpty", dtype=FLOAT)
    images, widest = n.ops("Loop", count, True, empty, 1, count=2, body=loop)
    divisor = info.divisor
    widest = (widest + (divisor - 1)) // divisor * divisor
    body = Nodes("pad/")
    turn = body.input("turn", INT64, [])
    body.input("on", BOOL, [])
    one = body.op("SequenceAt", images, turn)
    missing = body.op("Sub", widest, body.op("Shape", one).take(2))
    pads = body.op("Concat", [0, 0, 0, 0, 0], body.op("Reshape", missing, [1]), axis=0)
    padded = body.op("Pad", one, pads, np.float32(info.padding))
    loop = body.graph(
        [
            ("on_out", body.constant(True), BOOL, []),
            ("padded", padded, FLOAT, [info.channels, None, None]),
        ]
    )
    return n.op("Loop", count, True, body=loop)


def _texts(n: Nodes, probabilities: Value, info: ModelInfo) -> tuple[Value, Value, Value]:
    """Returns texts [N], symbols [N, L] and the best probabilities [N, L]."""
    symbols = n.op("ArgMax", probabilities, axis=2, keepdims=0)
    best = n.op("ReduceMax", probabilities, axes=[2], keepdims=0)
    silent = {*info.silent, info.end}
    table = ["" if index in silent else text for index, text in enumerate(info.symbols)]
    letters = n.constant(np.array([*table, ""], object).astype(str))
    kept = n.op("Where", _before_end(n, symbols, info), symbols, len(table))
    separator, axis = n.constant(np.array([""])), n.constant(np.array([1]))
    joined = n.op("StringJoin", letters.take(kept), separator, axis, domain="ai.onnx.contrib")
    return joined, symbols, best


def _before_end(n: Nodes, symbols: Value, info: ModelInfo) -> Value:
    """Whether a step is one up to and with the first end symbol: [N, L]."""
    ended = symbols.equals(info.end).cast(INT64)
    return n.op("CumSum", ended, 1, exclusive=1) < 1


def _score(n: Nodes, symbols: Value, best: Value, info: ModelInfo, strict: bool) -> Value:
    """Returns word scores [N]; see ``aocr_plugin.scores``."""
    exact = best.cast(DOUBLE)
    if not strict:
        before = _before_end(n, symbols, info)
        exact = n.op("Where", before, exact, np.float64(1.0))
        if info.score == "minimum":
            return n.op("ReduceMin", exact, axes=[1], keepdims=0)
    logarithm = n.op("ReduceSum", n.op("Log", exact), [1], keepdims=0)
    if not strict and info.score == "geometric":
        steps = n.op("ReduceSum", before.cast(DOUBLE), [1], keepdims=0)
        logarithm = n.op("Div", logarithm, steps)
    return n.op("Exp", logarithm)


def build(network: Any, info: ModelInfo, strict: bool) -> tuple[Any, list[str]]:
    """Returns the whole model, and names of its symbols and best probabilities [N, L] of steps.

    Args:
        network: ONNX model of the network: images [N, C, 32, W] in, ``output`` [N, L, V].
        info: what goes with it.
        strict: ``probability`` is the product over all steps; else the score.

    Raises:
        ConfigError: the pipeline has what cannot be in the graph.
    """
    n = Nodes("")
    texts = n.input("input", STRING, ["N"])
    batch = _batch(n, texts, info)
    probabilities = n.call(network, {"input": batch})["output"]
    joined, symbols, best = _texts(n, probabilities, info)
    score = _score(n, symbols, best, info, strict)
    graph = n.graph([("output", joined, STRING, ["N"]), ("probability", score, DOUBLE, ["N"])])
    return _model(graph), [symbols.name, best.name]


def decoder(gray: bool) -> Any:
    """Returns a model that only decodes: string [1] in, ``pixels`` and ``is_png`` out."""
    n = Nodes("")
    pixels, is_png = image(n, n.input("input", STRING, [1]), n.constant(1), gray)
    return _model(
        n.graph([("pixels", pixels, UINT8, [None, None, 3]), ("is_png", is_png, BOOL, [])])
    )


def _model(graph: onnx.GraphProto) -> Any:
    opsets = [onnx.helper.make_opsetid(name, number) for name, number in DOMAINS.items()]
    return onnx.helper.make_model(graph, opset_imports=opsets, ir_version=IR)

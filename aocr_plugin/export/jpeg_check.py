"""Looks through a JPEG file in ONNX operators, before the decoder does.

libjpeg, as onnxruntime-extensions 0.15.2 calls it, ends the whole process at a damaged header and
never returns from a file that is cut off; of a gray file it writes behind its memory. So nothing
reaches it that has not been looked through: one scan of one or three components, of Huffman
tables, 8 bits; that is what cameras, browsers and libraries write unless told otherwise.
Progressive and CMYK files are turned down. A gray file is made one of three components.

K segments: what a marker begins, up to the scan's, and each table inside of one.
"""

import numpy as np

from aocr_plugin.export.onnx_nodes import BOOL, INT64, Nodes, Value

PADDING = 320
"""Zeros wanted behind the file's bytes, so that what is looked at is always there."""

_SKIP, _FRAME, _TABLES, _QUANTA, _INTERVAL, _SCAN, _TABLE = range(1, 8)
_MARKS = np.zeros(256, np.int64)
_MARKS[[*range(0xE0, 0xF0), 0xFE]] = _SKIP
_MARKS[[0xC0, 0xC1]] = _FRAME
_MARKS[[0xC4, 0xDB, 0xDD, 0xDA]] = _TABLES, _QUANTA, _INTERVAL, _SCAN
_STUFFED = np.zeros(256, bool)  # what may follow 0xFF among the coded pixels
_STUFFED[[0x00, *range(0xD0, 0xD8)]] = True
_LONGEST = 65_500  # libjpeg's
_SAMPLING = np.zeros(256, bool)
_SAMPLING[[0x11, 0x12, 0x14, 0x21, 0x22, 0x41, 0x42, 0x24]] = True
_SHARES = 2 ** (16 - np.arange(1, 17))  # of all codes that one of a length takes up
_EACH = np.arange(3)  # component
_THREE = np.array([0, 0, 0, 17, 0, 0, 0, 0, 0, 3, 1, 0, 0, 2, 0, 0, 3, 0, 0])  # frame's, where set
_OF_COLOUR = np.isin(np.arange(19), (15, 18))  # places of the tables of colour
_JFIF = np.array([0xFF, 0xE0, 0, 16, *b"JFIF\0", 1, 1, 0, 0, 1, 0, 1, 0, 0])


def _two(window: Value, place: int) -> Value:
    """Returns the number in two bytes of [..., 20]."""
    return (window.take([place, place + 1], axis=-1) * [256, 1]).total(-1)


def _segments(nodes: Nodes, data: Value, length: Value) -> tuple[Value, Value, Value]:
    """Walks through the segments up to the scan.

    Returns:
        Whether they follow each other to a scan inside of the file, their places [K] and kinds
        [K].
    """
    body = Nodes(f"{nodes.prefix}walk/")
    body.input("turn", INT64, [])
    body.input("on", BOOL, [])
    place, tables_end = body.input("place", INT64, []), body.input("end", INT64, [])
    body.input("fine", BOOL, [])
    window = body.use(data).take(place + np.arange(20))
    in_table = place < tables_end
    marker = window.take(0).equals(0xFF)
    kind = body.op("Where", marker, body.constant(_MARKS).take(window.take(1)), 0)
    kind = body.op("Where", in_table, _TABLE, kind)
    size = _two(window, 2)
    codes = body.op("Slice", window, [1], [17]).total()
    end = place + body.op("Where", in_table, codes + 17, size + 2)
    bound = body.op("Where", in_table, tables_end + 1, body.use(length))
    fine = (kind > 0) & (end < bound) & ((size > 1) | in_table)
    opens = kind.equals(_TABLES)
    loop = body.graph(
        [
            ("on_out", fine & ~kind.equals(_SCAN), BOOL, []),
            ("place_out", body.op("Where", opens, place + 4, end), INT64, []),
            ("end_out", body.op("Where", opens, end, tables_end), INT64, []),
            ("fine_out", fine, BOOL, []),
            ("places", place, INT64, []),
            ("kinds", kind, INT64, []),
        ]
    )
    *_, ended, places, kinds = nodes.ops("Loop", 300, True, 2, 0, True, count=5, body=loop)
    return ended & kinds.take(-1).equals(_SCAN), places, kinds


def _tables(data: Value, length: Value, places: Value, window: Value) -> Value:
    """Whether segments would do as Huffman's tables: [K]."""
    n = data.nodes
    slot = window.take(0, axis=1)
    counts = n.op("Slice", window, [1], [17], [1])
    codes = counts.total(1)
    start = n.op("Unsqueeze", n.op("Min", places + 17, length), [1])
    listed = n.constant(np.arange(256)) < n.op("Unsqueeze", codes, [1])
    symbols = data.take(start + np.arange(256)) * listed.cast(INT64)
    highest = n.op("ReduceMax", symbols, axes=[1], keepdims=0)
    return (
        (slot % 16 < 4)
        & (slot < 32)
        & (codes < 257)
        & ((counts * _SHARES).total(1) < 1 << 16)
        & ((highest < 16) | (slot > 15))
    )


def _frame(window: Value, used: Value, most: int) -> Value:
    """Whether a segment [20] would do as the frame's; ``used`` is of the components."""
    n, size, parts = window.nodes, _two(window, 2), window.take(9)
    sampling = window.take(11 + 3 * _EACH)
    blocks = ((sampling // 16) * (sampling % 16) * used.cast(INT64)).total()
    pixels = _two(window, 5) * _two(window, 7)
    return (
        window.take(4).equals(8)
        & (parts.equals(1) | parts.equals(3))
        & size.equals(parts * 3 + 8)
        & (n.constant(_SAMPLING).take(sampling) | ~used).every()
        & (blocks < 11)
        & (pixels > 0)
        & (pixels <= most)
        & (_two(window, 5) < _LONGEST)
        & (_two(window, 7) < _LONGEST)
    )


def _has(there: Value, wanted: Value, used: Value) -> Value:
    """Whether each number wanted [3] is there [M] where it is used."""
    n = there.nodes
    same = n.op("Unsqueeze", there, [1]).equals(wanted).cast(INT64)
    return (n.op("ReduceMax", same, axes=[0], keepdims=0).cast(BOOL) | ~used).every()


def _mended(
    data: Value, length: Value, frame: Value, frame_at: Value, scan_at: Value, luma: Value
) -> Value:
    """Returns the file such that the decoder gives three channels, alike where ``luma`` is true.

    A quantisation table of zeros makes colour neutral, exactly: what is left is the stored gray.
    A file of one component, of which the decoder would write behind its memory, gets two more
    that have no scan.

    Args:
        data: of the file.
        length: likewise.
        frame: the frame's segment [20].
        frame_at: its place.
        scan_at: the scan's place.
        luma: whether only gray is wanted.
    """
    n = data.nodes
    single = frame.take(9).equals(1)
    mute = single | luma
    table = n.op("Where", frame.take(12).equals(3), 2, 3)
    copied = n.op("Where", single, [*range(13), 13, 11, 15, 16, 11, 18], np.arange(19))
    frame = n.op("Where", single & (n.constant(_THREE) > 0), _THREE, frame.take(copied))
    frame = n.op("Where", mute & _OF_COLOUR, table, frame)
    first, last = n.op("Unsqueeze", frame_at, [0]), n.op("Unsqueeze", scan_at, [0])
    behind = first + n.op("Where", single, 13, 19)
    zeros = n.op("Concat", [0xFF, 0xDB, 0, 67], n.op("Unsqueeze", table, [0]), [0] * 64, axis=0)
    zeros = n.op("Slice", zeros, [0], n.op("Reshape", mute.cast(INT64) * 69, [1]))
    intro = n.op("Slice", _JFIF, [0], n.op("Reshape", single.cast(INT64) * len(_JFIF), [1]))
    rest = n.op("Slice", data, last, n.op("Unsqueeze", length, [0]))
    named = n.op("Range", 0, rest.length(), 1).equals(5) & single
    return n.op(
        "Concat",
        [0xFF, 0xD8],
        intro,
        n.op("Slice", data, [2], first),
        frame,
        n.op("Slice", data, behind, last),
        zeros,
        n.op("Where", named, 1, rest),
        axis=0,
    )


def check(data: Value, length: Value, most: int, gray: bool) -> tuple[Value, Value]:
    """Returns whether a file can be given to the decoder, and the file to give to it.

    Args:
        data: int64 [length + PADDING], the bytes, with zeros behind; it starts with FF D8.
        length: of the file.
        most: pixels.
        gray: whether nothing but the gray that is stored is wanted.
    """
    n = data.nodes
    fine, places, kinds = _segments(n, data, length)
    windows = data.take(n.op("Unsqueeze", places, [1]) + np.arange(20))

    is_table, is_frame = kinds.equals(_TABLE), kinds.equals(_FRAME)
    fine = fine & (_tables(data, length, places, windows) | ~is_table).every()
    sizes = _two(windows, 2)
    fine = fine & (sizes.equals(4) | ~kinds.equals(_INTERVAL)).every()
    is_quanta = kinds.equals(_QUANTA)
    fine = fine & ((sizes < 263) & ((sizes - 2) % 65).equals(0) | ~is_quanta).every()
    count = (sizes - 2) // 65 * is_quanta.cast(INT64)
    start = n.op("Unsqueeze", n.op("Min", places + 4, length), [1])
    quanta = data.take(start + 65 * np.arange(4))
    listed = n.constant(np.arange(4)) < n.op("Unsqueeze", count, [1])
    fine = fine & ((quanta < 4) | ~listed).every()

    fine = fine & is_frame.cast(INT64).total().equals(1)
    frame_at = (places * is_frame.cast(INT64)).total() % length
    frame = data.take(frame_at + np.arange(20))
    used = n.constant(_EACH) < frame.take(9)
    fine = fine & _frame(frame, used, most)
    wanted = frame.take(12 + 3 * _EACH)
    there = n.op("Reshape", n.op("Where", listed, quanta, -1), [-1])
    fine = fine & _has(there, wanted, used)

    scan = windows.take(-1)
    parts = scan.take(4)
    names, tables = scan.take(5 + 2 * _EACH), scan.take(6 + 2 * _EACH)
    slots = n.op("Where", is_table, windows.take(0, axis=1), -1)
    spectrum = scan.take(n.op("Min", parts * 2 + 5, 11) + _EACH)
    after = scan.nodes.op("Unsqueeze", places.take(-1) + sizes.take(-1) + 2, [0])
    fine = (
        fine
        & parts.equals(frame.take(9))
        & sizes.take(-1).equals(parts * 2 + 6)
        & (names.equals(frame.take(10 + 3 * _EACH)) | ~used).every()
        & _has(slots, tables // 16, used)
        & _has(slots, tables % 16 + 16, used)
        & spectrum.equals([0, 63, 0]).every()
    )
    last = n.op("Unsqueeze", length, [0])
    coded, following = (
        n.op("Slice", data, after, last - 2),
        n.op("Slice", data, after + 1, last - 1),
    )
    loose = ~n.constant(_STUFFED).take(following) & coded.equals(0xFF)
    ending = data.take(n.op("Max", length - 2, 0) + np.arange(2)).equals([0xFF, 0xD9])
    fine = fine & loose.cast(INT64).total().equals(0) & ending.every()
    adobe = windows.take(1, axis=1).equals(0xEE).cast(INT64).total() > 0  # may be no YCbCr
    luma = ~adobe & ~frame.take(10).equals(ord("R")) & gray
    return fine, _mended(data, length, frame, frame_at, places.take(-1), luma)

"""One ONNX file, bytes in, text out: ONNX Runtime's answers against PyTorch and OpenCV."""

import base64
import json
import struct
import subprocess
import sys
import zlib

import cv2
import numpy as np
import pytest
from conftest import ROOT
from one_file_models import AREA, encoded, make_checkpoint

pytest.importorskip("onnxruntime_extensions", reason="onnxruntime-extensions is not installed")

from aocr_plugin import Recognizer
from aocr_plugin.errors import CheckpointError, ConfigError, ImageError
from aocr_plugin.export import bytes_graph, onnx_file, onnx_graph
from aocr_plugin.export.one_file import export
from aocr_plugin.export.sample_images import word_images
from aocr_plugin.runtime import bytes_model
from aocr_plugin.runtime.bytes_model import BytesModel


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A checkpoint and its export."""
    folder = tmp_path_factory.mktemp("made")
    checkpoint = make_checkpoint(folder / "own.pth", AREA)
    export(checkpoint, folder / "own.onnx", report=lambda line: None)
    return checkpoint, folder / "own.onnx"


def test_texts_are_those_of_recognizer_whatever_the_batch(made):
    checkpoint, file = made
    files = [data for _, data in word_images(seed=1)]
    expected = Recognizer(checkpoint)(files)
    model = BytesModel(file)
    assert len({prediction.text for prediction in expected}) > 4
    for size in (1, 5, len(files)):
        found = [one for at in range(0, len(files), size) for one in model(files[at : at + size])]
        assert [text for text, _ in found] == [prediction.text for prediction in expected]
        gaps = [abs(s - p.score) for (_, s), p in zip(found, expected, strict=True)]
        assert max(gaps) < 1e-3
    assert model([]) == []


def test_base64_is_taken_too_and_the_file_says_how_it_is_opened(made):
    checkpoint, file = made
    data = [encoded(), encoded("L", "PNG"), encoded("RGB", "PNG", compress_level=0)]
    session = bytes_model.open_session(str(file), "it")
    plain = session.run(None, {"input": [one.decode("latin-1") for one in data]})
    coded = session.run(None, {"input": [base64.b64encode(one).decode() for one in data]})
    assert [value.name for value in session.get_outputs()] == ["output", "probability"]
    assert plain[0].tolist() == coded[0].tolist() and plain[1].tolist() == coded[1].tolist()
    metadata = session.get_modelmeta().custom_metadata_map
    assert metadata["aocr_form"] == "bytes" and json.loads(metadata["aocr"])["steps"] == 10
    space = {"FILE": str(file), "data": data[0]}
    exec(metadata["aocr_how_to_open"], space)  # noqa: S102
    assert space["texts"].tolist() == plain[0].tolist()[:1]
    network = onnx_graph.graph(onnx_file.greedy_engine(checkpoint, print), None, None)
    assert file.stat().st_size < len(network.SerializeToString()) + 150_000


@pytest.mark.slow
def test_the_example_prints_what_is_in_the_images(made, words):
    checkpoint, file = made
    images = sorted((words.parent / "images").glob("*.png"))
    done = subprocess.run(
        [sys.executable, str(ROOT / "examples" / "one_file.py"), str(file), *map(str, images)],
        capture_output=True,
        text=True,
    )
    rows = [line.split("\t") for line in done.stdout.splitlines()]
    expected = Recognizer(checkpoint)(images)
    assert [row[:2] for row in rows] == [[p.source, p.text] for p in expected], done.stderr


def interlaced():
    """Returns a PNG whose pixels come in seven passes."""

    def chunk(kind, data):
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 1))
    end = chunk(b"IDAT", zlib.compress(b"\0\0")) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + header + end


JPEG = encoded()
HUGE = JPEG.replace(b"\x08\x00\x2b\x00\x5b", b"\x08\xf0\x2b\xf0\x5b")
REFUSED = {
    "empty": (b"", "image 2 of 3 is neither a PNG nor a JPEG file"),
    "text": (b"i am no image", "image 2 of 3 is neither a PNG nor a JPEG file"),
    "WebP": (encoded(kind="WEBP"), "image 2 of 3 is neither a PNG nor a JPEG file"),
    "half": (JPEG[: len(JPEG) // 2], "image 2 of 3 is a JPEG that is cut off, damaged"),
    "header": (JPEG[:200] + b"\xff\xd9", "image 2 of 3 is a JPEG that is cut off, damaged"),
    "no tables": (JPEG.replace(b"\xff\xc4", b"\xff\xe4"), "is a JPEG that is cut off, damaged"),
    "huge": (HUGE, "image 2 of 3 is a JPEG .* more than 50 million pixels"),
    "progressive": (encoded(progressive=True), "image 2 of 3 is a JPEG .* progressive"),
    "CMYK": (encoded("CMYK"), "image 2 of 3 is a JPEG .* CMYK"),
    "interlaced": (interlaced(), "image 2 of 3 is a PNG that is interlaced"),
    "half a PNG": (encoded(kind="PNG")[:800], "one of 3 images cannot be decoded"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_the_decoder_would_die_of_fails_the_call_and_the_next_is_answered(made, kind):
    model, (data, message) = BytesModel(made[1]), REFUSED[kind]
    with pytest.raises(ImageError, match=message):
        model([JPEG, data, JPEG])
    assert len(model([JPEG])) == 1


KINDS = [(mode, kind) for mode in ("L", "RGB") for kind in ("PNG", "JPEG")]
EXTRA = [("RGBA", "PNG"), ("LA", "PNG"), ("P", "PNG"), ("1", "PNG")]


@pytest.mark.parametrize(("mode", "kind"), [*KINDS, *EXTRA])
def test_gray_is_opencvs_to_the_bit(mode, kind):
    data = encoded(mode, kind)
    session = bytes_model.open_session(bytes_graph.decoder(True).SerializeToString(), "decoder")
    ((pixels, _),) = [bytes_model.run(session, [data], ["pixels", "is_png"])]
    gray = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE)
    weighted = pixels.astype(int) @ [3737, 19234, 9797] >> 15
    assert np.array_equal(weighted, gray)
    if kind == "JPEG":
        assert np.array_equal(pixels, np.repeat(gray[:, :, None], 3, 2))


def test_what_is_no_such_file_is_named(made, tmp_path, monkeypatch):
    with pytest.raises(CheckpointError, match=r"gone\.onnx: no such file"):
        BytesModel(tmp_path / "gone.onnx")
    (tmp_path / "text.onnx").write_text("no model")
    with pytest.raises(CheckpointError, match=r"text\.onnx: not an ONNX model that can be run"):
        BytesModel(tmp_path / "text.onnx")
    network = onnx_graph.graph(onnx_file.greedy_engine(made[0], print), None, None)
    (tmp_path / "network.onnx").write_bytes(network.SerializeToString())
    with pytest.raises(CheckpointError, match="does not take image files' bytes; write one"):
        BytesModel(tmp_path / "network.onnx")
    with pytest.raises(ConfigError, match="takes image files' bytes and needs no Recognizer"):
        Recognizer(made[1])
    monkeypatch.setitem(sys.modules, "onnxruntime_extensions", None)
    with pytest.raises(ConfigError, match=r"own\.onnx: .* pip install 'aocr-plugin\[bytes\]'"):
        BytesModel(made[1])


def test_it_is_opened_without_pytorch_or_opencv(made):
    code = (
        "import sys; sys.modules |= dict.fromkeys(['torch', 'cv2', 'mmengine', 'mmocr', 'onnx']); "
        "from aocr_plugin.runtime.bytes_model import BytesModel; "
        f"print(BytesModel({str(made[1])!r})([]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout == "[]\n", done.stderr

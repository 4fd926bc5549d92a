import io
import struct
import subprocess
import sys
import zlib

import cv2
import numpy as np
import pytest
from conftest import draw_word
from PIL import Image

from aocr_plugin import images
from aocr_plugin.errors import ImageError
from aocr_plugin.whole_images import chunks, plain_size


def encoded(extension: str) -> bytes:
    rng = np.random.default_rng(0)
    noisy = np.clip(draw_word("NOISE").astype(int) + rng.integers(-30, 30, (40, 110)), 0, 255)
    return cv2.imencode(extension, noisy.astype(np.uint8))[1].tobytes()


@pytest.mark.parametrize("extension", [".png", ".jpg", ".bmp", ".webp"])
def test_whole_images_give_their_size(extension):
    assert images.check_bytes(encoded(extension), "x") == (110, 40)


@pytest.mark.parametrize("extension", [".png", ".jpg"])
def test_truncated_images_are_found_whether_opencv_takes_them_or_not(extension):
    data = encoded(extension)
    with pytest.raises(ImageError, match=r"cut: .*truncated"):
        images.check_bytes(data[: len(data) * 2 // 3], "cut")


PROGRESSIVE = [cv2.IMWRITE_JPEG_PROGRESSIVE, 1, cv2.IMWRITE_JPEG_RST_INTERVAL, 2]


@pytest.mark.parametrize("extension, options", [(".png", []), (".jpg", []), (".jpg", PROGRESSIVE)])
def test_no_file_that_is_cut_off_plainly_has_a_size(extension, options):
    data = cv2.imencode(extension, draw_word("NOISE"), options)[1].tobytes()
    size = draw_word("NOISE").shape[::-1]
    assert plain_size(data) == plain_size(data + b"more") == size
    whole = [cut for cut in range(len(data)) if plain_size(data[:cut])]
    assert whole == []


def test_an_odd_jpeg_file_is_looked_at_twice():
    data = encoded(".jpg")
    filled = data[:2] + b"\xff\xff" + data[2:]
    assert not plain_size(filled)
    assert images.check_bytes(filled, "x") == (110, 40)
    start = data.index(b"\xff\xda")
    scan = data[start : start + 2 + int.from_bytes(data[start + 2 : start + 4], "big")]
    assert not plain_size(data[:-200] + scan + data[-200:])
    assert not plain_size(data[:2] + b"\xff\xfe\x00\x02" * 1000 + data[2:])
    middle = len(data) * 2 // 3
    assert not plain_size(data[:middle] + b"\xff\x02" + data[middle:])


@pytest.mark.parametrize("extension", [".png", ".jpg"])
def test_whole_files_are_decoded_once(extension, monkeypatch):
    monkeypatch.setattr("PIL.Image.open", lambda *_, **__: pytest.fail("by Pillow"))
    assert images.check_bytes(encoded(extension), "x") == (110, 40)
    assert images.decode(encoded(extension), "x", "grayscale").shape == (40, 110)


@pytest.mark.parametrize("extension", [".png", ".jpg"])
def test_an_image_of_too_many_pixels_is_not_decoded(extension, monkeypatch):
    monkeypatch.setattr("PIL.Image.MAX_IMAGE_PIXELS", 2000)
    monkeypatch.setattr("cv2.imdecode", lambda *_: pytest.fail("decoded"))
    with pytest.raises(ImageError, match=r"x: .*exceeds limit of 4000 pixels"):
        images.decode(encoded(extension), "x")


def test_a_png_file_with_a_wrong_checksum_is_looked_at_twice():
    data = encoded(".png")
    wrong = data[:-14] + bytes([data[-14] ^ 1]) + data[-13:]
    assert not plain_size(wrong)
    with pytest.raises(ImageError, match=r"^x: "):
        images.check_bytes(wrong, "x")


def animated(change=lambda idat: idat, size=(110, 40)):
    """An animated PNG of two frames whose first one's compressed bytes are changed."""
    frames = [Image.fromarray(draw_word(text)) for text in ("NOISE", "OTHER")]
    file = io.BytesIO()
    frames[0].save(file, "PNG", save_all=True, append_images=frames[1:])
    data = file.getvalue()
    out = [data[:8]]
    for name, start, end in chunks(data):
        body = data[start + 8 : end - 4]
        if name == b"IDAT":
            body = change(body)
        if name == b"IHDR":
            body = struct.pack(">II", *size) + body[8:]
        sized = struct.pack(">I", len(body)) + name + body
        out.append(sized + struct.pack(">I", zlib.crc32(name + body)))
    return b"".join(out)


BROKEN_ANIMATIONS = {
    "bytes missing": dict(change=lambda idat: idat[: len(idat) // 2] + idat[len(idat) // 2 + 8 :]),
    "bytes changed": dict(change=lambda idat: idat[:40] + bytes(8) + idat[48:]),
    "another size": dict(size=(126, 40)),
}


@pytest.mark.parametrize("broken", BROKEN_ANIMATIONS.values(), ids=BROKEN_ANIMATIONS)
def test_broken_animations_are_refused_and_crash_nothing(broken, tmp_path):
    (tmp_path / "x.png").write_bytes(animated(**broken))
    code = "import sys; from aocr_plugin import images; images.check_file(sys.argv[1])"
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "x.png")], capture_output=True, text=True
    )
    assert done.returncode == 1 and "ImageError" in done.stderr


def test_of_an_animation_the_still_image_is_read():
    pixels = images.decode(animated(), "x", "grayscale")
    assert np.array_equal(pixels, draw_word("NOISE"))


def test_header_level_does_not_decode():
    data = encoded(".png")
    assert images.check_bytes(data[: len(data) // 2], "x", level="header") == (110, 40)


@pytest.mark.parametrize("data", [b"", b"hello, I am a text file", b"\x89PNG\r\n\x1a\n"])
def test_what_is_no_image_is_named(data):
    with pytest.raises(ImageError, match=r"^fake.png: "):
        images.check_bytes(data, "fake.png")


def test_many_files_keep_their_order(tmp_path):
    good, bad = tmp_path / "a.png", tmp_path / "b.png"
    good.write_bytes(encoded(".png"))
    bad.write_text("text")
    results = list(images.check_files([str(bad), str(good), str(tmp_path / "c.png")]))
    assert isinstance(results[0], ImageError) and results[1] == (110, 40)
    assert "c.png: cannot read" in str(results[2])


@pytest.mark.parametrize("shape", [(40, 110), (40, 110, 1), (40, 110, 3), (40, 110, 4)])
def test_arrays_become_what_the_pipeline_loads(shape):
    pixels = np.full(shape, 100, np.uint8)
    assert images.decode(pixels, "x", "grayscale").shape == (40, 110)
    assert images.decode(pixels, "x", "color").shape == (40, 110, 3)

"""Pixels and resized images against TensorFlow's own, bit by bit and to rounding."""

import io
import struct
import zlib

import cv2
import numpy as np
import pytest
from conftest import DATA, need
from PIL import Image
from tensorflow_side import run_tensorflow

from aocr_plugin.errors import ImageError
from aocr_plugin.tensorflow_decoding import decode

_DECODE = """
folder, out = sys.argv[1:3]
import pathlib
pixels = {}
for path in sorted(pathlib.Path(folder).iterdir()):
    for channels in (1, 3):
        data = tf.constant(path.read_bytes())
        try:
            found = tf.image.decode_png(data, channels=channels).numpy()
        except tf.errors.InvalidArgumentError:
            found = np.zeros(0)
        pixels[f"{path.name}|{channels}"] = found
np.savez(out, **pixels)
"""


def smooth(rng, height, width, channels):
    """Returns an image with large areas and edges, as photographs have."""
    noise = rng.integers(0, 256, (height, width, channels)).astype(np.float32)
    blurred = cv2.GaussianBlur(noise, (0, 0), 1.5)
    image = cv2.normalize(blurred, None, 0, 255, cv2.NORM_MINMAX).astype(np.uint8)
    return image.reshape((height, width) if channels == 1 else (height, width, channels))


def encoded(image, form, **options):
    if isinstance(image, np.ndarray):
        image = Image.fromarray(image)
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def with_chunk(png, kind, body):
    """Returns a PNG with a chunk put in behind its header."""
    chunk = struct.pack(">I", len(body)) + kind + body
    return png[:33] + chunk + struct.pack(">I", zlib.crc32(kind + body)) + png[33:]


def files_of(rng, size):
    """Yields name and bytes of files of every kind that TensorFlow decodes."""
    rgb, gray, alpha = smooth(rng, *size, 3), smooth(rng, *size, 1), smooth(rng, *size, 1)
    for sampling in (0, 1, 2):
        for quality in (30, 75, 95):
            options = {"subsampling": sampling, "quality": quality}
            yield f"jpeg-{sampling}-{quality}", encoded(rgb, "JPEG", **options)
    yield "jpeg-progressive", encoded(rgb, "JPEG", progressive=True)
    yield "jpeg-gray", encoded(gray, "JPEG")
    turned = Image.Exif()
    turned[274] = 6
    yield "jpeg-exif", encoded(rgb, "JPEG", exif=turned)
    yield "png-exif", encoded(rgb, "PNG", exif=turned)
    yield "png-gray", encoded(gray, "PNG")
    yield "png-gray-alpha", encoded(np.dstack([gray, alpha]), "PNG")
    yield "png-rgba", encoded(np.dstack([rgb, alpha]), "PNG")
    yield "png-1-bit", encoded(Image.fromarray(gray).convert("1"), "PNG")
    few = Image.fromarray(rgb).quantize(60)
    yield "png-palette", encoded(few, "PNG", transparency=3)
    yield "gif", encoded(few, "GIF")
    yield "gif-transparent", encoded(few, "GIF", transparency=3)
    deep = rng.integers(0, 65536, (*size, 3)).astype(np.uint16)
    deep[0] = deep[0, :, :1]  # neutral gray goes another way
    deep_png = cv2.imencode(".png", deep)[1].tobytes()
    yield "png-gray-16", cv2.imencode(".png", deep[:, :, 0])[1].tobytes()
    bits = with_chunk(deep_png, b"sBIT", bytes([8, 10, 9]))
    yield "png-16-significant", with_chunk(bits, b"gAMA", struct.pack(">I", 45455))
    for name, png in (("png-8", encoded(rgb, "PNG")), ("png-16", deep_png)):
        yield name, png
        yield f"{name}-srgb", with_chunk(png, b"sRGB", b"\0")
        for gamma in (45455, 104000, 220000):
            yield f"{name}-gamma-{gamma}", with_chunk(png, b"gAMA", struct.pack(">I", gamma))


def compare(folder, tmp_path):
    """Returns how many files, times two colour types, both read alike and both refuse."""
    run_tensorflow(_DECODE, folder, tmp_path / "pixels.npz")
    expected = np.load(tmp_path / "pixels.npz")
    equal = refused = 0
    for name in expected.files:
        file, channels = name.split("|")
        kind, pixels = ("grayscale" if channels == "1" else "color"), expected[name]
        try:
            found = decode((folder / file).read_bytes(), file, kind)
        except ImageError:
            assert pixels.size == 0, f"TensorFlow reads {name}"
            refused += 1
            continue
        if pixels.size:
            pixels = pixels[:, :, 0] if channels == "1" else pixels[:, :, ::-1]
            assert found.dtype == np.uint8 and found.flags.c_contiguous
            np.testing.assert_array_equal(found, pixels, err_msg=name)
            equal += 1
    return equal, refused


@pytest.mark.slow
def test_every_kind_of_file_bit_by_bit(tmp_path):
    folder = tmp_path / "files"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for size in ((37, 91), (64, 128), (17, 1), (1, 17)):
        for name, data in files_of(rng, size):
            (folder / f"{name}-{size[0]}x{size[1]}").write_bytes(data)
    assert compare(folder, tmp_path) == (248, 0)


@pytest.mark.slow
def test_damaged_and_cut_files_are_taken_or_refused_as_by_tensorflow(tmp_path):
    folder = tmp_path / "files"
    folder.mkdir()
    rng = np.random.default_rng(0)
    image = smooth(rng, 64, 128, 3)
    for form, options in (("JPEG", {}), ("JPEG", {"progressive": True}), ("PNG", {})):
        whole = encoded(image, form, **options)
        for number in range(25):
            flipped = bytearray(whole)
            flipped[rng.integers(len(whole) // 2, len(whole) - 20)] ^= 1 << rng.integers(8)
            name = f"{form}-{len(options)}-{number}"
            (folder / f"{name}-flipped").write_bytes(flipped)
            (folder / f"{name}-cut").write_bytes(whole[: rng.integers(100, len(whole))])
    equal, refused = compare(folder, tmp_path)
    assert equal > 60 and refused > 150 and equal + refused == 300


@pytest.mark.slow
@pytest.mark.parity
@pytest.mark.parametrize("name", ["plates_us", "captcha6_plain", "icdar15"])
def test_real_files_bit_by_bit(name, tmp_path):
    source = need(DATA / "data" / name)
    folder = tmp_path / "files"
    folder.mkdir()
    paths = sorted(path for path in source.rglob("*") if path.suffix in (".jpg", ".png"))
    for path in paths[:: max(1, len(paths) // 60)]:
        (folder / path.name).write_bytes(path.read_bytes())
    assert compare(folder, tmp_path) == (2 * len(list(folder.iterdir())), 0)


def test_files_that_tensorflow_refuses_are_read_all_the_same():
    rgb = smooth(np.random.default_rng(1), 20, 30, 3)
    expected = decode(encoded(rgb, "PNG"), "a.png")
    for form in ("BMP", "TIFF"):
        np.testing.assert_array_equal(decode(encoded(rgb, form), form), expected)
    frames = [Image.fromarray(rgb).quantize(40), Image.fromarray(rgb[::-1]).quantize(40)]
    moving = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    still = encoded(frames[0], "GIF")
    np.testing.assert_array_equal(decode(moving, "a", "color"), decode(still, "b", "color"))
    assert decode(still, "a").shape == (20, 30)
    inks = encoded(Image.fromarray(rgb).convert("CMYK"), "JPEG")
    assert decode(inks, "a").shape == (20, 30)
    assert np.abs(decode(inks, "a", "color").astype(int) - rgb[:, :, ::-1]).mean() < 20


@pytest.mark.parametrize("form", ["PNG", "JPEG", "GIF"])
def test_broken_files_are_named(form):
    whole = encoded(smooth(np.random.default_rng(1), 40, 60, 3), form)
    with pytest.raises(ImageError, match="cut: "):
        decode(whole[: len(whole) // 2], "cut")
    with pytest.raises(ImageError, match="head: "):
        decode(whole[:8], "head")


def test_no_image_at_all():
    with pytest.raises(ImageError, match="none: not an image of a kind that is read"):
        decode(b"just a text, which is no image", "none")
    deep = cv2.imencode(".tiff", np.zeros((5, 5), np.float32))[1].tobytes()
    with pytest.raises(ImageError, match="deep: not an image of 8 or 16 bits a colour"):
        decode(deep, "deep")

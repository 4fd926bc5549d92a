"""The original's resizing, and its choice of a size, against TensorFlow's own arithmetic."""

import numpy as np
import pytest
from tensorflow_side import run_tensorflow

from aocr_plugin import bicubic

_RESIZE = """
cases = np.load(sys.argv[1])
out = {}
for name in cases.files:
    size = [int(part) for part in name.split("x")[1:]]
    image = cases[name][None]
    out[f"2|{name}"] = tf.image.resize(image, size, method="bicubic").numpy()[0]
    out[f"1|{name}"] = tf.raw_ops.ResizeBicubic(images=image, size=size).numpy()[0]
np.savez(sys.argv[2], **out)
"""
_FIT = """
canvas = 32, int(sys.argv[3])
cases = np.load(sys.argv[1])
out = {}
for name in cases.files:
    image = tf.constant(cases[name])
    height, width = image.shape[:2]
    full = tf.constant(32.0, tf.float64)
    wide = int(tf.math.ceil(tf.truediv(tf.constant(width), tf.constant(height)) * full))
    if wide > canvas[1]:
        low = int(tf.math.ceil(tf.truediv(tf.constant(canvas[1]), tf.constant(wide)) * full))
        image = tf.image.resize(image, (low, canvas[1]), method="bicubic")
    elif height > 32:
        image = tf.image.resize(image, (32, wide), method="bicubic")
    image = tf.cast(image, tf.float32)
    out[name] = tf.image.pad_to_bounding_box(image, 0, 0, *canvas).numpy()
np.savez(sys.argv[2], **out)
"""
_EDGES = [(1, 1), (1, 3000), (3000, 1), (32, 86), (32, 87), (33, 86), (33, 89), (31, 86), (10, 27)]


@pytest.mark.slow
def test_both_bicubic_kernels_on_random_sizes(tmp_path):
    rng = np.random.default_rng(0)
    cases = {}
    for number in range(300):
        (height, width), (new_height, new_width) = rng.integers(1, 250, 2), rng.integers(1, 130, 2)
        image = rng.integers(0, 256, (height, width, 1 + 2 * (number % 3 == 0)))
        cases[f"{number}x{new_height}x{new_width}"] = image.astype(np.float32)
    np.savez(tmp_path / "cases.npz", **cases)
    run_tensorflow(_RESIZE, tmp_path / "cases.npz", tmp_path / "resized.npz")
    resized = np.load(tmp_path / "resized.npz")
    for key in resized.files:
        release, name = key.split("|")
        size = [int(part) for part in name.split("x")[1:]]
        found = bicubic.resize(cases[name], *size, kernel=f"tensorflow{release}")
        np.testing.assert_allclose(found, resized[key], atol=3e-4, rtol=0, err_msg=key)


@pytest.mark.slow
def test_canvas_of_random_sizes_is_tensorflows(tmp_path):
    from aocr_plugin.datasets.canvas import AOCRCanvas

    rng = np.random.default_rng(0)
    sizes = _EDGES + [tuple(rng.integers(1, limit, 2)) for limit in (40, 120, 400) * 100]
    cases = {
        str(number): rng.integers(0, 256, (*size, 1)).astype(np.uint8)
        for number, size in enumerate(sizes)
    }
    np.savez(tmp_path / "cases.npz", **cases)
    run_tensorflow(_FIT, tmp_path / "cases.npz", tmp_path / "fitted.npz", "86")
    fitted = np.load(tmp_path / "fitted.npz")
    step = AOCRCanvas()
    for name, image in cases.items():
        found = step.transform({"img": image})["img"]
        assert found.shape == (32, 86, 1)
        np.testing.assert_allclose(found, fitted[name], atol=1e-3, rtol=0, err_msg=str(image.shape))

"""Compares an export with PyTorch, image by image, before anybody gets it."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from aocr_plugin import tensorflow_decoding
from aocr_plugin.errors import ExportError
from aocr_plugin.inference.prediction import Prediction
from aocr_plugin.inference.recognizer import Recognizer

TOLERANCE = 1e-3
"""Largest difference of a probability from PyTorch's."""

BATCHES = (1, 2, 7)
"""Sizes of the vectors that are compared, beside a byte string alone."""

Images = Sequence[tuple[str, bytes]]


def expected(recognizer: Recognizer, images: Images) -> list[Prediction]:
    """Reads images with PyTorch as an export has to.

    They are decoded as TensorFlow decodes them, whatever the checkpoint's loader, so that the
    comparison is of all that comes after, and holds for JPEGs and colour PNGs too.

    Args:
        recognizer: with the checkpoint.
        images: names and encoded files.
    """
    color_type = "grayscale" if _channels(recognizer) == 1 else "color"
    return recognizer([tensorflow_decoding.decode(data, name, color_type) for name, data in images])


def _channels(recognizer: Recognizer) -> int:
    return int(recognizer.model.backbone.blocks[0].conv.in_channels)


def other_pixels(recognizer: Recognizer, images: Images, wanted: Sequence[Prediction]) -> list[str]:
    """Returns the names of images that OpenCV's pixels make PyTorch read differently.

    TensorFlow's gray of colour and its JPEG decoder are not OpenCV's, which ``LoadImageFromFile``
    calls.
    """
    own = recognizer([data for _, data in images])
    return [
        name
        for (name, _), here, there in zip(images, own, wanted, strict=True)
        if here.text != there.text
    ]


def _reason(message: str) -> str:
    """Returns the line of TensorFlow's message that says what is wrong, not its heading."""
    lines = [line.strip() for line in message.splitlines()]
    return next((line for line in lines if line and not line.endswith("error:")), "no reason given")


def compare(
    tf: Any,
    run: Callable[[Any], tuple[Any, Any]],
    images: Images,
    wanted: Sequence[Prediction],
    strict: bool,
) -> float:
    """Compares an export's texts and probabilities, of images alone and in vectors.

    Args:
        tf: the module tensorflow.
        run: from bytes, or a vector of them, to texts and probabilities.
        images: names and encoded files.
        wanted: what PyTorch reads in them; see :func:`expected`.
        strict: compare the product over all steps instead of the score.

    Returns:
        The largest difference of a probability.

    Raises:
        ExportError: a text or probability differs, or TensorFlow does not decode an image; the
            first such image is named.
    """
    worst = 0.0

    def check(index: int, text: bytes, probability: float, how: str) -> None:
        nonlocal worst
        right = wanted[index]
        score = float(right.aocr_probability or 0.0) if strict else right.score
        gap = abs(float(probability) - score)
        worst = max(worst, gap)
        if text.decode() != right.text or not gap <= TOLERANCE:
            raise ExportError(
                f"{images[index][0]} ({how}): the export reads '{text.decode()}' with probability "
                f"{probability:.6f}, PyTorch '{right.text}' with {score:.6f}; nothing is written"
            )

    for index, (name, data) in enumerate(images):
        try:
            text, value = run(data)
        except tf.errors.InvalidArgumentError as error:
            raise ExportError(
                f"{name}: TensorFlow does not decode it ({_reason(error.message)}); convert it to "
                "PNG or compare on other images; nothing is written"
            ) from error
        if np.shape(text) or np.shape(value):
            raise ExportError(f"{name} (alone): the export returns no scalars; nothing is written")
        check(index, text, value, "alone")
    for size in BATCHES:
        for start in range(0, len(images), size):
            batch = [data for _, data in images[start : start + size]]
            texts, probabilities = run(np.array(batch, dtype=object))
            for place, (text, value) in enumerate(zip(texts, probabilities, strict=True)):
                check(start + place, text, value, f"in a vector of {len(batch)}")
    return worst

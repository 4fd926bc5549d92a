"""What a camera, a distance and a file format do to a picture."""

import math
from collections.abc import Sequence

import cv2
import numpy as np

from aocr_plugin.synthesis import textures
from aocr_plugin.synthesis.dice import Dice
from aocr_plugin.synthesis.pictures import Picture


def blurred(picture: Picture, sigma: float) -> Picture:
    """Returns it out of focus; ``sigma`` in pixels."""
    size = 3 if sigma < 0.8 else 5 if sigma < 1.4 else 2 * math.ceil(2 * sigma) + 1
    return cv2.GaussianBlur(picture, (size, size), sigma)


def smeared(picture: Picture, length: int, angle: float) -> Picture:
    """Returns it moved while it was taken, ``length`` pixels along ``angle`` in radians."""
    size = length | 1
    kernel = np.zeros((size, size), np.float32)
    across, down = math.cos(angle) * size / 2, math.sin(angle) * size / 2
    middle = size // 2
    start = (round(middle - across), round(middle - down))
    cv2.line(kernel, start, (round(middle + across), round(middle + down)), (1.0,))
    return cv2.filter2D(picture, -1, kernel / kernel.sum())


def coarsened(picture: Picture, share: float) -> Picture:
    """Returns it as if it had been ``share`` as high in pixels, at its size."""
    height, width = picture.shape[:2]
    small = (max(3, round(width * share)), max(3, round(height * share)))
    less = cv2.resize(picture, small, interpolation=cv2.INTER_AREA)
    return cv2.resize(less, (width, height))


def noisy(picture: Picture, deviation: float, dice: Dice) -> Picture:
    """Returns it with a sensor's noise of that standard deviation."""
    height, width = picture.shape[:2]
    gain = deviation / 40
    grains = textures.noise(dice, width, height)
    return cv2.addWeighted(picture, 1, grains, gain, -128 * gain)


def lit(picture: Picture, corners: Sequence[float]) -> Picture:
    """Returns it under uneven light: brightness at the four corners, 1 as it was, up to 2."""
    height, width = picture.shape[:2]
    levels = np.array([min(round(127 * c), 255) for c in corners], np.uint8).reshape(2, 2)
    light = cv2.resize(levels, (width, height))
    return cv2.multiply(picture, cv2.merge((light, light, light)), scale=1 / 127)


def exposed(picture: Picture, contrast: float, brightness: float) -> Picture:
    """Returns it with contrast and brightness changed; 1 and 0 change nothing."""
    shift = brightness + 128 * (1 - contrast)
    return cv2.addWeighted(picture, contrast, picture, 0, shift)


def jpeg(picture: Picture, quality: int) -> Picture:
    """Returns what a JPEG of it shows."""
    _, data = cv2.imencode(".jpg", picture, (cv2.IMWRITE_JPEG_QUALITY, quality))
    return cv2.imdecode(data, cv2.IMREAD_COLOR)

"""Distortions of text lines for training."""

from typing import Any

import cv2
import numpy as np
from mmcv.transforms import BaseTransform
from mmocr.registry import TRANSFORMS
from numpy.typing import NDArray

_LEVELS = np.arange(256, dtype=np.float32)


def _between(low: float, high: float) -> float:
    """Draws what ``numpy.random.uniform`` does, in a fifth of the time."""
    drawn: float = low + (high - low) * np.random.random_sample()
    return drawn


@TRANSFORMS.register_module()
class LineJitter(BaseTransform):
    """Slight, cheap distortions of a text line: affine, brightness and contrast, blur, noise.

    MMOCR's choices did not serve: ``TorchVisionWrapper`` takes colour images only,
    ``ImgAugWrapper`` draws from a generator that MMEngine's seed does not reach, and
    ``TextRecogGeneralAug`` bends characters of small CAPTCHAs beyond reading. Draws from NumPy's
    generator, which MMEngine seeds in every worker.

    Required and modified key: ``img``, uint8 [H, W] or [H, W, C].

    Args:
        affine: probability of stretching, shearing and shifting.
        light: probability of a change of brightness and contrast.
        blur: probability of a Gaussian blur.
        noise: probability of Gaussian noise.
    """

    def __init__(
        self, affine: float = 0.5, light: float = 0.3, blur: float = 0.2, noise: float = 0.2
    ) -> None:
        self.affine, self.light, self.blur, self.noise = affine, light, blur, noise

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Distorts ``results["img"]``; its shape stays."""
        draw = np.random
        image = results["img"]
        if draw.rand() < self.affine:
            image = self._affine(image)
        if draw.rand() < self.light:
            changed = _LEVELS * _between(0.7, 1.3) + _between(-30, 30)
            levels = changed.clip(0, 255).astype(np.uint8)
            image = cv2.LUT(image, levels).reshape(image.shape)
        if draw.rand() < self.blur:
            image = cv2.GaussianBlur(image, (3, 3), _between(0.3, 1.0))
        if draw.rand() < self.noise:
            changed = image + draw.randn(*image.shape) * _between(2, 12)
            image = np.clip(changed, 0, 255).astype(np.uint8)
        results["img"] = image
        return results

    @staticmethod
    def _affine(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Warps about the centre; the border is repeated outwards."""
        height, width = image.shape[:2]
        across, slant = _between(0.9, 1.1), _between(-0.15, 0.15)
        tilt, down = _between(-0.06, 0.06) * min(1.0, 128 / width), _between(0.85, 1.15)
        x, y = width / 2, height / 2
        right, below = _between(-0.1, 0.1) * height, _between(-0.06, 0.06) * height
        matrix = [
            [across, slant, x - (across * x + slant * y) + right],
            [tilt, down, y - (tilt * x + down * y) + below],
        ]
        return cv2.warpAffine(  # type: ignore[return-value]
            image,
            np.array(matrix),
            (width, height),
            flags=cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        )

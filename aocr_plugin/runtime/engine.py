"""An exported network as an engine of ``Recognizer``: batches of pixels in, predictions out."""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aocr_plugin.inference.prediction import Prediction
from aocr_plugin.runtime.model_info import ModelInfo
from aocr_plugin.runtime.pipeline import Pipeline
from aocr_plugin.runtime.texts import predictions

Images = NDArray[np.float32]
Run = Callable[[Images], tuple[NDArray[Any], NDArray[Any] | None]]
"""From normalised images [N, C, 32, W] to probabilities [N, L, V] and attention [N, L, T] or
None where the file gives none."""


class GraphEngine:
    """Prepares images, batches them, runs the network and reads its output.

    Args:
        run: the network.
        info: what goes with it.
        attention: keep the attention weights in the predictions.

    Raises:
        ConfigError: the model's pipeline needs MMOCR.
    """

    stride = 4
    """Pixel columns to one column of attention."""

    def __init__(self, run: Run, info: ModelInfo, attention: bool = False) -> None:
        self.run = run
        self.info = info
        self.attention = attention
        self.pipeline = Pipeline(info.pipeline)
        mean, std = np.array(info.mean, np.float32), np.array(info.std, np.float32)
        self._mean, self._factor = mean[:, None, None], 1 / std[:, None, None]

    @property
    def charset(self) -> str:
        """Every character that can be read."""
        hidden = {*self.info.silent, self.info.end}
        return "".join(s for index, s in enumerate(self.info.symbols) if index not in hidden)

    def decode(self, image: bytes | NDArray[Any], name: str) -> NDArray[Any]:
        """Returns an image's pixels, [H, W] or [H, W, 3] BGR.

        Raises:
            ImageError: no whole image.
        """
        return self.pipeline.decode(image, name)

    def prepare(self, image: bytes | NDArray[Any], name: str) -> NDArray[Any]:
        """Decodes and resizes an image to [32, W] or [32, W, 3].

        Raises:
            ImageError: no whole image.
        """
        return self.pipeline(self.decode(image, name))

    @staticmethod
    def width(prepared: NDArray[Any]) -> int:
        """Returns the width of a prepared image in pixels."""
        return prepared.shape[1]

    def batch(self, prepared: list[NDArray[Any]]) -> Images:
        """Returns images normalised, padded on the right and stacked: [N, C, 32, W]."""
        info = self.info
        widest = info.width or max(image.shape[1] for image in prepared)
        widest += -widest % info.divisor
        batch = np.full(
            (len(prepared), info.channels, prepared[0].shape[0], widest), info.padding, np.float32
        )
        for place, image in zip(batch, prepared, strict=True):
            planes = image[None] if image.ndim == 2 else image.transpose(2, 0, 1)
            if info.bgr_to_rgb:
                planes = planes[::-1]
            area = place[:, :, : image.shape[1]]
            np.subtract(planes, self._mean, out=area)
            area *= self._factor
        return batch

    def read(self, prepared: list[NDArray[Any]], sources: list[str | None]) -> list[Prediction]:
        """Reads a batch of prepared images.

        Args:
            prepared: of :meth:`prepare`.
            sources: their file names, or None.
        """
        probabilities, attention = self.run(self.batch(prepared))
        found = predictions(self.info, probabilities, sources)
        if not self.attention or attention is None:
            return found
        columns = [-(-image.shape[1] // self.stride) for image in prepared]
        return [
            dataclasses.replace(one, attention=weights[:, :used])
            for one, weights, used in zip(found, attention, columns, strict=True)
        ]

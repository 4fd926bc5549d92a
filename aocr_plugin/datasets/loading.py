"""Loads images as the original did."""

from typing import Any

from mmengine import fileio
from mmocr.datasets.transforms import LoadImageFromFile
from mmocr.registry import TRANSFORMS

from aocr_plugin import tensorflow_decoding


@TRANSFORMS.register_module()
class LoadAOCRImage(LoadImageFromFile):
    """MMOCR's ``LoadImageFromFile`` with TensorFlow's pixels; see ``tensorflow_decoding``.

    For weights that the original trained: where an image is a JPEG, OpenCV's pixels differ enough
    to change a text now and then. Slower than OpenCV's decoding, and MMDeploy does not know it, so
    models that are trained here use MMOCR's.

    Args:
        color_type: "grayscale" or "color".
        backend_args: of MMEngine's file back ends.
    """

    def __init__(
        self, color_type: str = "grayscale", backend_args: dict[str, Any] | None = None
    ) -> None:
        super().__init__(color_type=color_type, backend_args=backend_args)

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Adds ``img`` [H, W] or [H, W, 3] BGR, ``img_shape`` and ``ori_shape``.

        Raises:
            ImageError: not a whole image.
        """
        name = results["img_path"]
        data = fileio.get(name, backend_args=self.backend_args)
        image = tensorflow_decoding.decode(data, name, self.color_type)
        results["img"] = image
        results["img_shape"] = results["ori_shape"] = image.shape[:2]
        return results

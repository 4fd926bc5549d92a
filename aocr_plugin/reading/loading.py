"""Pages from files: upright as their EXIF data say, on white, one by one. Needs no PyTorch."""

import io
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from aocr_plugin import storage
from aocr_plugin.errors import AOCRError, ImageError
from aocr_plugin.images import FORMATS, decode
from aocr_plugin.inference.loading import ImageLike, load_bytes

_CLEAR = ("RGBA", "LA", "PA", "La", "RGBa")
_BROKEN = (
    *(OSError, SyntaxError, ValueError, EOFError, TypeError, KeyError),  # Pillow's, by damage
    Image.DecompressionBombError,
)


def count(file: str) -> int:
    """Returns how many pages a file has: of a .tif file all, one that is damaged too; else 1."""
    if not file.lower().endswith((".tif", ".tiff")):
        return 1
    pages = 0
    try:
        data = storage.read_bytes(file)
        with Image.open(io.BytesIO(data), formats=("TIFF",)) as image:
            while True:
                image.seek(pages)
                pages += 1
    except EOFError:
        return max(pages, 1)
    except (*_BROKEN, AOCRError):  # no TIFF, or what is reported where the page is read
        return pages + 1


def load(image: ImageLike, page: int = 0) -> NDArray[np.uint8]:
    """Returns a page's pixels, uint8 [H, W, 3] in BGR.

    It is turned as its EXIF data say; what is transparent is white.

    Args:
        image: a path, encoded bytes, an array or a Pillow image.
        page: of a TIFF file of several, from 0.

    Raises:
        ImageError: it cannot be read.
    """
    name = str(image) if isinstance(image, str) or hasattr(image, "__fspath__") else "the page"
    if isinstance(image, Image.Image):
        try:
            if _is_clear(image):
                return _on_white(np.asarray(ImageOps.exif_transpose(image).convert("RGBA")))
        except _BROKEN as error:
            raise ImageError(f"{name}: not a whole image ({error})") from error
    found = load_bytes(image, name)
    if not isinstance(found, bytes):
        if found.ndim == 3 and found.shape[2] == 4:
            return _on_white(found[:, :, [2, 1, 0, 3]])
        return decode(found, name)
    pixels = decode(found, name)  # finds all faults of the file's (first) page
    try:
        with Image.open(io.BytesIO(found), formats=FORMATS) as opened:
            if page:
                opened.seek(page)
                opened.load()
            if _is_clear(opened):
                return _on_white(np.asarray(ImageOps.exif_transpose(opened).convert("RGBA")))
        if not page:
            return pixels
        data = np.frombuffer(found, np.uint8)
        whole, pages = cv2.imdecodemulti(data, cv2.IMREAD_COLOR, range=(page, page + 1))
    except (*_BROKEN, cv2.error) as error:
        raise ImageError(f"{name}: page {page + 1} is not a whole image ({error})") from error
    if not whole or len(pages) != 1:
        raise ImageError(f"{name}: page {page + 1} cannot be decoded")
    return np.asarray(pages[0], np.uint8)


def _is_clear(image: Image.Image) -> bool:
    """Whether anything of an image may be transparent."""
    return image.mode in _CLEAR or "transparency" in image.info


def _on_white(pixels: NDArray[Any]) -> NDArray[np.uint8]:
    """Lays [H, W, 4], RGBA, on white; returns [H, W, 3], BGR."""
    opaque = pixels[:, :, 3:].astype(np.float32) / 255
    mixed = pixels[:, :, 2::-1] * opaque + 255 * (1 - opaque)
    return np.ascontiguousarray(np.rint(mixed).astype(np.uint8))

"""Cuts a region of a page out, upright. Needs no PyTorch."""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from aocr_plugin.inference.turning import COLUMN, VERTICAL

SMALLEST = 8.0
"""Pixels; sides of a region below this are widened to it with what is around it."""


def corners(polygon: Any) -> NDArray[np.float32]:
    """Returns the four corners of a region: top left, top right, bottom right, bottom left.

    A polygon of other than four points is replaced by the smallest rectangle around it. The top
    edge is the one that points most nearly to the right, so text is taken to run left to right
    within 45 degrees.

    Args:
        polygon: [K, 2], x and y in pixels.

    Returns:
        [4, 2], x and y in pixels.
    """
    points = np.asarray(polygon, np.float32).reshape(-1, 2)
    if len(points) != 4 or not cv2.isContourConvex(points):
        points = cv2.boxPoints(cv2.minAreaRect(points)).astype(np.float32)
    after = np.roll(points, -1, axis=0)
    area = float((points[:, 0] * after[:, 1] - after[:, 0] * points[:, 1]).sum())
    if area < 0:  # y points down, so a positive area is clockwise to the eye
        points = points[::-1]
    edges = np.roll(points, -1, axis=0) - points
    rightward = edges[:, 0] / np.maximum(np.linalg.norm(edges, axis=1), 1e-6)
    return np.ascontiguousarray(np.roll(points, -int(rightward.argmax()), axis=0))


def size(quad: NDArray[np.float32]) -> tuple[float, float]:
    """Returns the width and height of four corners in pixels."""
    top, right, bottom, left = (
        float(np.linalg.norm(quad[a] - quad[b])) for a, b in ((0, 1), (1, 2), (2, 3), (3, 0))
    )
    return max(top, bottom), max(left, right)


def is_vertical(quad: NDArray[np.float32]) -> bool:
    """Whether a region counts as vertical text."""
    width, height = size(quad)
    return height >= VERTICAL * width


def may_be_upright(quad: NDArray[np.float32]) -> bool:
    """Whether a region that counts as vertical may as well be a character by itself."""
    width, height = size(quad)
    return height < COLUMN * width


def crop(
    page: NDArray[np.uint8],
    quad: NDArray[np.float32],
    margin: float = 0.0,
    vertical: bool | None = None,
) -> NDArray[Any]:
    """Returns a region as an upright image, by a perspective warp.

    Vertical text (see ``VERTICAL``) is turned by 90 degrees to the left, so that what ran from
    top to bottom runs from left to right.

    Args:
        page: uint8 [H, W, 3].
        quad: [4, 2] of :func:`corners`.
        margin: to add on each side, in heights of the region (the shorter side of vertical text).
        vertical: whether it is vertical text; None goes by its shape.

    Returns:
        uint8 [h, w, 3]; both at least ``SMALLEST``. Beyond the page its edge is repeated.
    """
    width, height = size(quad)
    vertical = is_vertical(quad) if vertical is None else vertical
    extra = margin * (width if vertical else height)
    width_out = max(width + 2 * extra, SMALLEST)
    height_out = max(height + 2 * extra, SMALLEST)
    dx, dy = (width_out - width) / 2, (height_out - height) / 2
    place = np.array(
        [[dx, dy], [dx + width, dy], [dx + width, dy + height], [dx, dy + height]], np.float32
    )
    if min(width, height) < 1:  # nothing to warp by: a line or a point
        x, y = quad.mean(0)
        return cv2.getRectSubPix(page, (round(width_out), round(height_out)), (float(x), float(y)))
    # only what is needed of the page: OpenCV warps none of more than 32,767 pixels
    around = np.ceil(max(width_out, height_out) / 2 + quad.max(0) - quad.min(0)).astype(int)
    middle, bounds = quad.mean(0).astype(int), np.array(page.shape[1::-1])
    left, top = np.clip(middle - around, 0, bounds - 1)
    right, bottom = np.clip(middle + around, 1, bounds)
    warp = cv2.getPerspectiveTransform(quad - np.array([left, top], np.float32), place)
    found = cv2.warpPerspective(
        page[top:bottom, left:right],
        warp,
        (round(width_out), round(height_out)),
        flags=cv2.INTER_CUBIC,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return np.ascontiguousarray(np.rot90(found)) if vertical else found

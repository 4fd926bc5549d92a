"""The order in which the regions of a page are read. Needs no PyTorch."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from aocr_plugin.reading.crops import is_vertical, size

Quads = list[NDArray[np.float32]]


def slant(quads: Quads) -> float:
    """Returns the page's slant in radians: the median of the top edges' angles.

    Each counts as the square of its width, as a short one's angle is known badly. Regions less than
    1.5 times wider than tall say little about it and are left out.
    """
    angles, weights = [], []
    for quad in quads:
        width, height = size(quad)
        if width >= 1.5 * height:
            run = quad[1] - quad[0] + quad[2] - quad[3]
            angles.append(float(np.arctan2(run[1], run[0])))
            weights.append(width**2)
    if not angles:
        return 0.0
    rank = np.argsort(angles)
    total = np.cumsum(np.asarray(weights)[rank])
    return float(np.asarray(angles)[rank][np.searchsorted(total, total[-1] / 2)])


def reading_order(
    quads: Quads, columns: int = 1, vertical: Sequence[bool] | None = None
) -> list[list[int]]:
    """Returns the lines of a page from top to bottom, each from left to right.

    The page's slant is taken out first. A region joins the line whose nearest region it is level
    with: their centres differ by less than half of the lower one's height.

    Args:
        quads: regions, [4, 2] each, in pixels.
        columns: columns of the page: it is cut at its ``columns - 1`` widest gaps that run from
            top to bottom without a region in them. Where there are fewer such gaps the widest
            regions, at most a quarter of all, are taken for headings across columns: what is above
            one is read before it, what is below after it. If that does not help there are fewer
            columns.
        vertical: for each region whether it is vertical text, which is a line of its own; None
            goes by their shapes.

    Returns:
        Lines of indices into ``quads``, the left column's first.
    """
    if not quads:
        return []
    vertical = [is_vertical(quad) for quad in quads] if vertical is None else vertical
    angle = -slant(quads)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    turned = [quad @ turn.T for quad in quads]
    left = np.array([quad[:, 0].min() for quad in turned])
    right = np.array([quad[:, 0].max() for quad in turned])
    middle = np.array([quad[:, 1].mean() for quad in turned])
    found: list[list[int]] = []
    for column in _parts(left, right, middle, columns):
        found += _lines(column, turned, quads, vertical)
    return found


def _parts(
    left: NDArray[np.float64], right: NDArray[np.float64], middle: NDArray[np.float64], count: int
) -> list[list[int]]:
    """Returns columns, or headings and the columns between them, in reading order."""
    widest = np.argsort(left - right, kind="stable")
    for headings in range(len(left) // 4 + 1):
        kept = np.sort(widest[headings:])
        parts = [kept[part] for part in _columns(left[kept], right[kept], count)]
        if len(parts) == count:
            break
    else:
        return _columns(left, right, count)
    across = []
    for i in widest[:headings]:
        inside = [
            n
            for n, part in enumerate(parts)
            if left[part].min() <= left[i] and right[i] <= right[part].max()
        ]
        if inside:
            parts[inside[0]] = np.append(parts[inside[0]], i)
        else:
            across.append(int(i))
    across.sort(key=lambda i: float(middle[i]))
    band = np.searchsorted(middle[across], middle)
    found = []
    for number in range(len(across) + 1):
        found += [[int(i) for i in part if band[i] == number] for part in parts]
        found.append(across[number : number + 1])
    return [part for part in found if part]


def _columns(left: NDArray[np.float64], right: NDArray[np.float64], count: int) -> list[list[int]]:
    """Cuts at the widest gaps."""
    rank = np.argsort(left, kind="stable")
    reach = np.maximum.accumulate(right[rank])
    gaps = left[rank][1:] - reach[:-1]
    widest = [int(i) for i in np.argsort(-gaps, kind="stable")[: count - 1] if gaps[i] > 0]
    return [[int(i) for i in part] for part in np.split(rank, sorted(i + 1 for i in widest))]


def _lines(
    column: list[int], turned: Quads, quads: Quads, vertical: Sequence[bool]
) -> list[list[int]]:
    """Groups a column's regions into lines."""
    centre = {i: turned[i].mean(0) for i in column}
    height = {i: size(quads[i])[1] for i in column}
    lines: list[list[int]] = []
    for index in sorted(column, key=lambda i: float(centre[i][1])):
        best: tuple[float, list[int]] | None = None
        for line in [] if vertical[index] else lines:
            near = min(line, key=lambda i: abs(float(centre[i][0] - centre[index][0])))
            off = abs(float(centre[near][1] - centre[index][1]))
            level = off < min(height[near], height[index]) / 2 and not vertical[near]
            if level and (best is None or off < best[0]):
                best = off, line
        if best:
            best[1].append(index)
        else:
            lines.append([index])
    return [sorted(line, key=lambda i: float(centre[i][0])) for line in lines]

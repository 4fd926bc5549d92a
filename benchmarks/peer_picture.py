"""Draws accuracy against milliseconds: ``python benchmarks/peer_picture.py [peers.json]``.

A dot is a reader whose accuracy and time were both measured here, from image files. A ring is a
network of MMOCR: its accuracy is the one that MMOCR publishes, its time that of the network alone.
"""

import itertools
import json
import math
import sys
from pathlib import Path
from typing import Any, NamedTuple

PUBLISHED = {"mmocr_crnn": "MMOCR CRNN", "mmocr_aster": "MMOCR ASTER"}
"""Candidates whose config is that of a published accuracy."""
DISTANCES = (7, 14, 24, 36, 50, 66)  # points between a dot and its label


class Point(NamedTuple):
    """A dot or a ring."""

    name: str
    ms: float
    accuracy: float
    measured: bool


def points(report: dict[str, Any]) -> list[Point]:
    """Returns all candidates of a report that have an accuracy and a time at batch 1."""
    means, published = report.get("accuracy", {}), report.get("published", {})
    found = [
        Point(name, row["ms"], means[name], True)
        for name, row in report["tasks"].get("read", {}).items()
        if name in means
    ]
    networks = report["tasks"].get("predict", {})
    for name, label in PUBLISHED.items():
        if found and name in networks and label in published:
            found.append(
                Point(f"{label} (published)", networks[name]["ms"], published[label], False)
            )
    return found


def draw(report: dict[str, Any], path: Path) -> bool:
    """Draws a report of ``peers.py``.

    Args:
        report: its JSON.
        path: picture to write.

    Returns:
        Whether there was anything to draw.
    """
    given = points(report)
    if not given:
        return False
    figure, _ = draw_points(given, report["accuracy_sets"])
    figure.savefig(path)
    return True


def draw_points(given: list[Point], sets: list[str]) -> tuple[Any, list[Any]]:
    """Returns the figure and its labels, none of which covers another or a dot."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

    figure = Figure(figsize=(8, 4.8), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    for one in given:
        face = "tab:blue" if one.measured else "white"
        axes.scatter(one.ms, one.accuracy, s=40, c=face, edgecolors="tab:blue", zorder=3)
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    low, high = (pick(one.ms for one in given) for pick in (min, max))
    axes.set_xlim(low / 2, high * 2)
    bottom, top = (pick(one.accuracy for one in given) for pick in (min, max))
    axes.set_ylim(max(-0.02, bottom - 0.1), min(1.02, top + 0.1))
    axes.set_xlabel("milliseconds an image at batch 1")
    axes.set_ylabel(f"word accuracy, mean over {', '.join(sets)}", fontsize="small")
    axes.grid(alpha=0.3, which="both")
    figure.canvas.draw()
    figure.set_layout_engine("none")  # labels must not move the axes any more
    return figure, _label(axes, given)


def _label(axes: Any, given: list[Point]) -> list[Any]:
    """Writes each name at the nearest free place around its dot; returns the texts."""
    from matplotlib.transforms import Bbox

    renderer = axes.figure.canvas.get_renderer()
    frame = axes.get_window_extent(renderer)
    taken = []
    for one in given:
        x, y = axes.transData.transform((one.ms, one.accuracy))
        taken.append(Bbox.from_extents(x - 6, y - 6, x + 6, y + 6))
    texts = []
    for one in given:
        text = axes.annotate(
            one.name,
            (one.ms, one.accuracy),
            xytext=(0, 0),
            textcoords="offset points",
            ha="center",
            va="center",
            fontsize="small",
            arrowprops={"arrowstyle": "-", "color": "0.6", "lw": 0.7, "shrinkA": 0, "shrinkB": 3},
        )
        width, height = _box(text, renderer).size * 72 / axes.figure.dpi
        for distance, eighth in itertools.product(DISTANCES, range(8)):
            across, up = (turn(eighth * math.pi / 4) for turn in (math.cos, math.sin))
            text.set_position(
                (across * (distance + width / 2), up * (distance + height / 2))  # in points
            )
            box = _box(text, renderer)
            inside = frame.x0 < box.x0 and box.x1 < frame.x1
            inside = inside and frame.y0 < box.y0 and box.y1 < frame.y1
            if inside and not any(box.overlaps(other) for other in taken):
                break
        taken.append(_box(text, renderer))
        texts.append(text)
    return texts


def _box(text: Any, renderer: Any) -> Any:
    """Returns the extent in pixels of a text without its line to the dot."""
    from matplotlib.text import Text

    text.update_positions(renderer)
    return Text.get_window_extent(text, renderer)


if __name__ == "__main__":
    default = Path(__file__).resolve().parent / "results" / "peers.json"
    source = Path(sys.argv[1]) if len(sys.argv) > 1 else default
    if not draw(json.loads(source.read_text(encoding="utf-8")), source.with_suffix(".png")):
        raise SystemExit(f"{source}: no reader in it has both accuracy and time")

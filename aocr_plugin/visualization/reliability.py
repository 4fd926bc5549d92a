"""Reliability diagrams: how often words of a score are right."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from aocr_plugin.evaluation.calibration import Bin


def draw_reliability(
    series: Mapping[str, Sequence[Bin]], path: str | Path, title: str = ""
) -> None:
    """Draws accuracy against score, one panel for each series; on the diagonal is calibrated.

    Args:
        series: bins by name, e.g. before and after.
        path: picture to write.
        title: over the picture.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, panels = plt.subplots(
        1, len(series), figsize=(4.2 * len(series), 4.2), squeeze=False, layout="constrained"
    )
    for axes, (name, bins) in zip(panels[0], series.items(), strict=True):
        total = sum(entry.words for entry in bins)
        axes.plot([0, 1], [0, 1], color="grey", linestyle=":", label="calibrated")
        axes.vlines(
            [entry.score for entry in bins],
            [entry.score for entry in bins],
            [entry.accuracy for entry in bins],
            color="tab:red",
            alpha=0.5,
            label="error",
        )
        axes.plot(
            [entry.score for entry in bins],
            [entry.accuracy for entry in bins],
            color="tab:blue",
            marker="o",
            linestyle="none",
            label=f"{len(bins)} bins of {total} words",
        )
        axes.set(xlabel="word score", xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), title=name)
        axes.set_aspect("equal")
        axes.grid(alpha=0.3)
        axes.legend(loc="upper left", fontsize=8)
    panels[0][0].set_ylabel("share of words that are right")
    if title:
        figure.suptitle(title)
    figure.savefig(path, dpi=110)
    plt.close(figure)

"""A sheet of images with what was read in them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2


def draw_contact_sheet(
    predictions: Sequence[dict[str, Any]], path: str | Path, columns: int = 5, title: str = ""
) -> None:
    """Draws images with label, text and score; wrong ones in red, and first.

    Args:
        predictions: lines of ``predictions.jsonl``: ``file``, ``label``, ``text``, ``score``.
        path: picture to write.
        columns: images side by side.
        title: over the picture.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    ordered = sorted(predictions, key=lambda line: line["text"] == line["label"])
    rows = -(-len(ordered) // columns)
    figure, grid = plt.subplots(
        rows,
        columns,
        figsize=(2.2 * columns, 1.15 * rows + 0.5),
        squeeze=False,
        layout="constrained",
    )
    for axes in grid.flat:
        axes.axis("off")
    for axes, line in zip(grid.flat, ordered, strict=False):
        image = cv2.imread(line["file"], cv2.IMREAD_COLOR)
        if image is not None:
            axes.imshow(image[:, :, ::-1], aspect="auto")
        right = line["text"] == line["label"]
        caption = line["text"] if right else f"{line['text']} (is {line['label']})"
        axes.set_title(
            f"{caption}  {line['score']:.2f}".replace("$", r"\$"),
            fontsize=8,
            color="black" if right else "red",
        )
    if title:
        figure.suptitle(title, fontsize=10)
    figure.savefig(path, dpi=110)
    plt.close(figure)

"""Pictures of a training run, from the scalars that MMEngine writes."""

import json
from pathlib import Path
from typing import Any


def read_scalars(work_dir: str | Path) -> list[dict[str, Any]]:
    """Reads all scalars of a work directory, those of resumed runs too, in order of time.

    Returns:
        Dicts with ``step``; training ones have ``loss``, validation ones ``recog/…``.
    """
    files = sorted(Path(work_dir).glob("*/vis_data/scalars.json"))
    return [json.loads(line) for file in files for line in file.read_text().splitlines()]


def draw_learning_curve(runs: dict[str, str | Path], path: str | Path, title: str = "") -> None:
    """Draws training loss and validation accuracy against steps.

    Args:
        runs: work directories by name.
        path: picture to write.
        title: over the picture.

    Raises:
        ValueError: a run has no scalars.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.6), layout="constrained")
    for name, work_dir in runs.items():
        scalars = read_scalars(work_dir)
        train = [(s["step"], s["loss"]) for s in scalars if "loss" in s]
        val = [(s["step"], s["recog/word_acc"]) for s in scalars if "recog/word_acc" in s]
        if not train:
            plt.close(figure)
            raise ValueError(f"{work_dir}: no training scalars in it")
        left.plot(*zip(*train, strict=True), label=name)
        if val:
            right.plot(*zip(*val, strict=True), marker=".", label=name)
    left.set(xlabel="step", ylabel="training loss (cross-entropy, nats)", yscale="log")
    right.set(xlabel="step", ylabel="word accuracy, validation", ylim=(-0.02, 1.02))
    for axes in (left, right):
        axes.grid(alpha=0.3)
        if len(runs) > 1:
            axes.legend()
    if title:
        figure.suptitle(title)
    figure.savefig(path, dpi=110)
    plt.close(figure)

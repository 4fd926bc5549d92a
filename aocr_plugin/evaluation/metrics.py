"""Metrics of a recogniser, each under its own name."""

import math
from collections.abc import Sequence
from typing import Any

from mmengine.evaluator import BaseMetric
from mmocr.registry import METRICS

from aocr_plugin.evaluation import text_match


@METRICS.register_module()
class RecognitionMetric(BaseMetric):
    """All measures of a test run in one pass.

    MMOCR's ``WordMetric`` and ``OneMinusNEDMetric`` round to four places, drop letters outside of
    English and Chinese (and keep ``^``), and there is no CER. They can still stand beside this
    one. All are means over the N samples but for ``cer``:

    - ``word_acc``: the text is exactly the label.
    - ``word_acc_ignore_case``: the same, case aside.
    - ``word_acc_ignore_case_symbol``: letters and digits only, case aside.
    - ``one_minus_ned``: 1 - edit distance / longer length, exact characters.
    - ``cer``: sum of edit distances / sum of label lengths (can exceed 1).
    - ``aocr_accuracy``: the original's, 1 - min(1, distance / label length).
    - ``loss``, ``perplexity``: teacher forcing on the label, averaged over an image's steps and
      then over images; exp of it. Samples whose label cannot be spelt are left out of these two
      (``loss_samples`` tells how many were in).
    - ``samples``: N.

    Args:
        collect_device: as for MMEngine's ``BaseMetric``.
        prefix: before the names.
    """

    default_prefix = "recog"

    def __init__(self, collect_device: str = "cpu", prefix: str | None = None) -> None:
        super().__init__(collect_device, prefix)

    def process(self, data_batch: Any, data_samples: Sequence[dict[str, Any]]) -> None:
        """Adds a batch of predictions."""
        for sample in data_samples:
            prediction, label = sample["pred_text"]["item"], sample["gt_text"]["item"]
            self.results.append(measure(prediction, label, sample["pred_text"].get("loss")))

    def compute_metrics(self, results: Sequence[dict[str, Any]]) -> dict[str, float]:
        """Returns the measures over all samples."""
        return summarise(results)


def measure(prediction: str, label: str, loss: float | None = None) -> dict[str, Any]:
    """Returns the measures of one sample."""
    return {
        "word_acc": text_match.exact(prediction, label),
        "word_acc_ignore_case": text_match.ignore_case(prediction, label),
        "word_acc_ignore_case_symbol": text_match.ignore_case_symbol(prediction, label),
        "one_minus_ned": text_match.one_minus_ned(prediction, label),
        "aocr_accuracy": text_match.aocr_accuracy(prediction, label),
        "distance": text_match.distance(prediction, label),
        "length": len(label),
        "loss": loss,
    }


_MEANS = (
    "word_acc",
    "word_acc_ignore_case",
    "word_acc_ignore_case_symbol",
    "one_minus_ned",
    "aocr_accuracy",
)


def summarise(results: Sequence[dict[str, Any]]) -> dict[str, float]:
    """Returns the measures over samples of :func:`measure`."""
    count = len(results)
    summary = {name: sum(float(r[name]) for r in results) / max(1, count) for name in _MEANS}
    characters = sum(r["length"] for r in results)
    summary["cer"] = sum(r["distance"] for r in results) / max(1, characters)
    losses = [r["loss"] for r in results if r["loss"] is not None]
    if losses:
        summary["loss"] = sum(losses) / len(losses)
        summary["perplexity"] = math.exp(min(summary["loss"], 700.0))
        if len(losses) != count:
            summary["loss_samples"] = float(len(losses))
    summary["samples"] = float(count)
    return summary

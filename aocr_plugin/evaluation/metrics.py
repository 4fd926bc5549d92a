"""Metrics of a recogniser, each under its own name."""

import json
import math
from collections.abc import Sequence
from typing import Any

from mmengine.evaluator import BaseMetric
from mmocr.registry import METRICS

from aocr_plugin import storage
from aocr_plugin.evaluation import text_match
from aocr_plugin.evaluation.calibration import expected_calibration_error
from aocr_plugin.plain_json import without_nan


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
    - ``ece``: expected calibration error: how far the word score is from the share of words that
      are exactly right, over 10 bins of equal mass; see :mod:`aocr_plugin.evaluation.calibration`.
    - ``samples``: N.

    Args:
        collect_device: as for MMEngine's ``BaseMetric``, whose default, "cpu", exchanges files in
            the working directory, which hosts do not share; "gpu" sends, on CPUs too.
        prefix: before the names.
    """

    default_prefix = "recog"

    def __init__(self, collect_device: str = "gpu", prefix: str | None = None) -> None:
        super().__init__(collect_device, prefix)

    def process(self, data_batch: Any, data_samples: Sequence[dict[str, Any]]) -> None:
        """Adds a batch of predictions."""
        for sample in data_samples:
            found, label = sample["pred_text"], sample["gt_text"]["item"]
            self.results.append(
                measure(found["item"], label, found.get("loss"), found.get("word_score"))
            )

    def compute_metrics(self, results: Sequence[dict[str, Any]]) -> dict[str, float]:
        """Returns the measures over all samples."""
        return summarise(results)


def measure(
    prediction: str, label: str, loss: float | None = None, score: float | None = None
) -> dict[str, Any]:
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
        "score": score,
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
    scores = [r["score"] for r in results]
    if results and all(score is not None and math.isfinite(score) for score in scores):
        correct = [r["word_acc"] for r in results]
        summary["ece"] = expected_calibration_error(scores, correct)
    summary["samples"] = float(count)
    return summary


@METRICS.register_module()
class PredictionLines(BaseMetric):
    """Writes every prediction of a test run as JSON Lines; measures nothing.

    A line has ``file``, ``label``, ``text``, ``score`` (of the word), ``char_scores``,
    ``correct``, ``distance``, ``aocr_probability``, where it could be computed ``loss``, and after
    beam search ``nbest``, a list of [text, score, finished]. A number that is none is null.

    Args:
        out_file: where the lines go, a path or URL; folders are made.
        collect_device: as for :class:`RecognitionMetric`.
        prefix: not used.
    """

    def __init__(
        self, out_file: str, collect_device: str = "gpu", prefix: str | None = None
    ) -> None:
        super().__init__(collect_device, prefix or "predictions")
        self.out_file = str(out_file)

    def process(self, data_batch: Any, data_samples: Sequence[dict[str, Any]]) -> None:
        """Adds a batch of predictions."""
        for sample in data_samples:
            found, label = sample["pred_text"], sample["gt_text"]["item"]
            line = {
                "file": sample.get("img_path"),
                "label": label,
                "text": found["item"],
                "score": found.get("word_score"),
                "char_scores": found.get("score"),
                "correct": text_match.exact(found["item"], label),
                "distance": text_match.distance(found["item"], label),
                "aocr_probability": found.get("aocr_probability"),
                "nbest": found.get("nbest") or None,
                "loss": found.get("loss"),
            }
            kept = {key: entry for key, entry in line.items() if entry is not None}
            self.results.append(without_nan(kept))

    def compute_metrics(self, results: Sequence[dict[str, Any]]) -> dict[str, float]:
        """Writes the file; returns nothing to report."""
        lines = (json.dumps(line, ensure_ascii=False) + "\n" for line in results)
        storage.write_bytes(self.out_file, "".join(lines).encode("utf-8", "surrogateescape"))
        return {}

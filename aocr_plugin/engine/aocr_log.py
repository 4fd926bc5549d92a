"""Log lines in the original's form, which its users' programs parse."""

import math
import time
from collections.abc import Sequence
from typing import Any

from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmocr.registry import HOOKS

from aocr_plugin.evaluation import text_match
from aocr_plugin.event_log import EventLog


def _comment(runner: Any, index: int, sample: Any) -> str:
    """Returns what the data set says of its image number ``index``, "" where it says nothing."""
    dataset = runner.test_loop.dataloader.dataset
    if not hasattr(dataset, "get_data_info") or index >= len(dataset):
        return ""
    info = dataset.get_data_info(index)
    same = info.get("img_path") == sample.get("img_path")  # several processes have other orders
    return (info.get("comment") or "") if same else ""


def _perplexity(loss: float) -> float:
    return math.inf if loss >= 300 else math.exp(loss)


@HOOKS.register_module()
class AOCRLog(Hook):
    """Writes the original's log of training and testing, beside MMEngine's own.

    Training: ``Step 12: 1.491s, loss: 3.414199, perplexity: 30.392599.`` and, every ``every``
    steps, ``Global step 100. Time: 0.444, loss: 1.015494, perplexity: 2.76.`` with means since
    the line before. Testing, an image: ``Step 65 (0.029s). Accuracy: 98.17%, loss: 0.579112,
    perplexity: 1.78, probability: 93.00% 100% (RBL)``; accuracy is the mean up to this image,
    loss and probability are this image's.

    The original tests one image at a time; here the time is the batch's divided by its images.
    Steps go on counting after a resume, which the original's did not.

    Args:
        path: the log file, appended to; the same events go to its namesake ``.jsonl``.
        every: steps between two summaries.
        distance: accuracy of an image is 1 - edit distance / label length, else 1 or 0.
        strict: while testing, loss is that of greedy decoding and probability the product over
            all steps, as in the original; else loss is that of teacher forcing and probability
            the word's score. The first needs ``score_labels="greedy"`` in the model.
        echo: whether lines go to standard error too.
    """

    def __init__(
        self,
        path: str = "aocr.log",
        every: int = 100,
        distance: bool = True,
        strict: bool = False,
        echo: bool = True,
    ) -> None:
        self.path, self.every, self.distance = path, every, distance
        self.strict, self.echo = strict, echo
        self._log: EventLog | None = None
        self._began = 0.0
        self._since: list[tuple[float, float]] = []
        self._accuracies = 0.0
        self._images = 0

    def _open(self, runner: Any) -> None:
        self._log = EventLog(self.path, self.echo) if is_main_process() else None

    def _close(self, runner: Any) -> None:
        if self._log is not None:
            self._log.close()
            self._log = None

    before_train = before_test = _open
    after_train = after_test = _close

    def before_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None) -> None:
        """Takes the time."""
        self._began = time.perf_counter()

    def after_train_iter(
        self,
        runner: Any,
        batch_idx: int,
        data_batch: Any = None,
        outputs: dict[str, Any] | None = None,
    ) -> None:
        """Writes the step's line, and the summary's where it is due."""
        if self._log is None or outputs is None:
            return
        loss, seconds = float(outputs["loss"].detach()), time.perf_counter() - self._began
        step = runner.iter + 1
        self._since.append((seconds, loss))
        self._log.write(
            f"Step {step}: {seconds:.3f}s, loss: {loss:f}, perplexity: {_perplexity(loss):f}.",
            "step",
            step=step,
            seconds=round(seconds, 4),
            loss=loss,
            perplexity=_perplexity(loss),
        )
        if step % self.every == 0:
            seconds, loss = (
                sum(part) / len(self._since) for part in zip(*self._since, strict=True)
            )
            self._since = []
            self._log.write(
                f"Global step {step}. Time: {seconds:.3f}, loss: {loss:f}, "
                f"perplexity: {_perplexity(loss):.2f}.",
                "summary",
                step=step,
                seconds=round(seconds, 4),
                loss=loss,
                perplexity=_perplexity(loss),
            )

    def after_val_epoch(self, runner: Any, metrics: dict[str, float] | None = None) -> None:
        """Writes the validation's measures, which the original never had."""
        if self._log is None or not metrics:
            return
        accuracy = metrics.get("recog/word_acc")
        shown = "" if accuracy is None else f" Word accuracy: {accuracy:.2%}."
        self._log.write(
            f"Validation at step {runner.iter}.{shown}",
            "validation",
            step=runner.iter,
            metrics=metrics,
        )

    def before_test_epoch(self, runner: Any) -> None:
        """Starts counting."""
        self._accuracies, self._images = 0.0, 0

    def before_test_iter(self, runner: Any, batch_idx: int, data_batch: Any = None) -> None:
        """Takes the time."""
        self._began = time.perf_counter()

    def after_test_iter(
        self,
        runner: Any,
        batch_idx: int,
        data_batch: Any = None,
        outputs: Sequence[Any] | None = None,
    ) -> None:
        """Writes a line an image."""
        if self._log is None or not outputs:
            return
        seconds = (time.perf_counter() - self._began) / len(outputs)
        for sample in outputs:
            self._write_image(self._log, sample, seconds, _comment(runner, self._images, sample))

    def _write_image(self, log: EventLog, sample: Any, seconds: float, comment: str) -> None:
        found, label = sample.pred_text, sample.gt_text.item
        text = found.item
        measure = text_match.aocr_accuracy if self.distance else text_match.exact
        accuracy = float(measure(text, label))
        self._accuracies += accuracy
        self._images += 1
        mean = self._accuracies / self._images
        loss = found.get("greedy_loss" if self.strict else "loss")
        loss = math.nan if loss is None else float(loss)
        probability = found.get("aocr_probability" if self.strict else "word_score", 0.0)
        verdict = f"({text})" if text == label else f"({text} vs {label}) {comment}".rstrip()
        verdict = verdict.replace("\n", "\\n").replace("\r", "\\r")
        log.write(
            f"Step {self._images} ({seconds:.3f}s). Accuracy: {mean:6.2%}, loss: {loss:f}, "
            f"perplexity: {_perplexity(loss):.2f}, probability: {probability:6.2%} "
            f"{accuracy:>4.0%} {verdict}",
            "test",
            step=self._images,
            seconds=round(seconds, 4),
            mean_accuracy=mean,
            accuracy=accuracy,
            text=text,
            label=label,
            loss=None if math.isnan(loss) else loss,
            probability=probability,
            aocr_probability=found.get("aocr_probability"),
            file=sample.get("img_path"),
            comment=comment or None,
        )

"""Collects a test run and writes it as one HTML page."""

import heapq
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from mmengine.dist import all_gather_object, get_rank, get_world_size
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmocr.registry import HOOKS

from aocr_plugin.engine import destinations
from aocr_plugin.engine.readings import AttentionSwitch, picture_of, reading_of, unwrapped
from aocr_plugin.errors import ConfigError
from aocr_plugin.version import __version__
from aocr_plugin.visualization.report import ReportedRun, entry, write_report
from aocr_plugin.visualization.report_stats import Outcome


class Shortlist:
    """Keeps what ranks highest, so many and no more.

    Args:
        size: how many.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self._heap: list[tuple[float, int, dict[str, Any]]] = []

    def wants(self, rank: float) -> bool:
        """Whether something of this rank would be kept at present."""
        return len(self._heap) < self.size or bool(self.size and rank > self._heap[0][0])

    def add(self, rank: float, position: int, item: dict[str, Any]) -> None:
        """Keeps an item if it ranks high enough; among equals the earlier position wins."""
        if len(self._heap) < self.size:
            heapq.heappush(self._heap, (rank, -position, item))
        elif self.wants(rank):
            heapq.heapreplace(self._heap, (rank, -position, item))

    def ranked(self) -> list[tuple[float, int, dict[str, Any]]]:
        """Returns (rank, position, item) of what was kept, highest rank first."""
        kept = sorted(self._heap, key=lambda one: one[:2], reverse=True)
        return [(rank, -position, item) for rank, position, item in kept]


@HOOKS.register_module()
class TestReport(Hook):
    """Writes one self-contained HTML page about a test run; it opens without a network.

    Metrics, accuracy by length, whether scores can be believed, confused characters; then every
    error, the most confident first, with picture, label, scores and attention (where the decoder
    has any), and the images read right, the least confident first.

    Args:
        out_file: the page, a path or URL; folders are made.
        title: heading; by default the config's name.
        max_errors: errors shown at most. All are counted; the page says what it leaves out.
        max_correct: images read right shown at most.

    Raises:
        ConfigError: a limit is negative.
    """

    def __init__(
        self,
        out_file: str = "report.html",
        title: str | None = None,
        max_errors: int = 1000,
        max_correct: int = 300,
    ) -> None:
        if max_errors < 0 or max_correct < 0:
            raise ConfigError(
                f"max_errors is {max_errors} and max_correct {max_correct}; neither may be negative"
            )
        self.out_file = out_file
        self.title = title
        self.limits = (max_errors, max_correct)
        self._switch = AttentionSwitch()
        self._start()

    def _start(self) -> None:
        self._outcomes: list[tuple[int, Outcome]] = []
        self._shown = {False: Shortlist(self.limits[0]), True: Shortlist(self.limits[1])}

    def before_test(self, runner: Any) -> None:
        """Forgets an earlier run, and makes the decoder keep its attention if it has any.

        Raises:
            ConfigError: the page could not be written.
        """
        destinations.check(self.out_file, folder=False)
        self._switch.on(runner.model)
        self._start()

    def after_test_iter(
        self,
        runner: Any,
        batch_idx: int,
        data_batch: Any = None,
        outputs: Sequence[Any] | None = None,
    ) -> None:
        """Collects a batch."""
        for index, sample in enumerate(outputs or ()):
            reading = reading_of(sample, runner.model)
            position = len(self._outcomes) * get_world_size() + get_rank()
            self._outcomes.append((position, Outcome(reading.label, reading.text, reading.score)))
            score = reading.score or 0.0
            rank = -score if reading.correct else score
            shown = self._shown[reading.correct]
            if shown.wants(rank):
                picture = picture_of(sample, data_batch["inputs"][index])
                shown.add(rank, position, entry(reading, picture))

    def after_test_epoch(self, runner: Any, metrics: dict[str, float] | None = None) -> None:
        """Gathers what all processes have and writes the page."""
        shown = [self._shown[right].ranked() for right in (False, True)]
        parts = all_gather_object((self._outcomes, shown))
        self._start()
        if get_rank():
            return
        total = len(runner.test_dataloader.dataset)  # a sampler repeats some to share out evenly
        run = ReportedRun(
            self.title or f"Test report: {Path(runner.cfg.filename or 'model').stem}",
            _facts(runner),
            dict(metrics or {}),
            [one for position, one in _unique(part[0] for part in parts) if position < total],
        )
        for right, limit in enumerate(self.limits):
            ranked = sorted((one for part in parts for one in part[1][right]), key=_order)
            run.entries += [item for _, place, item in ranked if place < total][:limit]
        write_report(run, self.out_file)
        print_log(f"report of {len(run.outcomes)} images: {self.out_file}", "current")

    def after_test(self, runner: Any) -> None:
        """Puts the decoder back."""
        self._switch.off()


def _order(one: tuple[float, int, dict[str, Any]]) -> tuple[float, int]:
    return -one[0], one[1]


def _unique(parts: Iterable[list[tuple[int, Outcome]]]) -> list[tuple[int, Outcome]]:
    return sorted((one for part in parts for one in part), key=lambda one: one[0])


def _facts(runner: Any) -> dict[str, str]:
    """Returns what a reader wants to know about where the figures come from."""
    model = unwrapped(runner.model)
    parts = [
        type(part).__name__
        for name in ("backbone", "encoder", "decoder")
        if (part := getattr(model, name, None)) is not None
    ]
    size = sum(parameter.numel() for parameter in model.parameters())
    facts = {
        "checkpoint": str(runner.cfg.get("load_from") or "none"),
        "config": str(runner.cfg.filename or "-"),
        "data": str(getattr(runner.test_dataloader.dataset, "ann_file", "") or "-"),
        "model": f"{type(model).__name__}: {', '.join(parts)}; {size / 1e6:.2f} million weights",
    }
    dictionary = getattr(getattr(model, "decoder", None), "dictionary", None)
    characters = getattr(dictionary, "characters", "")
    if characters:
        facts["charset"] = f"{len(characters)} characters: {characters}"
    facts["written"] = f"{datetime.now():%Y-%m-%d %H:%M} by aocr_plugin {__version__}"
    return facts

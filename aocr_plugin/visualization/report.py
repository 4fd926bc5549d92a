"""One self-contained HTML page about a test run. Needs no network, neither now nor when read."""

import base64
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from importlib import resources
from pathlib import Path
from string import Template
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from aocr_plugin import storage
from aocr_plugin.visualization import charts, report_stats
from aocr_plugin.visualization.attention import fit
from aocr_plugin.visualization.confusion_table import confusion_table
from aocr_plugin.visualization.reading import Pixels, Reading
from aocr_plugin.visualization.report_stats import Outcome

_SHOWN = {
    "word_acc": "word accuracy",
    "cer": "character error rate",
    "one_minus_ned": "1 - normalised edit distance",
    "word_acc_ignore_case": "word accuracy, case aside",
    "aocr_accuracy": "aocr's accuracy",
}


@dataclass
class ReportedRun:
    """What a report is about.

    Attributes:
        title: heading.
        facts: names and values below it: checkpoint, config, date …
        metrics: as the evaluator gave them.
        outcomes: every image.
        entries: those that are shown, of :func:`entry`.
    """

    title: str
    facts: dict[str, str] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)
    outcomes: list[Outcome] = field(default_factory=list)
    entries: list[dict[str, Any]] = field(default_factory=list)


def data_uri(image: Pixels, height: int = 64, width: int = 960) -> str:
    """Returns a small JPEG of an image as a data URI."""
    small = fit(image, height, width, most=1.0)
    if small.ndim == 3:
        small = cv2.cvtColor(small, cv2.COLOR_RGB2BGR)
    _, data = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, 82])
    return "data:image/jpeg;base64," + base64.b64encode(data.tobytes()).decode()


def compact(looks: NDArray[Any]) -> list[tuple[int, str]]:
    """Returns weights [n, T] as bytes, each row without the zeros at both ends.

    Returns:
        For each row the first column and base64 of its weights, 255 being a weight of 1.
    """
    rows = []
    for row in np.rint(np.clip(looks, 0, 1) * 255).astype(np.uint8):
        (places,) = np.nonzero(row)
        first, end = (int(places[0]), int(places[-1]) + 1) if len(places) else (0, 0)
        rows.append((first, base64.b64encode(row[first:end].tobytes()).decode()))
    return rows


def entry(reading: Reading, image: Pixels) -> dict[str, Any]:
    """Returns what the page needs to show an image: a few kilobytes of plain data."""
    edits = report_stats.edits(reading.label, reading.text)
    shown: dict[str, Any] = {
        "file": reading.name,
        "label": reading.label,
        "text": reading.text,
        "ok": reading.correct,
        "score": None if reading.score is None else round(reading.score, 5),
        "chars": [round(score, 3) for score in reading.char_scores],
        "distance": len(edits),
        "edits": edits,
        "picture": data_uri(image),
        "size": [image.shape[1], image.shape[0]],
    }
    if reading.edges is not None and len(reading.symbols) == len(reading.text):
        shown["column"] = round(float(reading.edges[1]), 6)
        shown["looks"] = compact(reading.looks())
    return shown


def safe_json(value: Any) -> str:
    """Returns JSON that cannot end the script element it stands in; no number that JSON lacks."""
    text = json.dumps(_finite(value), ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text.encode("utf-8", "surrogatepass").decode("utf-8", "replace")


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: _finite(part) for key, part in value.items()}
    return [_finite(part) for part in value] if isinstance(value, list | tuple) else value


def _tiles(run: ReportedRun) -> str:
    """Returns the measures that matter most, large."""
    wrong = sum(not outcome.correct for outcome in run.outcomes)
    tiles = [(f"{len(run.outcomes):,}", "images"), (f"{wrong:,}", "read wrong")]
    for key, name in _SHOWN.items():
        value = run.metrics.get(f"recog/{key}")
        if value is not None and math.isfinite(value):
            tiles.append((f"{value:.2%}", name))
    return "".join(f'<div class="tile"><b>{value}</b>{name}</div>' for value, name in tiles)


def _table(rows: dict[str, str]) -> str:
    lines = (
        f'<tr><th scope="row">{escape(name)}</th><td>{escape(value)}</td></tr>'
        for name, value in rows.items()
    )
    return f"<table>{''.join(lines)}</table>"


def _charts(outcomes: Sequence[Outcome]) -> str:
    figures = [("Word accuracy by length", charts.length_chart(report_stats.by_length(outcomes)))]
    bins = report_stats.calibration(outcomes)
    if bins:
        error = sum(words * abs(score - right) for score, right, words in bins) / sum(
            words for _, _, words in bins
        )
        figures.append(("Images by score", charts.score_chart(report_stats.by_score(outcomes))))
        caption = f"Accuracy by score (calibration error {error:.3f})"
        figures.append((caption, charts.reliability_chart(bins)))
    return "".join(f"<figure><figcaption>{c}</figcaption>{svg}</figure>" for c, svg in figures)


def _coverage(run: ReportedRun) -> str:
    """Returns which images the page shows, and why not all."""
    wrong = sum(not outcome.correct for outcome in run.outcomes)
    right = len(run.outcomes) - wrong
    shown_wrong = sum(not one["ok"] for one in run.entries)
    shown_right = len(run.entries) - shown_wrong
    parts = [
        f"All {wrong} errors are here"
        if shown_wrong == wrong
        else f"Of {wrong} errors the {shown_wrong} most confident are here",
        f"and all {right} images read right"
        if shown_right == right
        else f"and, of {right} images read right, the {shown_right} least confident",
    ]
    why = ""
    if len(run.entries) < len(run.outcomes):
        why = " More would make the page slow; all of them are counted in the figures above."
    return f"{', '.join(parts)}.{why}"


def render(run: ReportedRun) -> str:
    """Returns the page."""
    files = resources.files("aocr_plugin.visualization") / "report_page"
    style, script, page = (
        (files / name).read_text(encoding="utf-8")
        for name in ("style.css", "script.js", "page.html")
    )
    numbers = {name: f"{value:g}" for name, value in run.metrics.items()}
    return Template(page).substitute(
        title=escape(run.title),
        style=style,
        script=script,
        facts=_table(run.facts),
        tiles=_tiles(run),
        metrics=_table(numbers),
        charts=_charts(run.outcomes),
        confusions=confusion_table(run.outcomes),
        coverage=escape(_coverage(run)),
        data=safe_json(run.entries),
    )


def write_report(run: ReportedRun, path: str | Path) -> None:
    """Writes the page to a file or URL; folders are made.

    Raises:
        StorageError: the URL's store cannot be used.
    """
    storage.write_bytes(path, render(run).encode("utf-8", "replace"))

"""What the figures of ``peers.py`` come to: accuracies, a table in Markdown, targets met or not."""

import json
import statistics
import sys
from pathlib import Path
from typing import Any

from peer_models import MMOCR, ORIGINAL_SIZES, OURS
from peer_picture import draw

REAL_SETS = ("iiit5k", "svt", "svtp", "cute80", "icdar15")
"""Of ``accuracy.py``, in the order of what MMOCR publishes; its drawn set is not real."""
COLUMNS = (
    "task",
    "candidate",
    "input",
    "images/s",
    "times",
    "ms at batch 1",
    "times",
    "peak MB",
    "MB, one image",
    "file MB",
    "accuracy",
)
Report = dict[str, Any]


def accuracies(found: Report) -> Report:
    """Takes from the JSON of ``accuracy.py`` the mean accuracy of each reader.

    Returns:
        ``accuracy_sets``, the real sets that all readers have read; ``accuracy`` of each reader, a
        mean over these; ``published``, the same of what MMOCR publishes. Empty without such sets.
    """
    measured = found["measured"]
    sets = [name for name in REAL_SETS if all(name in rows for rows in measured.values())]
    if not sets or not measured:
        return {"accuracy_sets": [], "accuracy": {}, "published": {}}
    published = {
        name: statistics.mean(values[REAL_SETS.index(one)] for one in sets)
        for name, values in found.get("published_by_mmocr", {}).items()
    }
    means = {
        name: statistics.mean(rows[one]["accuracy"] for one in sets)
        for name, rows in measured.items()
    }
    return {"accuracy_sets": sets, "accuracy": means, "published": published}


def table(report: Report) -> str:
    """Returns all figures as one table in Markdown, and under it the targets."""
    lines = ["| " + " | ".join(COLUMNS) + " |", "|---" * len(COLUMNS) + "|"]
    for task, rows in report["tasks"].items():
        for name, row in rows.items():
            times = row.get("times", {})
            accuracy = report.get("accuracy", {}).get(name) if task == "read" else None
            cells = [
                *(task, name, " x ".join(map(str, row["size"])) if "size" in row else "files"),
                *(_short(row["images_per_s"]), _short(times.get("images_per_s"))),
                *(_short(row.get("ms")), _short(times.get("ms"))),
                *(_short(row.get(key)) for key in ("memory_mb", "memory_one_mb", "file_mb")),
                f"{accuracy:.3f}" if accuracy is not None else "-",
            ]
            lines.append("| " + " | ".join(cells) + " |")
    for one in report["targets"]:
        said = "met" if one["met"] else "NOT met"
        lines.append(f"\n{one['name']}: {one['value']:.3g}, {one['wanted']}: {said}")
    return "\n".join(lines)


def _short(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.0f}" if value >= 1000 else f"{value:.3g}"


def targets(report: Report) -> list[Report]:
    """Returns those targets that the measured figures can decide.

    Returns:
        Of each ``name``, ``value``, ``wanted`` (in words) and ``met``.
    """
    found = []

    def add(name: str, value: float, wanted: str, met: bool) -> None:
        found.append({"name": name, "value": value, "wanted": wanted, "met": met})

    for task, rows in report["tasks"].items():
        kind = task.removesuffix("_bf16")
        if kind in ("train", "predict"):
            all_times = {
                name: row["times"]["images_per_s"]
                for name, row in rows.items()
                if name in MMOCR and "times" in row
            }
            if all_times:
                least = min(all_times, key=lambda name: all_times[name])
                value = all_times[least]
                add(f"{task}: aocr_base over {least}, the fastest", value, "above 1", value > 1)
        if task in ORIGINAL_SIZES and "original" in rows:
            theirs = rows["original"]
            if "times" in theirs:
                value = theirs["times"]["images_per_s"]
                add(f"{task}: aocr_base over the original", value, "at least 3", value >= 3)
            for name in OURS:
                if name in rows:
                    value, bound = rows[name]["memory_mb"], theirs["memory_mb"]
                    wanted = f"below the original's {bound:.0f}"
                    add(f"{task}: peak MB of {name}", value, wanted, value < bound)
        for name, file in report["models"].items() if task == "read" else ():
            if name in rows and file.endswith(".onnx"):
                value = rows[name]["memory_one_mb"]
                add(f"{task}: MB of {name}, one image", value, "below 400", value < 400)
    return found


def write(report: dict[str, Any], accuracy: Path, out: Path) -> None:
    """Adds accuracies and targets; prints the table, writes JSON and picture.

    Args:
        report: all else.
        accuracy: what accuracy.py has written.
        out: the JSON file.
    """
    left_out = report["left_out"]
    left_out.pop("accuracy", None)  # of an earlier run
    if accuracy.is_file():
        report |= accuracies(json.loads(accuracy.read_text(encoding="utf-8")))
    else:
        left_out["accuracy"] = f"{accuracy.name} is absent; accuracy.py writes it"
    report["targets"] = targets(report)
    out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    print(table(report))
    for name, reason in left_out.items():
        print(f"left out: {name}: {reason}", file=sys.stderr)
    if not draw(report, out.with_suffix(".png")):
        print("no picture: no reader has both accuracy and time", file=sys.stderr)

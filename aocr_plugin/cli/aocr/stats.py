"""``aocr stats DATASET``: what is in it, and what the settings do with it. Needs no PyTorch."""

import argparse
import json
import math
import shlex
import statistics
from collections import Counter
from typing import Any

from aocr_plugin import charset
from aocr_plugin.cli.aocr.datasets import kind_of, read
from aocr_plugin.sifting import Report, Sample, policies, sift

_HEIGHT = 32  # pixels, of the canvas
_BAR = 40  # characters of the longest bar


def canvas_width(width: int, height: int) -> int:
    """Returns how wide an image is at the canvas's height; small images are not enlarged."""
    return width if height <= _HEIGHT else math.ceil(width * _HEIGHT / height)


def _spread(values: list[int]) -> dict[str, float]:
    return {"least": min(values), "median": statistics.median(values), "most": max(values)}


def suggest(samples: list[Sample], labels: list[str]) -> dict[str, Any]:
    """Returns the settings that keep every image, whole and unsqueezed.

    Returns:
        ``max_width``, ``max_height``, ``max_prediction``, ``full_ascii``, and ``outside``: the
        characters that neither of the original's charsets has.
    """
    characters = charset.collect(labels)
    upper = charset.collect(label.upper() for label in labels)
    full = bool(set(upper) - set(charset.NAMED["aocr"]))
    outside = "".join(c for c in characters if full and c not in charset.NAMED["ascii"])
    widest = max((canvas_width(*s.size) for s in samples if s.size), default=_HEIGHT)
    width = max((s.size[0] for s in samples if s.size), default=widest)
    return {
        "max_width": width,
        "max_height": max(1, width * _HEIGHT // widest),
        "max_prediction": max((len(label) for label in labels), default=1) or 1,
        "full_ascii": full,
        "outside": outside,
    }


def measure(path: str, args: argparse.Namespace) -> tuple[dict[str, Any], Report]:
    """Looks at a data set.

    Returns:
        Facts that ``--json`` prints, and the report of what the settings would reject.

    Raises:
        AnnotationError: it cannot be read, or no image in it.
    """
    report = Report(path, policies({"image_too_wide": "skip"}, testing=False))
    samples = read(path, report, letter_case="unchanged", check_images="header")
    if not samples:
        report.check(max_rejected=1.0)
    labels = [sample.label for sample in samples]
    known = charset.NAMED["ascii" if args.full_ascii else "aocr"]
    fold = "unchanged" if args.full_ascii else "upper"
    folded = [Sample(s.path, charset.apply_case(s.label, fold), s.line, s.size) for s in samples]
    kept = list(
        sift(
            folded,
            report,
            unknown_characters=lambda label: [c for c in label if c not in known],
            describe=charset.describe,
            max_label_length=args.max_prediction,
            max_width=args.max_width if args.strict else None,
        )
    )
    canvas = math.ceil(args.max_width / args.max_height * _HEIGHT)
    sizes = [sample.size for sample in samples if sample.size]
    facts = {
        "dataset": path,
        "kind": kind_of(path),
        "lines": report.lines,
        "images": len(samples),
        "width": _spread([width for width, _ in sizes]),
        "height": _spread([height for _, height in sizes]),
        "canvas": [_HEIGHT, canvas],
        "squeezed": sum(canvas_width(*size) > canvas for size in sizes),
        "label_lengths": dict(sorted(Counter(map(len, labels)).items())),
        "characters": dict(Counter("".join(labels)).most_common()),
        "kept": len(kept),
        "rejected": dict(report.counts),
        "suggested": suggest(samples, labels),
    }
    return facts, report


def _bars(counts: dict[Any, int]) -> list[str]:
    most = max(counts.values())
    return [
        f"  {key:>6} {count:>8} {'#' * math.ceil(count / most * _BAR)}"
        for key, count in counts.items()
    ]


def describe(facts: dict[str, Any], report: Report) -> str:
    """Returns the facts as text."""

    def spread(name: str) -> str:
        found = facts[name]
        return f"{found['least']} to {found['most']} (median {found['median']:g})"

    suggested: dict[str, Any] = facts["suggested"]
    height, canvas = facts["canvas"]
    characters = facts["characters"]
    lines = [
        f"{facts['dataset']}: {facts['kind']}, {facts['lines']} lines or records, "
        f"{facts['images']} with an image (by its header; 'aocr check' decodes them)",
        f"sizes in pixels: width {spread('width')}, height {spread('height')}",
        f"on the canvas of {height} x {canvas}: {facts['squeezed']} images squeezed to fit",
        "label lengths:",
        *_bars(facts["label_lengths"]),
        f"characters: {charset.describe_charset(charset.collect(characters), 120)}",
        "  "
        + "  ".join(f"{c!r} {count}" for c, count in list(characters.items())[:20])
        + (" …" if len(characters) > 20 else ""),
        "with these settings:",
        "  " + report.table().replace("\n", "\n  "),
    ]
    flags = [f"--max-width {suggested['max_width']}", f"--max-height {suggested['max_height']}"]
    flags.append(f"--max-prediction {suggested['max_prediction']}")
    flags += ["--full-ascii"] if suggested["full_ascii"] else []
    if suggested["outside"]:
        name = shlex.quote(facts["dataset"])
        lines.append(
            f"characters beyond ASCII: {charset.describe_charset(suggested['outside'])}; flags "
            f"cannot keep them, a config can: python tools/new_config.py {name}"
        )
    else:
        lines.append("settings that keep everything, unsqueezed: " + " ".join(flags))
        if suggested["full_ascii"]:
            lines.append("  (and make TFRecords with --no-force-uppercase, or case is lost)")
    return "\n".join(lines)


def run(args: argparse.Namespace) -> int:
    """Prints the statistics; returns the exit code."""
    facts, report = measure(args.dataset_path, args)
    print(json.dumps(facts, ensure_ascii=False) if args.json else describe(facts, report))
    return 0

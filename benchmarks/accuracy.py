"""Word accuracy of recognisers on real sets, on the same machine and images.

    python benchmarks/accuracy.py --data DATA --model NAME=FILE --peers tesseract rapidocr_v4

DATA is a folder of sets, each with ``annotations-testing.txt`` (or, where a set is for testing
alone, ``annotations.txt``); the set ``printed`` is drawn on the spot, see ``printed.py``. Models
are checkpoints or exports; peers are those of ``readers.py``. Two protocols: that of the field,
which compares digits and the 26 letters in lower case and nothing else (an image whose label has
none of them is not counted), and the strict one, in which every character counts.

A table goes to standard output, all figures to ``benchmarks/results/accuracy.json`` (those of
readers and sets that are not measured now stay in it), and of each model the longest words that it
reads most wrongly to ``--worst DIR/NAME.png``. The figures that MMOCR publishes
of its own models stand beside, marked: they were not measured here.
"""

import argparse
import json
import re
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from printed import draw_set  # noqa: E402
from readers import READERS, Reader  # noqa: E402

from aocr_plugin import weights  # noqa: E402
from aocr_plugin.annotations import read  # noqa: E402
from aocr_plugin.evaluation.text_match import one_minus_ned  # noqa: E402

RESULTS = ROOT / "benchmarks" / "results"
SETS = ("iiit5k", "svt", "svtp", "cute80", "icdar15")
PUBLISHED = {  # MMOCR 1.0.1, configs/textrecog/*/README.md; trained on 9 to 16 million images
    "MMOCR CRNN": (0.8053, 0.7991, 0.6093, 0.5694, 0.5571),
    "MMOCR ASTER": (0.9357, 0.8949, 0.8062, 0.8507, 0.7665),
    "MMOCR SATRN": (0.9600, 0.9181, 0.8837, 0.8993, 0.8045),
    "MMOCR ABINet": (0.9603, 0.9397, 0.8868, 0.8785, 0.8146),
}


def load(folder: Path, split: str) -> tuple[list[str], list[str]]:
    """Returns the image files and labels of a set's split."""
    path = folder / f"annotations-{split}.txt"
    if split == "testing" and not path.exists():
        path = folder / "annotations.txt"
    if not path.exists():
        raise SystemExit(f"{path}: there is no such file")
    lines = [line for line in read(path) if line.label is not None]
    return [str(folder / line.path) for line in lines], [line.label for line in lines]


def comparable(text: str) -> str:
    """Returns the digits and the 26 letters of a text, in lower case."""
    return re.sub("[^0-9a-z]", "", text.lower())


def measure(texts: list[str], labels: list[str]) -> dict[str, float]:
    """Returns the word accuracies of both protocols and the number of images in each."""
    pairs = [tuple(map(comparable, pair)) for pair in zip(texts, labels, strict=True)]
    counted = [(text, label) for text, label in pairs if label]
    return {
        "accuracy": sum(text == label for text, label in counted) / len(counted),
        "images": len(counted),
        "strict_accuracy": sum(map(str.__eq__, texts, labels)) / len(labels),
        "strict_images": len(labels),
    }


def model_reader(file: str, vertical: bool, views: int) -> Reader:
    """Returns what reads with one of our models."""
    from aocr_plugin import Recognizer

    recognizer = Recognizer(file, vertical=vertical, views=views)
    return lambda names: [one.text for one in recognizer(list(names))]


def draw_worst(entries: list[tuple[str, str, str]], path: Path, count: int = 64) -> None:
    """Draws the images whose texts are furthest from their labels, long labels first."""
    from aocr_plugin.formats.record import Record
    from aocr_plugin.visualization.labelled_sheet import draw_labelled_sheet

    def badness(entry: tuple[str, str, str]) -> tuple[float, int]:
        _, label, text = entry
        return one_minus_ned(text, label), -len(label)

    wrong = sorted((entry for entry in entries if entry[1] != entry[2]), key=badness)[:count]
    records = [
        Record(number, Path(name).read_bytes(), f"{label}: {text}", name)
        for number, (name, label, text) in enumerate(wrong, 1)
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    draw_labelled_sheet({f"{path.stem}: label: what was read": records}, path)


def main() -> None:
    """Reads all sets with all readers; prints a table and writes JSON and pictures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, help="folder of sets")
    parser.add_argument("--sets", nargs="+", default=list(SETS))
    parser.add_argument(
        "--split",
        choices=["testing", "training", "validation"],
        default="testing",
        help="others to choose settings by; their figures are those of SET-SPLIT (testing)",
    )
    parser.add_argument("--model", action="append", default=[], metavar="NAME=FILE")
    parser.add_argument(
        "--vertical",
        action="store_true",
        help="our models read tall images turned too, as NAME_vertical",
    )
    parser.add_argument(
        "--views",
        type=int,
        help="in how many views our models read, as NAME_viewsN; default: 1 of a file, of a "
        "recogniser that comes along (NAME=english) as many as it is meant for",
    )
    parser.add_argument("--peers", nargs="*", default=[], choices=READERS)
    parser.add_argument("--worst", metavar="DIR", help="draw the worst errors of each")
    parser.add_argument("--limit", type=int, help="images of each set, for a quick look")
    parser.add_argument("--out", help="accuracy.json; of other splits accuracy_SPLIT.json")
    args = parser.parse_args()
    openers = {name: READERS[name] for name in args.peers}
    for entry in args.model:
        name, _, file = entry.partition("=")
        if not file:
            raise SystemExit(f"--model {entry}: give NAME=FILE")
        name += "_vertical" if args.vertical else ""
        views = args.views or weights.views(file)
        name += f"_views{views}" if views > 1 else ""
        openers[name] = partial(model_reader, file, args.vertical, views)
    drawn = tempfile.TemporaryDirectory()
    behind = "" if args.split == "testing" else f"-{args.split}"
    sets = {
        name + behind: draw_set(Path(drawn.name))
        if name == "printed"
        else load(Path(args.data) / name, args.split)
        for name in args.sets
    }
    found: dict[str, dict[str, dict[str, float]]] = {}
    for reader, open_reader in openers.items():
        try:
            run = open_reader()
        except (ImportError, FileNotFoundError) as error:
            print(f"{reader} is left out: {error}", file=sys.stderr)
            continue
        worst = []
        for name, (files, labels) in sets.items():
            files, labels = files[: args.limit], labels[: args.limit]
            begun = time.perf_counter()
            texts = run(files)
            seconds = time.perf_counter() - begun
            figures = measure(texts, labels) | {"ms_an_image": 1e3 * seconds / len(files)}
            found.setdefault(reader, {})[name] = figures
            print(f"{reader} {name}: {figures['accuracy']:.4f}", file=sys.stderr)
            worst += zip(files, map(comparable, labels), map(comparable, texts), strict=True)
        if args.worst:
            draw_worst([one for one in worst if one[1]], Path(args.worst) / f"{reader}.png")
    print(table(found, list(sets)))
    out = Path(args.out or RESULTS / f"accuracy{behind.replace('-', '_')}.json")
    before = json.loads(out.read_text()) if out.exists() else {}
    kept = before.get("measured", {}) if before.get("limit") == args.limit else {}
    measured = {
        name: kept.get(name, {}) | found.get(name, {}) for name in dict.fromkeys([*kept, *found])
    }
    report = {"measured": measured, "limit": args.limit, "published_by_mmocr": PUBLISHED}
    out.write_text(json.dumps(report, indent=1) + "\n")


def table(found: dict[str, dict[str, dict[str, float]]], sets: list[str]) -> str:
    """Returns both protocols as a table in Markdown: the field's, then (the strict one)."""
    lines = ["| | " + " | ".join(sets) + " |", "|---" * (len(sets) + 1) + "|"]
    for reader, figures in found.items():
        cells = [f"{f['accuracy']:.3f} ({f['strict_accuracy']:.3f})" for f in figures.values()]
        lines.append(f"| {reader} | " + " | ".join(cells) + " |")
    if list(sets) == list(SETS):
        for name, accuracies in PUBLISHED.items():
            cells = [f"{accuracy:.3f}" for accuracy in accuracies]
            lines.append(f"| {name} (published) | " + " | ".join(cells) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()

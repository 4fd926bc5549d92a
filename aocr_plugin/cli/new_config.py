"""Writes a config for an annotation file: ``tools/new_config.py ANNOTATIONS``."""

import argparse
import math
import os
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from aocr_plugin import annotations, charset
from aocr_plugin.cli.common import add_traceback_flag, guarded
from aocr_plugin.errors import AnnotationError, ConfigError
from aocr_plugin.samples import read_samples
from aocr_plugin.sifting import Report, Sample, policies
from aocr_plugin.splitting import common_root, split, write_annotations

_HEIGHT = 32  # pixels, of the network's input
_BATCH_SIZE = 32  # images
_CHECKOUT = Path(__file__).resolve().parents[2]
_COMMON_NAMES = ("annotations", "annotations-training", "train", "training", "labels")
_KINDS = ("training", "validation", "testing")


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parses the command line."""
    parser = argparse.ArgumentParser(
        prog="new_config.py",
        description="Looks at an annotation file and its images, splits it, and writes a config "
        "that tools/train.py takes as it is.",
    )
    parser.add_argument("annotations", help="file with a line 'PATH LABEL' an image")
    parser.add_argument("--out", help="config to write; default configs/NAME_OF_THE_FILE.py")
    parser.add_argument("--val", help="file to choose the best checkpoint by; default a tenth")
    parser.add_argument("--test", help="file to test on; default another tenth")
    parser.add_argument("--data-root", help="folder that image paths are relative to")
    parser.add_argument("--encoding", default="auto", help=f"of the files: {annotations.ENCODINGS}")
    parser.add_argument(
        "--letter-case",
        choices=charset.LETTER_CASES,
        default="unchanged",
        help="what is done to labels before training and measuring",
    )
    parser.add_argument("--steps", type=int, help="training steps; default by number of images")
    parser.add_argument("--seed", type=int, default=0, help="of the split")
    parser.add_argument("--force", action="store_true", help="overwrite existing files")
    add_traceback_flag(parser)
    return parser.parse_args(argv)


@dataclass(frozen=True)
class Facts:
    """What was measured in the samples.

    Attributes:
        count: training samples.
        characters: that occur in labels, case policy applied.
        longest: longest label in characters.
        widths: of the training images at height 32, in pixels.
    """

    count: int
    characters: str
    longest: int
    widths: list[int]


def _read(path: str, args: argparse.Namespace) -> list[Sample]:
    """Reads an annotation file, checks its images, prints what was kept.

    Raises:
        AnnotationError: unreadable, or nothing in it can be used.
    """
    report = Report(path, policies(None, testing=False))
    samples = list(
        read_samples(
            path,
            report,
            data_root=args.data_root,
            encoding=args.encoding,
            letter_case=args.letter_case,
            progress=lambda done, total: print(f"checked {done} of {total} images"),
        )
    )
    print(report.table())
    report.check(max_rejected=1.0)
    return samples


def steps_for(count: int) -> int:
    """Returns how many steps to train: 2,000 for a thousand images, growing with the root."""
    return min(60_000, max(1_500, 100 * round(20 * math.sqrt(count / 1_000))))


def config_text(
    args: argparse.Namespace, base: str, files: Sequence[str], root: str, facts: Facts
) -> str:
    """Returns the config: what was measured, and nothing else."""
    steps = args.steps or steps_for(facts.count)
    interval = max(50, steps // 20)
    narrow, middle, wide = min(facts.widths), statistics.median(facts.widths), max(facts.widths)
    sizes = f"{narrow} to {wide} pixels wide (median {middle:.0f}) at height {_HEIGHT}"
    name = args.annotations.replace("\\", "/")
    return f'''"""Recogniser for {name}, written by tools/new_config.py.

{facts.count} training images, {sizes};
{len(facts.characters)} characters, labels of up to {facts.longest}.
"""

_base_ = [{base!r}]

data_root = {root!r}
train_dataloader = dict(
    batch_size={_BATCH_SIZE},
    dataset=dict(ann_file={files[0]!r}, data_root=data_root),
)
val_dataloader = dict(dataset=dict(ann_file={files[1]!r}, data_root=data_root))
test_dataloader = dict(dataset=dict(ann_file={files[2]!r}, data_root=data_root))
train_cfg = dict(max_iters={steps}, val_interval={interval})  # steps
default_hooks = dict(checkpoint=dict(interval={interval}))
dictionary = dict(letter_case={args.letter_case!r}, charset={"chars:" + facts.characters!r})
model = dict(
    decoder=dict(max_seq_len={facts.longest + 2}, dictionary=dictionary)  # longest label + 2
)
'''


def _out_path(args: argparse.Namespace) -> Path:
    """Returns the config's path.

    Raises:
        ConfigError: not a .py file, or a file would be overwritten.
    """
    source = Path(args.annotations)
    name = source.resolve().parent.name if source.stem in _COMMON_NAMES else source.stem
    out = Path(args.out) if args.out else Path("configs") / f"{name}.py"
    if out.suffix != ".py":
        raise ConfigError(f"--out {out}: a config's name ends in .py")
    inputs = {Path(path).resolve() for path in (args.annotations, args.val, args.test) if path}
    for path in (out, *(_part_path(out, kind) for kind in _KINDS)):
        if path.resolve() in inputs:
            raise ConfigError(f"{path} is an input and would be written over; give another --out")
        if path.exists() and not args.force:
            raise ConfigError(f"{path} exists; give another --out, or --force to overwrite it")
    return out


def _part_path(out: Path, kind: str) -> Path:
    """Returns where the annotation file of a part goes."""
    return out.resolve().with_name(f"{out.stem}-{kind}.txt")


def _parts(args: argparse.Namespace) -> list[list[Sample]]:
    """Returns training, validation and test samples.

    Raises:
        AnnotationError: too few images to split.
    """
    samples = _read(args.annotations, args)
    given = [_read(path, args) if path else None for path in (args.val, args.test)]
    train, *cut = split(samples, [0.1 for part in given if part is None], args.seed)
    parts = [train, *(cut.pop(0) if part is None else part for part in given)]
    if not all(parts):
        raise AnnotationError(
            f"{args.annotations}: {len(samples)} usable images are too few to split into "
            "training, validation and test; give --val and --test, or more images"
        )
    return parts


def new_config(args: argparse.Namespace) -> int:
    """Writes the split annotation files and the config; returns the exit code."""
    out = _out_path(args)
    parts = _parts(args)
    train = parts[0]
    characters = charset.collect(sample.label for sample in train)
    unseen = "".join(
        c
        for c in charset.collect(s.label for part in parts[1:] for s in part)
        if c not in characters
    )
    if unseen:
        print(
            f"note: {len(unseen)} characters occur in validation or test alone and cannot be "
            f"learnt, among them {charset.describe(unseen[0])}"
        )
    facts = Facts(
        count=len(train),
        characters=charset.collect([characters, unseen]),
        longest=max(len(sample.label) for part in parts for sample in part),
        widths=[max(8, math.ceil(s.size[0] * _HEIGHT / s.size[1])) for s in train if s.size],
    )
    if not facts.characters:
        raise AnnotationError(f"{args.annotations}: all labels are empty")
    root = common_root(train, args.annotations, args.data_root)
    files = []
    for kind, part in zip(_KINDS, parts, strict=True):
        path = _part_path(out, kind)
        write_annotations(path, part, root)
        files.append(str(path))
        print(f"{kind}: {len(part)} images, {path}")
    base = _CHECKOUT / "configs" / "aocr_base.py"
    if not base.exists():
        raise ConfigError(f"{base} is missing; run from a checkout of the project")
    inside = out.resolve().is_relative_to(_CHECKOUT)
    named = os.path.relpath(base, out.resolve().parent) if inside else str(base)
    out.write_text(config_text(args, named, files, root, facts), encoding="utf-8")
    print(
        f"{out}: {charset.describe_charset(facts.characters)}, longest label {facts.longest}\n"
        f"next: python tools/train.py {out}"
    )
    return 0


def main(argv: list[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    return guarded(new_config, parse_args, argv)


if __name__ == "__main__":
    sys.exit(main())

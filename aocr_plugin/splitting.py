"""Splits samples into parts and writes them as annotation files. Needs no PyTorch."""

import os
import random
from collections.abc import Sequence
from pathlib import Path

from aocr_plugin import annotations
from aocr_plugin.errors import AnnotationError
from aocr_plugin.sifting import Sample


def split(samples: list[Sample], shares: Sequence[float], seed: int) -> list[list[Sample]]:
    """Splits samples at random; lines of one image stay together.

    Args:
        samples: all.
        shares: of each part but the first, which takes the rest.
        seed: of the shuffling.

    Returns:
        A list for the rest and one for each share.
    """
    by_file: dict[str, list[Sample]] = {}
    for sample in samples:
        by_file.setdefault(sample.path, []).append(sample)
    files = sorted(by_file)
    random.Random(seed).shuffle(files)
    parts: list[list[Sample]] = []
    for share in shares:
        count = min(max(1, round(share * len(by_file))), max(0, len(files) - 1))
        parts.append([sample for file in files[:count] for sample in by_file[file]])
        files = files[count:]
    return [[sample for file in files for sample in by_file[file]], *parts]


def common_root(samples: Sequence[Sample], ann_file: str, data_root: str | None) -> str:
    """Returns the folder, of those that paths may be relative to, that holds most images."""
    folders = annotations.roots(ann_file, data_root)

    def inside(folder: str) -> int:
        prefix = os.path.join(os.path.abspath(folder), "")
        return sum(os.path.abspath(sample.path).startswith(prefix) for sample in samples)

    return os.path.abspath(max(folders, key=inside))


def write_annotations(path: Path, samples: Sequence[Sample], root: str) -> None:
    """Writes samples with paths relative to ``root`` (absolute where they lie elsewhere).

    Raises:
        AnnotationError: a path holds white space, which would end it.
    """
    lines = []
    for sample in samples:
        image = os.path.abspath(sample.path)
        if image.startswith(os.path.join(root, "")):
            image = os.path.relpath(image, root)
        if any(character.isspace() for character in image):
            raise AnnotationError(
                f"{image}: the path has white space, which ends a path in an annotation file; "
                "give --data-root a folder above it, or rename"
            )
        lines.append(f"{image} {sample.label}\n")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(lines), encoding="utf-8")

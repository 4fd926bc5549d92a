"""Crops in every form that batch_predict.py reads, and what it wrote."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import pyarrow
from conftest import ROOT, draw_word
from pyarrow import dataset, parquet

from aocr_plugin import storage
from aocr_plugin.formats import writing
from aocr_plugin.formats.record import Record

BROKEN = b"\x89PNG\r\n no image"


def png(text: str, width: int | None = None) -> bytes:
    """Returns a drawn word as a PNG file."""
    return cv2.imencode(".png", draw_word(text, width))[1].tobytes()


def crops(count: int) -> list[tuple[bytes, str]]:
    """Returns images of several widths with their labels."""
    return [(png(f"W{i}", 60 + 7 * (i % 11)), f"W{i}") for i in range(count)]


def write_files(folder: Path, images) -> Path:
    """Writes images and an annotation file; returns the file."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = []
    for index, (data, label) in enumerate(images):
        (folder / f"{index:05d}.png").write_bytes(data)
        lines.append(f"{index:05d}.png {label}\n")
    (folder / "labels.txt").write_text("".join(lines))
    return folder / "labels.txt"


def write_records(path: Path, images) -> Path:
    """Writes TFRecords, or an LMDB, by the name's ending."""
    records = [Record(i, data, label) for i, (data, label) in enumerate(images, start=1)]
    writing.write(writing.kind_by_name(str(path)), str(path), records)
    return path


def write_parquet(path: Path, images, group: int = 4, struct: bool = False) -> Path:
    """Writes a Parquet file, the image as bytes or as the struct of Hugging Face's data sets."""
    path.parent.mkdir(parents=True, exist_ok=True)
    column = [{"bytes": data, "path": None} if struct else data for data, _ in images]
    table = pyarrow.table({"image": column, "text": [label for _, label in images]})
    parquet.write_table(table, path, row_group_size=group)
    return path


def command(*arguments) -> list[str]:
    """Returns the command line of the tool."""
    return [sys.executable, str(ROOT / "tools" / "batch_predict.py"), *map(str, arguments)]


def tool(*arguments, code: int = 0, env=None) -> subprocess.CompletedProcess:
    """Runs the tool to its end; no traceback may show."""
    done = subprocess.run(
        command(*arguments), capture_output=True, text=True, env=os.environ | (env or {})
    )
    assert done.returncode == code, done.stdout[-2000:] + done.stderr[-3000:]
    assert "Traceback" not in done.stderr
    return done


def written(dest) -> list[dict]:
    """Returns all rows of a destination in order; Arrow's own reader finds the parts."""
    names = sorted(name for name in storage.files(dest) if name.startswith("part-"))
    if names[0].endswith(".jsonl"):
        lines = [storage.read_bytes(storage.join(dest, name)).splitlines() for name in names]
        rows = [json.loads(line) for part in lines for line in part]
    elif storage.is_remote(dest):
        data = [io.BytesIO(storage.read_bytes(storage.join(dest, name))) for name in names]
        rows = [row for part in data for row in parquet.read_table(part).to_pylist()]
    else:
        rows = dataset.dataset(str(dest), format="parquet").to_table().to_pylist()
    return sorted(rows, key=lambda row: row["row"])

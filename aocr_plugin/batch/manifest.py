"""What was asked for, and with which model: written into the destination before the first part."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aocr_plugin import storage
from aocr_plugin.batch import parts
from aocr_plugin.errors import CheckpointError


@dataclass(frozen=True)
class Manifest:
    """What was asked for. Speed (replicas, threads, batches) is no part of it.

    Attributes:
        source: absolute path or URL, or pattern.
        state: checksum of the source's names and labels, or files' sizes and times.
        rows: of the source.
        model: checksum of the model's files.
        form: "parquet" or "jsonl".
        partition_rows: rows of a part; the last may have fewer.
        settings: whatever else changes a row.
    """

    source: str
    state: str
    rows: int
    model: str
    form: str
    partition_rows: int
    settings: dict[str, Any]

    @property
    def partitions(self) -> int:
        """How many parts there are to be."""
        return -(-self.rows // self.partition_rows)

    def bounds(self, partition: int) -> tuple[int, int]:
        """Returns the first row of a partition and the one behind its last."""
        start = partition * self.partition_rows
        return start, min(start + self.partition_rows, self.rows)

    def part(self, partition: int) -> str:
        """Returns the file name of a partition."""
        return parts.name(partition, self.partitions, self.form)


def checksum(model: str) -> str:
    """Returns the SHA-256 of a model's file; of OpenVINO's, that of the ``.bin`` too.

    Raises:
        CheckpointError: there is no such file.
        StorageError: its store cannot be used.
    """
    found = hashlib.sha256()
    try:
        path = storage.local_copy(model)
        for file in (path, Path(path).with_suffix(".bin")):
            if file == path or (path.suffix == ".xml" and file.is_file()):
                with file.open("rb") as source:
                    while block := source.read(1 << 20):
                        found.update(block)
    except OSError as error:
        raise CheckpointError(
            f"{model}: cannot read the model ({error.strerror or error}); give a .pth of "
            "tools/train.py or a .onnx or .xml of tools/export.py"
        ) from error
    return found.hexdigest()

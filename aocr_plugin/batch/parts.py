"""What is written: one file a partition, Parquet or JSON Lines. Needs pyarrow for Parquet."""

import io
import json
import re
from typing import Any

from aocr_plugin.plain_json import without_nan

FORMATS = ("parquet", "jsonl")
_ALWAYS = ("row", "source", "number", "text", "score", "label", "error")
COLUMNS = (*_ALWAYS, "char_scores", "turn", "view")
_NAME = re.compile(r"part-(\d+)-of-(\d+)\.(\w+)")


def name(partition: int, partitions: int, form: str) -> str:
    """Returns the file name of a partition, numbered from 0."""
    return f"part-{partition:06d}-of-{partitions:06d}.{form}"


def partition(file: str) -> int | None:
    """Returns the number of the partition that a file is of, or None for any other file."""
    found = _NAME.fullmatch(file)
    return int(found[1]) if found else None


def encode(rows: list[dict[str, Any]], form: str) -> bytes:
    """Returns a partition as a file.

    Args:
        rows: with :data:`COLUMNS`, of which the last three may be missing in all.
        form: one of :data:`FORMATS`.
    """
    rows = [_clean(row) for row in rows]
    if form == "jsonl":
        lines = (json.dumps(without_nan(row), ensure_ascii=False) + "\n" for row in rows)
        return "".join(lines).encode()
    import pyarrow
    from pyarrow import parquet

    kinds: dict[str, Any] = dict.fromkeys(
        ("source", "text", "label", "error", "view"), pyarrow.string()
    )
    kinds |= dict.fromkeys(("row", "number", "turn"), pyarrow.int64())
    kinds |= {"score": pyarrow.float64(), "char_scores": pyarrow.list_(pyarrow.float64())}
    schema = pyarrow.schema([(column, kinds[column]) for column in COLUMNS if column in rows[0]])
    buffer = io.BytesIO()
    parquet.write_table(pyarrow.Table.from_pylist(rows, schema), buffer)
    return buffer.getvalue()


def _clean(row: dict[str, Any]) -> dict[str, Any]:
    """Writes half surrogates out, which file names may hold and neither form may."""
    return {
        key: value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value
        for key, value in row.items()
    }


def count(data: bytes, form: str) -> tuple[int, int]:
    """Returns how many rows a partition's file has, and how many of them have an error.

    Raises:
        ValueError: the file is not whole.
    """
    if form == "jsonl":
        if not data.endswith(b"\n"):
            raise ValueError("its last line is not whole")
        found = [json.loads(line)["error"] for line in data.splitlines()]
        return len(found), sum(error is not None for error in found)
    import pyarrow
    from pyarrow import parquet

    try:
        column = parquet.read_table(io.BytesIO(data), columns=["error"]).column("error")
    except (pyarrow.ArrowException, OSError) as error:
        raise ValueError(str(error)) from error
    return len(column), len(column) - column.null_count

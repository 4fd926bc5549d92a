"""Images in a column of Parquet files. No PyTorch."""

import bisect
import contextlib
import dataclasses
import itertools
from collections.abc import Iterator, Sequence
from typing import Any

from aocr_plugin import storage
from aocr_plugin.batch.containers import ContainerSource, file_state
from aocr_plugin.batch.files import load_file
from aocr_plugin.batch.row import Piece, Row
from aocr_plugin.errors import ConfigError, RecordError
from aocr_plugin.stores import explained

_AT_ONCE = 256  # rows decoded at a time
_LABELS = ("label", "text")


@contextlib.contextmanager
def _explained(name: str) -> Iterator[None]:
    """Turns what is raised at a file into our errors.

    Raises:
        RecordError: it cannot be read, or is none.
        StorageError: its store cannot be used.
    """
    import pyarrow

    try:
        with explained(name) if storage.is_remote(name) else contextlib.nullcontext():
            yield
    except (OSError, pyarrow.ArrowException) as error:
        raise RecordError(f"{name}: cannot be read as Parquet ({error})") from error


@contextlib.contextmanager
def _opened(name: str) -> Iterator[Any]:
    """Opens a Parquet file, wherever it is; see :func:`_explained` for what it raises."""
    from pyarrow import parquet

    with contextlib.ExitStack() as stack:
        with _explained(name):
            file: Any = name
            if storage.is_remote(name):
                file = stack.enter_context(storage.filesystem(name).open(name, "rb"))
            opened = stack.enter_context(parquet.ParquetFile(file))
        yield opened


def _holds_image(kind: Any) -> bool:
    """Whether a column may hold encoded images: bytes, or a struct of them as others write it."""
    from pyarrow import types

    if types.is_struct(kind):
        return any(kind.field(i).name == "bytes" for i in range(kind.num_fields))
    return bool(types.is_binary(kind) or types.is_large_binary(kind))


def _image_column(name: str, schema: Any, wanted: str | None) -> str:
    """Returns the column of images.

    Raises:
        ConfigError: there is none, or it cannot be told which it is.
    """
    columns = {field.name: field.type for field in schema}
    able = [column for column, kind in columns.items() if _holds_image(kind)]
    if wanted is not None:
        if wanted in able:
            return wanted
        raise ConfigError(
            f"{name}: --image-column {wanted} is {columns.get(wanted, 'not there')}; columns of "
            f"encoded images (bytes, or a struct with bytes) are {', '.join(able) or 'none'}"
        )
    if "image" in able or len(able) == 1:
        return "image" if "image" in able else able[0]
    raise ConfigError(
        f"{name}: columns that may hold images are {', '.join(able) or 'none'}, of "
        f"{', '.join(columns)}; name one of bytes with --image-column"
    )


def _label_column(name: str, schema: Any, wanted: str | None) -> str | None:
    """Returns the column of labels, or None.

    Raises:
        ConfigError: the column asked for holds no text.
    """
    from pyarrow import types

    texts = [f.name for f in schema if types.is_string(f.type) or types.is_large_string(f.type)]
    if wanted is not None and wanted not in texts:
        raise ConfigError(
            f"{name}: --label-column {wanted} is no column of text; there are "
            f"{', '.join(texts) or 'none'}"
        )
    return wanted or next((column for column in _LABELS if column in texts), None)


def open_parquet(
    names: Sequence[str], image_column: str | None = None, label_column: str | None = None
) -> ContainerSource:
    """Counts the rows of Parquet files and finds the columns, which are those of the first.

    Args:
        names: paths or URLs.
        image_column: encoded images; None is "image", or the only column of bytes.
        label_column: texts; None is "label" or "text", if there is one.

    Raises:
        ConfigError: a column is not there.
        RecordError: a file cannot be read.
        StorageError: a store cannot be used.
    """
    counts, columns = [], None
    for name in names:
        with _opened(name) as file:
            counts.append(file.metadata.num_rows)
            if columns is None:
                schema = file.schema_arrow
                image = _image_column(name, schema, image_column)
                columns = {"image": image, "label": _label_column(name, schema, label_column)}
    return ContainerSource("parquet", names, counts, columns or {})


@dataclasses.dataclass
class _Cursor:
    """A file that is read from front to back, by one piece after the other.

    Parquet cannot be read from the middle of a row group, and a file may be one row group: if each
    piece read it from its start, a file twice as long would take four times as long.

    Attributes:
        key: what is read: file, its state, columns.
        starts: the first row of each row group, from 0.
        row: the row that comes next, from 0.
        batch: rows from there on, as far as they are decoded.
        batches: what comes behind them.
        opened: closes the file.
    """

    key: tuple[str, ...]
    starts: list[int]
    row: int
    batch: Any
    batches: Iterator[Any]
    opened: contextlib.ExitStack

    def leads_to(self, key: tuple[str, ...], start: int) -> bool:
        """Whether a row is ahead, with no row group between that need not be read."""
        begin = self.starts[bisect.bisect(self.starts, start) - 1]
        return self.key == key and begin <= self.row <= start


_cursor: _Cursor | None = None  # of this process, which reads one piece at a time


def read_parquet(piece: Piece) -> Iterator[Row]:
    """Yields the images of a piece. Row groups that hold none of it are not read.

    Raises:
        RecordError: a file, or a column of it, cannot be read.
        StorageError: a store cannot be used.
    """
    for name, first, last in piece["spans"]:
        yield from _rows(name, first - 1, last, piece["image"], piece["label"])


def _rows(name: str, start: int, stop: int, image: str, label: str | None) -> Iterator[Row]:
    """Yields rows of a file, from where the last piece ended if that is before them."""
    global _cursor
    key = (*file_state(name), image, label or "")
    cursor, _cursor = _cursor, None  # given back when all went well
    if cursor is not None and not cursor.leads_to(key, start):
        cursor.opened.close()
        cursor = None
    cursor = cursor or _begin(name, key, start, image, label)
    while cursor.row < stop:
        if not len(cursor.batch):
            with _explained(name):
                cursor.batch = next(cursor.batches)
        skipped = min(max(start - cursor.row, 0), len(cursor.batch))
        taken = min(stop - cursor.row, len(cursor.batch))
        found = cursor.batch.slice(skipped, taken - skipped).to_pylist()
        for number, one in enumerate(found, start=cursor.row + skipped + 1):
            yield _row(name, number, one[image], one[label] if label else None)
        cursor.batch = cursor.batch.slice(taken)
        cursor.row += taken
    _cursor = cursor


def _begin(name: str, key: tuple[str, ...], start: int, image: str, label: str | None) -> _Cursor:
    """Opens a file and goes to the row group that a row is in.

    Raises:
        RecordError: it has not the columns that the first file has.
    """
    with contextlib.ExitStack() as opened:
        file = opened.enter_context(_opened(name))
        columns = [image] if label is None else [image, label]
        missing = [column for column in columns if column not in file.schema_arrow.names]
        if missing:
            raise RecordError(f"{name}: has no column {missing[0]}, which the first file has")
        groups = range(file.metadata.num_row_groups)
        sizes = [file.metadata.row_group(i).num_rows for i in groups]
        starts = list(itertools.accumulate(sizes, initial=0))[:-1]
        first = bisect.bisect(starts, start) - 1
        batches = file.iter_batches(_AT_ONCE, row_groups=groups[first:], columns=columns)
        return _Cursor(key, starts, starts[first], (), batches, opened.pop_all())


def _row(name: str, number: int, image: Any, label: str | None) -> Row:
    """Returns a row; where there are no bytes but a path, the file is read."""
    path = None
    if isinstance(image, dict):
        image, path = image.get("bytes"), image.get("path")
    if image is None and path is not None:
        found = load_file((number, path, label, None), [storage.parent(name)], name)
        return dataclasses.replace(found, source=name)
    if image is None:
        return Row(name, number, label=label, error="there is no image in this row")
    return Row(name, number, image, label)

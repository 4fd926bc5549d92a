"""Samples kept so that ten million of them fit into memory, and workers share it.

A Python object a sample would take half a kilobyte in every process: a forked worker that looks at
one writes its reference count, and so gets its own copy of the memory page. Here each kind of value
is one array, which workers read without writing. MMEngine's ``serialize_data`` shares memory too,
but pickles dicts that have to be there all at once first. Needs no PyTorch.
"""

from array import array
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aocr_plugin.sifting import Sample

_MOST_FOLDERS = 1 << 16  # beyond, paths are kept whole


class _Texts:
    """Texts one after the other in one buffer."""

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._ends = array("q", [0])

    def append(self, text: str) -> None:
        """Adds a text at the end."""
        self._bytes += text.encode("utf-8", "surrogatepass")
        self._ends.append(len(self._bytes))

    def __getitem__(self, index: int) -> str:
        data = self._bytes[self._ends[index] : self._ends[index + 1]]
        return data.decode("utf-8", "surrogatepass")


class SampleTable(Sequence[dict[str, Any]]):
    """A list of samples as MMEngine's datasets have them; the dicts are made when asked for.

    A dict has ``img_path`` and ``instances`` as those of MMOCR's ``RecogTextDataset``, ``line``,
    ``size`` (width, height) or None, and ``comment``.

    Args:
        samples: the first ones.
    """

    def __init__(self, samples: Iterable[Sample] = ()) -> None:
        self._folders: list[str] = []
        self._folder_numbers: dict[str, int] = {}
        self._folder, self._line = array("i"), array("q")
        self._name, self._label, self._comment = _Texts(), _Texts(), _Texts()
        self._commented = array("b")
        self._size = array("i")  # width, height; 0, 0: not known
        self._rows: NDArray[np.int64] | None = None
        for sample in samples:
            self.append(sample)

    def append(self, sample: Sample) -> None:
        """Adds a sample at the end."""
        folder, name = self._split(sample.path)
        self._folder.append(folder)
        self._name.append(name)
        self._label.append(sample.label)
        self._line.append(sample.line)
        self._size.extend(sample.size or (0, 0))
        self._comment.append(sample.comment or "")
        self._commented.append(sample.comment is not None)

    def _split(self, path: str) -> tuple[int, str]:
        """Returns the number of a path's folder (or of its TFRecord file), and the rest."""
        cut = path.rfind("#" if path.startswith("tfrecord:") else "/") + 1
        folder = path[:cut]
        number = self._folder_numbers.get(folder)
        if number is not None:
            return number, path[cut:]
        if len(self._folders) >= _MOST_FOLDERS:
            return -1, path
        self._folder_numbers[folder] = len(self._folders)
        self._folders.append(folder)
        return len(self._folders) - 1, path[cut:]

    def __len__(self) -> int:
        return len(self._line) if self._rows is None else len(self._rows)

    def sample(self, index: int) -> Sample:
        """Returns one sample.

        Raises:
            IndexError: there is none of this number.
        """
        if not -len(self) <= index < len(self):
            raise IndexError(f"sample {index} of {len(self)}")
        row = range(len(self))[index] if self._rows is None else int(self._rows[index])
        folder = self._folder[row]
        width, height = self._size[2 * row], self._size[2 * row + 1]
        return Sample(
            ("" if folder < 0 else self._folders[folder]) + self._name[row],
            self._label[row],
            self._line[row],
            (width, height) if height else None,
            self._comment[row] if self._commented[row] else None,
        )

    def samples(self) -> Iterator[Sample]:
        """Yields all samples."""
        return map(self.sample, range(len(self)))

    def __getitem__(self, index: Any) -> Any:
        """Returns a sample's dict; of a slice, a table that shares this one's memory."""
        if isinstance(index, slice):
            rows = np.arange(len(self._line)) if self._rows is None else self._rows
            return self._selected(rows[index])
        sample = self.sample(index)
        return {
            "img_path": sample.path,
            "instances": [{"text": sample.label}],
            "line": sample.line,
            "size": sample.size,
            "comment": sample.comment,
        }

    def _selected(self, rows: NDArray[np.int64]) -> "SampleTable":
        part = SampleTable()
        part.__dict__.update(self.__dict__)
        part._rows = rows
        return part

    def aspect_ratios(self) -> NDArray[np.float32]:
        """Returns width / height of every image; not a number where the size is not known."""
        sizes = np.array(self._size).reshape(-1, 2)
        if self._rows is not None:
            sizes = sizes[self._rows]
        with np.errstate(invalid="ignore"):
            ratios: NDArray[np.float32] = (sizes[:, 0] / sizes[:, 1]).astype(np.float32)
        return ratios

"""The worker: reads one partition after the other and writes each whole. One a Ray actor."""

import glob
import itertools
import json
import os
import socket
import sys
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from aocr_plugin import storage
from aocr_plugin.batch import manifest, parts, source
from aocr_plugin.batch.row import Row
from aocr_plugin.errors import AnnotationError, AOCRError, CheckpointError, StorageError

_WINDOW = 8  # batches of images in memory, which Recognizer sorts by width
_TRIES = 10  # of a partition, whose worker dies


@dataclass(frozen=True)
class Task:
    """What every worker is told once.

    Attributes:
        source: what is read, to tell a machine that has none of it.
        model: path or URL.
        checksum: of the model, see :func:`manifest.checksum`.
        dest: folder or prefix of the parts.
        form: "parquet" or "jsonl".
        batch_size: images that the network reads at once.
        threads: of a worker.
        char_scores: whether to write each character's score.
        options: of :class:`aocr_plugin.Recognizer`.
    """

    source: str
    model: str
    checksum: str
    dest: str
    form: str
    batch_size: int = 32
    threads: int = 1
    char_scores: bool = False
    options: dict[str, Any] = field(default_factory=dict)


class Tries:
    """Counts how often each partition was begun; an actor of its own, as readers may die."""

    def __init__(self) -> None:
        self._begun: Counter[str] = Counter()

    def begin(self, file: str) -> int:
        """Returns the number of the try, from 1."""
        self._begun[file] += 1
        return self._begun[file]


class PartitionReader:
    """Reads partitions for ``Dataset.map_batches``.

    The model is loaded with the first partition and not before: Ray takes a worker that dies while
    it is made for one that never will be, but one that dies at work is replaced.

    Args:
        task: what to do.
        tries: asked for the number of a partition's try, so that an image that ends every process
            that reads it (a decoder that crashes, too little memory) does not go on for ever.
    """

    def __init__(self, task: Task, tries: Callable[[str], int] | None = None) -> None:
        self.task = task
        self._tries = tries or Tries().begin
        for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
            os.environ[name] = str(task.threads)
        self._recognizer: Any = None

    def __call__(self, batch: dict[str, Any]) -> dict[str, list[Any]]:
        """Reads and writes a partition.

        Args:
            batch: of one row: "file", the part's name; "start" and "stop", its first row and the
                one behind its last; "piece", as JSON.

        Returns:
            One row: "file", "tries", "rows", "errors" and "failure", which says why there is no
            part, or "".
        """
        file, start = str(batch["file"][0]), int(batch["start"][0])
        tries = self._tries(file)
        done: dict[str, list[Any]] = {"file": [file], "rows": [0], "errors": [0], "failure": [""]}
        done["tries"] = [tries]
        if tries > _TRIES:
            why = (
                f"its worker died {_TRIES} times; an image from row {start} on ends the process, "
                "or memory is short: try fewer --replicas or a smaller --batch-size"
            )
            return done | {"failure": [why]}
        try:
            rows = list(self._read(start, json.loads(batch["piece"][0])))
            expected = int(batch["stop"][0]) - start
            if len(rows) != expected:
                raise AnnotationError(
                    f"the source gives {len(rows)} of {expected} rows from row {start} on; it must "
                    "not change while it is read"
                )
            self._write(file, parts.encode(rows, self.task.form))
        except AOCRError as error:
            return done | {"failure": [str(error)]}
        except Exception:  # noqa: BLE001, told by the process that the user sees
            return done | {"failure": [f"on {socket.gethostname()}: {traceback.format_exc()}"]}
        errors = sum(row["error"] is not None for row in rows)
        return done | {"rows": [len(rows)], "errors": [errors]}

    def _write(self, file: str, data: bytes) -> None:
        """Writes a part, which appears whole or not at all.

        Raises:
            StorageError: it cannot be written.
        """
        try:
            storage.write_bytes(storage.join(self.task.dest, file), data)
        except OSError as error:
            raise StorageError(
                f"{self.task.dest}: cannot be written on {socket.gethostname()} "
                f"({error.strerror or error}); make room or mend its permissions, then start again"
            ) from error

    def _load(self) -> Any:
        """Returns the recogniser.

        Raises:
            CheckpointError: the model is another here than where the run was started.
            AnnotationError: the source is not here.
        """
        import cv2

        from aocr_plugin import Recognizer

        task = self.task
        cv2.setNumThreads(task.threads)
        if not (storage.scheme(task.source) or glob.has_magic(task.source)):
            if not os.path.exists(task.source):
                raise AnnotationError(
                    f"{task.source}: not there on {socket.gethostname()}; give all machines the "
                    "same folder, or a URL"
                )
        if manifest.checksum(task.model) != task.checksum:
            raise CheckpointError(
                f"{task.model}: another model on {socket.gethostname()} than where this run was "
                "started; give all machines the same file, or a URL"
            )
        recognizer = Recognizer(
            task.model, batch_size=task.batch_size, threads=task.threads, **task.options
        )
        if "torch" in sys.modules:
            sys.modules["torch"].set_num_threads(task.threads)
        return recognizer

    def _read(self, start: int, piece: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Yields what is written of each row."""
        self._recognizer = self._recognizer or self._load()
        waiting = enumerate(source.read(piece), start=start)
        while window := list(itertools.islice(waiting, _WINDOW * self.task.batch_size)):
            images = [row.image for _, row in window if row.error is None]
            found = zip(itertools.count(), self._recognizer(images, errors="return"), strict=False)
            for number, row in window:
                yield self._entry(number, row, *next(found) if row.error is None else (0, None))

    def _entry(self, number: int, row: Row, index: int, prediction: Any) -> dict[str, Any]:
        """Returns what is written of a row.

        Args:
            number: of the row in the source, from 0.
            row: the image.
            index: of the image in the window, which is its name in the prediction's error.
            prediction: of the image, or None where there was none.
        """
        error = row.error
        if prediction is not None and prediction.error is not None:
            error = prediction.error.removeprefix(f"image {index}: ")
        read = prediction is not None and error is None
        entry = {
            "row": number,
            "source": row.source,
            "number": row.number,
            "text": prediction.text if read else None,
            "score": float(prediction.score) if read else None,
            "label": row.label,
            "error": error,
        }
        if self.task.char_scores:
            entry["char_scores"] = [float(s) for s in prediction.char_scores] if read else None
        if self.task.options.get("vertical"):
            entry["turn"] = prediction.turn if read else None
        if self.task.options.get("views"):
            entry["view"] = prediction.view if read else None
        return entry

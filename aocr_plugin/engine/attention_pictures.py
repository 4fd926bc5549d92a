"""Writes pictures of where the network looked: of a test run to files, of training to a log."""

import io
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.dist import get_rank
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmocr.registry import HOOKS
from PIL import Image

from aocr_plugin import storage
from aocr_plugin.engine import destinations
from aocr_plugin.engine.readings import AttentionSwitch, picture_of, reading_of
from aocr_plugin.errors import ConfigError
from aocr_plugin.visualization import attention
from aocr_plugin.visualization.reading import Pixels, Reading
from aocr_plugin.visualization.strip import strip

KINDS = ("gif", "png", "npz")
_FILES = {"gif": "image.gif", "png": "strip.png", "npz": "attention.npz"}
_WORD = "word.txt"


class FolderNames:
    """Gives each image a folder name of its own, made of the file's name.

    Args:
        suffix: at the end of every name; one for each process keeps theirs apart.
    """

    def __init__(self, suffix: str = "") -> None:
        self.suffix = suffix
        self._used: set[str] = set()
        self._next: dict[str, int] = {}  # by stem, so that many of one stem cost nothing

    def __call__(self, name: str) -> str:
        """Returns a name: ``a/b.png`` gives ``b``, ``tfrecord:///a/b.tfrecords#12`` ``b-12``."""
        path, _, record = name.partition("#") if name.startswith("tfrecord://") else (name, "", "")
        if "://" in path:
            path = path.partition("?")[0]
        stem = Path(path.replace("\\", "/")).stem + (f"-{record}" if record else "")
        safe = re.sub(r"[^\w.-]+", "_", stem)[:60].strip(".") or "image"
        folder, number = f"{safe}{self.suffix}", self._next.get(safe.lower(), 1)
        while folder.lower() in self._used:
            number += 1
            folder = f"{safe}-{number}{self.suffix}"
        self._used.add(folder.lower())
        self._next[safe.lower()] = number
        return folder


@HOOKS.register_module()
class AttentionPictures(Hook):
    """Writes, for each image of a test run, what was read and where the network looked.

    ``OUT/correct/NAME/`` or ``OUT/incorrect/NAME/`` gets ``word.txt`` (the prediction, then the
    label), ``image.gif`` (as the original's: the image dimmed, then a frame a character, half a
    second each), ``strip.png`` (a panel a character) and ``attention.npz``: ``attention``
    [L, T] with all steps, ``edges`` [T + 1] of the columns in pixels of the image, ``text``,
    ``label``, ``char_scores`` and ``score``. While training, a few strips of the validation set
    go to the visualiser, and so to TensorBoard where that is on.

    Args:
        out_dir: folder (or URL) of a test run's pictures; None writes none.
        limit: most images that are written, by each process; None is all.
        kinds: which of "gif", "png" and "npz" are written.
        which: "all" or "incorrect".
        val_images: strips of the first images of a validation, 0 for none.

    Raises:
        ConfigError: an argument is out of range, or the decoder has no attention.
    """

    def __init__(
        self,
        out_dir: str | None = "results",
        limit: int | None = None,
        kinds: Sequence[str] = KINDS,
        which: str = "all",
        val_images: int = 4,
    ) -> None:
        unknown = [kind for kind in kinds if kind not in KINDS]
        if unknown:
            raise ConfigError(f"kinds holds '{unknown[0]}'; it may hold {', '.join(KINDS)}")
        if which not in ("all", "incorrect"):
            raise ConfigError(f"which is '{which}'; it must be 'all' or 'incorrect'")
        for name, value in (("limit", limit), ("val_images", val_images)):
            if value is not None and value < 0:
                raise ConfigError(f"{name} is {value}; it must not be negative")
        self.out_dir = out_dir
        self.limit = limit
        self.kinds = tuple(kinds)
        self.which = which
        self.val_images = val_images
        self._switch = AttentionSwitch()
        self._names = FolderNames()
        self._done = 0

    def before_test(self, runner: Any) -> None:
        """Makes the decoder keep its attention.

        Raises:
            ConfigError: it has none, or the pictures could not be written.
        """
        if self.out_dir is None:
            return
        destinations.check(self.out_dir, folder=True)
        self._switch.on(runner.model, "AttentionPictures")
        self._names = FolderNames(f"-r{get_rank()}" if get_rank() else "")
        self._done = 0

    def after_test_iter(
        self,
        runner: Any,
        batch_idx: int,
        data_batch: Any = None,
        outputs: Sequence[Any] | None = None,
    ) -> None:
        """Writes the pictures of a batch."""
        if self.out_dir is None:
            return
        for index, sample in enumerate(outputs or ()):
            if self.limit is not None and self._done >= self.limit:
                return
            reading = reading_of(sample, runner.model)
            if self.which == "all" or not reading.correct:
                self._write(reading, picture_of(sample, data_batch["inputs"][index]))

    def after_test(self, runner: Any) -> None:
        """Puts the decoder back and says where the pictures are."""
        self._switch.off()
        if self.out_dir is not None:
            print_log(f"attention pictures of {self._done} images: {self.out_dir}", "current")

    def _write(self, reading: Reading, image: Pixels) -> None:
        """Writes one image's folder; what an earlier run put under the other class goes."""
        if reading.attention is None or reading.edges is None or self.out_dir is None:
            raise ConfigError("AttentionPictures: the decoder gave no attention with its text")
        name = self._names(reading.name)
        here, other = ("correct", "incorrect")[:: 1 if reading.correct else -1]
        _clear(storage.join(self.out_dir, other, name))
        for file, data in self._files(reading, image):
            _put(storage.join(self.out_dir, here, name, file), data)
        self._done += 1

    def _files(self, reading: Reading, image: Pixels) -> Iterator[tuple[str, bytes]]:
        """Yields the names and contents of an image's files."""
        yield _WORD, f"{reading.text}\n{reading.label}\n".encode("utf-8", "replace")
        if "gif" in self.kinds:
            yield _FILES["gif"], attention.gif(attention.frames(image, reading))
        if "png" in self.kinds:
            buffer = io.BytesIO()
            Image.fromarray(strip(image, reading)).save(buffer, "PNG")
            yield _FILES["png"], buffer.getvalue()
        if "npz" in self.kinds and reading.attention is not None and reading.edges is not None:
            buffer = io.BytesIO()
            np.savez_compressed(
                buffer,
                attention=reading.attention,
                edges=reading.edges * image.shape[1],
                text=np.array(reading.text),
                label=np.array(reading.label),
                char_scores=np.array(reading.char_scores, np.float32),
                score=np.array(np.nan if reading.score is None else reading.score),
            )
            yield _FILES["npz"], buffer.getvalue()

    def before_val(self, runner: Any) -> None:
        """Makes the decoder keep its attention for the first batches."""
        self._done, self._names = 0, FolderNames()
        if self.val_images and get_rank() == 0:
            self._switch.on(runner.model, "AttentionPictures")

    def after_val_iter(
        self,
        runner: Any,
        batch_idx: int,
        data_batch: Mapping[str, Any] | None = None,
        outputs: Sequence[Any] | None = None,
    ) -> None:
        """Hands strips of the first images to the visualiser."""
        if get_rank() or data_batch is None:
            return
        for index, sample in enumerate(outputs or ()):
            if self._done >= self.val_images:
                self._switch.off()
                return
            reading = reading_of(sample, runner.model)
            picture = strip(picture_of(sample, data_batch["inputs"][index]), reading)
            _make_folders(runner.visualizer)
            tag = f"attention/{self._names(reading.name)}"
            runner.visualizer.add_image(tag, picture, step=runner.iter)
            self._done += 1

    def after_val(self, runner: Any) -> None:
        """Puts the decoder back."""
        self._switch.off()


def _put(path: str, data: bytes) -> None:
    """Writes a file; a local one without the waiting for the disk that checkpoints are worth."""
    if storage.is_remote(path):
        storage.write_bytes(path, data)
        return
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_bytes(data)


def _clear(folder: str) -> None:
    """Removes the files that this hook writes, and a local folder if it is empty then."""
    for file in (*_FILES.values(), _WORD):
        if storage.is_remote(folder):
            storage.remove(storage.join(folder, file))
        else:
            Path(folder, file).unlink(missing_ok=True)
    if os.path.isdir(folder) and not os.listdir(folder):
        os.rmdir(folder)


def _make_folders(visualizer: Any) -> None:
    """Makes the folder of "attention/…" for MMEngine's local back end, which makes none."""
    for backend in visualizer._vis_backends.values():
        folder = getattr(backend, "_img_save_dir", None)
        if folder:
            (Path(folder) / "attention").mkdir(parents=True, exist_ok=True)

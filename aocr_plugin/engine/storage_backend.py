"""Object stores as a file backend of MMEngine: MMOCR's transforms take URLs as they take paths."""

import importlib.util
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mmengine.fileio import BaseStorageBackend, FileClient, register_backend

from aocr_plugin import storage

PREFIXES = ("s3", "s3a", "gs", "gcs", "az", "abfs", "memory")
"""The schemes registered; ``http`` and ``https`` stay with MMEngine's own backend."""

Name = str | Path


class FsspecBackend(BaseStorageBackend):
    """Files in any object store that fsspec knows; see :mod:`aocr_plugin.storage`.

    Interface and results are those of MMEngine's ``LocalBackend``. Every method raises
    :class:`aocr_plugin.errors.StorageError` where the store cannot be used.
    """

    def get(self, filepath: Name) -> bytes:
        """Returns a file's bytes; FileNotFoundError where there is none."""
        return storage.read_bytes(filepath)

    def get_text(self, filepath: Name, encoding: str = "utf-8") -> str:
        """Returns a file's text."""
        return self.get(filepath).decode(encoding)

    def put(self, obj: bytes, filepath: Name) -> None:
        """Writes a file, which appears whole or not at all."""
        storage.write_bytes(filepath, obj)

    def put_text(self, obj: str, filepath: Name, encoding: str = "utf-8") -> None:
        """Writes a text file."""
        self.put(obj.encode(encoding), filepath)

    def exists(self, filepath: Name) -> bool:
        """Whether there is such a file or folder."""
        return storage.exists(filepath)

    def isfile(self, filepath: Name) -> bool:
        """Whether there is such a file."""
        return storage.kind(str(filepath)) == "file"

    def isdir(self, filepath: Name) -> bool:
        """Whether there is such a folder."""
        return storage.kind(str(filepath)) == "directory"

    def join_path(self, filepath: Name, *filepaths: Name) -> str:
        """Joins a URL with names."""
        return storage.join(filepath, *map(str, filepaths))

    @contextmanager
    def get_local_path(self, filepath: Name) -> Iterator[str]:
        """Yields a local file of the same content, which is gone afterwards."""
        with tempfile.TemporaryDirectory() as folder:
            yield self.copyfile_to_local(filepath, os.path.join(folder, Path(filepath).name))

    def copyfile(self, src: Name, dst: Name) -> str:
        """Copies a file within the store; into ``dst`` if that is a folder."""
        target = self.join_path(dst, Path(src).name) if self.isdir(dst) else str(dst)
        storage.copy(str(src), target)
        return target

    def copytree(self, src: Name, dst: Name) -> str:
        """Copies a folder within the store; FileExistsError if there is such a folder."""
        self._refuse_existing(dst)
        for name in storage.files(src, recursive=True):
            storage.copy(self.join_path(src, name), self.join_path(dst, name))
        return str(dst)

    def copyfile_from_local(self, src: Name, dst: Name) -> str:
        """Copies a local file into the store; into ``dst`` if that is a folder."""
        target = self.join_path(dst, Path(src).name) if self.isdir(dst) else str(dst)
        storage.upload(src, target)
        return target

    def copytree_from_local(self, src: Name, dst: Name) -> str:
        """Copies a local folder into the store; FileExistsError if there is such a folder."""
        self._refuse_existing(dst)
        for name in storage.files(src, recursive=True):
            storage.upload(Path(src) / name, self.join_path(dst, name))
        return str(dst)

    def copyfile_to_local(self, src: Name, dst: Name) -> str:
        """Copies a file to the disk; into ``dst`` if that is a folder."""
        target = Path(dst) / Path(src).name if os.path.isdir(dst) else Path(dst)
        storage.fetch(str(src), target)
        return str(target)

    def copytree_to_local(self, src: Name, dst: Name) -> str:
        """Copies a folder to the disk."""
        for name in storage.files(src, recursive=True):
            storage.fetch(self.join_path(src, name), Path(dst) / name)
        return str(dst)

    def copy_if_symlink_fails(self, src: Name, dst: Name) -> bool:
        """Copies, since stores have no links; returns False, which says so."""
        if self.isfile(src):
            self.copyfile(src, dst)
        else:
            self.copytree(src, dst)
        return False

    def remove(self, filepath: Name) -> None:
        """Removes a file; FileNotFoundError or IsADirectoryError where it is none."""
        found = storage.kind(str(filepath))
        if found is None:
            raise FileNotFoundError(f"{filepath}: no such object")
        if found == "directory":
            raise IsADirectoryError(f"{filepath}: is a folder; rmtree removes folders")
        storage.remove(str(filepath))

    def rmtree(self, dir_path: Name) -> None:
        """Removes everything in a folder."""
        for name in storage.files(dir_path, recursive=True):
            storage.remove(self.join_path(dir_path, name))

    def list_dir_or_file(
        self,
        dir_path: Name,
        list_dir: bool = True,
        list_file: bool = True,
        suffix: str | tuple[str, ...] | None = None,
        recursive: bool = False,
    ) -> Iterator[str]:
        """Yields names relative to a folder, without hidden ones.

        Args:
            dir_path: the folder.
            list_dir: yield folders too.
            list_file: yield files too.
            suffix: what files must end in.
            recursive: go down into the folders.

        Raises:
            TypeError: folders were asked for together with a suffix.
        """
        if list_dir and suffix is not None:
            raise TypeError("`suffix` should be None when `list_dir` is True")
        seen: set[str] = set()
        for name in storage.files(dir_path, recursive=True):
            parts = name.split("/")
            folders = ["/".join(parts[: depth + 1]) for depth in range(len(parts) - 1)]
            if any(part.startswith(".") for part in parts):
                continue
            for folder in folders if recursive else folders[:1]:
                if list_dir and folder not in seen:
                    seen.add(folder)
                    yield folder
            if list_file and (recursive or not folders) and name.endswith(suffix or ""):
                yield name

    def _refuse_existing(self, folder: Name) -> None:
        if self.exists(folder):
            raise FileExistsError(f"{folder}: exists already")


def register() -> None:
    """Registers the backend; ``s3`` stays with the Petrel client where that is installed."""
    petrel = importlib.util.find_spec("petrel_client") is not None
    prefixes = [prefix for prefix in PREFIXES if not (petrel and prefix == "s3")]
    register_backend("fsspec", FsspecBackend, force=True, prefixes=prefixes)
    FileClient.register_backend("fsspec", FsspecBackend, force=True, prefixes=prefixes)


register()

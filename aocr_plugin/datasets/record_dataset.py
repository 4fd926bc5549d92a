"""TFRecord files as an MMEngine dataset."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from mmengine.dist import all_gather_object, get_dist_info
from mmengine.fileio import LocalBackend, register_backend
from mmocr.registry import DATASETS

from aocr_plugin import annotations, storage
from aocr_plugin.datasets.checked_dataset import CheckedDataset
from aocr_plugin.errors import AOCRError
from aocr_plugin.record_samples import read_record_samples, shards
from aocr_plugin.sample_table import SampleTable
from aocr_plugin.sifting import Report, Sample


class RecordBackend(LocalBackend):
    """Reads ``tfrecord:///PATH#NUMBER``, so that MMOCR's ``LoadImageFromFile`` can."""

    def get(self, filepath: Any) -> bytes:
        """Returns the record's image, encoded."""
        return storage.read_bytes(filepath)


register_backend("aocr_record", RecordBackend, force=True, prefixes="tfrecord")


@DATASETS.register_module()
class AOCRRecordDataset(CheckedDataset):
    """Images and labels of TFRecord files as aocr makes them, without TensorFlow.

    Any record is read without the ones before it, so shuffling costs nothing. ``img_path`` of a
    sample is ``tfrecord:///PATH#NUMBER``, which MMOCR's own ``LoadImageFromFile`` loads: a config
    for annotation files serves as it is. See :class:`CheckedDataset` for what is checked.

    Args:
        ann_file: the file, plain or gzip, a pattern or a list of files; absolute, or relative to
            ``data_root`` or the working directory; may be URLs (a copy goes to the cache).
        data_root: a folder that ``ann_file`` may be relative to.
        dictionary: see :class:`CheckedDataset`, and so are those below that are not explained.
        max_label_length: likewise.
        max_width: likewise.
        problems: likewise; ``broken_record`` and ``missing_label`` are among the reasons.
        max_rejected: likewise.
        check_images: "decode", "header" or "exists". Checksums are tested in any case.
        encoding: likewise.
        hold_out: likewise.
        held_out: likewise.
        metainfo: as for MMEngine's ``BaseDataset``.
        indices: as for ``BaseDataset``.
        serialize_data: taken for MMOCR's configs; samples are kept in arrays in any case.
        pipeline: MMOCR transforms.
        test_mode: for validation and testing; see :func:`aocr_plugin.sifting.policies`.
        lazy_init: as for ``BaseDataset``.

    Raises:
        RecordError: a file is no TFRecord file.
        AnnotationError: a problem whose policy is "error", too many rejected samples or none left.
    """

    def __init__(
        self,
        ann_file: str | Sequence[str],
        data_root: str | None = None,
        dictionary: Any = None,
        max_label_length: int | None = None,
        max_width: int | None = None,
        problems: Mapping[str, str] | None = None,
        max_rejected: float = 0.5,
        check_images: str = "decode",
        encoding: str = "auto",
        hold_out: int | None = None,
        held_out: bool = False,
        metainfo: dict[str, Any] | None = None,
        indices: int | Sequence[int] | None = None,
        serialize_data: bool = True,
        pipeline: Sequence[dict[str, Any] | Callable[..., Any]] = (),
        test_mode: bool = False,
        lazy_init: bool = False,
    ) -> None:
        super().__init__(
            dictionary,
            max_label_length,
            max_width,
            problems,
            max_rejected,
            check_images,
            encoding,
            hold_out,
            held_out,
            ann_file=ann_file,
            data_root=data_root,
            metainfo=metainfo,
            indices=indices,
            pipeline=list(pipeline),
            test_mode=test_mode,
            lazy_init=lazy_init,
        )

    def _join_prefix(self) -> None:
        """Finds the files beside ``data_root`` or the working directory."""
        self.ann_file: Any = find_shards(self.ann_file, self.data_root)

    def read(self, report: Report) -> Iterator[Sample]:
        """Reads all files; what is damaged or has no whole image goes into the report.

        Of several processes each reads its share of the files and tells the others what it found.
        """
        files = [self.ann_file] if isinstance(self.ann_file, str) else self.ann_file
        rank, ranks = get_dist_info()
        if ranks == 1:
            for path in files:
                report.name = path
                yield from self._read_file(path, report)
        else:
            mine: dict[int, tuple[SampleTable, Report | AOCRError]] = {}
            for number in range(rank, len(files), ranks):
                mine[number] = self._read_share(files[number])
                if isinstance(mine[number][1], AOCRError):
                    break  # what follows is not looked at below either
            parts = all_gather_object(mine)
            for number in range(len(files)):
                samples, partial = parts[number % ranks][number]
                if isinstance(partial, AOCRError):
                    raise partial
                yield from samples.samples()
                report.add(partial)
        report.name = str(self.ann_file)

    def _read_share(self, path: str) -> tuple[SampleTable, Report | AOCRError]:
        """Returns the samples of one file, and the report on it or the error that it caused."""
        report = Report(path, self.policy)
        try:
            return SampleTable(self._read_file(path, report)), report
        except AOCRError as error:
            return SampleTable(), error

    def _read_file(self, path: str, report: Report) -> Iterator[Sample]:
        return read_record_samples(
            path,
            report,
            encoding=self.encoding,
            letter_case=self.letter_case,
            check_images=self.check_images,
            progress=self.progress,
        )


def find_shards(ann_file: str | Sequence[str], data_root: str | None) -> str | list[str]:
    """Returns the file, or the list of files, that a dataset's ``ann_file`` stands for."""
    names = [ann_file] if isinstance(ann_file, str) else list(ann_file)
    found = shards([annotations.find_file(name, data_root) for name in names])
    return found[0] if len(found) == 1 else found

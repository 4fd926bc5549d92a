"""aocr's annotation files as an MMEngine dataset."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from mmocr.registry import DATASETS

from aocr_plugin import annotations
from aocr_plugin.datasets.checked_dataset import CheckedDataset
from aocr_plugin.samples import read_samples
from aocr_plugin.sifting import Report, Sample


@DATASETS.register_module()
class AOCRDataset(CheckedDataset):
    """Images and labels of an annotation file with a line ``PATH LABEL`` an image.

    Samples go through MMOCR's own transforms. See :class:`CheckedDataset` for what is checked.

    Args:
        ann_file: annotation file; absolute, or relative to ``data_root`` or the working
            directory.
        data_root: a folder that image paths may be relative to. Paths may also be absolute, or
            relative to the annotation file or the working directory. Files, folders and images
            may be URLs of an object store.
        dictionary: see :class:`CheckedDataset`, and so are those below that are not explained.
        max_label_length: likewise.
        max_width: likewise.
        problems: likewise.
        max_rejected: likewise.
        check_images: likewise.
        encoding: likewise.
        hold_out: likewise.
        held_out: likewise.
        separator: between path and label; None is the first white space.
        metainfo: as for MMEngine's ``BaseDataset``.
        indices: as for ``BaseDataset``.
        serialize_data: taken for MMOCR's configs; samples are kept in arrays in any case.
        pipeline: MMOCR transforms.
        test_mode: for validation and testing; see :func:`aocr_plugin.sifting.policies`.
        lazy_init: as for ``BaseDataset``.

    Raises:
        AnnotationError: unreadable file, a problem whose policy is "error", too many rejected
            samples or none left.
    """

    def __init__(
        self,
        ann_file: str,
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
        separator: str | None = None,
        metainfo: dict[str, Any] | None = None,
        indices: int | Sequence[int] | None = None,
        serialize_data: bool = True,
        pipeline: Sequence[dict[str, Any] | Callable[..., Any]] = (),
        test_mode: bool = False,
        lazy_init: bool = False,
    ) -> None:
        self.separator = separator
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
        """Finds the annotation file beside ``data_root`` or the working directory."""
        self.ann_file: str = annotations.find_file(self.ann_file, self.data_root)

    def read(self, report: Report) -> Iterator[Sample]:
        """Reads the file; what has no whole image goes into the report."""
        return read_samples(
            self.ann_file,
            report,
            data_root=self.data_root,
            encoding=self.encoding,
            separator=self.separator,
            letter_case=self.letter_case,
            check_images=self.check_images,
            progress=self.progress,
        )

"""aocr's annotation files as an MMEngine dataset."""

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from mmengine.dataset import BaseDataset
from mmengine.dist import is_main_process
from mmengine.logging import print_log
from mmocr.registry import DATASETS, TASK_UTILS
from numpy.typing import NDArray

from aocr_plugin import charset, images
from aocr_plugin.errors import AnnotationError, ConfigError
from aocr_plugin.samples import read_samples
from aocr_plugin.sifting import Report, Sample, policies, sift


def find_annotation_file(ann_file: str, data_root: str | None) -> str:
    """Returns the file's path: absolute, else below ``data_root``, else as it is."""
    if data_root and not os.path.isabs(ann_file):
        joined = os.path.join(data_root, ann_file)
        if os.path.exists(joined) or not os.path.exists(ann_file):
            return joined
    return ann_file


@DATASETS.register_module()
class AOCRDataset(BaseDataset):
    """Images and labels of an annotation file with a line ``PATH LABEL`` an image.

    Samples go through MMOCR's own transforms. Everything is checked when the dataset is built:
    what cannot be used is counted by reason, a table is printed, and nothing is ever replaced
    by a random other sample (which is what MMEngine does by default).

    Args:
        ann_file: annotation file; absolute, or relative to ``data_root`` or the working
            directory.
        data_root: a folder that image paths may be relative to. Paths may also be absolute, or
            relative to the annotation file or the working directory.
        dictionary: dictionary (or its config) that labels are checked against; its letter case
            is applied to them. None checks nothing. ``AOCRRunner`` puts the model's in here.
        max_label_length: longest label in characters, or None. ``AOCRRunner`` puts the decoder's
            in here.
        max_width: widest image in pixels of the file, or None for any: images are resized to fit
            the network, so a limit is only for those who want one.
        problems: policy by reason, e.g. ``dict(broken_image="error")``: "skip", "error" or,
            where the image can be used, "keep". Reasons: see ``aocr_plugin.sifting.REASONS``.
        max_rejected: share of rejected samples beyond which it is an error.
        check_images: "decode" reads every image whole before training, "header" its size only,
            "exists" looks for the file alone (for very large sets).
        encoding: "auto" is UTF-8 or else the original's iso-8859-1; or a codec's name.
        separator: between path and label; None is the first white space.
        metainfo: as for MMEngine's ``BaseDataset``.
        indices: as for ``BaseDataset``.
        serialize_data: as for ``BaseDataset``.
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
        separator: str | None = None,
        metainfo: dict[str, Any] | None = None,
        indices: int | Sequence[int] | None = None,
        serialize_data: bool = True,
        pipeline: Sequence[dict[str, Any] | Callable[..., Any]] = (),
        test_mode: bool = False,
        lazy_init: bool = False,
    ) -> None:
        if check_images not in images.LEVELS:
            raise ConfigError(
                f"check_images is '{check_images}'; it is one of {', '.join(images.LEVELS)}"
            )
        self.dictionary = (
            TASK_UTILS.build(dictionary) if isinstance(dictionary, dict) else dictionary
        )
        self.max_label_length = max_label_length
        self.max_width = max_width
        self.policy = policies(problems, test_mode)
        self.max_rejected = max_rejected
        self.check_images = check_images
        self.encoding = encoding
        self.separator = separator
        self.report: Report | None = None
        super().__init__(
            ann_file=ann_file,
            metainfo=metainfo,
            data_root=data_root,
            data_prefix={},
            indices=indices,
            serialize_data=serialize_data,
            pipeline=list(pipeline),
            test_mode=test_mode,
            lazy_init=lazy_init,
        )

    def _join_prefix(self) -> None:
        """Finds the annotation file beside ``data_root`` or the working directory."""
        self.ann_file: str = find_annotation_file(self.ann_file, self.data_root)

    def load_data_list(self) -> list[dict[str, Any]]:
        """Reads and checks the annotation file, prints the table of what was kept.

        Returns:
            A dict an image with ``img_path`` and ``instances`` as MMOCR's
            ``RecogTextDataset`` has them, ``line`` and ``size`` (width, height).
        """
        report = self.report = Report(self.ann_file, self.policy)
        unknown = getattr(self.dictionary, "unknown_characters", None)
        if unknown is None and self.dictionary is not None:
            unknown = self._unknown_to_mmocr
        kept = sift(
            self._whole_samples(report),
            report,
            unknown_characters=unknown,
            describe=charset.describe,
            max_label_length=self.max_label_length,
            max_width=self.max_width,
        )
        if is_main_process():
            print_log(report.table(), logger="current")
        report.check(self.max_rejected)
        return [
            {
                "img_path": sample.path,
                "instances": [{"text": sample.label}],
                "line": sample.line,
                "size": sample.size,
            }
            for sample in kept
        ]

    def _whole_samples(self, report: Report) -> list[Sample]:
        """Reads the file; what has no whole image goes into the report."""

        def progress(done: int, total: int) -> None:
            if done % 10_000 == 0:
                print_log(f"checked {done} of {total} images", logger="current")

        return read_samples(
            self.ann_file,
            report,
            data_root=self.data_root,
            encoding=self.encoding,
            separator=self.separator,
            letter_case=getattr(self.dictionary, "letter_case", "unchanged"),
            check_images=self.check_images,
            progress=progress,
        )

    def _unknown_to_mmocr(self, label: str) -> list[str]:
        """Characters of a label that MMOCR's plain ``Dictionary`` does not have."""
        return [c for c in label if self.dictionary.char2idx(c, strict=False) is None]

    def aspect_ratios(self) -> NDArray[np.float32]:
        """Returns width / height of every image, for batches of similar width.

        Raises:
            ConfigError: the sizes were not read (``check_images="exists"``).
        """
        self.full_init()
        if self.check_images == "exists":
            raise ConfigError(
                "batches by width need the images' sizes: set check_images to 'header' or "
                "'decode', or the batch sampler's pool to 1"
            )
        sizes = [self.get_data_info(index)["size"] for index in range(len(self))]
        return np.array([width / height for width, height in sizes], dtype=np.float32)

    def __getitem__(self, idx: int) -> dict[str, Any]:
        """Returns a sample through the pipeline.

        Raises:
            AnnotationError: the pipeline gave nothing for it; the file is named.
        """
        self.full_init()
        data: dict[str, Any] | None = self.prepare_data(idx)
        if data is None:
            info = self.get_data_info(idx)
            raise AnnotationError(
                f"{self.ann_file}:{info['line']}: {info['img_path']} was lost in the pipeline; "
                "the file changed after it was checked, or a transform rejects it"
            )
        return data

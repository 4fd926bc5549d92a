"""What our datasets have in common: samples are sifted, counted and never replaced."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from mmengine.dataset import BaseDataset
from mmengine.dist import is_main_process
from mmengine.logging import print_log
from mmocr.registry import TASK_UTILS
from numpy.typing import NDArray

from aocr_plugin import charset, images
from aocr_plugin.errors import AnnotationError, ConfigError
from aocr_plugin.sample_table import SampleTable
from aocr_plugin.sifting import Report, Sample, policies, sift


class CheckedDataset(BaseDataset, ABC):
    """Base of the datasets; a subclass says in :meth:`read` where samples come from.

    Everything is checked when the dataset is built: what cannot be used is counted by reason, a
    table is printed, and nothing is ever replaced by a random other sample (which is what
    MMEngine does by default).

    Args:
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
        hold_out: every so manieth line or record is left to validation, so that one file serves
            training and validation; None holds nothing out.
        held_out: with ``hold_out``: be the samples that are held out, not the others.
        **kwargs: of MMEngine's ``BaseDataset``.

    Raises:
        AnnotationError: unreadable file, a problem whose policy is "error", too many rejected
            samples or none left.
        ConfigError: an argument is out of range.
    """

    def __init__(
        self,
        dictionary: Any = None,
        max_label_length: int | None = None,
        max_width: int | None = None,
        problems: Mapping[str, str] | None = None,
        max_rejected: float = 0.5,
        check_images: str = "decode",
        encoding: str = "auto",
        hold_out: int | None = None,
        held_out: bool = False,
        **kwargs: Any,
    ) -> None:
        if check_images not in images.LEVELS:
            raise ConfigError(
                f"check_images is '{check_images}'; it is one of {', '.join(images.LEVELS)}"
            )
        if hold_out is not None and hold_out < 2:
            raise ConfigError(f"hold_out is {hold_out}; it must be 2 or more, or None")
        if held_out and hold_out is None:
            raise ConfigError("held_out=True needs hold_out, the distance between such samples")
        self.dictionary = (
            TASK_UTILS.build(dictionary) if isinstance(dictionary, dict) else dictionary
        )
        self.max_label_length = max_label_length
        self.max_width = max_width
        self.policy = policies(problems, kwargs.get("test_mode", False))
        self.max_rejected = max_rejected
        self.check_images = check_images
        self.encoding = encoding
        self.hold_out, self.held_out = hold_out, held_out
        self.report: Report | None = None
        super().__init__(data_prefix={}, serialize_data=False, **kwargs)  # see SampleTable

    @abstractmethod
    def read(self, report: Report) -> Iterator[Sample]:
        """Yields the samples whose image is there and whole; the rest goes into the report."""

    @property
    def letter_case(self) -> str:
        """What is done to labels' case, by the dictionary."""
        return str(getattr(self.dictionary, "letter_case", "unchanged"))

    @staticmethod
    def progress(done: int, total: int) -> None:
        """Logs how far the check of the images has come."""
        if done % 10_000 == 0:
            print_log(f"checked {done} of {total} images", logger="current")

    def load_data_list(self) -> SampleTable:
        """Reads and checks the samples, prints the table of what was kept.

        Returns:
            A list that makes a dict an image when asked for it, with ``img_path`` and
            ``instances`` as MMOCR's ``RecogTextDataset`` has them, ``line``, ``size`` (width,
            height) and ``comment``.
        """
        report = self.report = Report(str(self.ann_file), self.policy)
        unknown = getattr(self.dictionary, "unknown_characters", None)
        if unknown is None and self.dictionary is not None:
            unknown = self._unknown_to_mmocr
        kept = sift(
            self.read(report),
            report,
            unknown_characters=unknown,
            describe=charset.describe,
            max_label_length=self.max_label_length,
            max_width=self.max_width,
        )
        samples = SampleTable(filter(self._is_mine, kept))
        if is_main_process():
            print_log(report.table(), logger="current")
        report.check(self.max_rejected)
        if self.hold_out is not None:
            self._tell_held_out(len(samples), report.kept)
        return samples

    def _is_mine(self, sample: Sample) -> bool:
        """Whether a sample is on this dataset's side of what is held out.

        By line, not by place: training and validation drop different samples.
        """
        return self.hold_out is None or ((sample.line - 1) % self.hold_out == 0) == self.held_out

    def _tell_held_out(self, part: int, kept: int) -> None:
        """Logs how many samples are on this dataset's side.

        Raises:
            AnnotationError: there is nothing on it.
        """
        if not part:
            raise AnnotationError(
                f"{self.ann_file}: {kept} usable samples are too few to hold out every "
                f"{self.hold_out}th"
            )
        if is_main_process():
            side = "held out, for validation" if self.held_out else "for training"
            print_log(f"{self.ann_file}: {part} of {kept} {side}", logger="current")

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
        if isinstance(self.data_list, SampleTable):
            return self.data_list.aspect_ratios()
        sizes = [sample["size"] for sample in self.data_list]  # a subset by indices
        return np.array([width / height for width, height in sizes], dtype=np.float32)

    def get_data_info(self, idx: int) -> dict[str, Any]:
        """Returns a sample's dict, not copied where it has just been made."""
        self.full_init()
        if not isinstance(self.data_list, SampleTable):
            listed: dict[str, Any] = super().get_data_info(idx)
            return listed
        info: dict[str, Any] = self.data_list[idx]
        info["sample_idx"] = range(len(self))[idx]
        return info

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

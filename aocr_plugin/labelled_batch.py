"""The labels of a batch in one piece."""

from collections.abc import Iterator
from typing import Any

from mmengine.structures import LabelData
from mmocr.structures import TextRecogDataSample


class LabelledBatch:
    """The labels of a batch and what is known of its images.

    Reads as a sequence of MMOCR's samples, each made when it is asked for, so every part of MMOCR
    can use it. No ``Sequence`` by type: MMEngine would take those apart to move their tensors.

    Args:
        texts: N labels.
        metas: of each meta key, its N values.
    """

    def __init__(self, texts: list[str], metas: dict[str, list[Any]]) -> None:
        self.texts = texts
        self.metas = metas

    def __len__(self) -> int:
        return len(self.texts)

    def __getitem__(self, index: int) -> TextRecogDataSample:
        """Makes the sample of an image."""
        sample = TextRecogDataSample(
            metainfo={k: values[index] for k, values in self.metas.items()}
        )
        sample.gt_text = LabelData(item=self.texts[index])
        return sample

    def __iter__(self) -> Iterator[TextRecogDataSample]:
        return map(self.__getitem__, range(len(self)))

    def pin_memory(self) -> "LabelledBatch":
        """Returns itself: there is no tensor."""
        return self

    def sizes(self, side: int) -> list[int]:
        """Returns the images' heights (side 0) or widths (1) in pixels, before padding."""
        return [shape[side] for shape in self.metas["img_shape"]]

    def padded_to(self, height: int, width: int) -> None:
        """Notes the batch's size, as MMOCR's ``TextRecogDataPreprocessor`` does in its samples."""
        ratios = self.metas.get("valid_ratio", [1.0] * len(self))
        self.metas["valid_ratio"] = [
            ratio * own / width for ratio, own in zip(ratios, self.sizes(1), strict=True)
        ]
        self.metas["batch_input_shape"] = [(height, width)] * len(self)

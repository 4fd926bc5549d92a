"""The labels of a batch in one piece."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from mmengine.structures import LabelData
from mmocr.structures import TextRecogDataSample

Sizes = list[tuple[int, int]]


class Line(NamedTuple):
    """What is known of an image, between a pipeline's end and its batch.

    Attributes:
        text: the label; None where there is none.
        meta: the meta keys' values.
    """

    text: str | None
    meta: dict[str, Any]

    def sample(self) -> TextRecogDataSample:
        """Returns the same as MMOCR's sample."""
        sample = TextRecogDataSample()
        for key, value in self.meta.items():  # set_metainfo would copy each
            sample.set_field(value, key, field_type="metainfo")
        sample.gt_text = LabelData() if self.text is None else LabelData(item=self.text)
        return sample


class LabelledBatch:
    """The labels of a batch and what is known of its images, in few objects.

    Reads as a sequence of MMOCR's samples, which are made when one is asked for and kept from then
    on, with what is written into them. No ``Sequence`` by type: MMEngine would take those apart to
    move their tensors.

    Args:
        texts: N labels; None where there is none.
        metas: of each meta key, its N values.
        sizes: height and width of each image in pixels, before padding.
    """

    def __init__(self, texts: list[str | None], metas: dict[str, list[Any]], sizes: Sizes) -> None:
        self._texts, self._metas = texts, metas
        self.sizes = sizes
        self._samples: list[TextRecogDataSample] | None = None

    @classmethod
    def of(cls, samples: Sequence[TextRecogDataSample | Line], sizes: Sizes) -> "LabelledBatch":
        """Returns a batch of samples; MMOCR's with more than a text are kept as they are."""
        lines = [sample for sample in samples if isinstance(sample, Line)]
        if len(lines) == len(samples) and len({tuple(line.meta) for line in lines}) == 1:
            metas = {key: [line.meta[key] for line in lines] for key in lines[0].meta}
            return cls([line.text for line in lines], metas, sizes)
        whole = [s.sample() if isinstance(s, Line) else s for s in samples]
        keys = set(whole[0].metainfo_keys())
        plain = all(
            set(sample.metainfo_keys()) == keys
            and sample.keys() == ["gt_text"]
            and sample.gt_text.keys() in ([], ["item"])
            for sample in whole
        )
        if plain:
            metas = {key: [sample.get(key) for sample in whole] for key in keys}
            return cls([sample.gt_text.get("item") for sample in whole], metas, sizes)
        batch = cls([], {}, sizes)
        batch._samples = whole
        return batch

    @property
    def made(self) -> bool:
        """Whether there are samples, which count from then on."""
        return self._samples is not None

    @property
    def samples(self) -> list[TextRecogDataSample]:
        """The samples, made now if they have not been."""
        if self._samples is None:
            self._samples = [
                Line(text, {key: values[index] for key, values in self._metas.items()}).sample()
                for index, text in enumerate(self._texts)
            ]
        return self._samples

    @property
    def texts(self) -> list[str]:
        """The labels.

        Raises:
            AttributeError: an image has none, as its sample would say.
        """
        known = [text for text in self._texts if text is not None]
        if self._samples is None and len(known) == len(self):
            return known
        return [sample.gt_text.item for sample in self.samples]

    def get(self, key: str, default: Any = None) -> list[Any]:
        """Returns a meta key's values, ``default`` where there is none."""
        if self._samples is None:
            return self._metas.get(key, [default] * len(self))
        return [sample.get(key, default) for sample in self._samples]

    def put(self, **values: list[Any]) -> "LabelledBatch":
        """Returns a batch that has other values of meta keys; this one stays as it is.

        Raises:
            ValueError: there are samples; write into those.
        """
        if self._samples is not None:
            raise ValueError("the batch's samples have been made: write into them")
        return LabelledBatch(self._texts, self._metas | values, self.sizes)

    def __len__(self) -> int:
        return len(self.sizes)

    def __getitem__(self, index: int) -> TextRecogDataSample:
        """Returns the sample of an image."""
        return self.samples[index]

    def __iter__(self) -> Iterator[TextRecogDataSample]:
        return iter(self.samples)

    def pin_memory(self) -> "LabelledBatch":
        """Returns itself: there is no tensor."""
        return self

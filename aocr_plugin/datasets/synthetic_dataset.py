"""Drawn images as an MMEngine dataset: nothing is stored, every index is drawn when it is asked."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mmengine.dataset import BaseDataset, Compose
from mmocr.datasets.transforms import LoadImageFromFile
from mmocr.registry import DATASETS, TASK_UTILS

from aocr_plugin import charset as charsets
from aocr_plugin.errors import ConfigError
from aocr_plugin.synthesis.settings import text_settings
from aocr_plugin.synthesis.synthesizer import Synthesizer

_MARGIN = 0.4  # width of what stands around a text, in heights
_WIDTHS = {
    **dict.fromkeys("!'(),.1:;I[]`fijlrt|", 0.34),
    **dict.fromkeys("@MWmw", 0.78),
    **dict.fromkeys("ABCDEFGHJKLNOPQRSTUVXYZ", 0.6),
}  # of characters, in heights of an image
_WIDTH = 0.5  # of the others


@DATASETS.register_module()
class SyntheticDataset(BaseDataset):
    """Images of texts, drawn in the data workers.

    The image of an index is the same in every worker, run and order; see :class:`Synthesizer`.
    The pipeline is that of the other datasets: its loading step says whether images are gray or
    coloured and is passed over. How wide an image gets is known only when it is drawn; for batches
    of similar width it is estimated from the text.

    Args:
        style: name of a style, or the share of each of several.
        size: images of one pass. A pass's order may be shuffled; where nothing is to be seen
            twice, make it larger than the training is long.
        seed: of the images.
        part: images of different parts are never the same, whatever the seeds: "training",
            "validation" or any name.
        texts: settings of :class:`TextSettings` by name; their charset as the next.
        charset: characters that may occur, as for ``AOCRDictionary``; by default those of the
            dictionary, or else printable ASCII.
        dictionary: dictionary, or its config, that has to have every character. ``AOCRRunner``
            puts the model's in here.
        max_label_length: longest text in characters. ``AOCRRunner`` puts the decoder's in here.
        fonts: folders or font files; by default those of this machine.
        height: of every image in pixels, or None: as the style has them.
        max_width: of images in pixels.
        contrast: see :class:`Synthesizer`.
        metainfo: as for ``BaseDataset``.
        pipeline: MMOCR transforms.
        test_mode: as for ``BaseDataset``.
        lazy_init: taken for the sake of other datasets; there is nothing to load.

    Raises:
        ConfigError: a setting is out of range, or the dictionary lacks a character of the charset.
        FontError: no usable font, or none for a character of the charset.
    """

    def __init__(
        self,
        style: str | Mapping[str, float] = "scene",
        size: int = 1_000_000,
        seed: int = 0,
        part: str = "training",
        texts: Mapping[str, Any] | None = None,
        charset: str | Sequence[str] | None = None,
        dictionary: Any = None,
        max_label_length: int | None = None,
        fonts: Sequence[str] | None = None,
        height: int | None = None,
        max_width: int = 640,
        contrast: float = 32.0,
        metainfo: dict[str, Any] | None = None,
        pipeline: Sequence[dict[str, Any] | Callable[..., Any]] = (),
        test_mode: bool = False,
        lazy_init: bool = False,
    ) -> None:
        if size < 1:
            raise ConfigError(f"size is {size}; it must be 1 or more images")
        self.size, self.seed, self.part = size, seed, part
        if isinstance(dictionary, dict):
            dictionary = TASK_UTILS.build(dictionary)
        self.dictionary, self.max_label_length = dictionary, max_label_length
        texts = dict(texts or {})
        if "charset" in texts:
            texts["charset"] = charsets.resolve(texts["charset"])
        self.synthesizer = Synthesizer(
            style,
            texts=lambda base: text_settings(
                base, texts, self._characters(charset), max_label_length
            ),
            fonts=fonts,
            height=height,
            max_width=max_width,
            contrast=contrast,
        )
        super().__init__(
            data_prefix={},
            metainfo=metainfo,
            pipeline=list(pipeline),
            test_mode=test_mode,
            lazy_init=lazy_init,
        )

    def _characters(self, charset: str | Sequence[str] | None) -> str | None:
        """Returns the characters that may occur, or None for the style's own.

        Raises:
            ConfigError: the dictionary lacks one of them.
        """
        known = None
        if self.dictionary is not None:
            known = "".join(symbol for symbol in self.dictionary.dict if len(symbol) == 1)
        if charset is None:
            return known
        characters = charsets.resolve(charset)
        lacking = [c for c in characters if known is not None and c not in known]
        if lacking:
            raise ConfigError(
                f"SyntheticDataset: the dictionary lacks {charsets.describe(lacking[0])} of the "
                f"charset ({len(lacking)} such); leave charset out to draw the dictionary's"
            )
        return characters

    @property
    def pipeline(self) -> Compose:
        """The transforms, without the one that loads a file."""
        return self._pipeline

    @pipeline.setter
    def pipeline(self, pipeline: Compose) -> None:  # a ConcatDataset sets it too
        loading = [step for step in pipeline.transforms if isinstance(step, LoadImageFromFile)]
        rest = [step for step in pipeline.transforms if step not in loading]
        self._pipeline = Compose(rest)
        self.synthesizer.color = not any(step.color_type == "grayscale" for step in loading)

    def full_init(self) -> None:
        """Does nothing: there is nothing to read."""
        self._fully_initialized = True

    def __len__(self) -> int:
        return self.size

    def get_data_info(self, idx: int) -> dict[str, Any]:
        """Draws a sample: ``img`` [H, W] or [H, W, 3], its shapes, and ``instances``."""
        idx = int(idx)
        if not -self.size <= idx < self.size:
            raise IndexError(f"SyntheticDataset has {self.size} images, there is no {idx}")
        idx %= self.size
        sample = self.synthesizer.sample(self.seed, idx, self.part)
        return {
            "img": sample.image,
            "img_path": f"synthetic:///{sample.style}/{self.part}/{self.seed}/{idx}",
            "img_shape": sample.image.shape[:2],
            "ori_shape": sample.image.shape[:2],
            "instances": [{"text": sample.text}],
            "sample_idx": idx,
        }

    def __getitem__(self, idx: int) -> dict[str, Any]:
        """Returns a sample through the pipeline.

        Raises:
            ConfigError: the pipeline gave nothing for it.
        """
        data: dict[str, Any] | None = self.prepare_data(idx)
        if data is None:
            raise ConfigError(f"a transform of the pipeline rejects the drawn image {idx}")
        return data

    def aspect_ratios(self) -> "TextAspectRatios":
        """Returns estimates of width to height, each made when it is asked for."""
        return TextAspectRatios(self)


class TextAspectRatios(Sequence[float]):
    """Width to height of drawn images as their texts let one expect.

    Args:
        dataset: of the images.
    """

    def __init__(self, dataset: SyntheticDataset) -> None:
        self.dataset = dataset

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: Any) -> Any:
        """Returns the estimate for one image."""
        data = self.dataset
        text = data.synthesizer.text(data.seed, int(index), data.part)
        return _MARGIN + sum(_WIDTHS.get(character, _WIDTH) for character in text)

"""From a test step's samples to readings: what the pictures and the report are drawn from."""

import math
from typing import Any

import cv2
import numpy as np
from mmengine.model import is_model_wrapper
from mmocr.structures import TextRecogDataSample

from aocr_plugin import charset, images, storage
from aocr_plugin.errors import ConfigError, ImageError
from aocr_plugin.visualization.reading import Pixels, Reading, column_edges, split_symbols


def unwrapped(model: Any) -> Any:
    """Returns the recogniser itself, out of the wrapper of a distributed run."""
    return model.module if is_model_wrapper(model) else model


class AttentionSwitch:
    """Turns a decoder's ``keep_attention`` on for a while; several may be in use at once."""

    def __init__(self) -> None:
        self._decoder: Any = None

    def on(self, model: Any, needed_by: str | None = None) -> None:
        """Turns it on.

        Raises:
            ConfigError: ``needed_by`` is given and the decoder has no attention to keep.
        """
        decoder: Any = getattr(unwrapped(model), "decoder", None)
        if not hasattr(decoder, "keep_attention"):
            if needed_by:
                raise ConfigError(
                    f"{needed_by} needs a decoder that keeps its attention (AttentionDecoder), "
                    f"but the model's is {type(decoder).__name__}; take {needed_by} out of "
                    "custom_hooks (or leave out --visualize)"
                )
            return
        if not decoder.keep_attention:
            self._decoder, decoder.keep_attention = decoder, True

    def off(self) -> None:
        """Turns it off if it was this switch that turned it on."""
        if self._decoder is not None:
            self._decoder.keep_attention = False
            self._decoder = None


def _valid_width(sample: TextRecogDataSample) -> float:
    """Returns the pixels of the batch's width that a predicted sample's image fills."""
    return max(1.0, float(sample.get("valid_ratio", 1.0)) * _input_width(sample))


def _input_width(sample: TextRecogDataSample) -> int:
    return int(sample.get("batch_input_shape", sample.img_shape)[1])


def _word_score(found: Any) -> float | None:
    score = found.get("word_score")
    if score is None and found.get("score"):
        score = math.prod(found.score)
    return None if score is None else float(score)


def reading_of(sample: TextRecogDataSample, model: Any) -> Reading:
    """Returns the reading of a predicted sample; its label is put into the dictionary's case."""
    model = unwrapped(model)
    found = sample.pred_text
    dictionary = getattr(getattr(model, "decoder", None), "dictionary", None)
    label = charset.apply_case(
        sample.gt_text.item, getattr(dictionary, "letter_case", None) or "unchanged"
    )
    scores = [float(score) for score in found.get("score") or []]
    token = getattr(dictionary, "unknown_token", None)
    attention = edges = None
    if found.get("attention") is not None:
        attention = found.attention.detach().float().cpu().numpy()
        edges = column_edges(
            attention.shape[1],
            valid_width=_valid_width(sample),
            input_width=_input_width(sample),
            stride=getattr(getattr(model, "backbone", None), "stride", None),
        )
    return Reading(
        name=str(sample.get("img_path", "")),
        label=label,
        text=found.item,
        symbols=split_symbols(found.item, len(scores), token),
        char_scores=scores,
        score=_word_score(found),
        correct=found.item == label,
        attention=attention,
        edges=edges,
    )


def picture_of(sample: TextRecogDataSample, network_input: Any) -> Pixels:
    """Returns the original image of a predicted sample, in the colours that the network sees.

    Where it cannot be read by its name (MMOCR's LMDB sets), it is the network's input without
    the padding on the right.

    Args:
        sample: as the model gave it back.
        network_input: [C, H, W] as the pipeline gave it, before the data preprocessor.
    """
    value, name = np.asarray(network_input), str(sample.get("img_path", ""))
    try:
        color_type = "grayscale" if len(value) == 1 else "color"
        image = images.decode(storage.read_bytes(name), name, color_type)
    except (OSError, ImageError):
        value = value[:, :, : max(1, round(_valid_width(sample)))].transpose(1, 2, 0)
        image = np.clip(np.rint(value), 0, 255).astype(np.uint8)
        image = image[:, :, 0] if image.shape[2] == 1 else image
    return image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_BGR2RGB)

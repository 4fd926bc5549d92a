"""Turns the original's weights into a checkpoint that describes itself."""

from collections.abc import Mapping
from typing import Any

import torch

from aocr_plugin.charset import NAMED
from aocr_plugin.conversion.tensorflow_names import Array, Sizes, convert
from aocr_plugin.engine.description import FORMAT
from aocr_plugin.errors import CheckpointError
from aocr_plugin.version import __version__

_CHARSETS = {39: "aocr", 98: "ascii"}


def model_config(sizes: Sizes, max_seq_len: int) -> dict[str, Any]:
    """Returns the config of the original's network in the given sizes.

    Raises:
        CheckpointError: its number of symbols is neither of the original's two charsets.
    """
    charset = _CHARSETS.get(sizes.num_classes)
    if charset is None:
        raise CheckpointError(
            f"the weights have {sizes.num_classes} symbols; the original has 39 (0-9A-Z) or 98 "
            "(--full-ascii)"
        )
    return {
        "type": "AOCR",
        "data_preprocessor": {
            "type": "TextRecogDataPreprocessor",
            "mean": [128] * sizes.in_channels,
            "std": [128] * sizes.in_channels,
        },
        "backbone": {
            "type": "SlidingCNN",
            "in_channels": sizes.in_channels,
            "channels": list(sizes.channels),
        },
        "encoder": {
            "type": "StackedLSTMEncoder",
            "in_channels": sizes.channels[-1],
            "hidden_size": sizes.encoder_units,
        },
        "decoder": {
            "type": "AttentionDecoder",
            "in_channels": 2 * sizes.encoder_units,
            "hidden_size": sizes.hidden_size,
            "num_layers": sizes.num_layers,
            "embed_dims": sizes.embed_dims,
            "cell": sizes.cell,
            "max_seq_len": max_seq_len,
            "dictionary": {
                "type": "AOCRDictionary",
                "charset": "chars:" + NAMED[charset],
                "letter_case": "upper" if charset == "aocr" else "unchanged",
            },
            "module_loss": {"type": "SequenceCELoss"},
            "postprocessor": {"type": "WordScorePostprocessor"},
        },
    }


def to_checkpoint(
    variables: Mapping[str, Array], *, max_width: int, max_height: int, max_prediction: int
) -> dict[str, Any]:
    """Converts the original's variables; what shapes do not tell are its flags.

    Args:
        variables: by TensorFlow name.
        max_width: the flag given when the model was trained (160 if none).
        max_height: likewise (60).
        max_prediction: likewise (8).

    Returns:
        A checkpoint for ``Recognizer`` and ``tools/test.py``.

    Raises:
        CheckpointError: the variables are not the original's.
    """
    state, sizes = convert(variables)
    color_type = "grayscale" if sizes.in_channels == 1 else "color"
    pipeline = [
        {"type": "LoadImageFromFile", "color_type": color_type},
        {"type": "LoadOCRAnnotations", "with_text": True},
        {"type": "AOCRCanvas", "max_width": max_width, "max_height": max_height},
        {
            "type": "PackTextRecogInputs",
            "meta_keys": ["img_path", "ori_shape", "img_shape", "valid_ratio"],
        },
    ]
    model = model_config(sizes, max_prediction + 2)
    if sizes.in_channels == 3:
        model["data_preprocessor"]["bgr_to_rgb"] = True
    return {
        "meta": {
            "aocr": {
                "format": FORMAT,
                "version": __version__,
                "model": model,
                "test_pipeline": pipeline,
            }
        },
        "state_dict": {name: torch.from_numpy(value) for name, value in state.items()},
    }

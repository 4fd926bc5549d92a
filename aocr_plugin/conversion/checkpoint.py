"""Turns the original's weights into a checkpoint that describes itself."""

from collections.abc import Mapping
from typing import Any

import torch

from aocr_plugin.conversion.flags import Alphabet, alphabet
from aocr_plugin.conversion.tensorflow_names import (
    Array,
    Sizes,
    convert,
    step_count,
    written_by,
)
from aocr_plugin.engine.description import FORMAT
from aocr_plugin.version import __version__


def model_config(
    sizes: Sizes, max_seq_len: int, characters: Alphabet | None = None
) -> dict[str, Any]:
    """Returns the config of the original's network in the given sizes.

    Args:
        sizes: of the network.
        max_seq_len: steps of decoding: ``max_prediction`` + 2.
        characters: None for the original's, by their number.

    Raises:
        CheckpointError: None, and the number is neither of the original's two.
    """
    symbols = characters or alphabet(sizes, None)
    preprocessor: dict[str, Any] = {
        "type": "TextRecogDataPreprocessor",
        "mean": [128] * sizes.in_channels,
        "std": [128] * sizes.in_channels,
    }
    if sizes.in_channels == 3:
        preprocessor["bgr_to_rgb"] = True
    return {
        "type": "AOCR",
        "data_preprocessor": preprocessor,
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
                "charset": "chars:" + symbols.characters,
                "letter_case": symbols.letter_case,
            },
            "module_loss": {"type": "SequenceCELoss"},
            "postprocessor": {"type": "WordScorePostprocessor"},
        },
    }


def pipeline_config(
    sizes: Sizes, max_width: int, max_height: int, kernel: str
) -> list[dict[str, Any]]:
    """Returns the original's preprocessing; ``kernel`` is the bicubic one's."""
    color_type = "grayscale" if sizes.in_channels == 1 else "color"
    canvas = {"type": "AOCRCanvas", "max_width": max_width, "max_height": max_height}
    return [
        {"type": "LoadAOCRImage", "color_type": color_type},
        {"type": "LoadOCRAnnotations", "with_text": True},
        canvas | {"kernel": kernel},
        {
            "type": "PackTextRecogInputs",
            "meta_keys": ["img_path", "ori_shape", "img_shape", "valid_ratio"],
        },
    ]


def to_checkpoint(
    variables: Mapping[str, Array],
    *,
    max_width: int,
    max_height: int,
    max_prediction: int,
    charset: str | None = None,
    tensorflow: int | None = None,
) -> dict[str, Any]:
    """Converts the original's variables; what shapes do not tell are its flags.

    Args:
        variables: by TensorFlow name.
        max_width: the flag given when the model was trained (160 if none).
        max_height: likewise (60).
        max_prediction: likewise (8).
        charset: the characters, where they are not the original's; see :func:`alphabet`.
        tensorflow: 1 or 2, whose bicubic the model was trained with; None goes by the names.

    Returns:
        A checkpoint for ``Recognizer`` and ``tools/test.py``.

    Raises:
        CheckpointError: the variables are not the original's, or the charset does not fit.
        CharsetError: ``charset`` is no charset.
    """
    state, sizes = convert(variables)
    kernel = f"tensorflow{tensorflow or written_by(variables)}"
    return {
        "meta": {
            "iter": step_count(variables),
            "aocr": {
                "format": FORMAT,
                "version": __version__,
                "model": model_config(sizes, max_prediction + 2, alphabet(sizes, charset)),
                "test_pipeline": pipeline_config(sizes, max_width, max_height, kernel),
            },
        },
        "state_dict": {name: torch.from_numpy(value) for name, value in state.items()},
    }

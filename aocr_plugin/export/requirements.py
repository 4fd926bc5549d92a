"""What a TensorFlow export can hold; everything else is named before any work is done."""

from typing import Any

from aocr_plugin.datasets.canvas import AOCRCanvas
from aocr_plugin.errors import ConfigError
from aocr_plugin.models.backbones.sliding_cnn import SlidingCNN
from aocr_plugin.models.decoders.attention_decoder import AttentionDecoder
from aocr_plugin.models.encoders.stacked_lstm import StackedLSTMEncoder
from aocr_plugin.models.postprocessors.word_score import WordScorePostprocessor

_KNOWN = "a TensorFlow export is for models of configs/aocr_original.py's kind"
_LOADERS = ("LoadImageFromFile", "LoadAOCRImage")
_PASSED_OVER = ("LoadOCRAnnotations", "PackTextRecogInputs")
_CHANNELS = {"grayscale": 1, "color": 3}


def check_model(model: Any) -> None:
    """Checks that a model can be rebuilt in TensorFlow's operations.

    Raises:
        ConfigError: it has a component or setting that cannot, which is named.
    """
    parts = (
        ("backbone", getattr(model, "backbone", None), SlidingCNN),
        ("encoder", getattr(model, "encoder", None), StackedLSTMEncoder),
        ("decoder", getattr(model, "decoder", None), AttentionDecoder),
    )
    for name, found, kind in parts:
        if type(found) is not kind:
            raise ConfigError(
                f"the model's {name} is {type(found).__name__}, not {kind.__name__}; {_KNOWN}"
            )
    decoder, encoder = model.decoder, model.encoder
    if type(decoder.postprocessor) is not WordScorePostprocessor:
        raise ConfigError(
            f"the model's postprocessor is {type(decoder.postprocessor).__name__}, not "
            f"WordScorePostprocessor; {_KNOWN}"
        )
    odd = {
        "mask_padding=True": getattr(model, "mask_padding", False),
        "a preprocessor": getattr(model, "with_preprocessor", False),
        "an encoder of cell 'gru'": encoder.cell != "lstm",
        "an encoder with bidirectional=False": not encoder.rnn.bidirectional,
        "an encoder with return_state=False": not encoder.return_state,
        "a data preprocessor with pad_size_divisor": model.data_preprocessor.pad_size_divisor != 1,
    }
    for name, is_there in odd.items():
        if is_there:
            raise ConfigError(f"the model has {name}; {_KNOWN}")
    if decoder.search.settings.constrained:
        raise ConfigError(
            "the model's decoder has a constraint (allowed, pattern or length), which needs beam "
            "search; a TensorFlow export decodes greedily: take it out of the config"
        )


def canvas_of(pipeline: list[dict[str, Any]], channels: int) -> AOCRCanvas:
    """Returns the canvas that a checkpoint's pipeline puts images on.

    Args:
        pipeline: the checkpoint's ``test_pipeline``.
        channels: that the network reads.

    Raises:
        ConfigError: the pipeline has a step that cannot be part of the graph, or lacks one.
    """
    canvas = None
    for step in pipeline:
        kind = str(step.get("type")).removeprefix("mmocr.")
        if kind == "AOCRCanvas":
            canvas = AOCRCanvas(**{key: value for key, value in step.items() if key != "type"})
        elif kind in _LOADERS:
            color_type = str(step.get("color_type", "color"))
            if _CHANNELS.get(color_type.removesuffix("_ignore_orientation")) != channels:
                raise ConfigError(
                    f"the checkpoint's {kind} has color_type '{color_type}', which is not the "
                    f"{channels} channel(s) that the network reads; {_KNOWN}"
                )
        elif kind not in _PASSED_OVER:
            raise ConfigError(f"the checkpoint's pipeline has {kind}; {_KNOWN}, with AOCRCanvas")
    if canvas is None:
        raise ConfigError(f"the checkpoint's pipeline has no AOCRCanvas; {_KNOWN}")
    return canvas

"""Imports, and thereby registers, the parts that a checkpoint's description may name."""

from aocr_plugin.datasets import canvas, loading
from aocr_plugin.models import data_preprocessor, described, dictionary
from aocr_plugin.models.backbones import sliding_cnn
from aocr_plugin.models.decoders import attention_decoder
from aocr_plugin.models.encoders import stacked_lstm
from aocr_plugin.models.module_losses import sequence_ce
from aocr_plugin.models.postprocessors import word_score
from aocr_plugin.models.recognizers import aocr

__all__ = [
    "aocr",
    "attention_decoder",
    "canvas",
    "data_preprocessor",
    "described",
    "dictionary",
    "loading",
    "sequence_ce",
    "sliding_cnn",
    "stacked_lstm",
    "word_score",
]

"""Imports every component, and thereby registers it in MMOCR's registries."""

from aocr_plugin.datasets import annotation_dataset, canvas, jitter, samplers
from aocr_plugin.engine import checkpoint_hook, loops, optim_wrapper, runner
from aocr_plugin.evaluation import metrics
from aocr_plugin.models import dictionary
from aocr_plugin.models.backbones import sliding_cnn
from aocr_plugin.models.decoders import attention_decoder
from aocr_plugin.models.encoders import stacked_lstm
from aocr_plugin.models.module_losses import sequence_ce
from aocr_plugin.models.postprocessors import word_score
from aocr_plugin.models.recognizers import aocr

__all__ = [
    "annotation_dataset",
    "aocr",
    "attention_decoder",
    "canvas",
    "checkpoint_hook",
    "dictionary",
    "jitter",
    "loops",
    "metrics",
    "optim_wrapper",
    "runner",
    "samplers",
    "sequence_ce",
    "sliding_cnn",
    "stacked_lstm",
    "word_score",
]

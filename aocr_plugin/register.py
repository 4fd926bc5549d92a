"""Imports every component, and thereby registers it in MMOCR's registries."""

from aocr_plugin.datasets import (
    annotation_dataset,
    canvas,
    collating,
    jitter,
    loading,
    record_dataset,
    samplers,
    source_sampler,
    synthetic_dataset,
)
from aocr_plugin.engine import (
    aocr_log,
    attention_pictures,
    checkpoint_hook,
    finetuning,
    loops,
    mirror,
    optim_wrapper,
    runner,
    storage_backend,
    test_report,
    time_limit,
    timed_rate,
)
from aocr_plugin.evaluation import metrics
from aocr_plugin.models import data_preprocessor, dictionary
from aocr_plugin.models.backbones import sliding_cnn
from aocr_plugin.models.decoders import attention_decoder
from aocr_plugin.models.encoders import stacked_lstm
from aocr_plugin.models.module_losses import sequence_ce
from aocr_plugin.models.postprocessors import word_score
from aocr_plugin.models.recognizers import aocr

__all__ = [
    "annotation_dataset",
    "aocr",
    "aocr_log",
    "attention_decoder",
    "attention_pictures",
    "canvas",
    "checkpoint_hook",
    "collating",
    "data_preprocessor",
    "dictionary",
    "finetuning",
    "jitter",
    "loading",
    "loops",
    "metrics",
    "mirror",
    "optim_wrapper",
    "record_dataset",
    "runner",
    "samplers",
    "sequence_ce",
    "sliding_cnn",
    "source_sampler",
    "stacked_lstm",
    "storage_backend",
    "synthetic_dataset",
    "test_report",
    "time_limit",
    "timed_rate",
    "word_score",
]

"""Imports every component, and thereby registers it in MMOCR's registries."""

from aocr_plugin import parts
from aocr_plugin.datasets import (
    annotation_dataset,
    collating,
    jitter,
    packing,
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

__all__ = [
    "annotation_dataset",
    "aocr_log",
    "attention_pictures",
    "checkpoint_hook",
    "collating",
    "finetuning",
    "jitter",
    "loops",
    "metrics",
    "mirror",
    "optim_wrapper",
    "packing",
    "parts",
    "record_dataset",
    "runner",
    "samplers",
    "source_sampler",
    "storage_backend",
    "synthetic_dataset",
    "test_report",
    "time_limit",
    "timed_rate",
]

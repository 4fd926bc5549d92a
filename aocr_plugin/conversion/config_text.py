"""The config that goes with a converted checkpoint. No PyTorch."""

import os
import pprint
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def _base_name(base: str, out: str) -> str:
    """Returns how the config names its base: relative where both are in one checkout."""
    root = Path(base).resolve().parents[1]
    here = Path(out).resolve()
    if here.is_relative_to(root):
        return os.path.relpath(Path(base).resolve(), here.parent)
    return str(Path(base).resolve())


def config_text(
    description: Mapping[str, Any], *, base: str, out: str, checkpoint: str, source: str
) -> str:
    """Returns a config for testing a converted checkpoint and for training it further.

    Args:
        description: the checkpoint's.
        base: path of ``aocr_original.py``.
        out: path or URL that the config is going to have.
        checkpoint: absolute path or URL of the converted weights.
        source: the original's checkpoint, for the heading.
    """

    def literal(value: Any) -> str:
        return pprint.pformat(value, width=96, sort_dicts=False)

    loaders = "\n".join(
        f"{kind}_dataloader = dict(dataset=dict(pipeline=test_pipeline))"
        for kind in ("train", "val", "test")
    )
    name = re.sub(r"[^\w.-]", "_", source)  # a folder's name must not end the docstring
    return f'''"""The network of {name}, written with its converted weights.

Measure:
    tools/test.py CONFIG CHECKPOINT --cfg-options test_dataloader.dataset.ann_file=ANNOTATIONS
Train further from these weights, with ANNOTATIONS set for train_dataloader and val_dataloader:
    tools/train.py CONFIG --cfg-options train_dataloader.dataset.ann_file=ANNOTATIONS …
"""

_base_ = [{_base_name(base, out)!r}]

load_from = {checkpoint!r}
test_pipeline = {literal(description["test_pipeline"])}
train_pipeline = test_pipeline
{loaders}
model = {literal(description["model"])}
'''

"""What MMOCR's parts need to be built from a checkpoint's description.

A description holds plain lists and dicts, and every ``type`` in it must be a registered component.
MMOCR's ``ResNet`` wants its strides as tuples and names its block, which is in no registry.
"""

from typing import Any

from mmocr.models.textrecog.layers import BasicBlock
from mmocr.registry import MODELS

if "BasicBlock" not in MODELS.module_dict:
    MODELS.register_module("BasicBlock", module=BasicBlock)


def with_tuples(config: Any) -> Any:
    """Returns a part's config with tuples where it has lists in lists."""
    if isinstance(config, dict):
        return {key: with_tuples(value) for key, value in config.items()}
    if isinstance(config, list):
        return [tuple(entry) if isinstance(entry, list) else entry for entry in config]
    return config

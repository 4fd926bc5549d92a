"""TensorBoard beside the logs that a run writes anyway."""

import importlib.util
from typing import Any

from aocr_plugin.errors import ConfigError

_BACKEND, _HOOK = "TensorboardVisBackend", "AttentionPictures"


def _has(entries: Any, kind: str) -> bool:
    return any(str(entry.get("type", "")).rpartition(".")[2] == kind for entry in entries)


def with_tensorboard(cfg: Any) -> Any:
    """Lets a run log to TensorBoard: scalars, and a few attention pictures at each validation.

    Whatever the config has already stays, and nothing is added twice. A model whose decoder has
    no attention gets scalars alone.

    Args:
        cfg: MMEngine config; changed in place.

    Returns:
        The same config.

    Raises:
        ConfigError: TensorBoard is not installed.
    """
    if importlib.util.find_spec("tensorboard") is None:
        raise ConfigError("--tensorboard needs TensorBoard: pip install tensorboard")
    visualizer = dict(cfg.get("visualizer") or {"type": "TextRecogLocalVisualizer"})
    backends = list(visualizer.get("vis_backends") or [{"type": "LocalVisBackend"}])
    if not _has(backends, _BACKEND):
        backends.append({"type": _BACKEND})
    cfg["visualizer"] = {**visualizer, "vis_backends": backends}
    decoder = (cfg.get("model") or {}).get("decoder") or {}
    hooks = list(cfg.get("custom_hooks") or [])
    if _has([decoder], "AttentionDecoder") and not _has(hooks, _HOOK):
        hooks.append({"type": _HOOK, "out_dir": None})
    cfg["custom_hooks"] = hooks
    return cfg

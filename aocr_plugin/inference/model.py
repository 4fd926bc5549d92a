"""From a checkpoint's description and weights to a model."""

from typing import Any

import torch
from mmengine.registry import DefaultScope
from mmocr.registry import MODELS

from aocr_plugin.errors import CheckpointError, ConfigError
from aocr_plugin.scores import check_score

SEARCH_ARGUMENTS = ("temperature", "beam_width", "nbest", "allowed", "pattern", "length")
"""Arguments of ``AttentionDecoder`` that change how texts are found, not the network."""


def build_model(model: dict[str, Any], state: dict[str, torch.Tensor], name: str) -> Any:
    """Builds a described model and loads its weights, strictly.

    Raises:
        CheckpointError: the description cannot be built, or weights and description disagree.
    """
    with DefaultScope.overwrite_default_scope("mmocr"):
        try:
            built = MODELS.build(_without_init(model))
        except (KeyError, TypeError, ValueError) as error:
            raise CheckpointError(f"{name}: cannot build its model: {error}") from error
    try:
        built.load_state_dict(state, strict=True)
    except RuntimeError as error:
        raise CheckpointError(f"{name}: weights do not fit the described model: {error}") from error
    return built


def set_search(model: Any, settings: dict[str, Any], score: str | None) -> None:
    """Changes how a built model finds and scores texts.

    Args:
        model: of :func:`build_model`.
        settings: see ``SearchSettings``.
        score: kind of word score, or None for the model's own.

    Raises:
        ConfigError: out of range, or the model's decoder has no such thing.
    """
    search: Any = getattr(model.decoder, "search", None)
    if settings and search is None:
        raise ConfigError(
            f"the checkpoint's {type(model.decoder).__name__} has no beam search, which "
            f"{', '.join(settings)} would need"
        )
    if score is not None:
        check_score(score)
        if not hasattr(model.decoder.postprocessor, "score"):
            raise ConfigError(
                f"the checkpoint's {type(model.decoder.postprocessor).__name__} has no choice of "
                "score"
            )
        model.decoder.postprocessor.score = score
    if settings:
        search.set(**settings)


def with_reading_settings(described: dict[str, Any], config: dict[str, Any]) -> dict[str, Any]:
    """Returns a checkpoint's model with what a config says of reading, not of the network.

    Args:
        described: the model in a checkpoint's description.
        config: the model in a config; ``score_labels``, its decoder's :data:`SEARCH_ARGUMENTS`
            and its postprocessor's ``score`` are read.
    """
    decoder = dict(described.get("decoder") or {})
    theirs = config.get("decoder") or {}
    decoder |= {name: theirs[name] for name in SEARCH_ARGUMENTS if name in theirs}
    score = (theirs.get("postprocessor") or {}).get("score")
    if score is not None and isinstance(decoder.get("postprocessor"), dict):
        decoder["postprocessor"] = decoder["postprocessor"] | {"score": score}
    labels = {"score_labels": config["score_labels"]} if "score_labels" in config else {}
    return described | labels | ({"decoder": decoder} if decoder else {})


def _without_init(value: Any) -> Any:
    """Drops ``init_cfg``: weights come from the checkpoint, nothing else is to be fetched."""
    if isinstance(value, dict):
        return {key: _without_init(entry) for key, entry in value.items() if key != "init_cfg"}
    if isinstance(value, list):
        return [_without_init(entry) for entry in value]
    return value

"""Training that starts from another model's weights: what fits is kept, symbols go by character."""

from dataclasses import dataclass, field
from typing import Any

import torch
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.model import is_model_wrapper
from mmocr.registry import HOOKS, TASK_UTILS
from torch import Tensor, nn

from aocr_plugin.charset import describe
from aocr_plugin.engine import checkpoint_file
from aocr_plugin.errors import CheckpointError


@dataclass
class Fit:
    """What became of a checkpoint's weights in another model.

    Attributes:
        kept: names of the tensors that were taken as they are.
        by_symbol: names of those whose rows were taken symbol by symbol.
        fresh: the model's tensors that start anew, each with the reason.
        known: symbols whose rows were taken.
        other_case: characters that begin with the row of the same letter in the other case.
        new: characters that begin anew.
        dropped: the checkpoint's characters that the model does not have.
    """

    kept: list[str] = field(default_factory=list)
    by_symbol: list[str] = field(default_factory=list)
    fresh: dict[str, str] = field(default_factory=dict)
    known: list[str] = field(default_factory=list)
    other_case: list[str] = field(default_factory=list)
    new: list[str] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)

    def lines(self) -> list[str]:
        """Returns the table that is printed before training."""
        total = len(self.kept) + len(self.by_symbol) + len(self.fresh)
        found = [f"  {len(self.kept)} of {total} tensors kept as they are"]
        if self.by_symbol:
            found.append(
                f"  {len(self.by_symbol)} mapped by symbol ({', '.join(self.by_symbol)}): "
                f"{len(self.known)} symbols known, {len(self.dropped)} not needed"
            )
        if self.other_case:
            found.append(f"  begin as their other case: {''.join(self.other_case)}")
        if self.new:
            found.append(f"  new characters: {', '.join(map(describe, self.new))}")
        found += [f"  begins anew: {name} ({reason})" for name, reason in self.fresh.items()]
        return found


def _other_case(symbol: str) -> str:
    return symbol.lower() if symbol != symbol.lower() else symbol.upper()


def _sources(theirs: list[str], ours: list[str], fit: Fit) -> list[int]:
    """Returns for each of our symbols the row of theirs that it begins with, or -1."""
    rows = {symbol: row for row, symbol in enumerate(theirs)}
    found = []
    for symbol in ours:
        if symbol in rows:
            fit.known.append(symbol)
        elif _other_case(symbol) in rows:
            fit.other_case.append(symbol)
        else:
            fit.new.append(symbol)
        found.append(rows.get(symbol, rows.get(_other_case(symbol), -1)))
    fit.dropped += [symbol for symbol in theirs if symbol not in set(ours)]
    return found


def fit_weights(
    weights: dict[str, Tensor],
    own: dict[str, Tensor],
    symbol_rows: list[str],
    theirs: list[str] | None,
    ours: list[str],
) -> tuple[dict[str, Tensor], Fit]:
    """Returns what of a checkpoint's weights a model can begin with.

    Args:
        weights: the checkpoint's tensors by name.
        own: the model's tensors by name, with their initial values.
        symbol_rows: names of tensors with one row a symbol, [V] or [V, ...].
        theirs: the checkpoint's symbols in the order of its rows; None where it does not say.
        ours: the model's symbols.

    Returns:
        All of the model's tensors, of ``weights`` or initial, and the account of it.
    """
    fit, found = Fit(), {}
    sources = None if theirs is None else torch.tensor(_sources(theirs, ours, fit))
    for name, value in own.items():
        found[name] = value
        given = weights.get(name)
        if given is None:
            fit.fresh[name] = "not in the checkpoint"
        elif name not in symbol_rows:
            if given.shape == value.shape:
                found[name] = given.to(value)
                fit.kept.append(name)
            else:
                there, here = (" x ".join(map(str, one.shape)) for one in (given, value))
                fit.fresh[name] = f"{there} in the checkpoint, {here} here"
        elif sources is None or theirs is None:
            fit.fresh[name] = "the checkpoint does not say which row is which character"
        elif given.shape != (len(theirs), *value.shape[1:]):
            fit.fresh[name] = "its rows have another length in the checkpoint"
        else:
            taken = sources >= 0
            found[name] = value.clone()
            found[name][taken] = given.to(value)[sources[taken]]
            fit.by_symbol.append(name)
    return found, fit


def _symbols(checkpoint: dict[str, Any], path: str) -> list[str] | None:
    """Returns a checkpoint's symbols; None if it does not describe itself."""
    if not (checkpoint.get("meta") or {}).get("aocr"):
        return None
    decoder = checkpoint_file.description(checkpoint, path)["model"].get("decoder") or {}
    dictionary = decoder.get("dictionary")
    return list(TASK_UTILS.build(dict(dictionary)).dict) if dictionary else None


def symbol_rows(decoder: nn.Module, symbols: int) -> list[str]:
    """Returns the names of a decoder's tensors that have one row a symbol.

    Our decoder names them; of another's they are those of embeddings and layers whose outputs
    are as many as the symbols.
    """
    named: tuple[str, ...] | None = getattr(decoder, "symbol_rows", None)
    if named is not None:
        return list(named)
    return [
        f"{name}.{part}"
        for name, module in decoder.named_modules()
        if isinstance(module, nn.Embedding | nn.Linear | nn.Conv1d | nn.Conv2d)
        for part, value in module.named_parameters(recurse=False)
        if value.size(0) == symbols
    ]


def begin_with(model: Any, path: str) -> tuple[dict[str, Tensor], Fit]:
    """Returns the tensors with which a model begins that goes on from a checkpoint's weights.

    Args:
        model: recogniser, unwrapped.
        path: checkpoint, also an object store's.

    Raises:
        CheckpointError: it cannot be read, or nothing in it fits.
        StorageError: its store cannot be used.
    """
    checkpoint = checkpoint_file.load(path)
    theirs = _symbols(checkpoint, path)
    decoder = model.decoder
    ours = list(decoder.dictionary.dict)
    rows = [f"decoder.{name}" for name in symbol_rows(decoder, len(ours))]
    state = {k.removeprefix("module."): v for k, v in checkpoint["state_dict"].items()}
    found, fit = fit_weights(state, model.state_dict(), rows, theirs, ours)
    learnt = [name for name in fit.kept if not name.endswith("num_batches_tracked")]
    if not learnt:
        why = next(iter(fit.fresh.items()), ("", ""))
        raise CheckpointError(
            f"{path}: none of its weights fits the config's model ({why[0]}: {why[1]}); use a "
            "config with the same backbone, encoder and decoder"
        )
    return found, fit


@HOOKS.register_module()
class FinetuneHook(Hook):
    """Lets a new training begin with a checkpoint's weights; ``tools/train.py --finetune``.

    MMEngine's ``load_from`` takes tensors of equal shape by name, so with another charset it
    loses the output layer, or worse, keeps rows of other characters where both charsets are
    equally long. Here each character's rows are found by the character, a letter that the
    checkpoint has in the other case only begins with that, and the log says what became of every
    tensor. A run that is resumed is left alone.

    Args:
        weights: path or URL of the checkpoint.
    """

    priority = "VERY_HIGH"

    def __init__(self, weights: str) -> None:
        self.weights = weights

    def before_train(self, runner: Any) -> None:
        """Loads the weights into the model and, through their hook, into its averages.

        Raises:
            CheckpointError: the checkpoint cannot be read, or nothing in it fits.
            StorageError: its store cannot be used.
        """
        if runner.iter > 0:
            return
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        state, fit = begin_with(model, self.weights)
        model.load_state_dict(state)
        runner.call_hook("after_load_checkpoint", checkpoint={"state_dict": state})
        print_log("\n".join([f"begins with {self.weights}:", *fit.lines()]), logger="current")

"""Beam search over texts, batched over images and hypotheses.

N images, K hypotheses, L steps, V symbols, T columns. Hypotheses of an image that have ended
compete with its growing ones for the K places, but are not lost where growing ones take these.
"""

from typing import NamedTuple

import torch
from mmocr.models.common.dictionary import Dictionary
from torch import Tensor

from aocr_plugin.models.decoders.cells import AttentionStep
from aocr_plugin.models.decoders.constraints import Constraint
from aocr_plugin.models.decoders.loops import Logits, Start


class Hypotheses(NamedTuple):
    """Texts with their probabilities, most probable first.

    Attributes:
        score: [N, K] sum of the log-probabilities of characters and end symbol; -inf where there
            is no hypothesis.
        symbols: [N, K, L] with the end symbol; what stands behind ``length`` means nothing.
        log_probs: [N, K, L] of each symbol, at the temperature of the search.
        plain: [N, K, L] the same at temperature 1.
        slots: [N, K, L] which of the K hypotheses of each step it grew from.
        length: [N, K] steps, the end symbol's included.
        finished: [N, K] False where ``max_seq_len`` was reached before the end symbol.
    """

    score: Tensor
    symbols: Tensor
    log_probs: Tensor
    plain: Tensor
    slots: Tensor
    length: Tensor
    finished: Tensor

    def take(self, index: Tensor) -> "Hypotheses":
        """Returns the hypotheses at places [N, K'] of the second dimension."""
        wide = index[..., None].expand(-1, -1, self.symbols.size(2))
        return Hypotheses(*(part.gather(1, wide if part.dim() == 3 else index) for part in self))

    def best_with(self, others: "Hypotheses", count: int) -> "Hypotheses":
        """Returns the ``count`` best of these and others."""
        both = Hypotheses(*(torch.cat(pair, 1) for pair in zip(self, others, strict=True)))
        return both.take(both.score.topk(count, dim=1).indices)

    def only(self, where: Tensor) -> "Hypotheses":
        """Returns the hypotheses with a score of -inf where ``where`` [N, K] is False."""
        return self._replace(score=self.score.masked_fill(~where, float("-inf")))


def _none(count: int, width: int, steps: int, device: torch.device) -> Hypotheses:
    """Returns K hypotheses for each of N images, none of which exists."""
    numbers = torch.zeros(count, width, steps, device=device)
    whole = torch.zeros(count, width, steps, dtype=torch.long, device=device)
    flags = torch.zeros(count, width, dtype=torch.bool, device=device)
    score = torch.full((count, width), float("-inf"), device=device)
    return Hypotheses(score, whole, numbers, numbers, whole, whole[:, :, 0], flags)


class _Rules:
    """Which symbols may come next."""

    def __init__(
        self, dictionary: Dictionary, constraint: Constraint | None, like: Tensor, classes: int
    ) -> None:
        device = like.device
        self.end_idx = dictionary.end_idx
        self.free = torch.ones(classes, dtype=torch.bool, device=device)
        for silent in (dictionary.padding_idx, dictionary.start_idx):
            if silent is not None and silent != self.end_idx:
                self.free[silent] = False
        self.after: Tensor | None = None
        if constraint is not None:
            self.table = torch.from_numpy(constraint.table).to(device)
            self.live = torch.from_numpy(constraint.live).to(device)
            self.end = torch.from_numpy(constraint.end).to(device)
            self.state = torch.zeros(like.shape, dtype=torch.long, device=device)

    def permitted(self, position: int) -> Tensor:
        """Returns [V] or [N, K, V] whether a symbol may be the next."""
        if not hasattr(self, "table"):
            return self.free
        self.after = self.table[self.state]
        permitted = self.live[position + 1][self.after]
        permitted[..., self.end_idx] = self.end[position][self.state]
        return permitted

    def advance(self, chosen: Tensor) -> None:
        """Goes on with the chosen [N, K] of the N x (K V) possible steps."""
        if self.after is not None:
            self.state = self.after.flatten(1).gather(1, chosen)


def beam_search(
    step: AttentionStep,
    output: Logits,
    start: Start,
    dictionary: Dictionary,
    max_seq_len: int,
    *,
    width: int,
    nbest: int = 1,
    temperature: float = 1.0,
    constraint: Constraint | None = None,
    keep_attention: bool = False,
) -> tuple[Hypotheses, Tensor | None]:
    """Looks for the most probable texts.

    Padding and start symbols are never written. With width 1 it finds what greedy decoding
    finds. Probabilities are the model's own, also under a constraint: they are not scaled up to
    make the allowed texts' sum 1, so a low one means that the model would rather have read
    something else. A hypothesis that has not ended after ``max_seq_len`` steps is kept with the
    probability of what it has so far and ``finished`` False; under a constraint there is none.

    Args:
        step: the decoder's step.
        output: maps cell outputs [N, h] and contexts [N, M] to logits [N, V].
        start: where from.
        dictionary: for its padding, start and end symbols.
        max_seq_len: most steps L.
        width: hypotheses K kept at each step.
        nbest: texts wanted, at most K; the search stops when none that grows can be among them.
        temperature: logits are divided by it.
        constraint: what the text must be.
        keep_attention: also return the best hypothesis' attention.

    Returns:
        The ``nbest`` best hypotheses of each image, and the attention [N, L, T] of the first.
    """
    state, count, columns = start.state, start.memory.size(0), start.memory.size(1)
    memory = start.memory.repeat_interleave(width, 0)
    keys = step.key(start.memory).repeat_interleave(width, 0)
    mask = None if start.mask is None else start.mask.repeat_interleave(width, 0)
    state = tuple(part.repeat_interleave(width, 0) for part in state)
    context = memory.new_zeros(memory.size(0), memory.size(2))
    symbols = torch.full((count * width,), dictionary.start_idx, device=memory.device)
    ended = _none(count, width, max_seq_len, memory.device)
    growing = ended._replace(score=ended.score.clone())
    growing.score[:, 0] = 0.0
    rules = _Rules(dictionary, constraint, growing.score, dictionary.num_classes)
    rows = torch.arange(count, device=memory.device)[:, None] * width
    weights: list[Tensor] = []
    for position in range(max_seq_len):
        out, context, state, attention = step(
            step.embed(symbols), context, state, memory, keys, mask
        )
        if keep_attention:
            weights.append(attention.view(count, width, columns))
        logits = output(out, context).float().view(count, width, -1)
        log_probs = torch.log_softmax(logits / temperature, dim=-1)
        plain = log_probs if temperature == 1.0 else torch.log_softmax(logits, dim=-1)
        options = growing.score[..., None] + log_probs
        options = options.masked_fill(~rules.permitted(position), float("-inf"))
        ranked = torch.cat([ended.score, options.flatten(1)], 1).topk(width, dim=1)
        is_step = ranked.indices >= width
        chosen = (ranked.indices - width).clamp(min=0)
        slot, symbol = chosen // logits.size(2), chosen % logits.size(2)
        growing = growing.take(slot)._replace(score=ranked.values).only(is_step)
        growing.symbols[:, :, position] = symbol
        growing.slots[:, :, position] = slot
        growing.log_probs[:, :, position] = log_probs.flatten(1).gather(1, chosen)
        growing.plain[:, :, position] = plain.flatten(1).gather(1, chosen)
        growing = growing._replace(length=torch.full_like(growing.length, position + 1))
        ends = symbol == dictionary.end_idx
        ended = ended.best_with(growing.only(ends)._replace(finished=ends), width)
        growing = growing.only(~ends)
        if bool((ended.score[:, nbest - 1] >= growing.score.amax(1)).all()):
            break
        rules.advance(chosen)
        symbols, parent = symbol.flatten(), (rows + slot).flatten()
        context, state = context[parent], tuple(part[parent] for part in state)
    found = ended.best_with(growing, nbest)
    if not keep_attention:
        return found, None
    index = found.slots[:, 0, : len(weights), None, None].expand(-1, -1, 1, columns)
    return found, torch.stack(weights, 1).gather(2, index)[:, :, 0]

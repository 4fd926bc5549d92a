"""The decoder's two loops over its steps: on given symbols, and on its own (greedy)."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from mmocr.models.common.dictionary import Dictionary
from torch import Tensor

from aocr_plugin.models.decoders.cells import AttentionStep, State

Logits = Callable[[Tensor, Tensor], Tensor]


class DecoderOutput(NamedTuple):
    """Result of decoding a batch.

    Attributes:
        logits: [N, L, V] before softmax.
        attention: [N, L, T] weights over the encoder's columns; each row sums to 1.
    """

    logits: Tensor
    attention: Tensor


class Start(NamedTuple):
    """What decoding starts from.

    Attributes:
        memory: [N, T, M] of the encoder.
        state: the decoder's state, tensors [N, h].
        mask: [N, T], True where the memory is padding, or None.
    """

    memory: Tensor
    state: State
    mask: Tensor | None


def teacher_forced(
    step: AttentionStep, output: Logits, start: Start, inputs: Tensor
) -> DecoderOutput:
    """Decodes with given previous symbols.

    Args:
        step: the decoder's step.
        output: maps cell outputs [..., h] and contexts [..., M] to logits [..., V].
        start: where from.
        inputs: [N, L] the symbol before each step.
    """
    memory, state, mask = start
    keys = step.key(memory)
    embedded = step.embed(inputs)
    context = memory.new_zeros(memory.size(0), memory.size(2))
    outputs, contexts, weights = [], [], []
    for position in range(inputs.size(1)):
        out, context, state, attention = step(
            embedded[:, position], context, state, memory, keys, mask
        )
        outputs.append(out)
        contexts.append(context)
        weights.append(attention)
    logits = output(torch.stack(outputs, 1), torch.stack(contexts, 1))
    return DecoderOutput(logits, torch.stack(weights, 1))


def greedy(
    step: AttentionStep,
    output: Logits,
    start: Start,
    dictionary: Dictionary,
    max_seq_len: int,
    early_stop: bool,
) -> DecoderOutput:
    """Decodes with its own most probable symbol as the next step's input.

    Args:
        step: the decoder's step.
        output: maps cell outputs [N, h] and contexts [N, M] to logits [N, V].
        start: where from.
        dictionary: for its start and end symbols.
        max_seq_len: most steps L.
        early_stop: stop once every image has ended.
    """
    memory, state, mask = start
    keys = step.key(memory)
    count = memory.size(0)
    symbols = memory.new_full((1,), dictionary.start_idx, dtype=torch.long)  # the same for all N
    ended = torch.zeros(count, dtype=torch.bool, device=memory.device)
    context = memory[:, 0] * 0  # zeros of that shape, without an operator that makes some
    logits, weights = [], []
    for _ in range(max_seq_len):
        out, context, state, attention = step(
            step.embed(symbols), context, state, memory, keys, mask
        )
        logits.append(output(out, context))
        weights.append(attention)
        symbols = logits[-1].argmax(dim=1)
        if early_stop:
            ended |= symbols == dictionary.end_idx
            if bool(ended.all()):
                break
    return DecoderOutput(torch.stack(logits, 1), torch.stack(weights, 1))

"""Recurrent layers that stand still over padding, instead of packed sequences.

Every layer gets one more input, 1 over padding, whose weights hold its state. So the backward
direction arrives at the last real column with the state it starts with, and the forward direction
keeps the one it had there: what packing does, in operations that every runtime has.
"""

import torch
from torch import Tensor, nn

_SHUT = 100.0  # of a gate's input: its sigmoid is 1 or 0 in float32 and float16


def freezing(weight_ih: Tensor, cell: str) -> Tensor:
    """Returns the weights [gates * D, 1] of an input that is 1 where the state is to stand still.

    They open an LSTM's forget gate and shut its input gate; a GRU's keep all of its state.

    Args:
        weight_ih: [gates * D, I] the layer's weights of its other inputs.
        cell: "lstm" or "gru".
    """
    weights = weight_ih.new_zeros(weight_ih.size(0), 1)
    if cell == "lstm":  # gates in the order i, f, g, o
        units = weight_ih.size(0) // 4
        weights[:units] = -_SHUT
    else:  # r, z, n
        units = weight_ih.size(0) // 3
    weights[units : 2 * units] = _SHUT
    return weights


def lstm_over_padding(
    rnn: nn.RNNBase, sequence: Tensor, lengths: Tensor
) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    """Runs LSTM layers over a padded batch; nothing of the padding is read.

    PyTorch takes packed sequences apart into a product a column on CPUs; this goes through oneDNN's
    kernel in one piece. Gradients reach the layers' own weights.

    Args:
        rnn: PyTorch's LSTM, whose weights are taken.
        sequence: [N, T, C].
        lengths: [N] columns that are not padding.

    Returns:
        Memory [N, T, M], zero over padding, and the last layer's final states (h, c), each
        [directions, N, D].
    """
    padding = torch.arange(sequence.size(1), device=sequence.device) >= lengths[:, None]
    still = padding[..., None].to(sequence.dtype)
    directions = 2 if rnn.bidirectional else 1
    zeros = sequence.new_zeros(directions, sequence.size(0), rnn.hidden_size)
    memory = sequence
    for layer in range(rnn.num_layers):
        weights: list[Tensor] = []
        for inputs, *others in rnn.all_weights[layer * directions :][:directions]:
            weights += [torch.cat([inputs, freezing(inputs.detach(), "lstm")], 1), *others]
        if layer:
            memory = nn.functional.dropout(memory, rnn.dropout, rnn.training)
        memory, hidden, carry = torch.lstm(
            torch.cat([memory, still], 2),
            (zeros, zeros),
            weights,
            True,  # biases
            1,  # layer
            0.0,  # dropout behind it
            rnn.training,
            rnn.bidirectional,
            True,  # batch first
        )
        memory = memory.masked_fill(padding[..., None], 0.0)
    last = (lengths - 1).view(-1, 1, 1).expand(-1, 1, rnn.hidden_size)
    forward = memory[..., : rnn.hidden_size].gather(1, last).transpose(0, 1)
    return memory, (torch.cat([forward, hidden[1:]]), carry)

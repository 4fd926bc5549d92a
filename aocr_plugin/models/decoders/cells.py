"""One step of aocr's attention decoder, apart from any loop, loss or framework.

Source: aocr 0.7.x (``seq2seq.py``), after Vinyals et al., "Grammar as a Foreign Language"
(2014). N batch, T encoder columns, M memory channels, h hidden units, V symbols.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from aocr_plugin.models.initialisation import glorot_linear_, glorot_uniform_

State = tuple[Tensor, ...]


class LSTMCell(nn.Module):
    """TensorFlow's ``BasicLSTMCell``: one kernel, gates in the order i, j (candidate), f, o.

    Args:
        units: inputs and hidden units h.
        forget_bias: where the forget gate's bias starts (the original's is 0).
    """

    num_states = 2

    def __init__(self, units: int, forget_bias: float = 0.0) -> None:
        super().__init__()
        self.units = units
        self.gates = glorot_linear_(nn.Linear(2 * units, 4 * units))
        self.gates.bias.data[2 * units : 3 * units] = forget_bias

    def forward(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """Maps x [N, h] and state (c, h) to the output [N, h] and the new state."""
        carry, hidden = state
        gates, u = self.gates(torch.cat([x, hidden], dim=1)), self.units
        keep = torch.sigmoid(gates[:, 2 * u : 3 * u]) * carry
        carry = keep + torch.sigmoid(gates[:, :u]) * torch.tanh(gates[:, u : 2 * u])
        hidden = torch.tanh(carry) * torch.sigmoid(gates[:, 3 * u : 4 * u])
        return hidden, (carry, hidden)


class GRUCell(nn.Module):
    """TensorFlow's ``GRUCell``: the reset gate acts on the state before the matrix product.

    PyTorch's own ``nn.GRUCell`` applies it after the product, so the two are not the same cell.

    Args:
        units: inputs and hidden units h.
    """

    num_states = 1

    def __init__(self, units: int) -> None:
        super().__init__()
        self.units = units
        self.gates = glorot_linear_(nn.Linear(2 * units, 2 * units))
        self.candidate = glorot_linear_(nn.Linear(2 * units, units))
        nn.init.ones_(self.gates.bias)

    def forward(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """Maps x [N, h] and state (h,) to the output [N, h] and the new state."""
        (hidden,) = state
        gates = torch.sigmoid(self.gates(torch.cat([x, hidden], dim=1)))
        reset, update = gates[:, : self.units], gates[:, self.units :]
        candidate = torch.tanh(self.candidate(torch.cat([x, reset * hidden], dim=1)))
        hidden = update * hidden + (1 - update) * candidate
        return hidden, (hidden,)


class AttentionStep(nn.Module):
    """One step: input projection, stacked cells, attention over the memory.

    Args:
        memory_channels: M.
        num_classes: V.
        embed_dims: size of a symbol's embedding.
        hidden_size: h.
        num_layers: stacked cells.
        cell: "lstm" or "gru".
        share_layers: True: all layers use one set of weights, as in the original. False (better,
            costs parameters): a set for each.
        forget_bias: where an LSTM cell's forget gate starts.

    Raises:
        ValueError: ``cell`` is unknown or ``num_layers`` below 1.
    """

    def __init__(
        self,
        *,
        memory_channels: int,
        num_classes: int,
        embed_dims: int = 10,
        hidden_size: int = 128,
        num_layers: int = 2,
        cell: str = "lstm",
        share_layers: bool = True,
        forget_bias: float = 0.0,
    ) -> None:
        super().__init__()
        if cell not in ("lstm", "gru"):
            raise ValueError(f"cell is '{cell}'; it must be 'lstm' or 'gru'")
        if num_layers < 1:
            raise ValueError(f"num_layers is {num_layers}; it must be at least 1")
        self.num_layers = num_layers
        self.hidden_size = hidden_size
        self.memory_channels = memory_channels
        self.embed_dims = embed_dims
        self.embedding = nn.Embedding(num_classes, embed_dims)
        glorot_uniform_(self.embedding.weight, num_classes, embed_dims)
        self.input = glorot_linear_(nn.Linear(embed_dims + memory_channels, hidden_size))
        self.cells = nn.ModuleList(
            LSTMCell(hidden_size, forget_bias) if cell == "lstm" else GRUCell(hidden_size)
            for _ in range(1 if share_layers else num_layers)
        )
        self.states_per_layer = LSTMCell.num_states if cell == "lstm" else GRUCell.num_states
        self.num_states = num_layers * self.states_per_layer
        self.query = glorot_linear_(nn.Linear(self.num_states * hidden_size, memory_channels))
        self.key = glorot_linear_(nn.Linear(memory_channels, memory_channels, bias=False))
        self.score = nn.Parameter(torch.empty(memory_channels))
        glorot_uniform_(self.score, memory_channels, memory_channels)

    def embed(self, symbols: Tensor) -> Tensor:
        """Projects previous symbols [N] or [N, L] to their share [..., h] of the cell's input."""
        weight = self.input.weight[:, : self.embed_dims]
        return F.linear(self.embedding(symbols), weight, self.input.bias)

    def forward(
        self,
        embedded: Tensor,
        context: Tensor,
        state: State,
        memory: Tensor,
        keys: Tensor,
        mask: Tensor | None = None,
    ) -> tuple[Tensor, Tensor, State, Tensor]:
        """Makes one step.

        Args:
            embedded: [N, h] of :meth:`embed` for the previous symbol.
            context: [N, M] of the previous step; zeros at the first.
            state: per layer (c, h) of an LSTM or (h,) of a GRU, each [N, h], in one tuple.
            memory: [N, T, M] of the encoder.
            keys: [N, T, M], ``self.key(memory)``, computed once an image.
            mask: [N, T], True where the memory is padding, or None.

        Returns:
            The cell's output [N, h], the new context [N, M], the new state and the attention
            weights [N, T].
        """
        out = embedded + F.linear(context, self.input.weight[:, self.embed_dims :])
        new_state: list[Tensor] = []
        for layer in range(self.num_layers):
            first = layer * self.states_per_layer
            cell = self.cells[layer % len(self.cells)]
            out, layer_state = cell(out, state[first : first + self.states_per_layer])
            new_state.extend(layer_state)
        query = self.query(torch.cat(new_state, dim=1))
        scores = torch.tanh(keys + query[:, None, :]) @ self.score.to(keys.dtype)
        if mask is not None:
            scores = scores.masked_fill(mask, float("-inf"))
        attention = torch.softmax(scores.float(), dim=1)
        context = torch.bmm(attention[:, None, :].to(memory.dtype), memory)[:, 0]
        return out, context, tuple(new_state), attention

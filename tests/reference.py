"""A second, slow version of the decoder's step in plain NumPy, for tests alone.

Written from the original's equations, one image and one memory column at a time; it shares
nothing with the package but the weights' names.
"""

import numpy as np


def sigmoid(x):
    return 1.0 / (1.0 + np.exp(-x))


def step(weights, cell, num_layers, symbol, context, state, memory):
    """One step for one image in float64.

    Args:
        weights: state dict of ``AttentionDecoder`` as NumPy arrays.
        cell: "lstm" or "gru".
        num_layers: layers, all of which use the first cell's weights.
        symbol: index of the previous symbol.
        context: [M].
        state: list of [h] vectors, c and h of each LSTM layer or h of each GRU layer.
        memory: [T, M].

    Returns:
        logits [V], attention [T], context [M], state.
    """
    w = {name: np.asarray(value, dtype=np.float64) for name, value in weights.items()}
    x = np.concatenate([w["step.embedding.weight"][symbol], context])
    out = w["step.input.weight"] @ x + w["step.input.bias"]
    units = len(out)
    new_state = []
    for layer in range(num_layers):
        if cell == "lstm":
            carry, hidden = state[2 * layer], state[2 * layer + 1]
            z = w["step.cells.0.gates.weight"] @ np.concatenate([out, hidden])
            z += w["step.cells.0.gates.bias"]
            i, j, f, o = (z[n * units : (n + 1) * units] for n in range(4))
            carry = sigmoid(f) * carry + sigmoid(i) * np.tanh(j)
            out = sigmoid(o) * np.tanh(carry)
            new_state += [carry, out]
        else:
            hidden = state[layer]
            z = w["step.cells.0.gates.weight"] @ np.concatenate([out, hidden])
            z = sigmoid(z + w["step.cells.0.gates.bias"])
            r, u = z[:units], z[units:]
            c = w["step.cells.0.candidate.weight"] @ np.concatenate([out, r * hidden])
            c = np.tanh(c + w["step.cells.0.candidate.bias"])
            out = u * hidden + (1 - u) * c
            new_state.append(out)
    query = w["step.query.weight"] @ np.concatenate(new_state) + w["step.query.bias"]
    scores = np.empty(len(memory))
    for t, column in enumerate(memory):
        scores[t] = w["step.score"] @ np.tanh(w["step.key.weight"] @ column + query)
    attention = np.exp(scores - scores.max())
    attention /= attention.sum()
    context = sum(a * column for a, column in zip(attention, memory, strict=True))
    logits = w["output.weight"] @ np.concatenate([out, context]) + w["output.bias"]
    return logits, attention, context, new_state

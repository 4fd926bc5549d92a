"""The network in TensorFlow's operations, with a PyTorch model's weights as constants.

N images, H = 32 and W of the canvas, T = ceil(W / 4) columns, M channels of the memory, h units of
the decoder, L steps, V symbols. All loops are unrolled: their lengths are known.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from torch import nn

State = tuple[Any, ...]


def _array(tensor: Any) -> Any:
    return tensor.detach().cpu().float().numpy()


class Network:
    """Builds the graph of a model.

    Args:
        tf: the module tensorflow.
        model: ``AOCR`` in evaluation mode that ``requirements.check_model`` lets pass, with its
            BatchNorm folded into the convolutions, as ``Recognizer`` has it.
    """

    def __init__(self, tf: Any, model: Any) -> None:
        self.tf, self.model = tf, model
        self._constants: dict[str, Any] = {}

    def constant(self, name: str, value: Callable[[], Any]) -> Any:
        """Returns a weight as a node of the graph, one for all steps that use it."""
        if name not in self._constants:
            self._constants[name] = self.tf.constant(value(), self.tf.float32, name=name)
        return self._constants[name]

    def linear(self, x: Any, layer: nn.Linear, name: str) -> Any:
        """Applies a linear layer to x [..., in]; ``name`` is for its weights."""
        kernel = self.constant(f"{name}_kernel", lambda: _array(layer.weight).T)
        x = self.tf.matmul(x, kernel) if len(x.shape) == 2 else self.tf.tensordot(x, kernel, 1)
        if layer.bias is None:
            return x
        return x + self.constant(f"{name}_bias", lambda: _array(layer.bias))

    def features(self, images: Any) -> list[Any]:
        """Maps images [N, H, W, C], normalised, to T columns [N, channels]."""
        tf, x = self.tf, images
        for block in self.model.backbone.blocks:
            kernel = _array(block.conv.weight).transpose(2, 3, 1, 0)
            x = tf.nn.conv2d(x, kernel, strides=1, padding="SAME")
            if block.conv.bias is not None:  # with BatchNorm's scale and shift
                x = tf.nn.bias_add(x, _array(block.conv.bias))
            x = tf.nn.relu(x)
            if block.pool is not None:
                x = tf.nn.max_pool2d(x, block.pool, strides=block.pool, padding="SAME")
        return tf.unstack(tf.reduce_mean(x, axis=1), axis=1)  # of one row, or height_pool

    def _direction(self, columns: list[Any], suffix: str) -> tuple[list[Any], State]:
        """Runs one direction of an encoder layer; returns its outputs and last (c, h)."""
        tf, rnn = self.tf, self.model.encoder.rnn
        weight = {
            name: _array(getattr(rnn, f"{name}_{suffix}"))
            for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        }
        joint = np.concatenate([weight["weight_ih"], weight["weight_hh"]], axis=1).T
        kernel = self.constant(f"encoder_{suffix}_kernel", lambda: joint)
        bias = self.constant(
            f"encoder_{suffix}_bias", lambda: weight["bias_ih"] + weight["bias_hh"]
        )
        count, units = tf.shape(columns[0])[0], rnn.hidden_size
        carry = hidden = tf.zeros([count, units])
        outputs = []
        for column in columns:
            gates = tf.matmul(tf.concat([column, hidden], 1), kernel) + bias
            i, f, g, o = tf.split(gates, 4, axis=1)
            carry = tf.sigmoid(f) * carry + tf.sigmoid(i) * tf.tanh(g)
            hidden = tf.sigmoid(o) * tf.tanh(carry)
            outputs.append(hidden)
        return outputs, (carry, hidden)

    def encode(self, columns: list[Any]) -> tuple[Any, Any]:
        """Maps T columns to the memory [N, T, M] and the last layer's forward state [N, 2D]."""
        tf, state = self.tf, ()
        for layer in range(self.model.encoder.rnn.num_layers):
            there, state = self._direction(columns, f"l{layer}")
            back, _ = self._direction(columns[::-1], f"l{layer}_reverse")
            pairs = zip(there, back[::-1], strict=True)
            columns = [tf.concat(pair, 1) for pair in pairs]
        return tf.stack(columns, axis=1), tf.concat(state, 1)

    def _start(self, memory: Any, encoded: Any) -> list[Any]:
        tf, decoder = self.tf, self.model.decoder
        units, count = decoder.step.hidden_size, decoder.step.num_states
        if decoder.init_state == "zero":
            start = tf.zeros([tf.shape(memory)[0], count * units])
        elif decoder.init_state == "linear":
            start = tf.tanh(self.linear(encoded, decoder.first_state, "first_state"))
        else:
            start = encoded
        return [start[:, i * units : (i + 1) * units] for i in range(count)]

    def _cell(self, cell: Any, x: Any, state: State, name: str) -> tuple[Any, State]:
        """Makes a step of one decoder layer; see ``decoders/cells.py``."""
        tf = self.tf
        if len(state) == 2:
            carry, hidden = state
            gates = self.linear(tf.concat([x, hidden], 1), cell.gates, f"{name}_gates")
            i, j, f, o = tf.split(gates, 4, axis=1)
            carry = tf.sigmoid(f) * carry + tf.sigmoid(i) * tf.tanh(j)
            hidden = tf.tanh(carry) * tf.sigmoid(o)
            return hidden, (carry, hidden)
        (hidden,) = state
        reset, update = tf.split(
            tf.sigmoid(self.linear(tf.concat([x, hidden], 1), cell.gates, f"{name}_gates")),
            2,
            axis=1,
        )
        candidate = tf.tanh(
            self.linear(tf.concat([x, reset * hidden], 1), cell.candidate, f"{name}_candidate")
        )
        hidden = update * hidden + (1.0 - update) * candidate
        return hidden, (hidden,)

    def decode(self, memory: Any, encoded: Any) -> Any:
        """Decodes greedily; returns logits [N, L, V]."""
        tf, decoder = self.tf, self.model.decoder
        step = decoder.step
        count = tf.shape(memory)[0]
        keys = self.linear(memory, step.key, "key")
        state = self._start(memory, encoded)
        symbols = tf.fill([count], np.int64(decoder.dictionary.start_idx))
        context = tf.zeros([count, step.memory_channels])
        embedding = self.constant("embedding", lambda: _array(step.embedding.weight))
        score = self.constant("score", lambda: _array(step.score))
        logits = []
        for _ in range(decoder.max_seq_len):
            given = tf.concat([tf.gather(embedding, symbols), context], 1)
            out = self.linear(given, step.input, "input")
            new_state: list[Any] = []
            for layer in range(step.num_layers):
                first = layer * step.states_per_layer
                own = layer % len(step.cells)
                old = tuple(state[first : first + step.states_per_layer])
                out, layer_state = self._cell(step.cells[own], out, old, f"cell_{own}")
                new_state.extend(layer_state)
            state = new_state
            query = self.linear(tf.concat(state, 1), step.query, "query")
            scores = tf.reduce_sum(tf.tanh(keys + query[:, None, :]) * score, axis=2)
            attention = tf.nn.softmax(scores, axis=1)
            context = tf.reduce_sum(attention[:, :, None] * memory, axis=1)
            logits.append(self.linear(tf.concat([out, context], 1), decoder.output, "output"))
            symbols = tf.argmax(logits[-1], axis=1)
        return tf.stack(logits, axis=1)

    def __call__(self, images: Any) -> Any:
        """Maps images [N, H, W, C], normalised, to logits [N, L, V]."""
        return self.decode(*self.encode(self.features(images)))

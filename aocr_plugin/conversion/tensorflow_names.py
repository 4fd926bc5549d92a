"""Maps the original's TensorFlow variables to our parameters, strictly.

Needs NumPy only. TensorFlow's layouts: convolutions HWIO, matrices [in, out], LSTM gates in the
order i, j, f, o in one kernel over [input; hidden].
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aocr_plugin.conversion.tensorflow_checkpoint import SLOTS
from aocr_plugin.errors import CheckpointError

Array = NDArray[Any]
_DECODER = "embedding_attention_decoder/attention_decoder"
_CELL = f"{_DECODER}/multi_rnn_cell/cell_0"
_STEP_COUNTERS = ("Variable", "global_step")


@dataclass(frozen=True)
class Sizes:
    """Sizes of the network, read off the variables' shapes.

    Attributes:
        in_channels: 1 gray, 3 colour.
        channels: of the seven convolutions.
        encoder_units: D a direction.
        hidden_size: h of the decoder.
        num_layers: decoder layers.
        embed_dims: size of a symbol's embedding.
        num_classes: V.
        cell: "lstm" or "gru".
    """

    in_channels: int
    channels: tuple[int, ...]
    encoder_units: int
    hidden_size: int
    num_layers: int
    embed_dims: int
    num_classes: int
    cell: str


def normalise_names(variables: Mapping[str, Array]) -> dict[str, Array]:
    """Returns the variables under today's names, without step counters and optimiser slots.

    ``|`` (as in npz files) becomes ``/``; TensorFlow 1's ``BatchNorm`` ``batch_normalization``.
    """
    named = {}
    for name, value in variables.items():
        name = name.replace("|", "/").replace("/BatchNorm/", "/batch_normalization/")
        if name not in _STEP_COUNTERS and not name.endswith(SLOTS):
            named[name] = np.asarray(value)
    return named


def written_by(variables: Mapping[str, Array]) -> int:
    """Returns the release of TensorFlow, 1 or 2, that the names of its normalisation tell."""
    names = (name.replace("|", "/") for name in variables)
    return 1 if any("/BatchNorm/" in name for name in names) else 2


def step_count(variables: Mapping[str, Array]) -> int:
    """Returns how many steps the weights were trained, 0 if no counter is among them."""
    counts = [
        int(variables[n]) for n in _STEP_COUNTERS if n in variables and variables[n].ndim == 0
    ]
    return max(counts, default=0)


def _need(named: Mapping[str, Array], name: str) -> Array:
    if name not in named:
        raise CheckpointError(
            f"the TensorFlow weights have no variable '{name}'; are they aocr's (0.7.x)?"
        )
    return named[name]


def infer_sizes(named: Mapping[str, Array]) -> Sizes:
    """Reads the network's sizes off the shapes of (normalised) variables.

    Raises:
        CheckpointError: a variable is missing, or of a shape that no network of aocr's has.
    """
    convs = [_need(named, f"conv_conv{i}/W") for i in range(1, 8)]
    embedding = _need(named, "embedding_attention_decoder/embedding")
    inputs = _need(named, f"{_DECODER}/weights")
    query = _need(named, f"{_DECODER}/Attention_0/weights")
    if {conv.ndim for conv in convs} != {4} or {embedding.ndim, inputs.ndim, query.ndim} != {2}:
        raise CheckpointError("the TensorFlow weights are not of aocr's shapes")
    hidden = inputs.shape[1]
    cell = "gru" if f"{_CELL}/gru_cell/gates/kernel" in named else "lstm"
    states = hidden * (2 if cell == "lstm" else 1)
    if not hidden or query.shape[0] % states:
        raise CheckpointError(
            f"a query of {query.shape[0]} inputs fits no number of {cell.upper()} layers of "
            f"{hidden} units"
        )
    return Sizes(
        in_channels=convs[0].shape[2],
        channels=tuple(conv.shape[3] for conv in convs),
        encoder_units=_need(named, "bidirectional_rnn/fw/basic_lstm_cell/bias").shape[0] // 4,
        hidden_size=hidden,
        num_layers=query.shape[0] // states,
        embed_dims=embedding.shape[1],
        num_classes=embedding.shape[0],
        cell=cell,
    )


def _lstm_to_torch(kernel: Array, bias: Array, inputs: int) -> tuple[Array, Array, Array]:
    """Reorders BasicLSTMCell's gates i, j, f, o to PyTorch's i, f, g, o.

    Returns:
        weight_ih [4D, inputs], weight_hh [4D, D], bias [4D].
    """
    i, j, f, o = np.split(kernel, 4, axis=1)
    bi, bj, bf, bo = np.split(bias, 4)
    weight = np.concatenate([i, f, j, o], axis=1).T
    return weight[:, :inputs], weight[:, inputs:], np.concatenate([bi, bf, bj, bo])


def convert(variables: Mapping[str, Array]) -> tuple[dict[str, Array], Sizes]:
    """Converts the original's variables to the parameters of our recogniser ``AOCR``.

    Args:
        variables: by TensorFlow name (``/`` or ``|`` between the parts).

    Returns:
        Arrays by PyTorch name, and the network's sizes.

    Raises:
        CheckpointError: a variable is missing or of another shape, or one is left over that
            nothing takes.
    """
    try:
        return _convert(variables)
    except (IndexError, ValueError) as error:
        raise CheckpointError(
            f"a variable has not the shape that the original's has ({error}); is this aocr's?"
        ) from error


def _convert(variables: Mapping[str, Array]) -> tuple[dict[str, Array], Sizes]:
    """Converts; see :func:`convert`."""
    named = normalise_names(variables)
    sizes = infer_sizes(named)
    used: set[str] = set()

    def take(name: str) -> Array:
        used.add(name)
        return _need(named, name)

    state: dict[str, Array] = {}
    for number in range(1, 8):
        block = f"backbone.blocks.{number - 1}"
        state[f"{block}.conv.weight"] = take(f"conv_conv{number}/W").transpose(3, 2, 0, 1)
        if number in (3, 5, 7):
            norm = f"conv_conv{number}/batch_normalization"
            state[f"{block}.norm.weight"] = take(f"{norm}/gamma")
            state[f"{block}.norm.bias"] = take(f"{norm}/beta")
            state[f"{block}.norm.running_mean"] = take(f"{norm}/moving_mean")
            state[f"{block}.norm.running_var"] = take(f"{norm}/moving_variance")
            state[f"{block}.norm.num_batches_tracked"] = np.array(0)
    for direction, suffix in (("fw", ""), ("bw", "_reverse")):
        cell = f"bidirectional_rnn/{direction}/basic_lstm_cell"
        weight_ih, weight_hh, bias = _lstm_to_torch(
            take(f"{cell}/kernel"), take(f"{cell}/bias"), sizes.channels[-1]
        )
        state[f"encoder.rnn.weight_ih_l0{suffix}"] = weight_ih
        state[f"encoder.rnn.weight_hh_l0{suffix}"] = weight_hh
        state[f"encoder.rnn.bias_ih_l0{suffix}"] = bias
        state[f"encoder.rnn.bias_hh_l0{suffix}"] = np.zeros_like(bias)

    def linear(ours: str, kernel: str, bias: str) -> None:
        state[f"{ours}.weight"] = take(kernel).T
        state[f"{ours}.bias"] = take(bias)

    state["decoder.step.embedding.weight"] = take("embedding_attention_decoder/embedding")
    linear("decoder.step.input", f"{_DECODER}/weights", f"{_DECODER}/biases")
    if sizes.cell == "gru":
        for part in ("gates", "candidate"):
            name = f"{_CELL}/gru_cell/{part}"
            linear(f"decoder.step.cells.0.{part}", f"{name}/kernel", f"{name}/bias")
    else:
        name = f"{_CELL}/basic_lstm_cell"
        linear("decoder.step.cells.0.gates", f"{name}/kernel", f"{name}/bias")
    query = f"{_DECODER}/Attention_0"
    linear("decoder.step.query", f"{query}/weights", f"{query}/biases")
    state["decoder.step.key.weight"] = take(f"{_DECODER}/AttnW_0")[0, 0].T
    state["decoder.step.score"] = take(f"{_DECODER}/AttnV_0")
    output = f"{_DECODER}/AttnOutputProjection"
    linear("decoder.output", f"{output}/weights", f"{output}/biases")

    left_over = sorted(set(named) - used)
    if left_over:
        raise CheckpointError(
            f"{len(left_over)} TensorFlow variables have no place here: {', '.join(left_over)}"
        )
    return {name: np.ascontiguousarray(value) for name, value in state.items()}, sizes

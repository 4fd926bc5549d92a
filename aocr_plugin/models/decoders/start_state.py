"""Where the decoder starts from, and which of the encoder's columns it may look at."""

import torch
from torch import Tensor, nn

from aocr_plugin.models.decoders.cells import AttentionStep, State
from aocr_plugin.models.encoders.stacked_lstm import EncoderOutput, columns

START_STATES = ("aocr", "linear", "zero")


def encoder_output(
    feat: Tensor | None, out_enc: EncoderOutput | Tensor | None, height_pool: str | None
) -> EncoderOutput:
    """Returns the encoder's output, or the backbone's columns where there is no encoder.

    Raises:
        ValueError: there is neither.
    """
    if out_enc is None:
        if feat is None:
            raise ValueError("AttentionDecoder got neither features nor an encoder's output")
        out_enc = columns(feat, height_pool)
    return out_enc if isinstance(out_enc, EncoderOutput) else EncoderOutput(out_enc)


def start_state(
    encoded: EncoderOutput, kind: str, step: AttentionStep, projection: nn.Linear | None
) -> State:
    """Returns the decoder's state before the first step.

    Args:
        encoded: the encoder's output.
        kind: "aocr" slices the encoder's state as the original does: layer l of an LSTM takes
            values 2lh to 2(l+1)h as its [c; h], a GRU's layer lh to (l+1)h. "linear" projects
            that state. "zero" is zeros.
        step: the decoder's step; its sizes count.
        projection: for "linear".

    Returns:
        Tensors [N, h]: c and h of each LSTM layer, or h of each GRU layer.

    Raises:
        ValueError: the encoder has no state, or too small a one.
    """
    units, count = step.hidden_size, step.num_states
    if kind == "zero":
        start = encoded.memory.new_zeros(encoded.memory.size(0), count * units)
    elif encoded.state is None:
        raise ValueError(
            f"init_state='{kind}' needs the final state of StackedLSTMEncoder; with another "
            "encoder, or none, set init_state='zero'"
        )
    elif projection is not None:
        start = torch.tanh(projection(encoded.state))
    else:
        start = encoded.state
        if start.size(1) < count * units:
            raise ValueError(
                f"init_state='aocr' takes {count * units} values from the encoder's state, which "
                f"has {start.size(1)}: the encoder's hidden_size must be num_layers * hidden_size "
                "of the decoder, or set init_state='linear'"
            )
    return tuple(start[:, i * units : (i + 1) * units] for i in range(count))


def padding_mask(encoded: EncoderOutput) -> Tensor | None:
    """Returns [N, T], True at columns that are padding, or None where there is none."""
    if encoded.lengths is None:
        return None
    columns = torch.arange(encoded.memory.size(1), device=encoded.memory.device)
    return columns >= encoded.lengths[:, None]

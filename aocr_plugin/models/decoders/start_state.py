"""Where the decoder starts from, and which of the encoder's columns it may look at."""

import torch
from torch import Tensor, nn

from aocr_plugin.models.decoders.cells import AttentionStep, State
from aocr_plugin.models.encoders.stacked_lstm import EncoderOutput, columns
from aocr_plugin.models.misfits import MisfitError, check_channels

START_STATES = ("aocr", "linear", "zero")


def encoder_output(
    feat: Tensor | None, out_enc: EncoderOutput | Tensor | None, height_pool: str | None
) -> EncoderOutput:
    """Returns the encoder's output as memory [N, T, M], and its state where it has one.

    Without an encoder that is the backbone's columns. Encoders that keep a map [N, C, H, W]
    (``SVTREncoder``, ``ABIEncoder``) are read as a backbone is.

    Args:
        feat: the backbone's features, or None.
        out_enc: the encoder's output, or None.
        height_pool: see ``StackedLSTMEncoder``; for maps of several rows.

    Raises:
        MisfitError: there is neither, or it is no sequence of columns.
    """
    if isinstance(out_enc, EncoderOutput):
        return out_enc
    if out_enc is None:
        if feat is None:
            raise MisfitError("AttentionDecoder got neither features nor an encoder's output")
        return EncoderOutput(columns(feat, height_pool, "decoder"))
    if not isinstance(out_enc, Tensor) or out_enc.dim() not in (3, 4):
        what = f"{out_enc.dim()} dimensions" if isinstance(out_enc, Tensor) else "another form"
        raise MisfitError(
            f"AttentionDecoder looks at columns [N, T, M], the encoder gives {what} (SAREncoder "
            "gives one vector an image): use StackedLSTMEncoder, ASTEREncoder or no encoder"
        )
    if out_enc.dim() == 4:
        out_enc = columns(out_enc, height_pool, "decoder")
    return EncoderOutput(out_enc)


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
        MisfitError: the memory's channels are not the decoder's, or the encoder has no state or
            not one of the size that is needed.
    """
    channels = int(encoded.memory.shape[2])
    check_channels(
        channels,
        step.memory_channels,
        "the columns to look at have",
        "AttentionDecoder",
        f"set decoder.in_channels={channels}",
    )
    units, count = step.hidden_size, step.num_states
    if kind == "zero":
        start = encoded.memory.new_zeros(encoded.memory.size(0), count * units)
    elif encoded.state is None:
        raise MisfitError(
            f"init_state='{kind}' needs the final state of StackedLSTMEncoder (return_state=True); "
            "with another encoder, or none, set init_state='zero'"
        )
    elif projection is not None:
        check_channels(
            encoded.state.shape[1],
            projection.in_features,
            "the encoder's state has",
            "init_state='linear'",
            "set encoder.bidirectional=True with an LSTM, or init_state='zero'",
        )
        start = torch.tanh(projection(encoded.state))
    else:
        start = encoded.state
        if start.size(1) < count * units:
            raise MisfitError(
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

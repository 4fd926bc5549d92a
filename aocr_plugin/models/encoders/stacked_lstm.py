"""aocr's recurrent encoder: a (stacked, bidirectional) LSTM over the feature columns.

Source: aocr 0.7.x (``seq2seq_model.py``: ``static_bidirectional_rnn`` of ``BasicLSTMCell``).
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from mmengine.model import BaseModule
from mmocr.registry import MODELS
from mmocr.structures import TextRecogDataSample
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from aocr_plugin.models.encoders.standing_still import lstm_over_padding
from aocr_plugin.models.initialisation import glorot_uniform_
from aocr_plugin.models.misfits import HeldStateError, MisfitError, check_channels

HEIGHT_POOLS = (None, "mean")


class EncoderOutput(NamedTuple):
    """What the encoder hands to the attention decoder.

    Attributes:
        memory: [N, T, M] encoder outputs; M = directions * hidden_size.
        state: [N, S] the forward direction's final state: [c; h] of an LSTM (S = 2D), h of a
            GRU (S = D). None if the encoder has none to give.
        lengths: [N] columns that are not padding, or None for all.
    """

    memory: Tensor
    state: Tensor | None = None
    lengths: Tensor | None = None

    def __getattr__(self, name: str) -> Any:
        """Says what to set where a part that expects a plain tensor was handed this.

        Raises:
            HeldStateError: a tensor's attribute was asked for.
            AttributeError: another was.
        """
        if name.startswith("_") or not hasattr(Tensor, name):
            raise AttributeError(f"'EncoderOutput' object has no attribute '{name}'")
        raise HeldStateError(
            "the decoder takes the encoder's output for a tensor, as MMOCR's decoders do: set "
            "return_state=False in StackedLSTMEncoder"
        )


def columns(feat: Any, height_pool: str | None = None, owner: str = "encoder") -> Tensor:
    """Turns a feature map [N, C, H, W] into a sequence [N, W, C].

    Args:
        feat: the backbone's output, or that of an encoder which keeps a map's form.
        height_pool: "mean" averages over the height; None demands a height of 1.
        owner: the part of the config that has ``height_pool``.

    Raises:
        MisfitError: it is no such map, or its height is not 1 and ``height_pool`` is None.
    """
    if isinstance(feat, list | tuple):
        raise MisfitError(
            f"the backbone gives {len(feat)} feature maps, the {owner} reads one: set the "
            "backbone's out_indices=None"
        )
    if feat.dim() != 4:
        raise MisfitError(
            f"the {owner} reads feature maps [N, C, H, W], not a tensor of {feat.dim()} "
            "dimensions: use a backbone of MMOCR's text recognisers"
        )
    if feat.size(2) != 1:
        if height_pool != "mean":
            raise MisfitError(
                f"the backbone's features are {feat.size(2)} rows high, the {owner} reads one row: "
                "use images of the height that the backbone expects or set height_pool='mean' in "
                f"the {owner}"
            )
        feat = feat.mean(dim=2, keepdim=True)
    return feat[:, :, 0].transpose(1, 2)


@MODELS.register_module()
class StackedLSTMEncoder(BaseModule):
    """One or more recurrent layers over the backbone's feature columns.

    The defaults are the original's: one bidirectional LSTM layer, forget bias 0, one bias a
    gate, no masking unless lengths are given.

    Args:
        in_channels: channels of the backbone's features.
        hidden_size: units D of each direction; the original's is ``attn_num_hidden *
            attn_num_layers`` = 256.
        num_layers: stacked layers.
        cell: "lstm" or "gru" (PyTorch's GRU; the original's encoder is always an LSTM).
        bidirectional: whether a second direction reads from the right.
        forget_bias: where an LSTM's forget gate starts. 1.0 is better than the original's 0:
            it remembers over many columns from the first step on.
        dropout: probability of dropping a value between stacked layers while training.
        height_pool: "mean" takes features of any height (MMOCR's other backbones); None demands
            height 1.
        return_state: False returns the plain memory tensor [N, T, M], which is what MMOCR's own
            decoders expect, in place of an :class:`EncoderOutput`.
        init_cfg: MMEngine's initialisation config.

    Raises:
        ValueError: ``cell`` or ``height_pool`` is unknown.
    """

    def __init__(
        self,
        in_channels: int = 512,
        hidden_size: int = 256,
        num_layers: int = 1,
        cell: str = "lstm",
        bidirectional: bool = True,
        forget_bias: float = 0.0,
        dropout: float = 0.0,
        height_pool: str | None = None,
        return_state: bool = True,
        init_cfg: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(init_cfg=init_cfg)
        kinds: dict[str, type[nn.LSTM] | type[nn.GRU]] = {"lstm": nn.LSTM, "gru": nn.GRU}
        if cell not in kinds:
            raise ValueError(f"cell is '{cell}'; it must be 'lstm' or 'gru'")
        if height_pool not in HEIGHT_POOLS:
            raise ValueError(f"height_pool is '{height_pool}'; it must be 'mean' or None")
        self.cell = cell
        self.in_channels = in_channels
        self.hidden_size = hidden_size
        self.height_pool = height_pool
        self.return_state = return_state
        self.out_channels = hidden_size * (2 if bidirectional else 1)
        self.state_size = hidden_size * (2 if cell == "lstm" else 1)
        self.rnn = kinds[cell](
            in_channels,
            hidden_size,
            num_layers,
            batch_first=True,
            bidirectional=bidirectional,
            dropout=dropout if num_layers > 1 else 0.0,
        )
        self._initialise(forget_bias)

    def _initialise(self, forget_bias: float) -> None:
        """Glorot as over TensorFlow's joint kernel [input + hidden, gates]; one bias a gate.

        PyTorch adds two biases. TensorFlow has one, so an LSTM's second stays zero.
        """
        units = self.hidden_size
        for name, parameter in self.rnn.named_parameters():
            if name.startswith("weight"):
                suffix = name.removeprefix("weight_ih").removeprefix("weight_hh")
                inputs = getattr(self.rnn, f"weight_ih{suffix}").size(1)
                glorot_uniform_(parameter, inputs + units, parameter.size(0))
            else:
                nn.init.zeros_(parameter)
                if self.cell == "lstm" and "_ih" in name:
                    parameter.data[units : 2 * units] = forget_bias
                elif self.cell == "lstm":
                    parameter.requires_grad_(False)

    def forward(
        self,
        feat: Tensor,
        data_samples: Sequence[TextRecogDataSample] | None = None,
        lengths: Tensor | None = None,
    ) -> EncoderOutput | Tensor:
        """Encodes a batch.

        Args:
            feat: [N, C, 1, T] features of the backbone.
            data_samples: not used; MMOCR hands them to every encoder.
            lengths: [N] columns that are not padding. Where given, padding is not read: the
                state is the one after the last real column, and the backward direction starts
                there.

        Returns:
            An :class:`EncoderOutput`, or its memory alone where ``return_state`` is False.

        Raises:
            MisfitError: the backbone's features are not what this encoder was built for.
        """
        sequence = columns(feat, self.height_pool)
        check_channels(
            sequence.shape[2],
            self.in_channels,
            "the backbone's features have",
            "StackedLSTMEncoder",
            f"set encoder.in_channels={int(sequence.shape[2])}",
        )
        if lengths is None:
            memory, final = self.rnn(sequence)
        elif self.cell == "lstm":
            memory, final = lstm_over_padding(self.rnn, sequence, lengths)
        else:
            packed = pack_padded_sequence(
                sequence, lengths.cpu(), batch_first=True, enforce_sorted=False
            )
            output, final = self.rnn(packed)
            memory, _ = pad_packed_sequence(output, batch_first=True, total_length=sequence.size(1))
        if not self.return_state:
            return memory
        hidden, carry = final if self.cell == "lstm" else (final, None)
        forward = -2 if self.rnn.bidirectional else -1
        state = (
            hidden[forward] if carry is None else torch.cat([carry[forward], hidden[forward]], 1)
        )
        return EncoderOutput(memory, state, lengths)

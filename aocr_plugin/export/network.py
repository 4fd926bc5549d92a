"""The recogniser as one plain function of pixels, with a fixed number of steps: what is exported.

No loop, no branch, no argument but the images. N batch, C channels, W pixels, T encoder columns,
L steps, V symbols.
"""

from typing import Any

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn

from aocr_plugin.errors import ConfigError
from aocr_plugin.models.decoders import loops
from aocr_plugin.models.decoders.attention_decoder import AttentionDecoder
from aocr_plugin.models.encoders.stacked_lstm import EncoderOutput, columns
from aocr_plugin.models.encoders.standing_still import freezing

PADDING = -64.0
"""Padding of a model that masks it, as a pixel: no pixel is that dark, so the graph finds it."""


def padding_value(model: Any) -> float:
    """Returns what normalised images are padded with on the right, in the network's units."""
    if not getattr(model, "mask_padding", False):
        return float(getattr(model.data_preprocessor, "pad_value", 0))
    return (PADDING - _mean(model)) / _std(model)


def _mean(model: Any) -> float:
    found = getattr(model.data_preprocessor, "mean", None)
    return 0.0 if found is None else float(found.flatten()[0])


def _std(model: Any) -> float:
    found = getattr(model.data_preprocessor, "std", None)
    return 1.0 if found is None else float(found.flatten()[0])


class FixedStepNetwork(BaseModule):
    """Backbone, encoder and greedy decoder of a recogniser, all ``max_seq_len`` steps of it.

    A model with ``mask_padding`` finds the padding in the pixels themselves: columns of
    :func:`padding_value`, right of the image.

    Args:
        model: an ``AOCR`` recogniser; it is read, not changed, and must outlive this module.

    Raises:
        ConfigError: the model's decoder is not ``AttentionDecoder``.
    """

    def __init__(self, model: Any) -> None:
        super().__init__()
        check(model)
        self.model = model
        self.masked_encoder = MaskedEncoder(model.encoder) if model.mask_padding else None
        self.darkest = (PADDING / 2 - _mean(model)) / _std(model)
        self.eval()

    def encode(self, images: Tensor) -> tuple[Tensor, EncoderOutput | Tensor | None, Tensor | None]:
        """Returns features [N, C, 1, T], the encoder's output and the mask [N, T] of padding."""
        if self.masked_encoder is None:
            feat = self.model.extract_feat(images)
            encoded = self.model.encoder(feat, None) if self.model.with_encoder else None
            return feat, encoded, None
        valid = (images[:, :1, :1] > self.darkest).to(images.dtype)  # [N, 1, 1, W]
        x, valid = self.model.backbone.masked(images, valid)
        valid = valid[:, 0, 0]
        return x, self.masked_encoder(x, valid), valid < 0.5

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Reads a batch.

        Args:
            images: [N, C, 32, W], normalised, padded with :func:`padding_value`.

        Returns:
            Probabilities [N, L, V] and attention weights [N, L, T].
        """
        decoder: AttentionDecoder = self.model.decoder
        feat, encoded, mask = self.encode(images)
        start = decoder.start(feat, encoded)._replace(mask=mask)
        out = loops.greedy(
            decoder.step, decoder.logits, start, decoder.dictionary, decoder.max_seq_len, False
        )
        return torch.softmax(out.logits.float() / decoder.search.temperature, -1), out.attention


class MaskedEncoder(nn.Module):
    """A ``StackedLSTMEncoder`` that stands still over padding, without packed sequences.

    See :mod:`aocr_plugin.models.encoders.standing_still`; here the weights are the layers' own, so
    that a graph can hold them.

    Args:
        encoder: whose weights are taken.

    Raises:
        ConfigError: the encoder returns no state.
    """

    def __init__(self, encoder: Any) -> None:
        super().__init__()
        if not encoder.return_state:
            raise ConfigError("mask_padding needs an encoder with return_state=True for an export")
        rnn = encoder.rnn
        self.height_pool = encoder.height_pool
        self.lstm = encoder.cell == "lstm"
        self.bidirectional = rnn.bidirectional
        self.units = units = encoder.hidden_size
        kind = nn.LSTM if self.lstm else nn.GRU
        directions = 2 if rnn.bidirectional else 1
        self.layers = nn.ModuleList()
        for number in range(rnn.num_layers):
            inputs = rnn.input_size if number == 0 else units * directions
            layer = kind(inputs + 1, units, batch_first=True, bidirectional=rnn.bidirectional)
            for suffix in ("", "_reverse")[:directions]:
                for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
                    old = getattr(rnn, f"{name}_l{number}{suffix}").detach()
                    new = getattr(layer, f"{name}_l0{suffix}")
                    new.data = old.clone()
                weights = getattr(layer, f"weight_ih_l0{suffix}")
                weights.data = torch.cat([weights.data, freezing(weights, encoder.cell)], dim=1)
            self.layers.append(layer.requires_grad_(False))

    def forward(self, feat: Tensor, valid: Tensor) -> EncoderOutput:
        """Maps features [N, C, 1, T] to memory and state.

        Args:
            feat: of the backbone.
            valid: [N, T], 1 at real columns, 0 at padding.
        """
        x = columns(feat, self.height_pool)
        padding = (1.0 - valid)[..., None]
        for layer in self.layers:
            x, final = layer(torch.cat([x, padding], dim=2))
        direction = -2 if self.bidirectional else -1
        if not self.lstm:
            return EncoderOutput(x, final[direction])
        after = torch.cat([valid[:, 1:], valid[:, :1] * 0], dim=1)
        last = (valid - after)[..., None]  # 1 at the last real column
        hidden = (x[..., : self.units] * last).sum(1)
        return EncoderOutput(x, torch.cat([final[1][direction], hidden], dim=1))


def check(model: Any) -> None:
    """Checks that a model can be exported.

    Raises:
        ConfigError: it cannot.
    """
    decoder = getattr(model, "decoder", None)
    if type(decoder) is AttentionDecoder and not hasattr(model, "encode"):
        raise ConfigError(
            f"the recogniser is {type(model).__name__}; this export is for type='AOCR', which has "
            "the same parts and weights: set it in the config and train on with load_from"
        )
    if type(decoder) is not AttentionDecoder:
        raise ConfigError(
            f"the model's decoder is {type(decoder).__name__}; this export is for AttentionDecoder "
            "(MMOCR's own recognisers are exported by MMDeploy's rewriters)"
        )
    if decoder.search.settings.constrained:
        raise ConfigError(
            "the model's decoder has a constraint (allowed, pattern or length), which needs beam "
            "search; an export decodes greedily: take it out of the config"
        )

"""The whole recogniser: backbone, encoder and decoder, with padding told apart from image."""

from collections.abc import Sequence
from typing import Any

import torch
from mmengine.structures import LabelData
from mmocr.models.textrecog.preprocessors import STN
from mmocr.models.textrecog.recognizers import EncoderDecoderRecognizer
from mmocr.registry import MODELS
from mmocr.structures import TextRecogDataSample
from torch import Tensor

from aocr_plugin.models.described import with_tuples
from aocr_plugin.models.encoders.stacked_lstm import EncoderOutput
from aocr_plugin.models.misfits import check_channels, image_channels
from aocr_plugin.models.recognizers import pairs
from aocr_plugin.models.recognizers.graphs import GraphedLoss
from aocr_plugin.models.widths import valid_widths


@MODELS.register_module()
class AOCR(EncoderDecoderRecognizer):
    """MMOCR's encoder-decoder recogniser, and what it has no place for.

    Args:
        mask_padding: the network does not look at the padding right of an image (better than the
            original, which reads it): a batch of N gives what N single images give, whatever
            their widths. Needs ``valid_ratio`` and ``img_shape`` among the pipeline's meta keys.
        channels_last: keep images and convolutions in the memory layout that CPUs with wide
            vector units and GPUs with tensor cores are fastest in. Results are the same up to
            rounding.
        cuda_graphs: on a GPU, record the learning from batches of each size and replay it; see
            :class:`GraphedLoss`. Sizes are rounded up where ``mask_padding`` is on; without it, it
            is for images that all have one size. Needs ``AttentionDecoder``.
        score_labels: while predicting labelled samples, also compute the loss of teacher forcing
            (``pred_text.loss``), for the metrics ``loss`` and ``perplexity``. "greedy": also that
            of greedy decoding, the number of the original's ``test`` (``pred_text.greedy_loss``).
        preprocessor: as for ``EncoderDecoderRecognizer``, and so are those below.
        backbone: the backbone's config.
        encoder: the encoder's config.
        decoder: the decoder's config.
        data_preprocessor: the data preprocessor's config.
        init_cfg: MMEngine's initialisation config.

    Raises:
        MisfitError: the parts do not go together, or not with ``mask_padding`` or
            ``score_labels="greedy"``; see :mod:`aocr_plugin.models.recognizers.pairs`.
    """

    def __init__(
        self,
        mask_padding: bool = False,
        channels_last: bool = False,
        score_labels: bool | str = True,
        cuda_graphs: bool = False,
        *,
        preprocessor: dict[str, Any] | None = None,
        backbone: dict[str, Any] | None = None,
        encoder: dict[str, Any] | None = None,
        decoder: dict[str, Any] | None = None,
        data_preprocessor: dict[str, Any] | None = None,
        init_cfg: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(
            preprocessor=preprocessor,
            backbone=with_tuples(backbone),
            encoder=encoder,
            decoder=decoder,
            data_preprocessor=data_preprocessor,
            init_cfg=init_cfg,
        )
        pairs.check(self, mask_padding, score_labels == "greedy", cuda_graphs)
        self.image_channels = image_channels(self)
        self.mask_padding = mask_padding
        self.score_labels = score_labels
        self.graphed = GraphedLoss(self) if cuda_graphs else None
        self.memory_format = torch.channels_last if channels_last else torch.contiguous_format
        if isinstance(getattr(self, "preprocessor", None), STN):
            self.preprocessor.stn_convnet.register_forward_hook(_plain_layout)
        if channels_last and self.with_backbone:
            self.backbone.to(memory_format=torch.channels_last)

    def encode(
        self, inputs: Tensor, data_samples: Sequence[TextRecogDataSample] | None
    ) -> tuple[Tensor, EncoderOutput | Tensor | None]:
        """Returns the backbone's features [N, C, 1, T] and the encoder's output.

        Raises:
            MisfitError: the images have not the channels that the first convolution takes.
        """
        return self.encode_lines(inputs, self._widths(inputs, data_samples), data_samples)

    def encode_lines(
        self,
        inputs: Tensor,
        widths: Tensor | None,
        data_samples: Sequence[TextRecogDataSample] | None = None,
    ) -> tuple[Tensor, EncoderOutput | Tensor | None]:
        """Returns the same of images whose ``widths`` [N] before padding are known, or None: all.

        Raises:
            MisfitError: as :meth:`encode` does.
        """
        if self.image_channels is not None:
            check_channels(
                inputs.shape[1],
                self.image_channels,
                "the images have",
                "the first convolution",
                "set the pipeline's color_type ('grayscale' or 'color'), data_preprocessor's mean "
                "and std, and the backbone's channels of images (and the preprocessor's) alike",
            )
        inputs = inputs.contiguous(memory_format=self.memory_format)
        if widths is None:
            feat = self.extract_feat(inputs)
            if isinstance(feat, Tensor):
                feat = feat.contiguous()  # MMOCR's encoders and decoders take views of it
            return feat, self.encoder(feat, data_samples) if self.with_encoder else None
        feat = self.backbone(inputs, widths)
        lengths = self.backbone.feature_lengths(widths)
        return feat, self.encoder(feat, data_samples, lengths)

    def extract_feat(self, inputs: Tensor) -> Tensor:
        """Returns the backbone's features of straightened images.

        The preprocessor works in float32 under autocast too: in bfloat16 the places that STN reads
        pixels from would be a quarter of a pixel off.
        """
        kind = inputs.device.type
        if not (self.with_preprocessor and torch.is_autocast_enabled(kind)):
            return super().extract_feat(inputs)
        with torch.autocast(kind, enabled=False):
            inputs = self.preprocessor(inputs.float())
        return self.backbone(inputs) if self.with_backbone else inputs

    def loss(
        self, inputs: Tensor, data_samples: Sequence[TextRecogDataSample], **kwargs: Any
    ) -> dict[str, Tensor]:
        """Returns the losses of a batch; see ``SequenceCELoss``."""
        if self.graphed and self.graphed.is_ready(inputs):
            rows = self.decoder.module_loss.target_rows(data_samples)
            loss = self.graphed(inputs, rows, self._widths(inputs, data_samples))
            if loss is not None:
                return {"loss_ce": loss, "perplexity": loss.detach().exp()}
        feat, encoded = self.encode(inputs, data_samples)
        return self.decoder.loss(feat, encoded, data_samples)

    def _widths(
        self, inputs: Tensor, data_samples: Sequence[TextRecogDataSample] | None
    ) -> Tensor | None:
        """Returns [N] the images' widths where there is padding that must not be looked at."""
        if not self.mask_padding:
            return None
        return valid_widths(data_samples, inputs.size(3), inputs.device)

    def predict(
        self, inputs: Tensor, data_samples: Sequence[TextRecogDataSample], **kwargs: Any
    ) -> Sequence[TextRecogDataSample]:
        """Returns the samples with ``pred_text``; see ``WordScorePostprocessor``."""
        feat, encoded = self.encode(inputs, data_samples)
        samples = self.decoder.predict(feat, encoded, data_samples)
        if self.score_labels:
            self._score_labels(feat, encoded, samples)
        return samples

    def _score_labels(
        self,
        feat: Tensor,
        encoded: EncoderOutput | Tensor | None,
        samples: Sequence[TextRecogDataSample],
    ) -> None:
        """Writes ``pred_text.loss`` into the samples whose label the decoder can spell."""
        scorer = getattr(self.decoder, "label_loss", None)
        if scorer is None or self.decoder.module_loss is None:
            return
        spellable = [self._spellable(sample) for sample in samples]
        if not any(spellable):
            return
        probes = [
            sample if ok else _empty_label() for sample, ok in zip(samples, spellable, strict=True)
        ]
        kinds = {"loss": False, "greedy_loss": True}
        if self.score_labels != "greedy":
            del kinds["greedy_loss"]
        for name, greedy in kinds.items():
            losses = scorer(feat, encoded, probes, greedy=greedy).tolist()
            for sample, ok, loss in zip(samples, spellable, losses, strict=True):
                if ok:
                    setattr(sample.pred_text, name, loss)

    def _spellable(self, sample: TextRecogDataSample) -> bool:
        """Whether the sample has a label that decoder and dictionary can spell."""
        label = sample.get("gt_text")
        if label is None or "item" not in label:
            return False
        dictionary = self.decoder.dictionary
        return len(label.item) <= self.decoder.max_seq_len - 2 and not (
            dictionary.unknown_characters(label.item)
            if hasattr(dictionary, "unknown_characters")
            else any(dictionary.char2idx(c, strict=False) is None for c in label.item)
        )

    def _forward(
        self,
        inputs: Tensor,
        data_samples: Sequence[TextRecogDataSample] | None = None,
        **kwargs: Any,
    ) -> Tensor:
        """Returns the probabilities [N, L, V] of greedy decoding."""
        feat, encoded = self.encode(inputs, data_samples)
        return self.decoder(feat, encoded, data_samples)


def _plain_layout(_module: Any, _inputs: Any, output: Tensor) -> Tensor:
    """Returns the output of STN's convolutions in the one layout that STN can go on with."""
    return output.contiguous()


def _empty_label() -> TextRecogDataSample:
    """Returns a stand-in with an empty label, so that a batch keeps its shape."""
    stand_in = TextRecogDataSample()
    stand_in.gt_text = LabelData(item="")
    return stand_in

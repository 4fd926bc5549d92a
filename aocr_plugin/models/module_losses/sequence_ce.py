"""aocr's loss: cross-entropy averaged over each image's own steps, then over the batch."""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from mmocr.models.common.dictionary import Dictionary
from mmocr.models.textrecog.module_losses.base import BaseTextRecogModuleLoss
from mmocr.registry import MODELS
from mmocr.structures import TextRecogDataSample
from torch import Tensor

from aocr_plugin.charset import apply_case, describe
from aocr_plugin.errors import AnnotationError, CharsetError


@MODELS.register_module()
class SequenceCELoss(BaseTextRecogModuleLoss):
    """Cross-entropy on a label's characters and its end symbol.

    MMOCR's ``CEModuleLoss`` averages over all characters of a batch, so long labels weigh more;
    the original averages an image's steps first. MMOCR also cuts labels that are too long
    without a word; here they are an error.

    Args:
        dictionary: the decoder's dictionary.
        max_seq_len: longest target, start and end symbol included.
        letter_case: what is done to labels; taken from :class:`AOCRDictionary` where that says.
        label_smoothing: share of the probability spread over all symbols (the original's is
            0).
    """

    def __init__(
        self,
        dictionary: dict[str, Any] | Dictionary,
        max_seq_len: int = 10,
        letter_case: str = "unchanged",
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__(dictionary, max_seq_len, letter_case, pad_with="padding")
        self.letter_case = getattr(self.dictionary, "letter_case", letter_case)
        self.label_smoothing = label_smoothing

    def get_targets(
        self, data_samples: Sequence[TextRecogDataSample]
    ) -> Sequence[TextRecogDataSample]:
        """Writes ``gt_text.indexes`` and ``gt_text.padded_indexes`` into the samples.

        Raises:
            AnnotationError: a label is longer than ``max_seq_len - 2``.
            CharsetError: a label has a character outside of the dictionary.
        """
        for sample in data_samples:
            text = apply_case(sample.gt_text.item, self.letter_case)
            name = sample.get("img_path") or "an image"
            if len(text) > self.max_seq_len - 2:
                raise AnnotationError(
                    f"{name}: the label '{text}' has {len(text)} characters, the decoder takes "
                    f"{self.max_seq_len - 2}; raise decoder.max_seq_len to {len(text) + 2}"
                )
            for character in text:
                if self.dictionary.char2idx(character, strict=False) is None:
                    raise CharsetError(
                        f"{name}: the label '{text}' has {describe(character)}, which is not in "
                        "the charset; add it or set with_unknown=True in the dictionary"
                    )
        return super().get_targets(data_samples)

    def per_image(self, logits: Tensor, targets: Tensor, smoothing: float = 0.0) -> Tensor:
        """Returns [N]: each image's cross-entropy averaged over its own steps.

        Args:
            logits: [N, L, V].
            targets: [N, L] symbols, padding after the end symbol.
            smoothing: label smoothing.
        """
        weights = (targets != self.pad_idx).float()
        losses = F.cross_entropy(
            logits.float().transpose(1, 2), targets, reduction="none", label_smoothing=smoothing
        )
        return (losses * weights).sum(dim=1) / weights.sum(dim=1)

    def forward(
        self,
        outputs: Tensor,
        data_samples: Sequence[TextRecogDataSample],
        targets: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """Computes the loss of a batch.

        Args:
            outputs: logits [N, L, V] under teacher forcing.
            data_samples: the batch's samples, read where ``targets`` is not given.
            targets: [N, L] symbols after each step.

        Returns:
            ``loss_ce``, and ``perplexity`` = exp of it for the log.
        """
        if targets is None:
            samples = self.get_targets(data_samples)
            targets = torch.stack([sample.gt_text.padded_indexes for sample in samples])
            targets = targets[:, 1 : outputs.size(1) + 1].to(outputs.device)
        loss = self.per_image(outputs, targets, self.label_smoothing).mean()
        return {"loss_ce": loss, "perplexity": loss.detach().exp()}

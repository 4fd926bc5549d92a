"""aocr's loss: cross-entropy averaged over each image's own steps, then over the batch."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from mmocr.models.common.dictionary import Dictionary
from mmocr.models.textrecog.module_losses.base import BaseTextRecogModuleLoss
from mmocr.registry import MODELS
from mmocr.structures import TextRecogDataSample
from torch import Tensor

from aocr_plugin.charset import apply_case, describe
from aocr_plugin.errors import AnnotationError, CharsetError
from aocr_plugin.labelled_batch import LabelledBatch


class _Symbols(dict[str, int | None]):
    """A dictionary's index of each character that has been looked up, None where it has none.

    Args:
        dictionary: MMOCR's, which is asked once for each.
    """

    def __init__(self, dictionary: Dictionary) -> None:
        super().__init__()
        self._dictionary = dictionary

    def __missing__(self, character: str) -> int | None:
        self[character] = self._dictionary.char2idx(character, strict=False)
        return self[character]


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
        self._symbols = _Symbols(self.dictionary)

    def get_targets(
        self, data_samples: Sequence[TextRecogDataSample]
    ) -> Sequence[TextRecogDataSample]:
        """Writes ``gt_text.indexes`` and ``gt_text.padded_indexes`` into the samples.

        Raises:
            AnnotationError: a label is longer than ``max_seq_len - 2``.
            CharsetError: a label has a character outside of the dictionary.
        """
        for sample in data_samples:
            self._check(sample.gt_text.item, sample.get("img_path"))
        return super().get_targets(data_samples)

    def _check(self, label: str, path: str | None) -> None:
        """Checks that a label can be spelt.

        Raises:
            AnnotationError: the label is longer than ``max_seq_len - 2``.
            CharsetError: it has a character outside of the dictionary.
        """
        text = apply_case(label, self.letter_case)
        if len(text) > self.max_seq_len - 2:
            raise AnnotationError(
                f"{path or 'an image'}: the label '{text}' has {len(text)} characters, the decoder "
                f"takes {self.max_seq_len - 2}; raise decoder.max_seq_len to {len(text) + 2}"
            )
        unknown = [character for character in text if self._symbols[character] is None]
        if unknown:
            raise CharsetError(
                f"{path or 'an image'}: the label '{text}' has {describe(unknown[0])}, which is "
                "not in the charset; add it or set with_unknown=True in the dictionary"
            )

    def target_rows(self, data_samples: Sequence[TextRecogDataSample] | LabelledBatch) -> Tensor:
        """Returns [N, longest label + 2] start, characters, end and padding of each image.

        The same numbers as :meth:`get_targets` writes, for all samples at once.

        Raises:
            AnnotationError: a label is longer than ``max_seq_len - 2``.
            CharsetError: a label has a character outside of the dictionary.
        """
        if isinstance(data_samples, LabelledBatch):
            labels, paths = data_samples.texts, data_samples.get("img_path")
        else:
            labels = [sample.gt_text.item for sample in data_samples]
            paths = [sample.get("img_path") for sample in data_samples]
        texts = [apply_case(label, self.letter_case) for label in labels]
        lengths = np.array([len(text) for text in texts])
        symbols = [self._symbols[character] for character in "".join(texts)]
        if lengths.max() > self.max_seq_len - 2 or None in symbols:
            for pair in zip(labels, paths, strict=True):
                self._check(*pair)  # says which
        table = np.full((len(texts), lengths.max() + 2), self.pad_idx, dtype=np.int64)
        table[:, 0] = self.dictionary.start_idx
        table[:, 1:][np.arange(table.shape[1] - 1) < lengths[:, None]] = symbols
        table[np.arange(len(texts)), lengths + 1] = self.dictionary.end_idx
        return torch.from_numpy(table)

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
            targets = self.target_rows(data_samples)[:, 1 : outputs.size(1) + 1]
            beyond = outputs.size(1) - targets.size(1)
            targets = F.pad(targets, (0, beyond), value=self.pad_idx).to(outputs.device)
        loss = self.per_image(outputs, targets, self.label_smoothing).mean()
        return {"loss_ce": loss, "perplexity": loss.detach().exp()}

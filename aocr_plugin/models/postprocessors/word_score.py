"""From probabilities to text, with scores that mean what they say."""

from collections.abc import Sequence

from mmengine.structures import LabelData
from mmocr.models.textrecog.postprocessors.base import BaseTextRecogPostprocessor
from mmocr.registry import MODELS
from mmocr.structures import TextRecogDataSample
from torch import Tensor


@MODELS.register_module()
class WordScorePostprocessor(BaseTextRecogPostprocessor):
    """Cuts at the first end symbol and scores word and characters.

    MMOCR's ``AttentionPostprocessor`` gives character scores only and drops the end symbol's.
    ``pred_text`` of each sample gets:

    - ``item``: the text; padding and start symbols print as nothing.
    - ``score``: a list, one probability in [0, 1] for each character of the text (as in MMOCR).
    - ``word_score``: product of the probabilities up to and with the end symbol.
    - ``aocr_probability``: the original's number, the product over all steps, also those past
      the end symbol. Only right where the decoder ran all steps (``early_stop=False``).
    """

    def __call__(
        self, probs: Tensor, data_samples: Sequence[TextRecogDataSample]
    ) -> Sequence[TextRecogDataSample]:
        """Writes ``pred_text`` into the samples.

        Args:
            probs: [N, L, V] probabilities.
            data_samples: the batch's N samples.
        """
        best, symbols = probs.max(dim=-1)
        all_steps = best.double().prod(dim=1).tolist()
        silent = (self.dictionary.padding_idx, self.dictionary.start_idx)
        for sample, scores, indexes, aocr_probability in zip(
            data_samples, best.tolist(), symbols.tolist(), all_steps, strict=True
        ):
            word_score, characters, kept = 1.0, [], []
            for index, score in zip(indexes, scores, strict=True):
                word_score *= score
                if index == self.dictionary.end_idx:
                    break
                if index not in silent:
                    characters.append(index)
                    kept.append(score)
            sample.pred_text = LabelData(
                item=self.dictionary.idx2str(characters),
                score=kept,
                word_score=word_score,
                aocr_probability=aocr_probability,
            )
        return data_samples

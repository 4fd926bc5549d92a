"""From probabilities to text, with scores that mean what they say."""

import math
from collections.abc import Sequence
from typing import Any

from mmengine.structures import LabelData
from mmocr.models.common.dictionary import Dictionary
from mmocr.models.textrecog.postprocessors.base import BaseTextRecogPostprocessor
from mmocr.registry import MODELS
from mmocr.structures import TextRecogDataSample
from torch import Tensor

from aocr_plugin.models.decoders.beam_search import Hypotheses
from aocr_plugin.scores import check_score, word_score


@MODELS.register_module()
class WordScorePostprocessor(BaseTextRecogPostprocessor):
    """Cuts at the first end symbol and scores word and characters.

    MMOCR's ``AttentionPostprocessor`` gives character scores only and drops the end symbol's.
    ``pred_text`` of each sample gets:

    - ``item``: the text; padding and start symbols print as nothing.
    - ``score``: a list, one probability in [0, 1] for each character of the text (as in MMOCR).
    - ``word_score``: of the characters and the end symbol; see ``score`` below.
    - ``aocr_probability``: the original's number, the product over all steps, also those past
      the end symbol. Only right where the decoder ran all steps (``early_stop=False``).

    Args:
        dictionary: MMOCR dictionary or its config.
        max_seq_len: as for MMOCR's ``BaseTextRecogPostprocessor``; not used, nor is the next.
        ignore_chars: likewise.
        score: "product" (the probability of the whole text), "geometric" (the geometric mean of
            its probabilities) or "minimum" (the least of them).

    Raises:
        ConfigError: ``score`` is another word.
    """

    def __init__(
        self,
        dictionary: dict[str, Any] | Dictionary,
        max_seq_len: int = 40,
        ignore_chars: Sequence[str] = ("padding",),
        score: str = "product",
    ) -> None:
        super().__init__(dictionary, max_seq_len, list(ignore_chars))
        self.score = check_score(score)

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
            read, characters, kept = [], [], []
            for index, score in zip(indexes, scores, strict=True):
                read.append(score)
                if index == self.dictionary.end_idx:
                    break
                if index not in silent:
                    characters.append(index)
                    kept.append(score)
            sample.pred_text = LabelData(
                item=self.dictionary.idx2str(characters),
                score=kept,
                word_score=word_score(read, self.score),
                aocr_probability=aocr_probability,
            )
        return data_samples

    def write_nbest(
        self, found: Hypotheses, data_samples: Sequence[TextRecogDataSample]
    ) -> Sequence[TextRecogDataSample]:
        """Writes ``pred_text`` into the samples, from beam search.

        It holds ``item``, ``score`` and ``word_score`` of the best hypothesis as after greedy
        decoding; ``aocr_probability``, the product at temperature 1 over its steps, of which
        there are none past the end symbol here; and ``nbest``, a list of (text, word score,
        whether it ended), most probable first whatever the kind of score.

        Args:
            found: the hypotheses of N images.
            data_samples: the batch's N samples.
        """
        scores, lengths, finished = (
            part.tolist() for part in (found.score, found.length, found.finished)
        )
        probabilities, symbols = found.log_probs.exp().tolist(), found.symbols.tolist()
        plain = found.plain.double()
        for image, sample in enumerate(data_samples):
            nbest: list[tuple[str, float, bool]] = []
            for place, length in enumerate(lengths[image]):
                ended = finished[image][place]
                characters = symbols[image][place][: length - 1 if ended else length]
                if nbest and scores[image][place] == -math.inf:
                    break  # fewer texts than were wanted
                score = word_score(probabilities[image][place][:length], self.score)
                nbest.append((self.dictionary.idx2str(characters), score, ended))
            text, score, _ = nbest[0]
            steps = lengths[image][0]
            sample.pred_text = LabelData(
                item=text,
                score=probabilities[image][0][: steps - finished[image][0]],
                word_score=score,
                aocr_probability=float(plain[image, 0, :steps].sum().exp()),
                nbest=nbest,
            )
        return data_samples

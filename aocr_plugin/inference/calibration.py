"""Word scores of a labelled set at many temperatures at once."""

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from aocr_plugin.evaluation.calibration import TEMPERATURES
from aocr_plugin.evaluation.text_match import exact


class Readings(NamedTuple):
    """What a model read in n images.

    Attributes:
        log_scores: [n, G] logarithm of the word's score at each of ``TEMPERATURES``.
        correct: [n] whether the text is the label.
    """

    log_scores: NDArray[np.float64]
    correct: NDArray[np.bool_]


def log_word_scores(
    logits: Tensor, end_idx: int, kind: str, temperatures: Iterable[float]
) -> Tensor:
    """Returns [N, G] the logarithm of each greedy text's score at each temperature.

    Args:
        logits: [N, L, V] of greedy decoding.
        end_idx: the end symbol.
        kind: "product", "geometric" or "minimum".
        temperatures: G of them.
    """
    best, symbols = logits.float().max(dim=-1)
    ends = (symbols == end_idx).long()
    behind = (ends.cumsum(1) - ends) > 0  # past the first end symbol
    below = logits.float() - best[..., None]
    scores = []
    for temperature in temperatures:
        steps = -torch.logsumexp(below / temperature, dim=-1).double()
        if kind == "minimum":
            scores.append(steps.masked_fill(behind, 0.0).amin(1))
            continue
        total = steps.masked_fill(behind, 0.0).sum(1)
        scores.append(total / (~behind).sum(1) if kind == "geometric" else total)
    return torch.stack(scores, 1)


@torch.inference_mode()
def read_all(model: Any, batches: Iterable[Any]) -> Readings:
    """Reads a data loader's batches greedily.

    Args:
        model: an ``AOCR`` recogniser, in evaluation mode.
        batches: as MMEngine's data loaders give them.
    """
    decoder, processor = model.decoder, model.decoder.postprocessor
    scores, correct = [], []
    for batch in batches:
        data = model.data_preprocessor(batch, False)
        logits = decoder.greedy(*model.encode(data["inputs"], data["data_samples"])).logits
        end_idx = decoder.dictionary.end_idx
        scores.append(log_word_scores(logits, end_idx, processor.score, TEMPERATURES).cpu())
        samples = processor(torch.softmax(logits.float(), -1), data["data_samples"])
        correct += [exact(sample.pred_text.item, sample.gt_text.item) for sample in samples]
    table = torch.cat(scores).numpy() if scores else np.zeros((0, len(TEMPERATURES)))
    return Readings(table, np.array(correct, bool))

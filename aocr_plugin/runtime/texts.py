"""From the network's probabilities to predictions. Needs no PyTorch."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from aocr_plugin.inference.prediction import Prediction
from aocr_plugin.runtime.model_info import ModelInfo
from aocr_plugin.scores import word_score

Array = NDArray[Any]


def predictions(
    info: ModelInfo, probabilities: Array, sources: list[str | None]
) -> list[Prediction]:
    """Returns what was read, as ``WordScorePostprocessor`` would say it.

    Args:
        info: the model's.
        probabilities: [N, L, V].
        sources: N file names.
    """
    symbols = probabilities.argmax(-1)
    best = np.take_along_axis(probabilities, symbols[..., None], -1)[..., 0]
    all_steps = best.astype(np.float64).prod(1)
    found = []
    for indexes, scores, product, source in zip(
        symbols.tolist(), best.tolist(), all_steps.tolist(), sources, strict=True
    ):
        length = indexes.index(info.end) if info.end in indexes else len(indexes)
        kept = [place for place in range(length) if indexes[place] not in info.silent]
        found.append(
            Prediction(
                text="".join(info.symbols[indexes[place]] for place in kept),
                score=word_score(scores[: length + 1], info.score),
                char_scores=[scores[place] for place in kept],
                source=source,
                aocr_probability=product if info.temperature == 1.0 else None,
            )
        )
    return found

"""What was read in an image. Needs no PyTorch."""

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray


class Hypothesis(NamedTuple):
    """One of the N best texts of beam search.

    Attributes:
        text: the text.
        score: its score, of the same kind as the prediction's.
        finished: False where the decoder reached ``max_seq_len`` before the end symbol, so that
            the text is the beginning of a longer one.
    """

    text: str
    score: float
    finished: bool = True


@dataclass(frozen=True)
class Prediction:
    """What was read in one image.

    Attributes:
        text: the text.
        score: probability of the whole text in [0, 1]: the product of its characters' and the
            end symbol's, or what ``Recognizer(score=…)`` says.
        char_scores: one probability in [0, 1] for each character of ``text``.
        source: the image's file name, where it had one.
        error: why nothing was read, or None; then text is empty and score 0.
        attention: [L, T] weights over the feature columns, where they were asked for.
        aocr_probability: the original's number, the product over all steps, or None where the
            decoder stopped early.
        nbest: the N best texts of beam search, most probable first; the first is ``text``. Empty
            where there was no beam search.
        turn: degrees to the left by which the image was turned to be read: 0, 90 or 270; above 0
            only with ``Recognizer(vertical=True)``. ``attention`` is over the turned image.
        view: how it was changed to be read, a name in :data:`aocr_plugin.inference.views.VIEWS`;
            "": not at all. ``attention`` is over the changed image.
    """

    text: str
    score: float
    char_scores: list[float] = field(default_factory=list)
    source: str | None = None
    error: str | None = None
    attention: NDArray[np.float32] | None = field(default=None, repr=False, compare=False)
    nbest: list[Hypothesis] = field(default_factory=list)
    aocr_probability: float | None = field(default=None, compare=False)
    turn: int = 0
    view: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Returns the prediction as a JSON object (without attention)."""
        if self.error is not None:
            return {"file": self.source, "error": self.error}
        found: dict[str, Any] = {
            "file": self.source,
            "text": self.text,
            "score": round(self.score, 6),
            "char_scores": [round(score, 6) for score in self.char_scores],
        }
        if self.turn:
            found["turn"] = self.turn
        if self.view:
            found["view"] = self.view
        if self.nbest:
            found["nbest"] = [
                {"text": text, "score": round(score, 6)} | ({} if finished else {"finished": False})
                for text, score, finished in self.nbest
            ]
        return found


def from_sample(sample: Any, source: str | None) -> Prediction:
    """Returns the prediction that a decoder has written into an MMOCR sample."""
    found = sample.pred_text
    scores = [float(score) for score in found.score]
    word = found.get("word_score")
    attention = found.get("attention")
    return Prediction(
        text=found.item,
        score=float(np.prod(scores)) if word is None else float(word),
        char_scores=scores,
        source=source,
        attention=None if attention is None else attention.numpy(),
        aocr_probability=found.get("aocr_probability"),
        nbest=[Hypothesis(*entry) for entry in found.get("nbest", [])],
    )

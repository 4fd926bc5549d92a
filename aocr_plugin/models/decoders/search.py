"""What text is looked for, and how: greedy or by beam search."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from mmocr.models.common.dictionary import Dictionary
from mmocr.structures import TextRecogDataSample
from torch import Tensor

from aocr_plugin.errors import ConfigError
from aocr_plugin.models.decoders.beam_search import beam_search
from aocr_plugin.models.decoders.cells import AttentionStep
from aocr_plugin.models.decoders.constraints import Constraint, compile_constraint
from aocr_plugin.models.decoders.loops import Logits, Start, greedy

DEFAULT_BEAM_WIDTH = 5
"""Taken where a constraint or ``nbest`` asks for beam search and no width is given."""


@dataclass(frozen=True)
class SearchSettings:
    """What is looked for.

    Attributes:
        beam_width: hypotheses kept at each step; 0 is greedy decoding; None is 0, or where a
            constraint or ``nbest`` needs a beam the larger of 5 and ``nbest``.
        nbest: how many texts are wanted.
        allowed: the only characters that may occur, or None.
        pattern: regular expression that the whole text must match, or None; see
            :mod:`aocr_plugin.models.decoders.patterns` for the syntax.
        length: number of characters, or the smallest and the largest, or None.
    """

    beam_width: int | None = None
    nbest: int = 1
    allowed: str | Sequence[str] | None = None
    pattern: str | None = None
    length: int | Sequence[int] | None = None

    @property
    def constrained(self) -> bool:
        """Whether anything is asked of the text."""
        return any(value is not None for value in (self.allowed, self.pattern, self.length))

    def width(self) -> int:
        """Returns the width of the beam, 0 for greedy decoding.

        Raises:
            ConfigError: a number is out of range, or too small for what is asked for.
        """
        if not isinstance(self.nbest, int) or self.nbest < 1:
            raise ConfigError(f"nbest is {self.nbest!r}; it is a whole number above 0")
        needed = self.constrained or self.nbest > 1
        if self.beam_width is None:
            return max(DEFAULT_BEAM_WIDTH, self.nbest) if needed else 0
        if not isinstance(self.beam_width, int) or self.beam_width < 0:
            raise ConfigError(f"beam_width is {self.beam_width!r}; it is 0 or a number above")
        if needed and self.beam_width < self.nbest:
            raise ConfigError(
                f"beam_width is {self.beam_width}; nbest={self.nbest} and constraints need at "
                f"least {self.nbest}"
            )
        return self.beam_width

    def compile(self, dictionary: Dictionary, max_seq_len: int) -> Constraint | None:
        """Returns the table of what is asked of the text, or None.

        Raises:
            ConfigError: it is malformed, or no text of the dictionary's can satisfy it.
        """
        if not self.constrained:
            return None
        silent = {
            getattr(dictionary, f"{name}_idx") for name in ("padding", "start", "end", "unknown")
        }
        symbols = [
            None if index in silent or len(symbol) != 1 else symbol
            for index, symbol in enumerate(dictionary.dict)
        ]
        return compile_constraint(
            symbols,
            max_seq_len - 1,
            allowed=self.allowed,
            pattern=self.pattern,
            length=self.length,
        )


class TextSearch:
    """Finds and scores texts as its settings ask.

    Args:
        dictionary: the decoder's.
        max_seq_len: most steps L.
        postprocessor: writes texts and scores into samples.
        temperature: what logits are divided by before probabilities are taken of them.
        settings: what is looked for.

    Raises:
        ValueError: the temperature is no positive number.
        ConfigError: see :meth:`set`.
    """

    def __init__(
        self,
        dictionary: Dictionary,
        max_seq_len: int,
        postprocessor: Any,
        temperature: float,
        settings: SearchSettings,
    ) -> None:
        if not 0.0 < temperature < float("inf"):
            raise ValueError(f"temperature is {temperature}; it is a number above 0")
        self.dictionary = dictionary
        self.max_seq_len = max_seq_len
        self.postprocessor = postprocessor
        self.temperature = temperature
        self.settings = settings
        self.set()

    def set(self, **changes: Any) -> None:
        """Changes settings; see :class:`SearchSettings` for the arguments.

        Raises:
            ConfigError: an argument is out of range or no text can satisfy it, or the
                postprocessor takes no N best.
        """
        settings = replace(self.settings, **changes)
        width = settings.width()
        if width and self.postprocessor and not hasattr(self.postprocessor, "write_nbest"):
            raise ConfigError(
                "beam search needs WordScorePostprocessor, not "
                f"{type(self.postprocessor).__name__}; or set beam_width=0"
            )
        self.constraint = settings.compile(self.dictionary, self.max_seq_len)
        self.settings, self.width = settings, width

    def __call__(
        self,
        step: AttentionStep,
        output: Logits,
        start: Start,
        data_samples: Sequence[TextRecogDataSample],
        *,
        early_stop: bool,
        keep_attention: bool,
    ) -> Sequence[TextRecogDataSample]:
        """Writes ``pred_text`` into the samples.

        Args:
            step: the decoder's step.
            output: maps cell outputs [N, h] and contexts [N, M] to logits [N, V].
            start: where from.
            data_samples: the batch's N samples.
            early_stop: stop greedy decoding once every image has ended.
            keep_attention: also write ``pred_text.attention`` [L, T]: of all steps after greedy
                decoding, of the best text's own after beam search.
        """
        attention: Tensor | None
        steps: Sequence[int | None]
        if self.width:
            found, attention = beam_search(
                step,
                output,
                start,
                self.dictionary,
                self.max_seq_len,
                width=self.width,
                nbest=self.settings.nbest,
                temperature=self.temperature,
                constraint=self.constraint,
                keep_attention=keep_attention,
            )
            samples = self.postprocessor.write_nbest(found, data_samples)
            steps = found.length[:, 0].tolist()
        else:
            logits, attention = greedy(
                step, output, start, self.dictionary, self.max_seq_len, early_stop
            )
            samples = self._write_greedy(logits.float(), data_samples)
            steps = [None] * len(samples)
        if keep_attention and attention is not None:
            lengths = None if start.mask is None else (~start.mask).sum(1).tolist()
            for index, sample in enumerate(samples):
                used = None if lengths is None else lengths[index]
                sample.pred_text.attention = attention[index, : steps[index], :used].cpu()
        return samples

    def _write_greedy(
        self, logits: Tensor, data_samples: Sequence[TextRecogDataSample]
    ) -> Sequence[TextRecogDataSample]:
        """Writes ``pred_text``; aocr's probability is at temperature 1 whatever ours is."""
        samples = self.postprocessor(torch.softmax(logits / self.temperature, -1), data_samples)
        if self.temperature != 1.0:
            all_steps = torch.softmax(logits, -1).amax(-1).double().prod(1).tolist()
            for sample, probability in zip(samples, all_steps, strict=True):
                sample.pred_text.aocr_probability = probability
        return samples

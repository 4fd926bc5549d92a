"""The gate: an exported network is compared with PyTorch, step by step, before anybody gets it."""

import copy
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from mmengine.dataset import pseudo_collate
from numpy.typing import NDArray

from aocr_plugin.errors import ExportError
from aocr_plugin.inference.pytorch_engine import PyTorchEngine
from aocr_plugin.runtime.engine import GraphEngine
from aocr_plugin.runtime.texts import predictions

BATCHES = (1, 2, 7, 32)
"""Sizes of the batches that are compared, of images of mixed widths."""

BOUNDS = {"fp32": 1e-4, "fp16": 2e-2, "bf16": 5e-2, "int8": 1e-1}
"""Largest difference of a probability from PyTorch's in float32, by what is computed in."""

_MOST_NOISE = 2.5e-3

Images = Sequence[tuple[str, bytes]]
Probabilities = NDArray[np.float32]


class Agreement(NamedTuple):
    """How well an export agrees.

    Attributes:
        images: that were compared.
        batches: their sizes.
        widths: how many different widths, in pixels, the network saw.
        worst: the largest difference of a symbol's probability.
        ties: images where PyTorch's own two best symbols were so close that a difference within
            the bound may exchange them; compared up to there.
    """

    images: int
    batches: tuple[int, ...]
    widths: int
    worst: float
    ties: int

    def __str__(self) -> str:
        """Says it in a line."""
        ties = f"; {self.ties} too close to call in PyTorch itself" if self.ties else ""
        return (
            f"all texts are equal on {self.images} images, batches of "
            f"{', '.join(map(str, self.batches))}, {self.widths} widths; probabilities differ by "
            f"at most {self.worst:.1e}{ties}"
        )


@torch.inference_mode()
def by_pytorch(engine: PyTorchEngine, batch: list[dict[str, Any]]) -> Probabilities:
    """Returns [N, L, V] of the model itself: packed sequences, masks, all steps."""
    data = engine.model.data_preprocessor(pseudo_collate(batch), False)
    feat, encoded = engine.model.encode(data["inputs"], data["data_samples"])
    decoder = engine.model.decoder
    logits = decoder.greedy(feat, encoded).logits.float() / decoder.search.temperature
    found: Probabilities = torch.softmax(logits, -1).numpy()
    return found


def _own_noise(engine: PyTorchEngine, images: list[dict[str, Any]]) -> float:
    """Returns how much PyTorch's own probabilities of an image depend on the batch's size."""
    end = engine.model.decoder.dictionary.end_idx
    gaps = [0.0]
    for image in images:
        (alone,) = by_pytorch(engine, [copy.deepcopy(image)])
        ends = np.flatnonzero(alone.argmax(axis=1) == end)
        steps = int(ends[0]) + 1 if len(ends) else len(alone)
        together = by_pytorch(engine, [copy.deepcopy(image) for _ in range(3)])
        gaps.append(float(np.abs(together - alone)[:, :steps].max()))
    return max(gaps)


class Comparison:
    """Compares a network's probabilities with PyTorch's.

    Args:
        checkpoint: the model in PyTorch, on the CPU; it is set to run all steps.
        export: the exported network.
        bound: largest difference of a probability. Deep networks round more: four times what
            PyTorch's own probabilities of an image differ by alone and three times in a batch
            counts where it is more, up to 0.01.
        strict: names of images in which no tie is let pass.
    """

    def __init__(
        self,
        checkpoint: PyTorchEngine,
        export: GraphEngine,
        bound: float,
        strict: frozenset[str] = frozenset(),
    ) -> None:
        self.checkpoint, self.export = checkpoint, export
        self.bound, self.strict = bound, strict
        self.checkpoint.model.decoder.early_stop = False
        self.worst = 0.0
        self.ties: set[str] = set()

    def run(self, images: Images) -> Agreement:
        """Compares on images, in batches of several sizes.

        Raises:
            ExportError: the first image and step that differ, or there is no image.
            ImageError: an image cannot be read.
        """
        if not images:
            raise ExportError("there is no image that the export can take; nothing is written")
        info = self.export.info
        theirs = [self.export.prepare(data, name) for name, data in images]
        ours = [self.checkpoint.prepare(data, name) for name, data in images]
        names = [name for name, _ in images]
        if self.bound < 4 * _MOST_NOISE:
            noise = min(_own_noise(self.checkpoint, ours), _MOST_NOISE)
            self.bound = max(self.bound, 4 * noise)
        sizes = (info.batch,) if info.batch else BATCHES
        for size in sizes:
            for start in range(0, len(images), size):
                chosen = [place % len(images) for place in range(start, start + size)]
                right = by_pytorch(self.checkpoint, [ours[place] for place in chosen])
                batch = self.export.batch([theirs[place] for place in chosen])
                found, _ = self.export.run(batch)
                what = f"in a batch of {size}, {batch.shape[3]} pixels wide"
                for place, here, there in zip(chosen, right, found, strict=True):
                    self._check(names[place], what, here, there)
        widths = {self.export.width(prepared) for prepared in theirs}
        return Agreement(len(images), sizes, len(widths), self.worst, len(self.ties))

    def _check(self, name: str, what: str, right: Probabilities, found: Probabilities) -> None:
        info = self.export.info
        if right.shape != found.shape:
            raise ExportError(
                f"{name} ({what}): the export gives {found.shape[0]} steps of {found.shape[1]} "
                f"symbols, PyTorch {right.shape[0]} of {right.shape[1]}; nothing is written"
            )
        for step, (here, there) in enumerate(zip(right, found, strict=True)):
            gap = float(np.abs(here - there).max())
            best, other = int(here.argmax()), int(there.argmax())
            tied = here[best] - here[other] <= 2 * self.bound and name not in self.strict
            if not gap <= self.bound or (best != other and not tied):
                raise ExportError(
                    f"{name} ({what}): at step {step + 1} the export reads "
                    f"'{info.symbols[other]}' with {there[other]:.6f}, PyTorch "
                    f"'{info.symbols[best]}' with {here[best]:.6f} (bound {self.bound:g}; whole "
                    f"texts '{self._text(found)}' and '{self._text(right)}'); nothing is written"
                )
            self.worst = max(self.worst, gap)
            if best != other:
                self.ties.add(name)
                return
            if best == info.end:
                return

    def _text(self, probabilities: Probabilities) -> str:
        return predictions(self.export.info, probabilities[None], [None])[0].text

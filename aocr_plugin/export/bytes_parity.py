"""The gate of the one-file export: what it reads in files is compared with PyTorch."""

from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import cv2
import numpy as np
import onnx
from numpy.typing import NDArray

from aocr_plugin.errors import ExportError, ImageError
from aocr_plugin.export import bytes_graph, parity, pixel_graph
from aocr_plugin.export.parity import BATCHES, Agreement, Images
from aocr_plugin.inference.prediction import Prediction
from aocr_plugin.inference.pytorch_engine import PyTorchEngine
from aocr_plugin.runtime import bytes_model
from aocr_plugin.runtime.pipeline import Pipeline
from aocr_plugin.runtime.texts import predictions

BOUND = 1e-3
"""Largest difference of a text's probability, and of a symbol's, from PyTorch's."""


def gray_jpegs(images: Images) -> list[tuple[str, bytes]]:
    """Returns the JPEGs among made images once more, in gray."""
    made = []
    for name, data in images:
        if data.startswith(b"\xff\xd8"):
            gray = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE)
            made.append((name.replace("colour", "gray"), cv2.imencode(".jpg", gray)[1].tobytes()))
    return made


class BytesComparison:
    """Compares a file's texts and probabilities with PyTorch's, on the pixels that it decodes.

    Args:
        checkpoint: the model in PyTorch, on the CPU; it is set to run all steps.
        file: the export.
        steps: names in its graph of symbols and their probabilities, [N, L].
        strict: its probability is the product over all steps.
        given: names of images in which no tie is let pass.
    """

    def __init__(
        self,
        checkpoint: PyTorchEngine,
        file: Path,
        steps: Sequence[str],
        strict: bool = False,
        given: frozenset[str] = frozenset(),
    ) -> None:
        self.checkpoint, self.file, self.steps = checkpoint, file, steps
        self.strict, self.given = strict, given
        self.model = bytes_model.BytesModel(file)
        self.info = self.model.info
        self.pipeline = Pipeline(self.info.pipeline)
        checkpoint.model.decoder.early_stop = False
        self.worst = 0.0
        self.ties: set[str] = set()

    def run(self, images: Images) -> tuple[Agreement, list[str]]:
        """Compares on image files, alone and in batches of mixed sizes.

        Returns:
            How well it agrees, and the names of images in which PyTorch reads another text when
            its own loader decodes them.

        Raises:
            ExportError: the first image and step that differ, or an image that is not read.
        """
        names = [name for name, _ in images]
        pixels = self._pixels(images)
        pairs = list(zip(names, pixels, strict=True))
        ready = [self.checkpoint.prepare(one, name) for name, one in pairs]
        others = self._others(images, pixels)
        for size in BATCHES:
            how = "alone" if size == 1 else f"in a batch of {size}"
            for start in range(0, len(images), size):
                chosen = [place % len(images) for place in range(start, start + size)]
                wanted = parity.by_pytorch(self.checkpoint, [ready[place] for place in chosen])
                right = predictions(self.info, wanted, [names[place] for place in chosen])
                files = [images[place][1] for place in chosen]
                for place, found in enumerate(self.model(files)):
                    if not self._agrees(right[place], *found):
                        self._explain(right[place], found, how, files, place, wanted[place])
        widths = {self.checkpoint.width(one) for one in ready}
        return Agreement(len(images), BATCHES, len(widths), self.worst, len(self.ties)), others

    def _pixels(self, images: Images) -> list[NDArray[np.uint8]]:
        """Returns what the export decodes; in gray by NumPy where the network wants that."""
        gray = self.pipeline.color_type.startswith("grayscale")
        model = bytes_graph.decoder(gray).SerializeToString()
        session = bytes_model.open_session(model, "decoder")
        shares = np.array(pixel_graph.SHARES)
        found = []
        for name, data in images:
            try:
                bgr, is_png = bytes_model.run(session, [data], ["pixels", "is_png"])
            except ImageError as error:
                raise ExportError(
                    f"{name}: {error}; convert it to PNG or compare on other images; nothing is "
                    "written"
                ) from error
            if gray:
                bgr = (bgr @ shares + (0 if is_png else 1 << 14) >> 15).astype(np.uint8)
            found.append(bgr)
        return found

    def _others(self, images: Images, pixels: Sequence[NDArray[np.uint8]]) -> list[str]:
        """Compares the pixels with those of the checkpoint's loader; see :meth:`run`.

        Raises:
            ExportError: they differ in a PNG that was made to compare on.
        """
        others = []
        for (name, data), found in zip(images, pixels, strict=True):
            own = self.pipeline.decode(data, name)
            if own.shape == found.shape and np.array_equal(own, found):
                continue
            if name not in self.given and not data.startswith(b"\xff\xd8"):
                raise ExportError(f"{name}: it is decoded to wrong pixels; nothing is written")
            both = [self.checkpoint.prepare(one, name) for one in (own, found)]
            here, there = (self.checkpoint.read([one], [name])[0].text for one in both)
            if here != there:
                others.append(name)
        return others

    def _agrees(self, right: Prediction, text: str, probability: float) -> bool:
        score = float(right.aocr_probability or 0.0) if self.strict else right.score
        gap = abs(probability - score)
        agrees = text == right.text and gap <= BOUND
        self.worst = max(self.worst, gap if agrees else 0.0)
        return agrees

    def _explain(
        self,
        right: Prediction,
        found: tuple[str, float],
        how: str,
        files: Sequence[bytes],
        place: int,
        wanted: NDArray[np.float32],
    ) -> None:
        """Looks for the step at which a text differs; a tie of PyTorch's own is let pass.

        Raises:
            ExportError: it is none.
        """
        model = onnx.load(self.file)
        kinds = (onnx.TensorProto.INT64, onnx.TensorProto.FLOAT)
        for name, kind in zip(self.steps, kinds, strict=True):
            model.graph.output.append(onnx.helper.make_tensor_value_info(name, kind, None))
        session = bytes_model.open_session(model.SerializeToString(), str(self.file))
        symbols, best = (out[place] for out in bytes_model.run(session, files, self.steps))
        where = "although every step is within the bound"
        for step, here in enumerate(wanted):
            mine, theirs = int(here.argmax()), int(symbols[step])
            if mine != theirs and right.source not in self.given:
                if here[mine] - here[theirs] <= 2 * BOUND:
                    self.ties.add(str(right.source))
                    return
            if mine != theirs or not abs(here[mine] - best[step]) <= BOUND:
                where = (
                    f"at step {step + 1}: '{self.info.symbols[theirs]}' with {best[step]:.6f} "
                    f"instead of '{self.info.symbols[mine]}' with {here[mine]:.6f}"
                )
                break
        self._fail(right, found, how, where)

    def _fail(self, right: Prediction, found: tuple[str, float], how: str, where: str) -> NoReturn:
        score = float(right.aocr_probability or 0.0) if self.strict else right.score
        raise ExportError(
            f"{right.source} ({how}): the export reads '{found[0]}' with probability "
            f"{found[1]:.6f}, PyTorch '{right.text}' with {score:.6f}, {where} (bound {BOUND:g}); "
            "nothing is written"
        )

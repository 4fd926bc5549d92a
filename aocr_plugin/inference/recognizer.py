"""Images in, text out: the Python interface to a trained model, in whatever form it is.

Imports PyTorch and MMOCR for a checkpoint alone; an exported file is read without.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, overload

from aocr_plugin import weights
from aocr_plugin.errors import ConfigError
from aocr_plugin.inference.batches import Engine, read_all
from aocr_plugin.inference.loading import SINGLE, ImageLike
from aocr_plugin.inference.prediction import Hypothesis, Prediction
from aocr_plugin.inference.views import MOST

__all__ = ["Engine", "Hypothesis", "ImageLike", "Prediction", "Recognizer"]

RUNTIMES = ("pytorch", "onnxruntime", "openvino")
_BY_SUFFIX = {".onnx": "onnxruntime", ".xml": "openvino"}


class Recognizer:
    """Reads the text in images with a trained model.

    The file says everything: sizes, charset, preprocessing. A checkpoint (``.pth``) is loaded with
    ``weights_only=True``, so one that carries code is refused. An exported ``.onnx`` needs ONNX
    Runtime (or OpenVINO, with ``runtime="openvino"``) and NumPy, no PyTorch.

    Texts are decoded greedily. ``beam``, ``nbest`` or anything asked of the text (``allowed``,
    ``pattern``, ``length``) means beam search, which only a checkpoint can do; a width of 5, or
    ``nbest`` if that is more, is taken where none is given. What is not given here is as the
    checkpoint's own config had it.

    Args:
        model: a ``.pth`` file of ``tools/train.py``, a ``.onnx`` or ``.xml`` file of
            ``tools/export.py``, or the name of a recogniser that comes with the package; by
            default the one for English words. Of a name, what is asked for decides between
            checkpoint and export: ONNX Runtime where it is installed and will do.
        device: "cpu", "cuda", "cuda:1"; None takes a GPU where there is one (PyTorch) or the CPU.
        batch_size: images read at once; they are sorted by width first.
        attention: keep the attention weights in the predictions.
        beam: width of the beam: hypotheses kept at each character; 0 is greedy decoding.
        nbest: texts wanted of each image.
        allowed: the only characters that a text may have, e.g. "0123456789".
        pattern: regular expression that the whole text must match, e.g. "[A-Z]{3}[0-9]{4}".
        length: number of characters, or the smallest and the largest.
        score: the predictions' score: "product" (the probability of the whole text, if nothing
            else is said), "geometric" (the geometric mean of its characters' and the end's) or
            "minimum" (the least of these). A constraint does not raise it: a text that had to
            be forced has a low one.
        runtime: "pytorch", "onnxruntime" or "openvino"; None goes by the file's name.
        precision: what to compute in: "fp32", "bf16" (PyTorch, OpenVINO) or "fp16" (OpenVINO);
            None is fp32, of an export what it was compared in.
        threads: of an exported model's runtime; None is one a core.
        compiled: of a checkpoint: translate its network with ``torch.compile``, which takes tens
            of seconds once, for long runs.
        vertical: read an image at least 1.5 times taller than wide three times: upright, turned to
            the left and to the right; the reading whose characters have the best mean score
            counts. One at least 3 times taller is read turned alone, so a tight crop of a single I
            or 1 is not for this. A model that was trained on vertical images does without.
        views: 1 to 6. An image whose first reading (with ``vertical`` the best of them) has a score
            below 0.9 is read again framed, wider, narrower, lower and wider still, as far as the
            number goes, and the reading with the best score counts, with its own ``nbest``,
            ``char_scores`` and ``attention``. None is 1 for a file, and for a recogniser that
            comes with the package what :func:`aocr_plugin.weights.views` says. A score is then
            that of the luckiest view, so it means a little less. With ``score="geometric"`` fewer
            images are below 0.9. Where a model's images are all of one size, most views bring
            little.

    Raises:
        CheckpointError: the file cannot be used.
        ConfigError: there is no such device, runtime, precision or compiler, or a setting for
            texts or views is out of range, cannot be satisfied by any text, or not by this model.
    """

    def __init__(
        self,
        model: str | Path = weights.DEFAULT,
        *,
        device: str | None = None,
        batch_size: int = 32,
        attention: bool = False,
        beam: int | None = None,
        nbest: int | None = None,
        allowed: str | Sequence[str] | None = None,
        pattern: str | None = None,
        length: int | Sequence[int] | None = None,
        score: str | None = None,
        runtime: str | None = None,
        precision: str | None = None,
        threads: int | None = None,
        compiled: bool = False,
        vertical: bool = False,
        views: int | None = None,
    ) -> None:
        if batch_size < 1:
            raise ValueError(f"batch_size is {batch_size}; it must be at least 1")
        self.views = _checked(weights.views(model) if views is None else views)
        self.batch_size = batch_size
        self.vertical = vertical
        search: dict[str, Any] = {"beam_width": beam, "nbest": nbest}
        search |= {"allowed": allowed, "pattern": pattern, "length": length}
        searches = compiled or any(value is not None for value in search.values())
        wanted = "pytorch" if searches and runtime is None else runtime
        model = weights.resolve(model, wanted, device)
        own = _BY_SUFFIX.get(Path(str(model)).suffix.lower(), "pytorch")
        runtime = runtime or own
        if runtime not in RUNTIMES:
            raise ConfigError(f"runtime is '{runtime}'; it is one of {', '.join(RUNTIMES)}")
        if (runtime == "pytorch") != (own == "pytorch"):
            raise ConfigError(
                f"{model}: PyTorch reads checkpoints (.pth), the other runtimes exported files "
                f"(.onnx, .xml); leave runtime '{runtime}' out, or export the checkpoint"
            )
        self.engine: Any
        if runtime == "pytorch":
            try:
                from aocr_plugin.inference.pytorch_engine import PyTorchEngine
            except ModuleNotFoundError as error:
                raise ConfigError(
                    f"{model}: reading with a checkpoint needs PyTorch and MMOCR ({error}): pip "
                    "install 'aocr-plugin[cpu]', or export it to ONNX where they are"
                ) from error

            self.engine = PyTorchEngine(
                model,
                device=device,
                attention=attention,
                precision=precision,
                compiled=compiled,
                score=score,
                **search,
            )
        else:
            if any(value is not None for value in search.values()):
                asked = ", ".join(name for name, value in search.items() if value is not None)
                raise ConfigError(
                    f"{model}: an exported model decodes greedily; {asked} need the checkpoint"
                )
            if compiled:
                raise ConfigError(f"{model}: compiled is for checkpoints; this one is exported")
            from aocr_plugin.runtime.opening import open_engine

            self.engine = open_engine(
                model,
                runtime,
                device=device,
                attention=attention,
                score=score,
                precision=precision,
                threads=threads,
            )

    @property
    def model(self) -> Any:
        """The PyTorch model of a checkpoint.

        Raises:
            AttributeError: the recogniser runs an exported file.
        """
        return self.engine.model

    @property
    def charset(self) -> str:
        """Every character that can be read."""
        return str(self.engine.charset)

    @overload
    def __call__(  # type: ignore[overload-overlap]
        self, images: ImageLike, *, errors: str = "raise", views: int | None = None
    ) -> Prediction: ...

    @overload
    def __call__(
        self, images: Sequence[ImageLike], *, errors: str = "raise", views: int | None = None
    ) -> list[Prediction]: ...

    def __call__(
        self, images: Any, *, errors: str = "raise", views: int | None = None
    ) -> Prediction | list[Prediction]:
        """Reads one image or many.

        Args:
            images: a path, encoded bytes, a uint8 array ([H, W] gray or [H, W, 3] BGR), a Pillow
                image, or a sequence of these.
            errors: "raise" stops at an image that cannot be read, "return" gives it a
                :class:`Prediction` with ``error`` set and goes on.
            views: of this call; None is the recogniser's.

        Returns:
            A prediction for a single image, a list in the same order for a sequence.

        Raises:
            ImageError: an image cannot be read and ``errors`` is "raise".
            ConfigError: there are not so many views.
        """
        if errors not in ("raise", "return"):
            raise ValueError(f"errors is '{errors}'; it must be 'raise' or 'return'")
        how: dict[str, Any] = {"batch_size": self.batch_size, "vertical": self.vertical}
        how |= {"views": self.views if views is None else _checked(views), "errors": errors}
        if isinstance(images, SINGLE):
            return next(read_all(self.engine, [images], **how))  # type: ignore[list-item]
        return list(read_all(self.engine, list(images), **how))


def _checked(views: int) -> int:
    """Returns a number of views.

    Raises:
        ConfigError: there are not so many.
    """
    if views not in range(1, MOST + 1):
        raise ConfigError(f"views is {views}; an image is read in 1 to {MOST} views")
    return views

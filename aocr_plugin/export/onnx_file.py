"""Writes a checkpoint's network as ONNX or for OpenVINO; the file says how it is to be used."""

import dataclasses
import os
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch

from aocr_plugin import storage
from aocr_plugin.errors import ConfigError
from aocr_plugin.export import network, openvino_file, quantization
from aocr_plugin.export.parity import BOUNDS, Agreement, Comparison
from aocr_plugin.export.sample_images import given_images, word_images
from aocr_plugin.export.simplify import simplify
from aocr_plugin.inference.pytorch_engine import PyTorchEngine
from aocr_plugin.models.postprocessors.word_score import WordScorePostprocessor
from aocr_plugin.runtime import onnx_runtime, openvino_runtime
from aocr_plugin.runtime.engine import GraphEngine
from aocr_plugin.runtime.model_info import KEY, ModelInfo
from aocr_plugin.runtime.pipeline import Pipeline

OPSET = 17
PRECISIONS = ("fp32", "fp16", "bf16", "int8")
OUTPUTS = ("output", "attention")


def import_onnx(extra: str = "export") -> Any:
    """Returns the module onnx.

    Raises:
        ConfigError: it is not installed.
    """
    try:
        import onnx
        import onnxruntime  # noqa: F401
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"writing ONNX needs onnx and ONNX Runtime: pip install 'aocr-plugin[{extra}]'"
        ) from error
    return onnx


def model_info(engine: PyTorchEngine, width: int | None, batch: int | None) -> ModelInfo:
    """Returns what goes into the file beside the network.

    Args:
        engine: the checkpoint's.
        width: the only one the network will take, in pixels, or None.
        batch: the only one the network will take, or None.

    Raises:
        ConfigError: the checkpoint's pipeline, postprocessor or network cannot be exported.
    """
    model, pipeline = engine.model, engine.description["test_pipeline"]
    network.check(model)
    Pipeline(pipeline)  # says what it does not know
    processor, dictionary = model.decoder.postprocessor, model.decoder.dictionary
    if type(processor) is not WordScorePostprocessor:
        raise ConfigError(
            f"the model's postprocessor is {type(processor).__name__}; an export needs "
            "WordScorePostprocessor"
        )
    prep = model.data_preprocessor
    silent = [dictionary.padding_idx, dictionary.start_idx]
    return ModelInfo(
        pipeline=[dict(step) for step in pipeline],
        channels=channels(model),
        mean=_list(getattr(prep, "mean", None), 0.0),
        std=_list(getattr(prep, "std", None), 1.0),
        bgr_to_rgb=bool(prep._channel_conversion),
        padding=network.padding_value(model),
        divisor=int(prep.pad_size_divisor),
        symbols=list(dictionary.dict),
        silent=sorted({index for index in silent if index is not None} - {dictionary.end_idx}),
        end=int(dictionary.end_idx),
        score=processor.score,
        temperature=float(model.decoder.search.temperature),
        steps=int(model.decoder.max_seq_len),
        width=width,
        batch=batch,
    )


def channels(model: Any) -> int:
    """Returns the channels that a model's images have."""
    first = next(layer for layer in model.backbone.modules() if isinstance(layer, torch.nn.Conv2d))
    return int(first.in_channels)


def _list(tensor: Any, default: float) -> list[float]:
    return [default] if tensor is None else [float(value) for value in tensor.flatten()]


def graph(engine: PyTorchEngine, width: int | None, batch: int | None, opset: int = OPSET) -> Any:
    """Returns the network as an ONNX model, with its description.

    Args:
        engine: the checkpoint's.
        width: see :func:`model_info`.
        batch: likewise.
        opset: version of ONNX's operators.
    """
    onnx = import_onnx()
    info = model_info(engine, width, batch)
    net = network.FixedStepNetwork(engine.model)
    images = torch.zeros(batch or 2, info.channels, _height(info), width or 96)
    axes: dict[str, dict[int, str]] = {"input": {}, "output": {}, "attention": {}}
    if batch is None:
        axes = {name: {0: "batch"} for name in axes}
    if width is None:
        axes["input"][3], axes["attention"][2] = "width", "columns"
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # shapes that are constants, said of every line
        path = os.path.join(folder, "network.onnx")
        torch.onnx.export(
            net,
            (images,),
            path,
            dynamo=False,
            opset_version=opset,
            input_names=["input"],
            output_names=list(OUTPUTS),
            dynamic_axes={name: found for name, found in axes.items() if found},
        )
        made = onnx.load(path)
    simplify(made)
    made = onnx.shape_inference.infer_shapes(made, strict_mode=True)
    describe(made, info)
    return made


def _height(info: ModelInfo) -> int:
    """Returns the height that the pipeline gives images."""
    return int(Pipeline(info.pipeline)(np.zeros((32, 96), np.uint8)).shape[0])


def describe(model: Any, info: ModelInfo) -> None:
    """Puts a description into an ONNX model's metadata."""
    kept = [entry for entry in model.metadata_props if entry.key != KEY]
    del model.metadata_props[:]
    model.metadata_props.extend(kept)
    entry = model.metadata_props.add()
    entry.key, entry.value = KEY, info.to_json()


@contextmanager
def staged(name: str | Path, force: bool) -> Iterator[Path]:
    """Yields where to write a file that gets its name when the block ends well.

    Raises:
        ConfigError: it is remote, there already and ``force`` is False, or cannot be written.
    """
    out = Path(name)
    if storage.is_remote(str(name)):
        raise ConfigError(f"{name}: an export is written to a local file; copy it from there")
    if out.is_dir():
        raise ConfigError(f"{out} is a folder; give a file")
    if out.exists() and not force:
        raise ConfigError(f"{out} exists; give another name, or --force to overwrite it")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        folder = tempfile.TemporaryDirectory(prefix=".partial-", dir=out.parent)
    except OSError as error:
        raise ConfigError(f"{out}: cannot be written ({error.strerror})") from error
    with folder as partial:
        yield Path(partial) / out.name
        for made in sorted(Path(partial).iterdir(), reverse=True):  # .xml after .bin
            os.replace(made, out.parent / made.name)


def compared_images(images: Sequence[str] | None) -> tuple[list[tuple[str, bytes]], frozenset[str]]:
    """Returns the images to compare on, and the names of those that a user gave."""
    given = given_images(images or [])
    return [*word_images(), *given], frozenset(name for name, _ in given)


def not_wider(
    images: list[tuple[str, bytes]], engine: GraphEngine, width: int | None
) -> list[tuple[str, bytes]]:
    """Returns the images that a network of one width, in pixels, can read; None reads all."""
    if width is None:
        return images
    return [
        (name, data) for name, data in images if engine.width(engine.prepare(data, name)) <= width
    ]


def greedy_engine(checkpoint: str | Path, report: Callable[[str], None]) -> PyTorchEngine:
    """Returns a checkpoint in PyTorch, to be exported: on the CPU, greedy."""
    engine = PyTorchEngine(checkpoint, device="cpu")
    search: Any = getattr(engine.model.decoder, "search", None)
    if search is not None and search.width and not search.settings.constrained:
        report(f"the checkpoint reads by a beam of {search.width}; the export decodes greedily")
        search.set(beam_width=0, nbest=1)
    return engine


def export(
    checkpoint: str | Path,
    out: str | Path,
    *,
    precision: str = "fp32",
    width: int | None = None,
    batch: int | None = None,
    images: Sequence[str] | None = None,
    force: bool = False,
    report: Callable[[str], None] = print,
) -> Agreement:
    """Writes a checkpoint's network for a runtime, after comparing it with PyTorch there.

    Args:
        checkpoint: of a model with ``AttentionDecoder``.
        out: a ``.onnx`` file, or a ``.xml`` file for OpenVINO, which gets a ``.bin`` beside it.
        precision: "fp32"; "fp16" (weights and computing; for GPUs and small files); "bf16" (what
            OpenVINO computes in; the file is that of fp32); "int8" (convolutions, calibrated on
            ``images``).
        width: the only width in pixels; None takes any.
        batch: the only batch; None takes any.
        images: files, folders, patterns or data sets to compare on beside images made on the
            spot, and to calibrate on.
        force: overwrite ``out``.
        report: told how it goes.

    Returns:
        How well it agrees.

    Raises:
        ConfigError: the model cannot be exported so, a package is missing, or ``out`` is there or
            cannot be written.
        CheckpointError: the checkpoint cannot be used.
        ImageError: one of ``images`` cannot be read.
        AnnotationError: a data set of ``images`` cannot be read.
        ExportError: the export does not read as PyTorch does.
    """
    if precision not in PRECISIONS:
        raise ConfigError(f"precision is '{precision}'; it is one of {', '.join(PRECISIONS)}")
    if Path(out).suffix not in (".onnx", ".xml"):
        raise ConfigError(f"{out}: an export's name ends in .onnx, or .xml for OpenVINO")
    if precision == "bf16" and Path(out).suffix != ".xml":
        raise ConfigError(f"{out}: bf16 is for OpenVINO: give a name that ends in .xml")
    onnx = import_onnx()
    with staged(out, force) as file:
        engine = greedy_engine(checkpoint, report)
        _check_width(engine, width)
        compared, given = compared_images(images)
        if precision == "int8" and not given:
            raise ConfigError("int8 is calibrated on real images: give some with --images")
        report("writing the graph")
        made = graph(engine, width, batch)
        if precision == "fp16":
            made = quantization.float16(made)
        elif precision == "int8":
            real = [image for image in compared if image[0] in given]
            made = quantization.int8(made, _calibration(engine, real, width, batch))
        describe(made, dataclasses.replace(model_info(engine, width, batch), precision=precision))
        if file.suffix == ".xml":
            openvino_file.save(made, file)
            run, info = openvino_runtime.open_model(file)
        else:
            onnx.save(made, file)
            run, info = onnx_runtime.open_model(file)
        exported = GraphEngine(run, info)
        compared = not_wider(compared, exported, width)
        report(f"comparing with PyTorch on {len(compared)} images")
        agreement = Comparison(engine, exported, BOUNDS[precision], given).run(compared)
        report(str(agreement))
    return agreement


def _check_width(engine: PyTorchEngine, width: int | None) -> None:
    """Checks that one width can be had.

    Raises:
        ConfigError: the model reads padding as image, so that no other width than its own will do.
    """
    if width is None or engine.model.mask_padding:
        return
    info = model_info(engine, None, None)
    widths = {int(Pipeline(info.pipeline)(np.zeros(size, np.uint8)).shape[1]) for size in _PROBES}
    if widths != {width}:
        raise ConfigError(
            f"width is {width}; this model has no mask_padding and would read the padding of "
            f"narrower images: leave the width out, or give its canvas's ({min(widths)})"
        )


_PROBES = ((32, 8), (32, 100), (10, 500))


def _calibration(
    engine: PyTorchEngine, images: Sequence[tuple[str, bytes]], width: int | None, batch: int | None
) -> list[Any]:
    """Returns batches of normalised images [N, C, 32, W], sorted by width."""
    graphs = GraphEngine(lambda images: (images, images), model_info(engine, width, batch))
    ready = sorted((graphs.prepare(data, name) for name, data in images), key=graphs.width)
    size = batch or 8
    ready += ready[-1:] * (-len(ready) % size)
    return [graphs.batch(ready[start : start + size]) for start in range(0, len(ready), size)]

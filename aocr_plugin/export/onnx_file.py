"""Writes a checkpoint's network as ONNX or for OpenVINO; the file says how it is to be used."""

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from aocr_plugin.errors import ConfigError
from aocr_plugin.export import openvino_file, quantization
from aocr_plugin.export.destination import staged_file
from aocr_plugin.export.onnx_graph import describe, graph, import_onnx, model_info
from aocr_plugin.export.parity import BOUNDS, Agreement, Comparison
from aocr_plugin.export.sample_images import compared_images, not_wider
from aocr_plugin.inference.pytorch_engine import PyTorchEngine
from aocr_plugin.runtime import onnx_runtime, openvino_runtime
from aocr_plugin.runtime.engine import GraphEngine
from aocr_plugin.runtime.pipeline import Pipeline

PRECISIONS = ("fp32", "fp16", "bf16", "int8")


def greedy_engine(
    checkpoint: str | Path, report: Callable[[str], None], max_length: int | None = None
) -> PyTorchEngine:
    """Returns a checkpoint in PyTorch, to be exported: on the CPU, greedy.

    Args:
        checkpoint: of a model with ``AttentionDecoder``.
        report: told if the checkpoint reads by beam search.
        max_length: characters of the longest text; None is as many as the checkpoint reads.

    Raises:
        ConfigError: ``max_length`` is more than that.
    """
    engine = PyTorchEngine(checkpoint, device="cpu", by_mmocr=True)
    decoder = engine.model.decoder
    search: Any = getattr(decoder, "search", None)
    if search is not None and search.width and not search.settings.constrained:
        report(f"the checkpoint reads by a beam of {search.width}; the export decodes greedily")
        search.set(beam_width=0, nbest=1)
    if max_length is not None:
        if not 1 <= max_length < decoder.max_seq_len:
            raise ConfigError(
                f"max_length is {max_length}; this checkpoint reads 1 to {decoder.max_seq_len - 1} "
                "characters"
            )
        decoder.max_seq_len = max_length + 1  # the end symbol is a step too
    return engine


def export(
    checkpoint: str | Path,
    out: str | Path,
    *,
    precision: str = "fp32",
    width: int | None = None,
    batch: int | None = None,
    max_length: int | None = None,
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
            every second of ``images`` and compared on all of them, and on no made ones).
        width: the only width in pixels; None takes any.
        batch: the only batch; None takes any.
        max_length: characters of the longest text: each is a step of the network, taken whether
            needed or not. Longer texts are cut. None is as many as the checkpoint reads.
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
    with staged_file(out, force) as file:
        engine = greedy_engine(checkpoint, report, max_length)
        _check_width(engine, width)
        compared, given = compared_images(images)
        if precision == "int8" and not given:
            raise ConfigError("int8 is calibrated on real images: give some with --images")
        report("writing the graph")
        made = graph(engine, width, batch)
        if precision == "fp16":
            made = quantization.float16(made)
        elif precision == "int8":
            compared = [image for image in compared if image[0] in given]  # for no others is it
            batches = _calibration(engine, compared[::2], width, batch)
            made = quantization.int8(made, batches, openvino=file.suffix == ".xml")
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

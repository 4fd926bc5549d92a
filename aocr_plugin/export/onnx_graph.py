"""A checkpoint's network as an ONNX model, with the description of how it is to be used."""

import os
import tempfile
import warnings
from typing import Any

import numpy as np
import torch

from aocr_plugin.errors import ConfigError
from aocr_plugin.export import network
from aocr_plugin.export.simplify import simplify
from aocr_plugin.inference.pytorch_engine import PyTorchEngine
from aocr_plugin.models.postprocessors.word_score import WordScorePostprocessor
from aocr_plugin.runtime.model_info import KEY, ModelInfo
from aocr_plugin.runtime.pipeline import Pipeline

OPSET = 17
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

"""From a checkpoint and a deploy config to files of a backend, through MMDeploy and the gate."""

import contextlib
import copy
import dataclasses
import logging
import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from mmengine.config import Config

from aocr_plugin.deploy import backends, model_config
from aocr_plugin.deploy.order import sdk_order
from aocr_plugin.errors import ConfigError
from aocr_plugin.export import onnx_file, onnx_graph
from aocr_plugin.export.simplify import simplify
from aocr_plugin.inference.pytorch_engine import PyTorchEngine
from aocr_plugin.runtime.model_info import ModelInfo


@contextlib.contextmanager
def _torchscript_exporter() -> Iterator[None]:
    """Lets MMDeploy's call of ``torch.onnx.export`` take the exporter that it was written for."""
    export: Any = torch.onnx.export

    def with_torchscript(*args: Any, **kwargs: Any) -> Any:
        return export(*args, **{"dynamo": False, **kwargs})

    torch.onnx.export = with_torchscript
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        torch.onnx.export = export


def load_deploy_config(path: str, channels: int) -> Config:
    """Loads a deploy config and checks that it is one for this package.

    Args:
        path: of the file.
        channels: of the model's images, which TensorRT's shapes are made to have.

    Raises:
        ConfigError: it is no deploy config, of another task, or of a backend unknown here.
    """
    from aocr_plugin.cli.common import load_config

    cfg = load_config(path)
    task = (cfg.get("codebase_config") or {}).get("task")
    if task != "TextRecognition":
        raise ConfigError(f"{path}: codebase_config.task is {task!r}, not 'TextRecognition'")
    backend = (cfg.get("backend_config") or {}).get("type")
    if backend not in backends.BACKENDS:
        raise ConfigError(
            f"{path}: backend_config.type is {backend!r}; convert with one of "
            f"{', '.join(backends.BACKENDS)}"
        )
    for model_input in cfg.backend_config.get("model_inputs", []):
        for shape in model_input["input_shapes"]["input"].values():
            shape[1] = channels
    return cfg


def convert(
    deploy_config: str,
    checkpoint: str | Path,
    work_dir: str | Path,
    *,
    image: str | None = None,
    images: Sequence[str] | None = None,
    device: str = "cpu",
    dump_info: bool = False,
    report: Callable[[str], None] = print,
) -> list[str]:
    """Converts a checkpoint; returns the backend's files.

    Args:
        deploy_config: of ``configs/deploy``.
        checkpoint: a ``.pth`` file of ``tools/train.py``.
        work_dir: folder to write to.
        image: that the network is traced on, or None for a made one.
        images: to compare on beside made ones.
        device: that MMDeploy is told.
        dump_info: also write ``deploy.json``, ``pipeline.json`` and ``detail.json``.
        report: told how it goes.

    Raises:
        ConfigError: the config, model or backend cannot be used, or a package is missing.
        CheckpointError: the checkpoint cannot be used.
        ExportError: the export does not read as PyTorch does; its files are taken away.
    """
    logging.getLogger("mmdeploy").setLevel(logging.WARNING)
    engine = onnx_file.greedy_engine(checkpoint, report)
    deploy_cfg = load_deploy_config(deploy_config, onnx_graph.channels(engine.model))
    backend = deploy_cfg.backend_config.type
    shape = (deploy_cfg.get("onnx_config") or deploy_cfg.get("ir_config") or {}).get("input_shape")
    width = None if shape is None else int(shape[0])
    model_cfg = model_config.from_checkpoint(checkpoint, width)
    static = width is not None
    if static:
        width = int(model_config.canvas_width(model_cfg) or width or 0)
    os.makedirs(work_dir, exist_ok=True)
    info = _model_info(engine, model_cfg, width, 1 if static else None)
    precision = str(deploy_cfg.backend_config.get("precision", "fp32"))
    files: list[str] = []
    try:
        traced = image or _made_image(Path(work_dir))
        try:
            ir = _trace(backend, deploy_cfg, model_cfg, str(checkpoint), traced, str(work_dir))
        finally:
            if image is None:
                os.unlink(traced)
        files = backends.write(ir, backend, info, precision)
        agreement = backends.compare(files[0], backend, engine, info, precision, images, width)
    except BaseException:
        for name in files:
            Path(name).unlink(missing_ok=True)
        raise
    report(str(agreement))
    if backend == "tensorrt":
        files = backends.tensorrt(files[0], deploy_cfg, info, images, str(work_dir), device)
        report("the engine is not compared here: tools/tensorrt_check.py does, on its machine")
    if dump_info:
        from mmdeploy.backend.sdk.export_info import export2SDK

        export2SDK(deploy_cfg, model_cfg, str(work_dir), pth=str(checkpoint), device=device)
        names = ("deploy.json", "pipeline.json", "detail.json", "dict_file.txt")
        files += [os.path.join(work_dir, name) for name in names]
    return files


def _made_image(folder: Path) -> str:
    path = str(folder / ".traced.png")
    cv2.imwrite(path, np.full((32, 128, 3), 200, np.uint8))
    return path


def _trace(
    backend: str,
    deploy_cfg: Config,
    model_cfg: Config,
    checkpoint: str,
    image: str,
    work_dir: str,
) -> str:
    """Returns the file of MMDeploy's intermediate representation."""
    from mmdeploy.apis import torch2onnx, torch2torchscript
    from mmdeploy.apis.core.pipeline_manager import no_mp
    from mmdeploy.utils import get_ir_config

    name = str(get_ir_config(deploy_cfg)["save_file"])
    traced_for = copy.deepcopy(deploy_cfg)
    if backend != "torchscript":  # the graph is the same for all, and MMDeploy wants a GPU for some
        traced_for.backend_config = {"type": "onnxruntime"}
    trace = torch2torchscript if backend == "torchscript" else torch2onnx
    with no_mp(), _torchscript_exporter():
        trace(image, work_dir, name, traced_for, model_cfg, checkpoint, device="cpu")
    path = os.path.join(work_dir, name)
    if backend != "torchscript":
        onnx = onnx_graph.import_onnx("deploy")
        made = onnx.load(path)
        simplify(made)
        onnx.save(onnx.shape_inference.infer_shapes(made, strict_mode=True), path)
    return path


def _model_info(
    engine: PyTorchEngine, model_cfg: Config, width: int | None, batch: int | None
) -> ModelInfo:
    """Returns what goes into the file, so that ``Recognizer`` reads it too."""
    info = onnx_graph.model_info(engine, width, batch)
    order = sdk_order(engine.model.decoder.dictionary)
    return dataclasses.replace(
        info,
        pipeline=[dict(step) for step in model_cfg.test_pipeline],
        symbols=[info.symbols[index] for index in order],
        silent=[order.index(index) for index in info.silent],
        end=order.index(info.end),
    )

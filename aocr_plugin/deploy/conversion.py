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

from aocr_plugin.deploy import model_config
from aocr_plugin.deploy.order import sdk_order
from aocr_plugin.errors import ConfigError
from aocr_plugin.export import onnx_file, openvino_file, quantization
from aocr_plugin.export.parity import BOUNDS, Agreement, Comparison
from aocr_plugin.export.sample_images import given_images
from aocr_plugin.export.simplify import simplify
from aocr_plugin.inference.pytorch_engine import PyTorchEngine
from aocr_plugin.runtime import onnx_runtime, openvino_runtime
from aocr_plugin.runtime.engine import GraphEngine, Run
from aocr_plugin.runtime.model_info import ModelInfo

CALIBRATION = "calib_data.h5"
BACKENDS = ("onnxruntime", "openvino", "tensorrt", "torchscript")


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
    if backend not in BACKENDS:
        raise ConfigError(
            f"{path}: backend_config.type is {backend!r}; convert with one of {', '.join(BACKENDS)}"
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
    deploy_cfg = load_deploy_config(deploy_config, onnx_file.channels(engine.model))
    backend = deploy_cfg.backend_config.type
    shape = (deploy_cfg.get("onnx_config") or deploy_cfg.get("ir_config") or {}).get("input_shape")
    width = None if shape is None else int(shape[0])
    model_cfg = model_config.from_checkpoint(checkpoint, width)
    static = width is not None
    if static:
        width = int(model_config.canvas_width(model_cfg) or width or 0)
    os.makedirs(work_dir, exist_ok=True)
    traced = image or _made_image(Path(work_dir))
    ir = _trace(backend, deploy_cfg, model_cfg, str(checkpoint), traced, str(work_dir))
    info = _model_info(engine, model_cfg, width, 1 if static else None)
    precision = str(deploy_cfg.backend_config.get("precision", "fp32"))
    files = _to_backend(
        ir, deploy_cfg, info, precision, images, work_dir=str(work_dir), device=device
    )
    try:
        agreement = _compare(files, backend, engine, info, precision, images, width)
    except Exception:
        for name in {ir, *files}:
            Path(name).unlink(missing_ok=True)
        raise
    report("not compared: no runner of this backend here" if not agreement else str(agreement))
    if dump_info:
        from mmdeploy.backend.sdk.export_info import export2SDK

        export2SDK(deploy_cfg, model_cfg, str(work_dir), pth=str(checkpoint), device=device)
        names = ("deploy.json", "pipeline.json", "detail.json", "dict_file.txt")
        files += [os.path.join(work_dir, name) for name in names]
    if image is None:
        os.unlink(traced)
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
        onnx = onnx_file.import_onnx("deploy")
        made = onnx.load(path)
        simplify(made)
        onnx.save(onnx.shape_inference.infer_shapes(made, strict_mode=True), path)
    return path


def _model_info(
    engine: PyTorchEngine, model_cfg: Config, width: int | None, batch: int | None
) -> ModelInfo:
    """Returns what goes into the file, so that ``Recognizer`` reads it too."""
    info = onnx_file.model_info(engine, width, batch)
    order = sdk_order(engine.model.decoder.dictionary)
    return dataclasses.replace(
        info,
        pipeline=[dict(step) for step in model_cfg.test_pipeline],
        symbols=[info.symbols[index] for index in order],
        silent=[order.index(index) for index in info.silent],
        end=order.index(info.end),
    )


def write_calibration(images: Sequence[str] | None, info: ModelInfo, path: str) -> None:
    """Writes the network's inputs for images to an HDF5 file, as MMDeploy's calibrator reads it.

    Raises:
        ConfigError: there are no images, or h5py is not installed.
    """
    if not images:
        raise ConfigError("int8 is calibrated on real images: give some with --test-img")
    try:
        import h5py
    except ModuleNotFoundError as error:
        raise ConfigError("int8 needs h5py: pip install 'aocr-plugin[deploy]'") from error
    graphs = GraphEngine(lambda batch: (batch, None), info)
    with h5py.File(path, "w") as file:
        group = file.create_group("calib_data/end2end/input")
        for number, (name, data) in enumerate(given_images(images)):
            group[str(number)] = graphs.batch([graphs.prepare(data, name)])


def _to_backend(
    ir: str,
    deploy_cfg: Config,
    info: ModelInfo,
    precision: str,
    images: Sequence[str] | None,
    *,
    work_dir: str,
    device: str,
) -> list[str]:
    """Returns the backend's files, made of the intermediate representation."""
    backend = deploy_cfg.backend_config.type
    if backend == "torchscript":
        return [ir]
    onnx = onnx_file.import_onnx("deploy")
    made = onnx.load(ir)
    if precision == "fp16":
        made = quantization.float16(made)
    onnx_file.describe(made, dataclasses.replace(info, precision=precision))
    onnx.save(made, ir)
    if backend == "onnxruntime":
        return [ir]
    if backend == "openvino":  # MMDeploy calls a command that OpenVINO no longer has
        path = Path(ir).with_suffix(".xml")
        openvino_file.save(made, path)
        return [str(path), str(path.with_suffix(".bin"))]
    from mmdeploy.apis.utils import to_backend
    from mmdeploy.backend.tensorrt import is_available

    if deploy_cfg.backend_config.get("common_config", {}).get("int8_mode"):
        write_calibration(images, info, os.path.join(work_dir, CALIBRATION))
        deploy_cfg.calib_config = {"create_calib": True, "calib_file": CALIBRATION}
    if not is_available():
        raise ConfigError(
            f"TensorRT is not installed here; {ir} is ready: run this again where it is, or give "
            "the file to trtexec"
        )
    found: Sequence[str] = to_backend(
        backend, [ir], work_dir=work_dir, deploy_cfg=deploy_cfg, device=device
    )
    return list(found)


def _compare(
    files: Sequence[str],
    backend: str,
    engine: PyTorchEngine,
    info: ModelInfo,
    precision: str,
    images: Sequence[str] | None,
    width: int | None,
) -> Agreement | None:
    """Passes an export through the gate; None where there is nothing to run it with."""
    if backend == "onnxruntime":
        run, _ = onnx_runtime.open_model(files[0])
    elif backend == "openvino":
        run, _ = openvino_runtime.open_model(files[0], precision="fp32")
    elif backend == "torchscript":
        run = _torchscript(files[0])
    else:
        return None
    ours = onnx_file.model_info(engine, width, info.batch)
    inverse = np.argsort(sdk_order(engine.model.decoder.dictionary))
    exported = GraphEngine(lambda batch: (run(batch)[0][..., inverse], None), ours)
    compared, given = onnx_file.compared_images(images)
    if width is not None:
        compared = [
            (name, data)
            for name, data in compared
            if exported.prepare(data, name).shape[1] <= width
        ]
    return Comparison(engine, exported, BOUNDS[precision], given).run(compared)


def _torchscript(path: str) -> Run:
    module = torch.jit.load(path)

    @torch.inference_mode()
    def run(images: Any) -> tuple[Any, None]:
        return module(torch.from_numpy(images)).numpy(), None

    return run

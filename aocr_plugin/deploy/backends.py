"""The files of MMDeploy's backends: written, compared with PyTorch, and TensorRT's engine."""

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config

from aocr_plugin.deploy.order import sdk_order
from aocr_plugin.errors import ConfigError
from aocr_plugin.export import onnx_graph, openvino_file, quantization, sample_images
from aocr_plugin.export.parity import BOUNDS, Agreement, Comparison
from aocr_plugin.export.sample_images import given_images
from aocr_plugin.export.tensorrt_engine import plugins_not_needed
from aocr_plugin.inference.pytorch_engine import PyTorchEngine
from aocr_plugin.runtime import onnx_runtime, openvino_runtime
from aocr_plugin.runtime.engine import GraphEngine, Run
from aocr_plugin.runtime.model_info import ModelInfo

BACKENDS = ("onnxruntime", "openvino", "tensorrt", "torchscript")
CALIBRATION = "calib_data.h5"


def write(ir: str, backend: str, info: ModelInfo, precision: str) -> list[str]:
    """Makes a backend's files of MMDeploy's intermediate representation; returns their names.

    Args:
        ir: ONNX, which is described and for float16 rewritten in place, or TorchScript.
        backend: one of :data:`BACKENDS`; for TensorRT the ONNX file is made ready.
        info: what goes into the file.
        precision: "fp32" or "fp16".
    """
    if backend == "torchscript":
        return [ir]
    onnx = onnx_graph.import_onnx("deploy")
    made = onnx.load(ir)
    if precision == "fp16":
        made = quantization.float16(made)
    onnx_graph.describe(made, dataclasses.replace(info, precision=precision))
    onnx.save(made, ir)
    if backend != "openvino":
        return [ir]
    path = Path(ir).with_suffix(".xml")  # MMDeploy calls a command that OpenVINO no longer has
    openvino_file.save(made, path)
    return [str(path), str(path.with_suffix(".bin"))]


def compare(
    file: str,
    backend: str,
    engine: PyTorchEngine,
    info: ModelInfo,
    precision: str,
    images: Sequence[str] | None,
    width: int | None,
) -> Agreement:
    """Passes a backend's file through the gate; TensorRT's ONNX file in ONNX Runtime.

    Raises:
        ExportError: it does not read as PyTorch does.
    """
    if backend == "openvino":
        run, _ = openvino_runtime.open_model(file)
    elif backend == "torchscript":
        run = _torchscript(file)
    else:
        run, _ = onnx_runtime.open_model(file)
    ours = onnx_graph.model_info(engine, width, info.batch)
    inverse = np.argsort(sdk_order(engine.model.decoder.dictionary))
    exported = GraphEngine(lambda batch: (run(batch)[0][..., inverse], None), ours)
    compared, given = sample_images.compared_images(images)
    compared = sample_images.not_wider(compared, exported, width)
    return Comparison(engine, exported, BOUNDS[precision], given).run(compared)


def _torchscript(path: str) -> Run:
    module = torch.jit.load(path)

    @torch.inference_mode()
    def run(images: Any) -> tuple[Any, None]:
        return module(torch.from_numpy(images)).numpy(), None

    return run


def tensorrt(
    ir: str,
    deploy_cfg: Config,
    info: ModelInfo,
    images: Sequence[str] | None,
    work_dir: str,
    device: str,
) -> list[str]:
    """Builds TensorRT's engine through MMDeploy; returns its file.

    Args:
        ir: the ONNX file.
        deploy_cfg: with ``int8_mode`` the images are written for MMDeploy's calibrator.
        info: the model's.
        images: to calibrate on.
        work_dir: folder to write to.
        device: "cuda:0" and so on.

    Raises:
        ConfigError: TensorRT is not installed here, or int8 has no images.
    """
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
    with plugins_not_needed():
        found: Sequence[str] = to_backend(
            "tensorrt", [ir], work_dir=work_dir, deploy_cfg=deploy_cfg, device=device
        )
    return list(found)


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

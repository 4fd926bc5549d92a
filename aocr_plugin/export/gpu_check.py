"""Runs a checkpoint's network on a GPU, compares it with PyTorch on the CPU, and times it."""

import dataclasses
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch

from aocr_plugin.errors import ConfigError
from aocr_plugin.export import (
    network,
    onnx_file,
    onnx_graph,
    quantization,
    sample_images,
    tensorrt_engine,
)
from aocr_plugin.export.parity import BOUNDS, Agreement, Comparison
from aocr_plugin.inference.pytorch_engine import PyTorchEngine, find_device
from aocr_plugin.runtime import onnx_runtime, tensorrt_runtime
from aocr_plugin.runtime.engine import GraphEngine, Run
from aocr_plugin.runtime.model_info import ModelInfo

PRECISIONS = ("fp32", "fp16")
TIMED_BATCHES = (1, tensorrt_engine.MAX_BATCH)
ROUNDS, WARM_UP = 100, 10


class Timing(NamedTuple):
    """How long a batch takes, from normalised pixels to probabilities, both in the CPU's memory.

    Attributes:
        batch: images in it.
        width: of the batch in pixels.
        p50: milliseconds, median.
        p99: milliseconds.
        rate: images a second.
    """

    batch: int
    width: int
    p50: float
    p99: float
    rate: float


class Checked(NamedTuple):
    """A network that was run.

    Attributes:
        runtime: what ran it.
        precision: "fp32" or "fp16".
        agreement: with PyTorch.
        timings: by batch.
    """

    runtime: str
    precision: str
    agreement: Agreement
    timings: list[Timing]


class Job(NamedTuple):
    """What a runtime is given.

    Attributes:
        checkpoint: its file.
        model: ONNX, in float32.
        info: the model's description.
        precision: to compute in.
        widest: pixels of the widest image.
        device: to run on.
    """

    checkpoint: str | Path
    model: Any
    info: ModelInfo
    precision: str
    widest: int
    device: str


def _tensorrt(job: Job) -> tuple[Run, str]:
    trt = tensorrt_runtime.import_tensorrt()
    widest = max(job.widest, tensorrt_engine.MAX_WIDTH)
    shapes = tensorrt_engine.shapes(job.info, widest)
    data, builder = tensorrt_engine.from_model(trt, job.model, shapes, job.precision)
    return tensorrt_runtime.open_engine(trt, data, job.device), builder


def _onnxruntime(job: Job) -> tuple[Run, str]:
    onnx = onnx_graph.import_onnx()
    import onnxruntime

    made = quantization.float16(job.model) if job.precision == "fp16" else job.model
    info = dataclasses.replace(job.info, precision=job.precision)
    onnx_graph.describe(made, info)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.onnx"
        onnx.save(made, path)
        run, _ = onnx_runtime.open_model(path, device=job.device)
    return run, f"ONNX Runtime {onnxruntime.__version__}"


def _pytorch(job: Job) -> tuple[Run, str]:
    kind = torch.float16 if job.precision == "fp16" else torch.float32
    model = PyTorchEngine(job.checkpoint, device=job.device).model
    net = network.FixedStepNetwork(model.to(kind))

    @torch.inference_mode()
    def run(images: Any) -> tuple[Any, Any]:
        found = net(torch.from_numpy(images).to(job.device, kind))
        return found[0].float().cpu().numpy(), found[1].float().cpu().numpy()

    return run, f"PyTorch {torch.__version__}"


RUNTIMES: dict[str, Callable[[Job], tuple[Run, str]]] = {
    "tensorrt": _tensorrt,
    "onnxruntime": _onnxruntime,
    "pytorch": _pytorch,
}


def without_tensorrt(device: str) -> str:
    """Returns the runtime to take on a device where TensorRT is not.

    Raises:
        ConfigError: none that is installed can use the device.
    """
    from onnxruntime import get_available_providers

    if device == "cpu" or "CUDAExecutionProvider" in get_available_providers():
        return "onnxruntime"
    if torch.cuda.is_available():
        return "pytorch"
    raise ConfigError(
        f"nothing here runs on device '{device}': it needs an NVIDIA GPU and its driver, and "
        "ONNX Runtime for it (pip install onnxruntime-gpu) or a CUDA build of PyTorch"
    )


def check(
    checkpoint: str | Path,
    runtime: str,
    *,
    precisions: Sequence[str] = PRECISIONS,
    images: Sequence[str] | None = None,
    device: str = "cuda",
    rounds: int = ROUNDS,
    report: Callable[[str], None] = print,
) -> list[Checked]:
    """Compares a checkpoint's network in a runtime with PyTorch on the CPU, and times it.

    Args:
        checkpoint: of a model with ``AttentionDecoder``.
        runtime: one of :data:`RUNTIMES`.
        precisions: of "fp32" and "fp16".
        images: files, folders, patterns or data sets to compare on beside images made on the spot.
        device: "cuda", or "cpu" to try out all but TensorRT.
        rounds: how often each batch is timed.
        report: told how it goes.

    Raises:
        ConfigError: the model cannot be exported, or the runtime or the device is not there.
        CheckpointError: the checkpoint cannot be used.
        ImageError: one of ``images`` cannot be read.
        AnnotationError: a data set of ``images`` cannot be read.
        ExportError: TensorRT refuses the network, or it does not read as PyTorch does.
    """
    if runtime == "tensorrt":
        tensorrt_runtime.import_tensorrt()
    if runtime != "onnxruntime":
        find_device(device)
    engine = onnx_file.greedy_engine(checkpoint, report)
    compared, given = sample_images.compared_images(images)
    info = onnx_graph.model_info(engine, None, None)
    preparing = GraphEngine(lambda batch: (batch, None), info)
    ready = [preparing.prepare(data, name) for name, data in compared]
    widest = max(preparing.width(image) for image in ready)
    done = []
    for precision in precisions:
        model = onnx_graph.graph(engine, None, None)
        begun = time.perf_counter()
        run, name = RUNTIMES[runtime](Job(checkpoint, model, info, precision, widest, device))
        report(f"{name}, {precision}: ready after {time.perf_counter() - begun:.1f} s")
        graph = GraphEngine(run, info)
        agreement = Comparison(engine, graph, BOUNDS[precision], given).run(compared)
        report(str(agreement))
        timings = [_timing(graph, ready, batch, rounds) for batch in TIMED_BATCHES]
        done.append(Checked(name, precision, agreement, timings))
    return done


def _timing(graph: GraphEngine, ready: list[Any], size: int, rounds: int) -> Timing:
    chosen = [ready[place % len(ready)] for place in range(size)]
    batch = graph.batch(chosen)
    taken = []
    for _ in range(WARM_UP + rounds):
        begun = time.perf_counter()
        graph.run(batch)
        taken.append((time.perf_counter() - begun) * 1e3)
    taken = sorted(taken[WARM_UP:])
    p50, p99 = statistics.median(taken), taken[int(len(taken) * 0.99)]
    return Timing(size, batch.shape[3], p50, p99, size / p50 * 1e3)

"""Images a second that networks learn from on a GPU: from tensors, and through the data path.

    python benchmarks/gpu.py                              # tensors, then drawn images and TFRecords
    python benchmarks/gpu.py --parts tensors --networks aocr_base mmocr_crnn

*Tensors*: a batch of noise lies on the GPU, labels have 5 to 10 characters; MMEngine's
``train_step`` with AdamW learns from it again and again, ``aocr_base`` and ``aocr_original`` at
32 x 100, the others at their configs' sizes. *Drawn*, *tfrecords*: ``aocr_english_gpu``'s network
learns from images that the data workers draw, or read from TFRecords that are drawn before; beside
the rate stands the share of time in which the GPU was at work, as its driver counts it. Rates are
medians of blocks of steps, or of seconds, with the GPU waited for at the end of each.
"""

import argparse
import json
import logging
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import machine
import peer_models

ROOT = Path(__file__).resolve().parents[1]
NETWORKS = ("aocr_base", "aocr_original", "aocr_accuracy", "mmocr_crnn", "mmocr_aster", "mmocr_sar")
PARTS = ("tensors", "drawn", "tfrecords")
SIZE = (1, 32, 100)  # of aocr's images: channels, height, width
RECORDS = 100_000


def synchronised(run: Callable[[], None]) -> float:
    """Returns the seconds of a call, to the end of what it started on the GPU."""
    import torch

    torch.cuda.synchronize()
    begun = time.perf_counter()
    run()
    torch.cuda.synchronize()
    return time.perf_counter() - begun


def trainer(cfg: Any, precision: str) -> tuple[Any, Any]:
    """Returns the network of a config on the GPU, and its optimiser."""
    from mmengine.optim import build_optim_wrapper

    model = peer_models.build(cfg).cuda().train()
    settings = {
        "type": "PrecisionOptimWrapper",
        "optimizer": {"type": "AdamW", "lr": 1e-4, "fused": True},
    }
    wrapper = build_optim_wrapper(model, settings | {"precision": precision})
    return model, wrapper


def from_tensors(name: str, batch: int, args: argparse.Namespace) -> dict[str, Any]:
    """Times a network's training steps on a batch that lies on the GPU."""
    import torch

    from aocr_plugin.datasets.collating import stacked_collate

    cfg = peer_models.load_config(name)
    if name in peer_models.OURS:
        longest = peer_models.LONGEST + 2  # start and end
        cfg.model.decoder.max_seq_len = max(cfg.model.decoder.max_seq_len, longest)
        cfg.model.cuda_graphs = args.graphs
    model, wrapper = trainer(cfg, args.precision)
    size = SIZE if name in ("aocr_base", "aocr_original") else peer_models.input_size(cfg)
    made = peer_models.make_batch(batch, size, peer_models.LONGEST)
    pairs = zip(made["inputs"], made["data_samples"], strict=True)
    data = stacked_collate([{"inputs": image, "data_samples": sample} for image, sample in pairs])
    data["inputs"] = data["inputs"].cuda()
    if name not in peer_models.OURS:
        data["data_samples"] = made["data_samples"]

    def block() -> None:
        for _ in range(args.steps):
            model.train_step(dict(data), wrapper)

    torch.cuda.reset_peak_memory_stats()
    try:
        block()
        seconds = [synchronised(block) for _ in range(args.repeats)]
    except torch.cuda.OutOfMemoryError:
        return {"left_out": "the GPU's memory is too small"}
    return {
        "images_per_s": batch * args.steps / statistics.median(seconds),
        "gpu_memory_mb": torch.cuda.max_memory_allocated() / 1e6,
        "size": size,
    }


@contextmanager
def utilisation() -> Iterator[list[int]]:
    """Gathers the driver's percentages of time in which the GPU is at work."""
    import torch

    found: list[int] = []
    over = threading.Event()

    def watch() -> None:
        while not over.wait(0.2):
            found.append(torch.cuda.utilization())

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    yield found
    over.set()
    watcher.join()


def data_path(part: str, batch: int, args: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Times training on images that come through a data loader."""
    from mmengine.config import Config
    from mmengine.registry import init_default_scope

    from aocr_plugin.engine.runner import AOCRRunner, resolve

    init_default_scope("mmocr")
    name = "aocr_english_gpu_records" if part == "tfrecords" else "aocr_english_gpu"
    cfg = Config.fromfile(ROOT / "configs" / f"{name}.py")
    cfg.model.cuda_graphs = args.graphs
    cfg = resolve(cfg)
    model, wrapper = trainer(cfg, args.precision)
    loader = cfg.train_dataloader
    loader.update(batch_size=batch, num_workers=args.workers)
    if part == "tfrecords":
        loader.dataset.ann_file = str(folder / "drawn.tfrecords")
    batches = iter(AOCRRunner.build_dataloader(loader, seed=0))
    learnt, waited = 0, 0.0

    def block(seconds: float = args.seconds) -> None:
        nonlocal learnt, waited
        begun, learnt, waited = time.perf_counter(), 0, 0.0
        while (now := time.perf_counter()) < begun + seconds:
            data = next(batches)
            waited += time.perf_counter() - now
            model.train_step(data, wrapper)
            learnt += batch

    block(args.warm_up)  # workers find fonts, sizes are recorded, what was ready is used up
    rates, waits = [], []
    with utilisation() as busy:
        for _ in range(args.repeats):
            seconds = synchronised(block)
            rates.append(learnt / seconds)
            waits.append(100 * waited / seconds)
    return {
        "images_per_s": statistics.median(rates),
        "gpu_busy_percent": statistics.mean(busy),
        "waited_for_workers_percent": statistics.median(waits),
        "workers": args.workers,
    }


def draw_records(folder: Path, encoding: str) -> None:
    """Draws the images of the TFRecords."""
    line = [sys.executable, str(ROOT / "tools" / "synthesize.py"), str(folder / "drawn.tfrecords")]
    options = ["--count", str(RECORDS), "--style", "scene", "--height", "32", "--gray"]
    options += ["--encoding", encoding]
    subprocess.run([*line, *options], check=True, capture_output=True)


def main() -> None:
    """Measures and prints a table."""
    import torch

    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=NETWORKS)
    parser.add_argument("--batches", nargs="+", type=int, default=[256, 1024])
    parser.add_argument("--workers", type=int, default=15)
    parser.add_argument("--encoding", default="bmp", choices=["bmp", "png"], help="of TFRecords")
    parser.add_argument("--precision", default="bf16", choices=["bf16", "fp32"])
    parser.add_argument(
        "--no-graphs",
        dest="graphs",
        action="store_false",
        help="aocr's networks without CUDA graphs",
    )
    parser.add_argument("--steps", type=int, default=20, help="of a block from tensors")
    parser.add_argument(
        "--seconds", type=float, default=15.0, help="of a block of the data path (default 15)"
    )
    parser.add_argument(
        "--warm-up", type=float, default=20.0, help="seconds of the data path before (default 20)"
    )
    parser.add_argument("--repeats", type=int, default=5, help="blocks")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results" / "gpu.json")
    args = parser.parse_args()
    if not torch.cuda.is_available():
        parser.error("there is no GPU")
    logging.disable(logging.WARNING)
    result: dict[str, Any] = json.loads(args.out.read_text()) if args.out.exists() else {}
    result |= {
        "machine": machine.machine() | {"gpu": torch.cuda.get_device_name()},
        "precision": args.precision,
        "graphs": args.graphs,
        "encoding": args.encoding,
    }
    with tempfile.TemporaryDirectory() as folder:
        if "tfrecords" in args.parts:
            draw_records(Path(folder), args.encoding)
        for part in args.parts:
            for name in args.networks if part == "tensors" else [part]:
                for batch in args.batches:
                    if part == "tensors":
                        found = from_tensors(name, batch, args)
                    else:
                        found = data_path(part, batch, args, Path(folder))
                    torch.cuda.empty_cache()
                    result.setdefault(part, {}).setdefault(name, {})[str(batch)] = found
                    print(part, name, batch, json.dumps(found), flush=True)
                    args.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()

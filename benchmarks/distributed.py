"""Trains with one process and with two: ``python benchmarks/distributed.py ANNOTATIONS``.

Each process has one thread and loads its images itself. Every run is torchrun with fresh
processes; runs of one and of two take turns, the first of a pair changes. All have the same
batch a process, so two train on twice the images a step. ``images_per_s`` is over the steps after
the warm-up, on the clock; ``cores`` is the CPU seconds a second that the processes had meanwhile,
which is what other work on the machine, and waiting for each other, left them;
``images_per_core_s`` is the one over the other. The last line is the ratio of the medians.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))


def parse_args() -> argparse.Namespace:
    """Parses the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("annotations", help="file of lines 'PATH LABEL' to train on")
    parser.add_argument("--config", default=str(ROOT / "configs" / "aocr_base.py"))
    parser.add_argument("--precision", default="fp32", choices=["fp32", "bf16"])
    parser.add_argument("--batch-size", type=int, default=32, help="images a process and step")
    parser.add_argument("--steps", type=int, default=20, help="steps that are timed")
    parser.add_argument("--warm-up", type=int, default=5, help="steps before them")
    parser.add_argument("--repeats", type=int, default=3, help="runs of each kind")
    parser.add_argument("--out", help="JSON file for the figures")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    return parser.parse_args()


def work(args: argparse.Namespace) -> None:
    """Trains, as one of the processes; the first writes what was measured to ``args.worker``."""
    import aocr_plugin  # noqa: I001
    from mmengine.config import Config
    from mmengine.dist import all_gather_object, get_rank
    from mmengine.hooks import Hook
    from mmengine.registry import init_default_scope

    cfg = Config.fromfile(args.config)
    init_default_scope("mmocr")
    import aocr_plugin.register  # noqa: F401
    from aocr_plugin.engine.runner import AOCRRunner

    loader = cfg.train_dataloader
    loader.batch_size, loader.num_workers, loader.persistent_workers = args.batch_size, 0, False
    loader.dataset.ann_file = args.annotations
    for name in ("val_dataloader", "val_cfg", "val_evaluator", "custom_hooks"):
        cfg[name] = None
    for name in ("test_dataloader", "test_cfg", "test_evaluator"):
        cfg[name] = None
    cfg.train_cfg = {"type": "ResumableTrainLoop", "max_iters": args.warm_up + args.steps}
    cfg.optim_wrapper.precision = args.precision
    cfg.default_hooks.checkpoint = None
    cfg.launcher, cfg.log_level = "pytorch", "WARNING"
    cfg.work_dir = tempfile.mkdtemp()
    marks: list[tuple[float, float]] = []

    class Marks(Hook):
        def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
            if runner.iter + 1 in (args.warm_up, args.warm_up + args.steps):
                marks.append((time.perf_counter(), time.process_time()))

    runner = AOCRRunner.from_cfg(cfg)
    runner.register_hook(Marks())
    runner.train()
    (start, cpu_start), (end, cpu_end) = marks
    found = all_gather_object((end - start, cpu_end - cpu_start))
    if get_rank() == 0:
        seconds = max(wall for wall, _ in found)
        speed = len(found) * args.batch_size * args.steps / seconds
        cores = sum(cpu for _, cpu in found) / seconds
        figures = {"images_per_s": speed, "cores": cores, "images_per_core_s": speed / cores}
        Path(args.worker).write_text(json.dumps(figures))


def measure(processes: int) -> dict[str, float]:
    """Returns the figures of one run."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "figures.json"
        run = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
        run += [f"--nproc-per-node={processes}", __file__, *sys.argv[1:], "--worker", str(out)]
        settings = {"OMP_NUM_THREADS": "1", "GOMP_SPINCOUNT": "1000"}
        done = subprocess.run(run, capture_output=True, text=True, env=os.environ | settings)
        if done.returncode:
            sys.exit(done.stderr[-3000:])
        return json.loads(out.read_text())


def main() -> None:
    """Runs one process and two in turns and prints the medians."""
    args = parse_args()
    if args.worker:
        work(args)
        return
    runs: dict[int, list[dict[str, float]]] = {1: [], 2: []}
    for repeat in range(args.repeats):
        for processes in (1, 2) if repeat % 2 == 0 else (2, 1):
            figures = measure(processes)
            runs[processes].append(figures)
            print(processes, {name: round(value, 2) for name, value in figures.items()}, flush=True)
    medians = {
        count: {name: statistics.median(run[name] for run in found) for name in found[0]}
        for count, found in runs.items()
    }
    ratios = {name: medians[2][name] / medians[1][name] for name in medians[1]}
    ended = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())
    result = {"settings": vars(args), "ended": ended, "load": os.getloadavg()}
    result |= {"runs": runs, "medians": medians, "two_over_one": ratios}
    if args.out:
        Path(args.out).write_text(json.dumps(result, indent=1) + "\n")
    print(f"{ended}: two processes over one:", {k: round(v, 3) for k, v in ratios.items()})


if __name__ == "__main__":
    main()

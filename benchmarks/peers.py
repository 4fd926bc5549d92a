r"""Measures this project's recognisers and others in one run.

    python benchmarks/peers.py --images FOLDER --model NAME=FILE --original CHECKOUT \
        --original-weights WEIGHTS

Four kinds of figures, each of all who have them:

- ``train``, ``predict``: this project's configs and MMOCR's own, random weights, each at its
  config's input size; training steps at batch 16, reading at batch 1 and 32 (``peer_models.py``);
- ``train_86``, ``train_128``: training at the original's setting, batch 65, gray, 10 steps, images
  of 32 x 86 and 32 x 128; the original is a checkout of its TensorFlow 2 port (``--original``) and
  an interpreter with tensorflow-cpu 2.15.1 (``--original-python``);
- ``read``: image files of a folder, one a call and all at once, by the models given with
  ``--model`` (files, or a recogniser that comes along by its name), the original (``aocr test``,
  where its weights are given), Tesseract, RapidOCR's recognisers and ddddocr. Tesseract's
  milliseconds include the start of its program, as it is used.

Every figure comes from a process of its own on the same cores, after a warm-up; in ``train_86`` and
``train_128`` the processes take turns step by step, since another machine's work lasts for seconds
to minutes. Every other round goes backwards, and Ctrl-C keeps the rounds that are whole. Standing
are medians over the rounds, and medians of the rounds' ratios: how many times as fast
``aocr_base`` (in ``read``: the first ``--model``) is as the candidate. Accuracies are those that
``accuracy.py`` has written, means over the real sets. What is not installed is left out with its
reason. Table on standard output; figures in ``benchmarks/results/peers.json``; accuracy against
milliseconds in ``peers.png`` beside it.
"""

import argparse
import contextlib
import json
import os
import statistics
import sys
from pathlib import Path
from typing import Any

import turns
from machine import processor
from peer_models import MMOCR, ORIGINAL_SIZES, OURS
from peer_tables import write
from readers import READERS

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from aocr_plugin import weights  # noqa: E402
from aocr_plugin.cli.common import calm_threads  # noqa: E402

SIZES = ("steps", "single", "warm_up")
"""Flags that say how long a figure is measured."""
SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp")
Job = dict[str, Any]


def parse_args(words: list[str] | None = None) -> argparse.Namespace:
    """Parses the command line; ``args.models`` is then a dict of files by name."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", help="folder of image files for the readers")
    parser.add_argument("--count", type=int, default=200, help="of them, evenly spread")
    parser.add_argument("--model", action="append", default=[], metavar="NAME=FILE")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="candidates to measure")
    parser.add_argument("--precision", nargs="+", default=["fp32"], choices=["fp32", "bf16"])
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--repeats", type=int, default=5, help="rounds")
    parser.add_argument("--steps", type=int, default=5, help="steps, or batches, of a round")
    parser.add_argument("--single", type=int, default=20, help="images read one at a time")
    parser.add_argument("--warm-up", type=int, default=2, help="steps, batches, images before")
    parser.add_argument("--quick", action="store_true", help="one round of next to nothing")
    parser.add_argument("--original", help="checkout of the original's TensorFlow 2 port")
    parser.add_argument("--original-python", default=sys.executable, help="with TensorFlow")
    parser.add_argument("--original-weights", help=".npz or prefix of a TensorFlow checkpoint")
    parser.add_argument("--original-flags", default="", help="of aocr test, in one argument")
    results = ROOT / "benchmarks" / "results"
    parser.add_argument("--accuracy", default=str(results / "accuracy.json"))
    parser.add_argument("--out", default=str(results / "peers.json"))
    parser.add_argument(
        "--again", action="store_true", help="measure nothing: --out's figures with new accuracies"
    )
    args = parser.parse_args(words)
    if args.quick:
        args.repeats = args.steps = args.warm_up = 1
        args.single, args.count = 2, 8
    args.models = dict(entry.partition("=")[::2] for entry in args.model)
    for name, file in args.models.items():
        if not file:
            parser.error(f"--model {name}: give NAME=FILE")
        if not Path(file).is_file() and file not in weights.names():
            parser.error(f"--model {name}={file}: no such file")
    unknown = sorted(set(args.only or ()) - set(candidates(args)))
    if unknown:
        parser.error(f"--only {' '.join(unknown)}: there are {', '.join(candidates(args))}")
    return args


def candidates(args: argparse.Namespace) -> list[str]:
    """Returns the names of all candidates."""
    return [*OURS, *MMOCR, "original", *args.models, *READERS]


def make_jobs(args: argparse.Namespace) -> tuple[list[Job], dict[str, str]]:
    """Returns a round's jobs, and what is left out with the reason."""
    tasks = {"train": [*OURS, *MMOCR], "predict": [*OURS, *MMOCR]}
    tasks |= {name: ["original", "aocr_base", "aocr_original"] for name in ORIGINAL_SIZES}
    tasks["train"].remove("aocr_base_full")  # learns as aocr_base does
    tasks["read"] = [*args.models, "original", *READERS]
    asked = set(args.only or candidates(args))
    left_out = {name: "not among --only" for name in candidates(args) if name not in asked}
    files: list[Path] = []
    if args.images:
        files = sorted(p for p in Path(args.images).rglob("*") if p.suffix.lower() in SUFFIXES)
        files = files[:: max(1, len(files) // args.count)][: args.count]
    if not files and asked.intersection(tasks["read"]):
        left_out["read"] = f"no images in {args.images}" if args.images else "no --images"
    if not args.original and "original" in asked:
        left_out["original"] = "no checkout of it is given (--original)"
    shared: Job = {"batch": 32, "train_batch": 16, "images": [str(file) for file in files]}
    shared |= {key: getattr(args, key) for key in ("threads", *SIZES)}
    shared["original"] = {
        "checkout": args.original,
        "python": args.original_python,
        "weights": args.original_weights,
        "flags": args.original_flags,
    }
    jobs = []
    for precision in args.precision:
        if precision == "bf16" and not _bf16_pays():
            left_out["bf16"] = "this processor is not faster in it"
            continue
        for task, names in tasks.items():
            for name in names:
                has_one = name == "original" or task == "read"
                if name not in asked or (has_one and precision != "fp32"):
                    continue
                if not {task, name}.intersection(left_out):
                    job = {"task": task, "candidate": name, "precision": precision}
                    jobs.append(job | {"model": args.models.get(name)} | shared)
    return jobs, left_out


def _bf16_pays() -> bool:
    sys.path.insert(0, str(ROOT))
    from aocr_plugin.engine.optim_wrapper import cpu_bf16_pays

    return cpu_bf16_pays()


def run(jobs: list[Job]) -> list[dict[str, Any]]:
    """Does jobs in processes of their own; returns the figures of each or why there are none."""
    with contextlib.ExitStack() as stack:
        processes = []
        for job in jobs:
            settings = {"OMP_NUM_THREADS": str(job["threads"])}
            line = [sys.executable, str(ROOT / "benchmarks" / "peer_models.py"), json.dumps(job)]
            processes.append(turns.Process(line, os.environ | settings))
            stack.callback(processes[-1].close)
        turns.run(processes)
        return [result(process) for process in processes]


def result(process: turns.Process) -> dict[str, Any]:
    """Returns the figures of a process that has ended, or why there are none."""
    if process.code:
        return {"left_out": (process.errors or [f"ended with {process.code}"])[-1]}
    return json.loads(process.said)


def together(jobs: list[Job]) -> list[list[Job]]:
    """Returns jobs in groups whose steps take turns: those of one of the original's tasks."""
    groups: dict[tuple[str, ...], list[Job]] = {}
    for job in jobs:
        key = name_of(job)
        groups.setdefault(key[:1] if job["task"] in ORIGINAL_SIZES else key, []).append(job)
    return list(groups.values())


def ordered(jobs: list[Job], number: int) -> list[Job]:
    """Returns the jobs in the order of a round: every other one goes backwards."""
    return jobs if number % 2 == 0 else jobs[::-1]


def name_of(job: Job) -> tuple[str, str]:
    """Returns the task, with its precision where that is not fp32, and the candidate."""
    bf16 = "_bf16" if job["precision"] == "bf16" else ""
    return job["task"] + bf16, job["candidate"]


def measure(
    jobs: list[Job], repeats: int, left_out: dict[str, str], reader: str | None
) -> dict[str, Any]:
    """Runs all rounds; returns the figures by task and candidate.

    Args:
        jobs: of a round.
        repeats: rounds.
        left_out: takes the reasons of those that cannot be measured.
        reader: the model that readers of files are compared with.
    """
    rounds: dict[tuple[str, str], list[dict[str, Any]]] = {name_of(job): [] for job in jobs}
    whole = 0
    try:
        for number in range(repeats):
            left = [job for job in ordered(jobs, number) if name_of(job) in rounds]
            for group in together(left):
                for job, found in zip(group, run(group), strict=True):
                    key = name_of(job)
                    print(f"round {number + 1} of {repeats}: {': '.join(key)}", file=sys.stderr)
                    if "left_out" in found:
                        left_out[": ".join(key)] = found["left_out"]
                        del rounds[key]
                    else:
                        rounds[key].append(found)
            whole = number + 1
    except KeyboardInterrupt:
        if not whole:
            raise
        left_out["rounds"] = f"interrupted after {whole} of {repeats}"
    measured: dict[str, Any] = {}
    for (task, candidate), found in rounds.items():
        measured.setdefault(task, {})[candidate] = summary(found[:whole])
    for task, rows in measured.items():
        ours = reader if task == "read" else "aocr_base"
        for row in rows.values() if ours in rows else ():
            row["times"] = ratios(rows[ours]["rounds"], row["rounds"])
    return measured


def summary(rounds: list[dict[str, Any]]) -> dict[str, Any]:
    """Returns the medians over the rounds, what does not change, and the rounds themselves."""
    row = {
        key: statistics.median(one[key] for one in rounds) if isinstance(value, float) else value
        for key, value in rounds[0].items()
    }
    return row | {"rounds": rounds}


def ratios(ours: list[dict[str, Any]], theirs: list[dict[str, Any]]) -> dict[str, float]:
    """Returns how many times as fast ours is: medians over the rounds' ratios."""
    pairs = list(zip(ours, theirs, strict=True))
    found = {"images_per_s": [a["images_per_s"] / b["images_per_s"] for a, b in pairs]}
    if "ms" in ours[0] and "ms" in theirs[0]:
        found["ms"] = [b["ms"] / a["ms"] for a, b in pairs]
    return {key: statistics.median(values) for key, values in found.items()}


def main() -> None:
    """Measures and writes."""
    calm_threads()  # of the processes that measure
    args = parse_args()
    if args.again:
        report = json.loads(Path(args.out).read_text(encoding="utf-8"))
        write(report, Path(args.accuracy), Path(args.out))
        return
    jobs, left_out = make_jobs(args)
    measured = measure(jobs, args.repeats, left_out, next(iter(args.models), None))
    report = {
        "processor": processor(),
        **{key: getattr(args, key) for key in ("threads", "repeats", *SIZES)},
        "images": Path(args.images).name if args.images else None,
        "count": args.count,
        "models": {name: Path(file).name for name, file in args.models.items()},
        "tasks": measured,
    }
    for rows in measured.values():
        report["repeats"] = min(len(row["rounds"]) for row in rows.values())
    write(report | {"left_out": left_out}, Path(args.accuracy), Path(args.out))


if __name__ == "__main__":
    main()

"""How far training and reading are from what the machine can do: ``benchmarks/roofline.py``.

The machine's limits come first: its fastest plain convolution and matrix product in float32,
bfloat16 and int8, and the bandwidth of a copy (``roofline_machine.py``), measured before and after
all else, the better counts. Then a training step and the reading of a batch, stage by stage
(``roofline_runs.py``), with the operations and bytes that PyTorch carries out in each
(``roofline_counts.py``). Of each stage there are

- milliseconds an image and share of the whole, medians of ``--repeats``;
- millions of multiplications with their additions (MMAC) an image, how many thousand millions of
  them were done a second, and which part that is of the limit: of the fastest convolution for the
  CNN, of the fastest product for the rest, in the precision asked for;
- MiB an image that are read and written if every operation goes to memory, and which part the
  bytes a second are of the bandwidth; more than all of it where caches help.

The limit of the whole is the time that the multiplications alone take at the machine's best, or
their tensors' bytes at its bandwidth where that is longer. Work from the first line down. What a
change brought goes into ``HISTORY.md``.

The processor is measured, also where there is a GPU. On a machine with other work the figures mean
little: compare ``cores``, which the process had, with its threads.
"""

import argparse
import json
import os
import platform
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
from aocr_plugin.cli.common import calm_threads, load_config, whole_from  # noqa: E402

if __name__ == "__main__":  # before PyTorch is imported
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
    calm_threads()

import roofline_machine  # noqa: E402
import roofline_runs  # noqa: E402
import torch  # noqa: E402
from machine import processor  # noqa: E402
from mmengine.config import DictAction  # noqa: E402
from mmengine.registry import init_default_scope  # noqa: E402

NETWORK = ("CNN, convolutions", "CNN, the rest", "LSTM", "decoder", "decoder, loss")
"""How the names of its stages end, forwards and backwards."""
SAYS = ("stage", "ms/image", "share", "MMAC", "GMAC/s", "of limit", "MiB", "of bandwidth")


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parses the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("config", nargs="?", default=str(ROOT / "configs" / "aocr_base.py"))
    parser.add_argument(
        "--width", type=whole_from(8), default=100, help="pixels at the network's height, 32"
    )
    parser.add_argument(
        "--spread",
        type=float,
        default=0.05,
        help="images are narrower than --width by up to this share, as in batches of similar "
        "width; 0: all are alike, and nothing is masked",
    )
    parser.add_argument("--length", type=whole_from(1), default=8, help="characters of a label")
    parser.add_argument("--charset", default="alphanumeric", help="for configs that collect it")
    parser.add_argument(
        "--batch", type=whole_from(1), default=64, help="images a step, and at a time"
    )
    parser.add_argument(
        "--images", type=whole_from(1), default=512, help="image files that are drawn"
    )
    parser.add_argument(
        "--threads", type=whole_from(1), help="of PyTorch; by default as many as it takes"
    )
    parser.add_argument("--precision", default="fp32", choices=["fp32", "bf16"])
    parser.add_argument("--repeats", type=whole_from(1), default=5)
    parser.add_argument("--cfg-options", nargs="+", action=DictAction, metavar="KEY=VALUE")
    parser.add_argument("--out", default=str(ROOT / "benchmarks/results/roofline.json"))
    args = parser.parse_args(argv)
    if not 0 <= args.spread < 1:
        parser.error(f"--spread is {args.spread}; it is a share from 0 to less than 1")
    return args


def rows(found: dict[str, Any], batch: int, limits: dict[str, Any], precision: str) -> list[Any]:
    """Returns the figures of each stage, by the names that the JSON file has.

    Args:
        found: of ``roofline_runs.repeated``.
        batch: images of a run.
        limits: of ``roofline_machine.limits``.
        precision: whose limits count.
    """
    whole = sum(median(times) for times in found["seconds"].values())
    table = []
    for name, times in found["seconds"].items():
        seconds, work = median(times), found["work"][name]
        kind = "convolution" if "CNN" in name else "product"
        computing = work.macs / limits[precision][kind]
        least = max(computing, work.least_bytes / limits["bandwidth"])
        row = {
            "stage": name,
            "ms_an_image": 1000 * seconds / batch,
            "share": seconds / whole,
            "mmac_an_image": work.macs / batch / 1e6,
            "gmac_a_second": work.macs / seconds / 1e9,
            "of_limit": computing / seconds,
            "mib_an_image": work.bytes / batch / 2**20,
            "of_bandwidth": work.bytes / limits["bandwidth"] / seconds,
            "limit_ms_an_image": 1000 * least / batch,
        }
        table.append(row)
    return table


def summary(table: list[dict[str, Any]], cores: float) -> dict[str, float]:
    """Returns what the stages come to, and the convolutions among them.

    Args:
        table: of :func:`rows`.
        cores: that the process had meanwhile.
    """
    whole = sum(row["ms_an_image"] for row in table)
    best = sum(row["limit_ms_an_image"] for row in table)
    layers = [row for row in table if "convolutions" in row["stage"]]
    spent = sum(row["ms_an_image"] for row in layers)
    backward = sum(row["share"] for row in table if row["stage"].startswith("backward"))
    network = sum(row["ms_an_image"] for row in table if row["stage"].endswith(NETWORK))
    return {
        "images_a_second": 1000 / whole,
        "limit_images_a_second": 1000 / best,
        "of_limit": best / whole,
        "mmac_an_image": sum(row["mmac_an_image"] for row in table),
        "mib_an_image": sum(row["mib_an_image"] for row in table),
        "backward_share": backward,
        "cores": cores,
        "convolutions_share": spent / whole,
        "convolutions_share_of_network": spent / network,
        "convolutions_of_limit": sum(r["of_limit"] * r["ms_an_image"] for r in layers) / spent,
    }


def show(title: str, table: list[dict[str, Any]]) -> None:
    """Prints a table, the longest stage first."""
    print(f"\n{title}\n{SAYS[0]:30}", *(f"{word:>12}" for word in SAYS[1:]))
    for row in sorted(table, key=lambda row: -row["ms_an_image"]):
        percent = [f"{100 * row[key]:.1f} %" for key in ("share", "of_limit", "of_bandwidth")]
        numbers = [f"{row[key]:.2f}" for key in ("mmac_an_image", "gmac_a_second", "mib_an_image")]
        if row["mmac_an_image"] < 0.005:
            numbers[:2], percent[1] = ["-", "-"], "-"
        if not row["mib_an_image"]:  # not done by PyTorch: not counted
            numbers[2], percent[2] = "-", "-"
        cells = [f"{row['ms_an_image']:.3f}", percent[0], numbers[0], numbers[1], percent[1]]
        print(f"{row['stage']:30}", *(f"{cell:>12}" for cell in [*cells, numbers[2], percent[2]]))


def conclude(name: str, total: dict[str, float]) -> None:
    """Prints what the stages come to."""
    print(
        f"{name} on {total['cores']:.2f} cores: {total['images_a_second']:.1f} images/s, "
        f"{100 * total['of_limit']:.0f} % of the limit of {total['limit_images_a_second']:.1f}; "
        f"{total['mmac_an_image']:.0f} MMAC and {total['mib_an_image']:.1f} MiB an image; "
        f"convolutions take {100 * total['convolutions_share']:.0f} % of the time, "
        f"{100 * total['convolutions_share_of_network']:.0f} % of the network's, at "
        f"{100 * total['convolutions_of_limit']:.0f} % of the fastest one's speed"
        + f"; backward takes {100 * total['backward_share']:.0f} %"
        * (total["backward_share"] > 0)
    )


def show_limits(limits: dict[str, Any]) -> None:
    """Prints what the machine reaches."""
    print("what this machine reaches")
    for precision in ("fp32", "bf16", "int8"):
        best = limits[precision]
        if "missing" in best:
            print(f"{precision:5} not measured: {best['missing']}")
            continue
        print(
            f"{precision:5} convolution {best['convolution'] / 1e9:7.1f} GMAC/s "
            f"({best['convolution_shape']}), product {best['product'] / 1e9:7.1f} GMAC/s "
            f"({best['product_shape']})"
        )
    print(f"copy  {limits['bandwidth'] / 1e9:.1f} GB/s, read and written")


def main() -> None:
    """Measures, prints and writes the result."""
    args = parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    if reason := roofline_machine.missing(args.precision):
        raise SystemExit(f"--precision {args.precision}: {reason}")
    before = roofline_machine.limits(args.repeats)
    cfg = load_config(args.config, args.cfg_options)
    init_default_scope("mmocr")
    with tempfile.TemporaryDirectory() as folder:
        cfg, files = roofline_runs.prepared(cfg, args, Path(folder))
        checkpoint = Path(folder) / "untrained.pth"
        trained = roofline_runs.training(cfg, args, checkpoint)
        read = roofline_runs.reading(checkpoint, args, files)
    limits = roofline_machine.better(before, roofline_machine.limits(args.repeats))
    show_limits(limits)
    worker, step, reading = (
        rows(part, args.batch, limits, args.precision)
        for part in (trained["worker"], trained["step"], read)
    )
    training, taken = summary(step, trained["step"]["cores"]), trained["delivered"]
    show(f"training, a step on {trained['inputs']}", step)
    conclude("training", training)
    show("data loading, an image in one process", worker)
    print(
        f"{cfg.train_dataloader.num_workers} data worker(s) deliver {taken:.0f} images/s: "
        f"{taken / training['images_a_second']:.1f} times what the steps take"
    )
    show(f"reading {args.batch} image files", reading)
    total = summary(reading, read["cores"])
    conclude("reading", total)
    result = {
        "settings": vars(args) | {"config": Path(args.config).name, "out": Path(args.out).name},
        "machine": {
            "processor": processor(),
            "threads": torch.get_num_threads(),
            "load": os.getloadavg(),
            "torch": torch.__version__,
            "system": platform.platform(),
        },
        "limits": limits,
        "inputs": trained["inputs"],
        "training": {"total": training, "stages": step},
        "data_loading": {"images_a_second": taken, "stages": worker},
        "reading": {"total": total, "stages": reading},
    }
    Path(args.out).write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()

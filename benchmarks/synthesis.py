"""How fast images are drawn: ``python benchmarks/synthesis.py``.

For each style, one process with one thread draws images at height 32 and, in another process, at
the style's own heights. The rate is images by second of processor time, so that other work on the
machine counts less; the wall clock's rate stands beside it. Counting begins after ``--warm``
images, which open fonts and fill the store of glyphs: a data worker draws that many in the first
minute. The share of each stage is taken from the profiler in a run of its own, which it slows.
"""

import argparse
import cProfile
import json
import os
import platform
import pstats
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

STAGES = {
    "texts": ("texts.py", "draw"),
    "fonts": ("fonts.py", "choose"),
    "glyphs": ("glyphs.py", "get"),
    "line": ("glyphs.py", "set_line"),
    "view": ("geometry.py", "seen"),
    "ground": ("scene.py", "_ground"),
    "ink": ("ink.py", "lettered"),
    "camera": ("camera.py", "photographed"),
}
"""Stages of a scene; the store of glyphs is within what sets a line or stands before it."""


def memory() -> float:
    """Returns the most memory that this process had, in MiB."""
    return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) / 1024


def measure(
    style: str, height: int | None, warm: int, count: int, repeats: int
) -> dict[str, float]:
    """Draws in this process; returns rates in images a second."""
    import cv2

    from aocr_plugin.synthesis.synthesizer import Synthesizer

    cv2.setNumThreads(1)
    synthesizer = Synthesizer(style, height=height)
    for index in range(warm):
        synthesizer.sample(0, index)
    rates, walls = [], []
    for repeat in range(repeats):
        processor, wall = time.process_time(), time.perf_counter()
        for index in range(count):
            synthesizer.sample(1 + repeat, index)
        rates.append(count / (time.process_time() - processor))
        walls.append(count / (time.perf_counter() - wall))
    return {
        "images_a_processor_second": round(statistics.median(rates), 1),
        "slowest": round(min(rates), 1),
        "fastest": round(max(rates), 1),
        "images_a_wall_second": round(statistics.median(walls), 1),
        "memory_mib": round(memory()),
        "fonts": len(synthesizer.fonts),
    }


def shares(warm: int, count: int) -> dict[str, float]:
    """Returns each stage's share of the time of a scene at height 32."""
    import cv2

    from aocr_plugin.synthesis.synthesizer import Synthesizer

    cv2.setNumThreads(1)
    synthesizer = Synthesizer("scene", height=32)
    for index in range(warm):
        synthesizer.sample(0, index)
    profile = cProfile.Profile()
    profile.enable()
    for index in range(count):
        synthesizer.sample(1, index)
    profile.disable()
    found = pstats.Stats(profile).stats  # type: ignore[attr-defined]
    times = {(Path(file).name, name): row[3] for (file, _, name), row in found.items()}
    whole = times["synthesizer.py", "sample"]
    return {stage: round(times.get(key, 0.0) / whole, 3) for stage, key in STAGES.items()}


def child(*words: str) -> dict[str, float]:
    """Runs a part of this script in a process of its own."""
    command = [sys.executable, __file__, *words]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    """Measures, prints and writes the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--warm", type=int, default=10_000, help="images before counting")
    parser.add_argument("--count", type=int, default=2000, help="images of a repeat")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--out", default=str(ROOT / "benchmarks/results/synthesis.json"))
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    sizes = (args.warm, args.count)
    if args.child:
        style, height = args.child
        if style == "shares":
            print(json.dumps(shares(*sizes)))
        else:
            print(json.dumps(measure(style, int(height) or None, *sizes, args.repeats)))
        return
    from aocr_plugin.synthesis import styles
    from aocr_plugin.synthesis.fonts import find_fonts

    find_fonts()  # looks into new fonts once, for all that follow
    given = [f"--{name}={getattr(args, name)}" for name in ("warm", "count", "repeats")]
    result: dict[str, object] = {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "load_at_start": os.getloadavg()[0],
        "warm": args.warm,
        "count": args.count,
        "repeats": args.repeats,
    }
    for style in styles.NAMES:
        result[style] = {
            "height_32": child(*given, "--child", style, "32"),
            "own_heights": child(*given, "--child", style, "0"),
        }
        print(style, json.dumps(result[style]), flush=True)
    result["shares_of_scene"] = child(*given, "--child", "shares", "32")
    result["load_at_end"] = os.getloadavg()[0]
    Path(args.out).write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()

"""Builds engines with TensorRT-RTX for GPUs that are not there, as aocr_plugin builds TensorRT's.

python tensorrt_rtx_engines.py JOBS.json: a list of [FILE.onnx, shapes, SMs]. A line an engine; a
file that is refused is a line with the reason.
"""

import inspect
import json
import sys
import time
from pathlib import Path

import stand_in_tensorrt
import tensorrt_rtx_bindings as trt

from aocr_plugin.errors import ExportError
from aocr_plugin.export import tensorrt_engine


def missing():
    """Returns the names that the stand-in for TensorRT 11 has and the real package has not."""
    made = stand_in_tensorrt.module("11.4")
    found = []
    for name, part in vars(made).items():
        if not inspect.isclass(part) or part.__module__ == "enum":
            continue
        if not hasattr(trt, name):
            found.append(name)
            continue
        members = getattr(part, "__members__", vars(part))
        found += [
            f"{name}.{member}"
            for member in members
            if not member.startswith("_")
            and member not in ("data", "shapes", "fails")  # the stand-in's own
            and not hasattr(getattr(trt, name), member)
        ]
    return found


def main(path):
    print("missing", missing())
    logger = trt.Logger(trt.Logger.ERROR)
    for file, shapes, sms in json.loads(Path(path).read_text()):
        for sm in sms:

            def configure(config, sm=sm):
                config.num_compute_capabilities = 1
                config.set_compute_capability(getattr(trt.ComputeCapability, f"SM{sm}"), 0)

            begun = time.perf_counter()
            try:
                data = Path(file).read_bytes()
                made = tensorrt_engine.build(trt, data, shapes, logger=logger, configure=configure)
                taken = time.perf_counter() - begun
                print(f"{Path(file).name} SM{sm} {made.nbytes} bytes {taken:.1f} s", flush=True)
            except ExportError as error:
                print(f"{Path(file).name} SM{sm} refused: {error}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1])

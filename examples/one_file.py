"""Reads images with a file of ``tools/export.py --bytes``: one_file.py MODEL.onnx IMAGE..."""

import sys
from pathlib import Path

import onnxruntime
import onnxruntime_extensions

options = onnxruntime.SessionOptions()
options.register_custom_ops_library(onnxruntime_extensions.get_library_path())
session = onnxruntime.InferenceSession(sys.argv[1], options)
files = [Path(name).read_bytes().decode("latin-1") for name in sys.argv[2:]]
texts, probabilities = session.run(["output", "probability"], {"input": files})
for found in zip(sys.argv[2:], texts, probabilities, strict=True):
    print(*found, sep="\t")

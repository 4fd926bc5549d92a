"""Reads words with an exported network; needs NumPy, OpenCV and ONNX Runtime, nothing else.

python onnx_client.py MODEL.onnx IMAGE [IMAGE ...]

For models of aocr_base.py's kind (RescaleToHeight). All there is to know is in the file's metadata.
"""

import json
import math
import sys

import cv2
import numpy as np
import onnxruntime


def prepare(path, info):
    """Returns an image as the network wants it, [C, 32, W]."""
    gray = info["channels"] == 1
    image = cv2.imread(path, cv2.IMREAD_GRAYSCALE if gray else cv2.IMREAD_COLOR)
    if image is None:
        raise SystemExit(f"{path}: no image")
    steps = {step["type"]: step for step in info["pipeline"]}
    if "RescaleToHeight" not in steps:
        raise SystemExit(f"this model has another preprocessing: {', '.join(steps)}")
    step = steps["RescaleToHeight"]
    width = math.ceil(step["height"] / image.shape[0] * image.shape[1])
    width = min(max(width, step.get("min_width") or 1), step.get("max_width") or width)
    kind = {"area": cv2.INTER_AREA}.get(step.get("interpolation"), cv2.INTER_LINEAR)
    image = cv2.resize(image, (width, step["height"]), interpolation=kind)
    planes = image.reshape(*image.shape[:2], -1).transpose(2, 0, 1)
    planes = planes[::-1] if info["bgr_to_rgb"] else planes
    mean, std = (np.array(info[name], np.float32)[:, None, None] for name in ("mean", "std"))
    return (planes - mean) / std


def read(session, info, paths):
    """Yields the text of each image and its score: the product up to the end symbol."""
    images = [prepare(path, info) for path in paths]
    widest = max(image.shape[2] for image in images)
    batch = np.full((len(images), *images[0].shape[:2], widest), info["padding"], np.float32)
    for place, image in zip(batch, images, strict=True):
        place[:, :, : image.shape[2]] = image
    probabilities = session.run(["output"], {"input": batch})[0]
    for best, scores in zip(probabilities.argmax(-1).tolist(), probabilities.max(-1), strict=True):
        end = best.index(info["end"]) if info["end"] in best else len(best)
        kept = (info["symbols"][i] for i in best[:end] if i not in info["silent"])
        yield "".join(kept), float(scores[: end + 1].prod())


if __name__ == "__main__":
    network = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
    about = json.loads(network.get_modelmeta().custom_metadata_map["aocr"])
    for name, (text, score) in zip(sys.argv[2:], read(network, about, sys.argv[2:]), strict=True):
        print(name, text, f"{score:.4f}", sep="\t")

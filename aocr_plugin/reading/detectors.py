"""What finds text on a page: RapidOCR's detection model, MMOCR's detectors, or a function."""

import math
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from aocr_plugin.errors import CheckpointError, ConfigError

Found = Iterable[tuple[Any, float]]
Detector = Callable[[NDArray[np.uint8]], Found]
"""Takes a page, uint8 [H, W, 3] in BGR; returns (polygon [K, 2] in its pixels, score)."""

_SHORT = 736  # pixels that the shorter side is enlarged to, as the package does
_NARROW = 96  # pixels that the shorter side counts as having at least, filled up with its edge
_ENLARGED = 2_000_000  # pixels that a page is enlarged to at most
_AREA = 5_000_000  # pixels that the network sees at most; about 1 GB of memory
_LONG = 30_000  # and along one side; OpenCV has a limit


class RapidDetector:
    """The text detector of ``rapidocr-onnxruntime``, whose weights are in its wheel.

    Its recogniser and its classifier of directions are not loaded. Pages of more than 5 million
    pixels are made smaller for the search.

    Args:
        threads: of ONNX Runtime; None is one a core.

    Raises:
        ConfigError: the package is not installed.
    """

    def __init__(self, threads: int | None = None) -> None:
        try:
            import rapidocr_onnxruntime
            import yaml
            from rapidocr_onnxruntime.ch_ppocr_det import TextDetector
        except ModuleNotFoundError as error:
            raise ConfigError(
                f"the detector 'rapidocr' is not installed ({error}): pip install "
                "'aocr-plugin[page]', or give another detector"
            ) from error
        home = Path(str(rapidocr_onnxruntime.__file__)).parent
        settings = yaml.safe_load((home / "config.yaml").read_text(encoding="utf-8"))["Det"]
        settings["model_path"] = str(home / settings["model_path"])
        settings["intra_op_num_threads"] = threads or -1
        self._detector = TextDetector(settings)

    def __call__(self, page: NDArray[np.uint8]) -> list[tuple[NDArray[np.float32], float]]:
        """Returns quadrangles and scores.

        The package's own call drops small boxes without their scores, and enlarges a page of
        14 x 4000 pixels to 736 x 210000; so its steps are taken one by one here.
        """
        height, width = page.shape[:2]
        tall, wide = max(height, _NARROW), max(width, _NARROW)
        larger = min(_SHORT / min(tall, wide), math.sqrt(_ENLARGED / (tall * wide)))
        smaller = min(_LONG / max(tall, wide), math.sqrt(_AREA / (tall * wide)))
        scale = min(max(1.0, larger), smaller)
        new = max(1, round(width * scale)), max(1, round(height * scale))
        way = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        pixels = cv2.resize(page, new, interpolation=way)
        right, below = (  # the network wants multiples of 32
            -(-max(round(least * scale), there, 1) // 32) * 32 - there
            for least, there in ((wide, new[0]), (tall, new[1]))
        )
        pixels = cv2.copyMakeBorder(pixels, 0, below, 0, right, cv2.BORDER_REPLICATE)
        steps = self._detector.get_preprocess(max(height, width))
        found = self._detector.infer(steps.permute(steps.normalize(pixels))[None].astype("float32"))
        seen = round(pixels.shape[0] * height / new[1]), round(pixels.shape[1] * width / new[0])
        boxes, scores = self._detector.postprocess_op(found[0], seen)
        return [
            (np.clip(np.asarray(box, np.float32), 0, (width - 1, height - 1)), float(score))
            for box, score in zip(boxes, scores, strict=True)
        ]


class MMOCRDetector:
    """Any text detector of MMOCR.

    Args:
        config: its config file, or a name that MMOCR's model index has.
        weights: its checkpoint. MMOCR's inferencer loads it with ``torch.load`` in full, so take
            only one that is trusted.
        device: as PyTorch names it; None takes a GPU where there is one.

    Raises:
        ConfigError: MMOCR is not installed.
        CheckpointError: there are no such weights.
    """

    def __init__(self, config: str | Path, weights: str | Path, device: str | None = None) -> None:
        if not Path(weights).is_file():
            raise CheckpointError(f"{weights}: no such file of a detector's weights")
        try:
            from mmocr.apis import TextDetInferencer
        except ModuleNotFoundError as error:
            raise ConfigError(
                f"{config}: MMOCR's detectors need PyTorch and MMOCR ({error}): pip install "
                "'aocr-plugin[cpu]'"
            ) from error
        self._inferencer = TextDetInferencer(str(config), str(weights), device)

    def __call__(self, page: NDArray[np.uint8]) -> list[tuple[NDArray[np.float32], float]]:
        """Returns polygons and scores."""
        found = self._inferencer(page, progress_bar=False)["predictions"][0]
        polygons = found.get("polygons")
        if polygons is None:
            polygons = [[a, b, c, b, c, d, a, d] for a, b, c, d in found["bboxes"]]
        return [
            (np.asarray(polygon, np.float32).reshape(-1, 2), float(score))
            for polygon, score in zip(polygons, found["scores"], strict=True)
        ]


def open_detector(
    detector: str | Detector | Sequence[str | Path], threads: int | None = None
) -> Detector:
    """Returns the detector that is meant.

    Args:
        detector: "rapidocr", a function, or (config, weights) of one of MMOCR's.
        threads: of "rapidocr".

    Raises:
        ConfigError: it is none of these, or not installed.
        CheckpointError: its weights are not there.
    """
    if callable(detector):
        return detector
    if detector == "rapidocr":
        return RapidDetector(threads)
    if not isinstance(detector, str) and len(detector) == 2:
        return MMOCRDetector(detector[0], detector[1])
    raise ConfigError(
        f"detector is {detector!r}; it is 'rapidocr', a function, or the config and the weights "
        "of a detector of MMOCR's"
    )

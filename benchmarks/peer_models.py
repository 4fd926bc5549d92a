"""Times one candidate of ``peers.py``, in the process that was started for it.

``python benchmarks/peer_models.py JOB``: JOB is JSON, and so is the last line printed:
``images_per_s``, ``ms`` (an image at batch 1), ``memory_mb`` (peak), ``memory_one_mb`` (peak while
images are read one at a time), ``file_mb``; or ``left_out``, the reason why nothing was measured.
At the original's sizes each training step waits for its turn (``turns.py``).

Networks of MMOCR and of this project are built from their configs with random weights, learn by
MMEngine's ``train_step`` and read by its ``test_step``, preprocessing of tensors, loss, optimiser
and texts included, decoding of image files not. Images are noise of the config's size, labels have
5 to 10 characters. MMOCR's decoders always go to their longest text. Ours stops once every word has
ended, with random weights by chance; it is made to read words of 10 characters, the longest of the
labels. ``aocr_base_full`` goes to its longest text too.
"""

import json
import logging
import math
import os
import random
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import original
import peer_memory
import turns

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
CHARACTERS = "0123456789abcdefghijklmnopqrstuvwxyz"
LONGEST = 10  # characters of a label
OPEN_WIDTH = 100  # of configs that leave the width open; CRNN's, in its training
ORIGINAL_SIZES = {"train_86": (32, 86), "train_128": (32, 128)}  # height, width
ORIGINAL_BATCH, ORIGINAL_STEPS = 65, 10
OURS = {
    "aocr_base": "aocr_base.py",
    "aocr_base_full": "aocr_base.py",
    "aocr_original": "aocr_original.py",
    "aocr_accuracy": "aocr_accuracy.py",
}
MMOCR = {
    "mmocr_crnn": "crnn/crnn_mini-vgg_5e_mj.py",
    "mmocr_sar": "sar/sar_resnet31_parallel-decoder_5e_st-sub_mj-sub_sa_real.py",
    "mmocr_aster": "aster/aster_resnet45_6e_st_mj.py",
    "mmocr_nrtr": "nrtr/nrtr_modality-transform_6e_st_mj.py",
    "mmocr_satrn": "satrn/satrn_shallow-small_5e_st_mj.py",
    "mmocr_abinet_vision": "abinet/abinet-vision_20e_st-an_mj.py",
    "mmocr_svtr": "svtr/svtr-small_20e_st_mj.py",
}
Job = dict[str, Any]
Figures = dict[str, Any]


def load_config(name: str) -> Any:
    """Returns a candidate's config; ours with the charset spelt out."""
    import aocr_plugin.register  # noqa: F401, I001  # before MMOCR: it mends it
    import mmocr
    from mmengine.config import Config
    from mmengine.registry import init_default_scope

    init_default_scope("mmocr")
    if name in MMOCR:
        folder = Path(mmocr.__file__).parent / ".mim" / "configs" / "textrecog"
        return Config.fromfile(folder / MMOCR[name])
    cfg = Config.fromfile(ROOT / "configs" / OURS[name])
    cfg.model.decoder.dictionary.charset = f"chars:{CHARACTERS}"
    if cfg.model.decoder.dictionary.letter_case == "upper":
        cfg.model.decoder.dictionary.charset = f"chars:{CHARACTERS.upper()}"
    return cfg


def input_size(cfg: Any) -> tuple[int, int, int]:
    """Returns the channels, height and width that a config's pipelines make.

    That of testing decides; where it leaves the width open, that of training; where that does
    too, :data:`OPEN_WIDTH`.
    """
    channels = 1 if cfg.test_pipeline[0].get("color_type") == "grayscale" else 3
    height = 32
    for pipeline in (cfg.test_pipeline, cfg.train_pipeline):
        for step in pipeline:
            if step.type == "Resize":
                return channels, step.scale[1], step.scale[0]
            if step.type == "AOCRCanvas":
                return channels, height, math.ceil(height * step.max_width / step.max_height)
            if step.type == "RescaleToHeight":
                height = step.height
            if step.type == "PadToWidth":
                return channels, height, step.width
    return channels, height, OPEN_WIDTH


def make_batch(
    count: int, size: tuple[int, int, int], longest: int | None = None
) -> dict[str, Any]:
    """Returns ``count`` images of noise (channels, height, width), with labels if ``longest``."""
    import torch
    from mmengine.structures import LabelData
    from mmocr.structures import TextRecogDataSample

    samples = []
    for number in range(count):
        meta = {"img_shape": size[1:], "ori_shape": size[1:], "valid_ratio": 1.0, "img_path": ""}
        sample = TextRecogDataSample(metainfo=meta)
        if longest:
            length = longest if number == 0 else random.randint(5, longest)
            sample.gt_text = LabelData(item="".join(random.choices(CHARACTERS, k=length)))
        samples.append(sample)
    images = [torch.randint(0, 256, size, dtype=torch.uint8) for _ in range(count)]
    return {"inputs": images, "data_samples": samples}


def build(cfg: Any) -> Any:
    """Returns the network of a config with random weights."""
    import torch
    from mmocr.registry import MODELS

    torch.manual_seed(0)
    random.seed(0)
    logging.disable(logging.INFO)  # a line for each weight
    model = MODELS.build(cfg.model)
    model.init_weights()
    return model


def train(job: Job) -> Figures:
    """Times training steps; at the original's sizes with the config's own optimiser.

    Memory is kept as ``AOCRRunner`` keeps it, for MMOCR's recognisers too.
    """
    from mmengine.optim import build_optim_wrapper

    from aocr_plugin.engine.distributed import with_synced_norm
    from aocr_plugin.engine.heap import keep_freed_memory

    keep_freed_memory()

    cfg = load_config(job["candidate"])
    size, count, longest = input_size(cfg), job["train_batch"], LONGEST
    settings = {"type": "PrecisionOptimWrapper", "optimizer": {"type": "AdamW", "lr": 1e-4}}
    if job["task"] in ORIGINAL_SIZES:
        size, count = (1, *ORIGINAL_SIZES[job["task"]]), ORIGINAL_BATCH
        longest = ORIGINAL_STEPS - 1  # and the end
        cfg.model.decoder.max_seq_len = longest + 2
        settings = cfg.optim_wrapper.to_dict()
    elif job["candidate"] in OURS:
        cfg.model.decoder.max_seq_len = max(cfg.model.decoder.max_seq_len, longest + 2)
    model = build(cfg)
    if job["candidate"] in OURS:
        model = with_synced_norm(cfg, model)
    model.train()
    wrapper = build_optim_wrapper(model, settings | {"precision": job["precision"]})
    seconds = []
    for _ in range(job["warm_up"] + job["steps"]):
        data = make_batch(count, size, longest)
        if job["task"] in ORIGINAL_SIZES:
            turns.wait()
        begun = time.perf_counter()
        losses = model.train_step(data, wrapper)
        seconds.append(time.perf_counter() - begun)
        if not math.isfinite(float(losses["loss"])):
            return {"left_out": f"the loss is {float(losses['loss'])}"}
    rate = count / statistics.median(seconds[job["warm_up"] :])
    return {"images_per_s": rate, "memory_mb": peer_memory.peak(), "size": size, "batch": count}


def predict(job: Job) -> Figures:
    """Times reading, one image at a time and in batches."""
    import torch

    cfg = load_config(job["candidate"])
    size, ours = input_size(cfg), job["candidate"] in OURS
    if ours and job["candidate"] != "aocr_base_full":
        cfg.model.decoder.max_seq_len = LONGEST + 1  # and the end
    model = build(cfg).eval()
    if ours:  # does not stop before that by chance
        with torch.no_grad():
            model.decoder.output.bias[model.decoder.dictionary.end_idx] = -1e4
    found: Figures = {"size": size, "batch": job["batch"]}
    values = model.state_dict().values()
    found["file_mb"] = sum(value.numel() * value.element_size() for value in values) / 1e6
    bf16 = job["precision"] == "bf16"
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        for name, count, times in (("ms", 1, job["single"]), ("rate", job["batch"], job["steps"])):
            data = [make_batch(count, size) for _ in range(job["warm_up"] + times)]
            seconds = timed(model.test_step, data)[job["warm_up"] :]
            found[name] = statistics.median(seconds)
            found.setdefault("memory_one_mb", peer_memory.peak())
    found["ms"] *= 1e3
    found["images_per_s"] = job["batch"] / found.pop("rate")
    return found | {"memory_mb": peer_memory.peak()}


def timed(run: Callable[[Any], Any], given: list[Any]) -> list[float]:
    """Returns the seconds of a call with each of what is given."""
    seconds = []
    for one in given:
        begun = time.perf_counter()
        run(one)
        seconds.append(time.perf_counter() - begun)
    return seconds


def read(job: Job) -> Figures:
    """Times a reader of image files: one file a call, then all in one call."""
    from readers import READERS, model_size

    files, name = job["images"], job["candidate"]
    with peer_memory.Children() as children:
        if name == "original":
            found = original.read_files(job["original"], files)
            return found | {"memory_mb": children.peak, "memory_one_mb": children.peak}
        if name in READERS:
            reader, found = READERS[name](), {"file_mb": model_size(name) / 1e6}
        else:
            from aocr_plugin import Recognizer, weights

            reader, file = Recognizer(job["model"]), Path(weights.resolve(job["model"], None))
            parts = [file, file.with_suffix(".bin")] if file.suffix == ".xml" else [file]
            found = {"file_mb": sum(part.stat().st_size for part in parts) / 1e6}
        seconds = timed(reader, [[file] for file in files[: job["warm_up"] + job["single"]]])
        found["ms"] = statistics.median(seconds[job["warm_up"] :]) * 1e3
        own = name != "tesseract"  # which is a program that the reader starts
        found["memory_one_mb"] = peer_memory.peak() if own else children.peak
        reader(files[: job["batch"]])
        found["images_per_s"] = len(files) / timed(reader, [files])[0]
        found["memory_mb"] = peer_memory.peak() if own else children.peak
    return found


def measure(job: Job) -> Figures:
    """Does a job; a package, program or file that is missing is a reason to leave it out."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: job["threads"]])
    try:
        if job["task"] == "read":
            return read(job)
        if job["candidate"] == "original":
            width = ORIGINAL_SIZES[job["task"]][1]
            return original.train(job["original"], width, job["warm_up"], job["steps"])
        return predict(job) if job["task"] == "predict" else train(job)
    except (ImportError, FileNotFoundError) as error:
        return {"left_out": str(error)}


if __name__ == "__main__":
    print(json.dumps(measure(json.loads(sys.argv[1]))))

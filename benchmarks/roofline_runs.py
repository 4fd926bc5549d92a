"""Training steps and readings of the recogniser, stage by stage, on images drawn for the purpose.

Training is what ``AOCRRunner`` trains: its model, with the BatchNorm that it puts in, its data
loader, its optimiser wrapper and averaging of weights. Reading is what ``Recognizer`` does with a
checkpoint. Neither is changed but for a clock on its parts; the network's values are random.
"""

import copy
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import cv2
import numpy as np
import torch
from mmengine.config import Config
from mmengine.hooks import EMAHook
from roofline_counts import Counter, Stages, Work
from torch import nn

from aocr_plugin import charset as charsets
from aocr_plugin.engine.description import describe, test_pipeline
from aocr_plugin.engine.heap import keep_freed_memory
from aocr_plugin.engine.runner import AOCRRunner
from aocr_plugin.inference.pytorch_engine import PyTorchEngine
from aocr_plugin.models.recognizers.aocr import AOCR
from aocr_plugin.models.rectified_conv import RectifiedConv2d
from aocr_plugin.models.winograd import LearningConv2d

NAMES = {
    "LoadImageFromFile": "decode",
    "LoadAOCRImage": "decode",
    "RescaleToHeight": "resize",
    "AOCRCanvas": "resize",
    "LineJitter": "distort",
    "LoadOCRAnnotations": "label",
    "PackLine": "pack",
    "PackTextRecogInputs": "pack",
}
HEIGHT = 48
"""Of the files' images, which are resized to the network's 32."""


def draw(folder: Path, args: Any, characters: str) -> tuple[Path, list[bytes]]:
    """Draws noisy words into PNG and JPEG files by turns.

    Args:
        folder: where to.
        args: ``images``, ``width`` (the widest, at height 32), ``spread`` and ``length``.
        characters: of the labels.

    Returns:
        Their annotation file, and the files' bytes.
    """
    random = np.random.default_rng(0)
    lines, files = [], []
    for index in range(args.images):
        label = "".join(random.choice(list(characters), args.length))
        share = 1 - args.spread * random.random() if index else 1
        width = round(args.width * share) * HEIGHT // 32
        image = np.full((HEIGHT, width), random.integers(130, 230), np.uint8)
        scale = width / (20 * args.length)
        cv2.putText(image, label, (4, 34), cv2.FONT_HERSHEY_SIMPLEX, scale, 20, 2)
        image = np.clip(image + random.normal(0, 6, image.shape), 0, 255).astype(np.uint8)
        path = folder / f"{index}{'.jpg' if index % 2 else '.png'}"
        cv2.imwrite(str(path), image)
        files.append(path.read_bytes())
        lines.append(f"{path.name} {label}\n")
    annotations = folder / "annotations.txt"
    annotations.write_text("".join(lines), encoding="utf-8")
    return annotations, files


def prepared(cfg: Config, args: Any, folder: Path) -> tuple[Config, list[bytes]]:
    """Draws images and sets a config up for training on them, and on nothing else.

    The decoder takes as many steps as the labels need: ``max_seq_len`` is their length + 2.
    """
    decoder = cfg.model.decoder
    if decoder.dictionary.charset == charsets.FROM_LABELS:
        decoder.dictionary.charset = args.charset
    characters = "".join(charsets.resolve(decoder.dictionary.charset).split())
    annotations, files = draw(folder, args, characters)
    decoder.max_seq_len = args.length + 2
    cfg.train_dataloader.batch_size, cfg.train_dataloader.persistent_workers = args.batch, False
    cfg.train_dataloader.dataset.ann_file = str(annotations)
    cfg.test_pipeline = test_pipeline(cfg)
    for name in ("val_dataloader", "val_cfg", "val_evaluator"):
        cfg[name] = None
    for name in ("test_dataloader", "test_cfg", "test_evaluator"):
        cfg[name] = None
    cfg.train_cfg = {"type": "ResumableTrainLoop", "max_iters": 1_000_000}
    cfg.optim_wrapper.precision = args.precision
    cfg.default_hooks.checkpoint = None
    cfg.log_level, cfg.work_dir = "WARNING", str(folder)
    return cfg, files


def staged(stages: Stages, steps: list[Any]) -> list[Any]:
    """Returns a pipeline's transforms, each a stage."""
    names = [type(step).__name__ for step in steps]
    return [
        stages.wrap(NAMES.get(name, name), step) for name, step in zip(names, steps, strict=True)
    ]


def watch(stages: Stages, model: AOCR) -> None:
    """Makes a model's parts stages."""
    if not isinstance(model, AOCR) or not (model.with_backbone and model.with_encoder):
        raise SystemExit("the config's model must be an AOCR with a backbone and an encoder")
    stages.watch(model.data_preprocessor, "batch")
    stages.watch(model, "batch")
    stages.watch(model.backbone, "CNN, the rest")
    for layer in model.backbone.modules():
        if isinstance(layer, nn.Conv2d):
            stages.watch_node(layer, "CNN, convolutions")
    stages.watch(model.encoder, "LSTM", then="decoder")
    stages.watch(model.decoder.module_loss, "loss")


def repeated(
    run: Callable[[Stages], None],
    stages: Stages,
    args: Any,
    count: Callable[[Stages], None] | None = None,
) -> dict[str, Any]:
    """Runs something several times, and once more to count.

    Args:
        run: what is measured.
        stages: of it.
        args: ``repeats``.
        count: what is run to count, where that is not the same.

    Returns:
        ``seconds``: of each stage, a list of runs; ``work``: of each stage; ``cores``: how many the
        process had meanwhile, fewer than its threads where other work wants them too.
    """
    run(stages)
    seconds: dict[str, list[float]] = {}
    start, used = time.perf_counter(), time.process_time()
    for _ in range(args.repeats):
        stages.seconds = {}
        run(stages)
        for name, time_ in stages.seconds.items():
            seconds.setdefault(name, []).append(time_)
    cores = (time.process_time() - used) / (time.perf_counter() - start)
    direct = patch.object(LearningConv2d, "_learns_faster", return_value=False)
    plain = patch.object(RectifiedConv2d, "forward", nn.Conv2d.forward)
    with direct, plain, Counter(stages) as counter:
        (count or run)(stages)
    work: dict[str, Work] = {name: counter.work[name] for name in seconds}
    return {"seconds": seconds, "work": work, "cores": cores}


def training(cfg: Config, args: Any, checkpoint: Path) -> dict[str, Any]:
    """Measures a training step, a data worker, and what the workers deliver.

    Args:
        cfg: of :func:`prepared`.
        args: ``batch`` and ``repeats``.
        checkpoint: where the network is saved for :func:`reading`, before it trains.

    Returns:
        ``worker`` and ``step`` as of :func:`repeated`; ``delivered`` images a second; ``inputs``,
        the shape of the batch.
    """
    keep_freed_memory()  # as AOCRRunner.train does
    stages = Stages()
    runner = AOCRRunner.from_cfg(cfg)
    save(runner, checkpoint)
    loop, model = runner.train_loop, runner.model
    wrapper = runner.optim_wrapper = runner.build_optim_wrapper(runner.optim_wrapper)
    wrapper.initialize_count_status(model, 0, loop.max_iters)
    averages = [hook for hook in runner.hooks if isinstance(hook, EMAHook)]
    for hook in averages:
        hook.before_run(runner)
    delivered = _delivered(iter(loop.dataloader), args)
    dataset = loop.dataloader.dataset
    some = [dataset[index % len(dataset)] for index in range(args.batch)]
    data = loop.dataloader.collate_fn(some)  # the widest image is among them
    watch(stages, model)
    model.train()

    def step(stages: Stages) -> None:
        batch = copy.deepcopy(data)  # the targets are written into it
        with wrapper.optim_context(model):
            losses = model(**model.data_preprocessor(batch, True), mode="loss")
        with stages("loss"):
            loss = wrapper.scale_loss(model.parse_losses(losses)[0])
        with stages("backward: decoder, loss"):
            wrapper.backward(loss)
        with stages("optimiser"):
            wrapper.step()
            wrapper.zero_grad()
        with stages("averages"):
            for hook in averages:
                hook.after_train_iter(runner, 0)

    found = {"step": repeated(step, stages, args), "delivered": delivered}
    found["inputs"] = list(model.data_preprocessor(copy.deepcopy(data))["inputs"].shape)
    dataset.pipeline.transforms = staged(stages, dataset.pipeline.transforms)

    def load(stages: Stages) -> None:
        for index in range(args.batch):
            dataset[index % len(dataset)]

    return found | {"worker": repeated(load, stages, args)}


def _delivered(batches: Iterator[Any], args: Any) -> float:
    """Returns the images a second that the data workers deliver while nothing else is done."""
    next(batches)
    times = []
    for _ in range(max(4, args.repeats)):
        start = time.perf_counter()
        next(batches)
        times.append(time.perf_counter() - start)
    return args.batch / (sum(times) / len(times))


def save(runner: AOCRRunner, checkpoint: Path) -> None:
    """Saves the network, made to never write the end symbol, so that it takes all its steps."""
    decoder, state = runner.model.decoder, copy.deepcopy(runner.model.state_dict())
    state["decoder.output.bias"][decoder.dictionary.end_idx] = -1e4
    torch.save({"state_dict": state, "meta": {"aocr": describe(runner.cfg)}}, checkpoint)


def reading(checkpoint: Path, args: Any, files: list[bytes]) -> dict[str, Any]:
    """Measures the reading of a batch of image files, as of :func:`repeated`."""
    engine = PyTorchEngine(checkpoint, precision=args.precision)
    stages = Stages()
    watch(stages, engine.model)
    search = engine.model.decoder.search
    search.postprocessor = stages.wrap("postprocess", search.postprocessor)
    engine._decode = stages.wrap("decode", engine._decode)
    engine._prepare = stages.wrap("resize, pack", engine._prepare)
    batch = [files[index % len(files)] for index in range(args.batch)]

    def read(stages: Stages) -> None:
        images = [engine.prepare(image, str(index)) for index, image in enumerate(batch)]
        with stages("batch"):
            engine.read(images, [None] * len(images))

    def count(stages: Stages) -> None:  # Counter is not for inference mode
        images = [engine.prepare(image, str(index)) for index, image in enumerate(batch)]
        with stages("batch"), torch.no_grad():
            PyTorchEngine.read.__wrapped__(engine, images, [None] * len(images))

    return repeated(read, stages, args, count)

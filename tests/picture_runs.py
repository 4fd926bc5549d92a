"""Test runs of a small recogniser in this process, and made-up ones, for what draws them."""

import cv2
import numpy as np
from conftest import ROOT, WORDS, draw_word, tiny_model

from aocr_plugin.visualization import report
from aocr_plugin.visualization.reading import Reading
from aocr_plugin.visualization.report_stats import Outcome

EVIL = "<img src=x onerror=\"document.title='hit'\">"


def reading(label, text, score, columns=12):
    """A reading whose step n looks at column n alone."""
    count = len(text)
    weights = np.zeros((count + 1, columns), np.float32)
    weights[np.arange(count + 1), np.arange(count + 1) % columns] = 1.0
    edges = np.arange(columns + 1) / columns
    scores = [score] * count
    return Reading(
        "a.png", label, text, list(text), scores, score, label == text, weights, edges
    )  # fmt: skip


PAIRS = [
    ("CAT", "CAT", 0.9),
    ("DOG", "D0G", 0.95),
    ("a b", "ab", 0.4),
    (EVIL, "X", 0.2),
    ("</script><!--", "</script><!--", 0.7),
    ("שלום", "שלוס", 0.5),
    ("", "E", 0.1),
]


def colour_words(folder):
    """Four words in colour, one in a folder of its own under the same name as another."""
    lines = []
    for word in WORDS:
        place = folder / "more" / "CAT.png" if word == "OX" else folder / f"{word}.png"
        place.parent.mkdir(exist_ok=True)
        gray = draw_word(word)
        cv2.imwrite(str(place), np.dstack([gray, gray, np.full_like(gray, 255)]))
        lines.append(f"{place.relative_to(folder)} {word}\n")
    (folder / "colour.txt").write_text("".join(lines))
    return folder / "colour.txt"


def test_run(words, work_dir, hooks, base="aocr_base", colour=False, model=None, **changes):
    """Tests random weights on an annotation file; returns (runner, metrics)."""
    import torch
    from mmengine.config import Config
    from mmengine.registry import RUNNERS, init_default_scope

    cfg = Config.fromfile(str(ROOT / "configs" / f"{base}.py"))
    init_default_scope("mmocr")
    pipeline = cfg.test_pipeline
    small = tiny_model(mask_padding=base == "aocr_base")
    if colour:
        pipeline[0]["color_type"] = "color"
        small["backbone"]["in_channels"] = 3
        small["data_preprocessor"].update(mean=[128] * 3, std=[128] * 3)
    cfg.model = model or small
    cfg.test_dataloader.batch_size = 3
    cfg.test_dataloader.dataset.update(ann_file=str(words), pipeline=pipeline)
    cfg.custom_hooks = hooks
    cfg.work_dir = str(work_dir)
    cfg.experiment_name = work_dir.name
    cfg.merge_from_dict(changes)
    for unused in ("train_cfg", "train_dataloader", "optim_wrapper", "param_scheduler"):
        cfg.pop(unused, None)
    for unused in ("val_cfg", "val_dataloader", "val_evaluator"):
        cfg.pop(unused, None)
    torch.manual_seed(0)
    runner = RUNNERS.build(cfg)
    return runner, runner.test()


test_run.__test__ = False


def tiny_config(words, work_dir):
    """Config of a training of six steps."""
    from mmengine.config import Config

    cfg = Config.fromfile(str(ROOT / "configs" / "aocr_base.py"))
    cfg.model = tiny_model(charset="labels")
    cfg.merge_from_dict(
        {
            "train_dataloader.batch_size": 4,
            "train_dataloader.num_workers": 0,
            "train_dataloader.persistent_workers": False,
            "train_dataloader.dataset.ann_file": str(words),
            "val_dataloader.dataset.ann_file": str(words),
            "test_dataloader.dataset.ann_file": str(words),
            "val_dataloader.batch_size": 3,
            "train_cfg.max_iters": 6,
            "train_cfg.val_interval": 3,
            "default_hooks.logger.interval": 2,
        }
    )
    cfg.work_dir, cfg.experiment_name = str(work_dir), work_dir.name
    cfg.visualizer.name = work_dir.name  # MMEngine keeps one of each name in a process
    return cfg


def made_run():
    """What a report of a few images is made of."""
    image = np.full((40, 120, 3), (200, 220, 250), np.uint8)
    made = report.ReportedRun(f"Run {EVIL}", {"config": EVIL}, {"recog/word_acc": 2 / 7})
    for pair in PAIRS:
        made.outcomes.append(Outcome(*pair))
        made.entries.append(report.entry(reading(*pair), image))
    return made

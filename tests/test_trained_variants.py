"""What the parts can learn, not only build: GRU, colour, any charset, blanks, long lines."""

import cv2
import numpy as np
import pytest
from conftest import ROOT, need

from aocr_plugin import Recognizer
from aocr_plugin.evaluation import text_match

pytestmark = pytest.mark.slow

COLOURS = {"R": (40, 40, 200), "G": (40, 121, 40), "B": (255, 80, 40)}  # BGR, equally light
STILL = dict(type="LineJitter", affine=0.0, light=0.0, blur=0.0, noise=0.0)


def overfit(folder, ann_file, name, steps, options=None, batch=4):
    """Trains aocr_base on a few images until it knows them; returns a Recognizer."""
    from mmengine.config import Config

    from aocr_plugin.engine.runner import AOCRRunner

    cfg = Config.fromfile(ROOT / "configs" / "aocr_base.py")
    cfg.work_dir = str(folder / name)
    cfg.visualizer.name = f"variants-{name}"
    for loader in ("train_dataloader", "val_dataloader", "test_dataloader"):
        cfg[loader].dataset.ann_file = str(ann_file)
        cfg[loader].dataset.max_rejected = 0.0
    cfg.train_dataloader.update(batch_size=batch, num_workers=0, persistent_workers=False)
    for place, step in enumerate(cfg.train_dataloader.dataset.pipeline):
        if step.type == "LineJitter":
            cfg.train_dataloader.dataset.pipeline[place] = STILL
    cfg.val_dataloader = cfg.val_cfg = cfg.val_evaluator = None
    cfg.default_hooks.checkpoint.update(save_best=None, interval=steps)
    cfg.custom_hooks = []
    cfg.train_cfg.max_iters = steps
    cfg.model.backbone.dropout = cfg.model.decoder.dropout = 0.0
    cfg.merge_from_dict(options or {})
    runner = AOCRRunner.from_cfg(cfg)
    runner.train()
    return Recognizer(folder / name / f"iter_{steps}.pth")


def take(real_sets, folder, name, wanted, count):
    """Writes an annotation file of some training lines of a real set; returns it and them."""
    home = need(real_sets / name)
    lines = (home / "annotations-training.txt").read_text(encoding="utf-8").splitlines()
    pairs = [line.split(" ", 1) for line in lines]
    pairs = [(str(home / path), label) for path, label in pairs if wanted(label)][:count]
    assert len(pairs) == count
    ann_file = folder / f"{name}.txt"
    ann_file.write_text("".join(f"{path} {label}\n" for path, label in pairs), encoding="utf-8")
    return ann_file, [path for path, _ in pairs], [label for _, label in pairs]


def texts(recognizer, paths):
    return [prediction.text for prediction in recognizer(paths)]


def error_rate(recognizer, paths, labels):
    """Character error rate over all images."""
    wrong = sum(map(text_match.distance, texts(recognizer, paths), labels))
    return wrong / sum(map(len, labels))


def test_gru_reads_colours_that_gray_cannot_tell(tmp_path):
    rng = np.random.default_rng(0)
    lines, paths, labels = [], [], []
    for number in range(24):
        label = "".join(rng.choice(list(COLOURS), size=3))
        image = np.full((32, 96, 3), 230, np.uint8)
        for place, letter in enumerate(label):
            cv2.circle(image, (16 + 32 * place, 16), 10, COLOURS[letter], -1)
        path = str(tmp_path / f"{number}.png")
        cv2.imwrite(path, image)
        lines.append(f"{path} {label}\n")
        paths.append(path)
        labels.append(label)
    ann_file = tmp_path / "colours.txt"
    ann_file.write_text("".join(lines))
    gray = cv2.cvtColor(np.array([[*COLOURS.values()]], np.uint8), cv2.COLOR_BGR2GRAY)
    assert int(np.ptp(gray)) <= 1
    options = {f"{part}_dataloader.dataset.pipeline.0.color_type": "color" for part in ("train",)}
    options["test_dataloader.dataset.pipeline.0.color_type"] = "color"
    options["model.backbone.in_channels"] = 3
    options["model.data_preprocessor.mean"] = [128, 128, 128]
    options["model.data_preprocessor.std"] = [128, 128, 128]
    options["model.data_preprocessor.bgr_to_rgb"] = True
    options["model.decoder.cell"] = "gru"
    recognizer = overfit(tmp_path, ann_file, "colour", 120, options, batch=12)
    assert recognizer.charset == "BGR"
    assert texts(recognizer, paths) == labels


def test_labels_with_blanks(real_sets, tmp_path):
    ann_file, paths, labels = take(
        real_sets, tmp_path, "sroie_lines", lambda label: 8 < len(label) < 24 and " " in label, 6
    )
    options = {"optim_wrapper.optimizer.lr": 4e-3}
    recognizer = overfit(tmp_path, ann_file, "blanks", 350, options, batch=6)
    assert " " in recognizer.charset
    assert error_rate(recognizer, paths, labels) < 0.05


@pytest.mark.parametrize("name", ["uw3_lines", "fraktur_lines"])
def test_lines_of_sixty_and_more_characters(real_sets, tmp_path, name):
    def wanted(label):
        return 60 <= len(label) < 90 and (name == "uw3_lines" or "\u017f" in label)

    ann_file, paths, labels = take(real_sets, tmp_path, name, wanted, 2)
    options = {"model.decoder.max_seq_len": 92, "optim_wrapper.optimizer.lr": 4e-3}
    recognizer = overfit(tmp_path, ann_file, name, 300, options, batch=2)
    assert error_rate(recognizer, paths, labels) < 0.1

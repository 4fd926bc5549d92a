"""MMOCR's augmentation, test-time augmentation and pictures, MMEngine's visual back ends."""

import importlib.util
import json

import cv2
import numpy as np
import pytest
from conftest import ROOT, WORDS, draw_word, tiny_model

import aocr_plugin  # noqa: F401

AUGMENTATIONS = [
    dict(type="TextRecogGeneralAug"),
    dict(type="CropHeight"),
    dict(type="ImageContentJitter"),
    dict(type="ReversePixels"),
    dict(type="PyramidRescale"),
    dict(type="TorchVisionWrapper", op="ColorJitter", brightness=0.5),
    dict(type="ImgAugWrapper", args=[dict(cls="AdditiveGaussianNoise", scale=12)]),
    dict(type="ImgAugWrapper", args=[dict(cls="Affine", rotate=[-5, 5])]),
    dict(type="RandomApply", prob=0.9, transforms=[dict(type="LineJitter")]),
]


def load(path):
    from mmengine.config import Config
    from mmengine.registry import init_default_scope

    cfg = Config.fromfile(ROOT / "configs" / path)
    init_default_scope("mmocr")
    return cfg


def names(step):
    return " ".join(str(step.get(key)) for key in ("type", "args") if key in step)


@pytest.mark.parametrize("step", AUGMENTATIONS, ids=names)
def test_mmocrs_augmentation_takes_our_data_set(step, words, seeded):
    from mmocr.registry import DATASETS

    cfg = load("aocr_base.py")
    pipeline = list(cfg.test_pipeline)
    pipeline[0]["color_type"] = "color"
    plain = DATASETS.build(dict(type="AOCRDataset", ann_file=str(words), pipeline=pipeline))
    pipeline.insert(3, step)
    changed = DATASETS.build(dict(type="AOCRDataset", ann_file=str(words), pipeline=pipeline))
    moved = 0
    for index, word in list(enumerate(WORDS)) * 5:
        before, after = plain[index], changed[index]
        assert after["data_samples"].gt_text.item == word
        assert after["inputs"].shape[0] == 3 and after["inputs"].numel() > 0
        same = after["inputs"].shape == before["inputs"].shape
        moved += not (same and bool((after["inputs"] == before["inputs"]).all()))
    small = step["type"] == "ImageContentJitter"  # MMOCR's moves nothing below 100 pixels
    assert (moved == 0) == small


@pytest.mark.slow
def test_tta_keeps_the_best_of_three_turns(tmp_path, monkeypatch, seeded):
    """As MMOCR's ``tools/test.py --tta`` does it; compared with turning the crops by hand."""
    from mmengine.registry import RUNNERS

    (tmp_path / "images").mkdir()
    for turns, word in enumerate(WORDS):
        image = np.rot90(draw_word(word, 110), turns)
        cv2.imwrite(str(tmp_path / "images" / f"{word}.png"), image)
    lines = "".join(f"images/{word}.png {word}\n" for word in WORDS)
    (tmp_path / "annotations-testing.txt").write_text(lines)
    monkeypatch.chdir(tmp_path)
    cfg = load("mixed/aocr_tta.py")
    small = tiny_model(charset="ascii", decoder=dict(max_seq_len=6))
    plain = dict(cfg.test_dataloader.dataset)
    cfg.work_dir = str(tmp_path / "run")
    cfg.model = cfg.tta_model
    cfg.model.module = small
    cfg.test_dataloader.dataset.pipeline = cfg.tta_pipeline
    for part in ("train_dataloader", "val_dataloader"):
        for name in (part, part.replace("dataloader", "cfg")):
            cfg.pop(name)
    for name in ("val_evaluator", "optim_wrapper", "param_scheduler", "custom_hooks"):
        cfg.pop(name)
    cfg.test_evaluator = dict(type="PredictionLines", out_file=str(tmp_path / "lines.jsonl"))
    runner = RUNNERS.build(cfg)
    runner.test()

    found = [json.loads(line) for line in (tmp_path / "lines.jsonl").read_text().splitlines()]
    from mmcv.transforms import Compose
    from mmengine.dataset import pseudo_collate
    from mmocr.registry import TRANSFORMS

    model = runner.model.module.eval()
    steps = Compose([TRANSFORMS.build(step) for step in plain["pipeline"][1:]])
    for word, line in zip(WORDS, found, strict=True):
        image = cv2.imread(str(tmp_path / "images" / f"{word}.png"), cv2.IMREAD_GRAYSCALE)
        tall = image.shape[0] > image.shape[1]
        readings = []
        for turns in (0, 1, 3) if tall else (0,):
            pixels = np.ascontiguousarray(np.rot90(image, -turns))  # imgaug turns to the right
            data = dict(
                img=pixels,
                img_path=word,
                img_shape=pixels.shape,
                ori_shape=pixels.shape,
                instances=[dict(text=word)],
            )
            batch = model.data_preprocessor(pseudo_collate([steps(data)]), False)
            readings.append(model(**batch, mode="predict")[0].pred_text)
        best = max(readings, key=lambda text: sum(text.score) / max(1, len(text.score)))
        assert line["text"] == best.item
        np.testing.assert_allclose(line.get("char_scores", []), best.score, atol=1e-5)


BACKENDS = {  # what each needs to be installed, and a file that it writes
    "LocalVisBackend": (None, "**/vis_data/*.json"),
    "TensorboardVisBackend": ("tensorboard", "**/events.out.tfevents.*"),
    "WandbVisBackend": ("wandb", "**/wandb/**/*.wandb"),
    "MLflowVisBackend": ("mlflow", "**/vis_data/*/meta.yaml"),
    "ClearMLVisBackend": ("clearml", None),
    "NeptuneVisBackend": ("neptune", "**/.neptune/**/*"),
    "DVCLiveVisBackend": ("dvclive", "**/dvclive/**/*"),
    "AimVisBackend": ("aim", "**/.aim/**/*"),
}


OFFLINE = {  # what keeps each from talking to a service
    "WandbVisBackend": ("WANDB_MODE", "offline"),
    "ClearMLVisBackend": ("CLEARML_OFFLINE_MODE", "1"),
    "NeptuneVisBackend": ("NEPTUNE_MODE", "offline"),
}


def test_every_visual_back_end_of_mmengine_is_known():
    from mmengine.registry import VISBACKENDS

    load("aocr_base.py")
    assert set(VISBACKENDS.module_dict) == set(BACKENDS)


@pytest.mark.slow
@pytest.mark.parametrize("name", BACKENDS)
def test_training_tells_every_visual_back_end_that_is_installed(name, tmp_path, words, monkeypatch):
    from mmengine.registry import RUNNERS

    needed, pattern = BACKENDS[name]
    monkeypatch.chdir(tmp_path)
    cfg = load("aocr_base.py")
    if needed and importlib.util.find_spec(needed) is None:
        from mmengine.registry import VISBACKENDS

        with pytest.raises((ImportError, ModuleNotFoundError), match=needed):
            backend = VISBACKENDS.build(dict(type=name, save_dir=str(tmp_path)))
            backend._init_env()
        return
    if name in OFFLINE:
        monkeypatch.setenv(*OFFLINE[name])
    if name == "MLflowVisBackend":  # its newest version asks whether it may write files
        monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    cfg.model = tiny_model(charset="ascii", max_seq_len=34)
    cfg.visualizer.update(name=name, vis_backends=[dict(type=name)])
    cfg.custom_hooks = []
    cfg.default_hooks.visualization.update(enable=True, draw_gt=True, draw_pred=True)
    if name == "MLflowVisBackend":  # as docs/MIXING.md says: it refuses MMEngine's pictures
        cfg.default_hooks.visualization.enable = False
    cfg.merge_from_dict({"work_dir": str(tmp_path / "run"), "train_cfg.max_iters": 1})
    cfg.merge_from_dict({"train_cfg.val_interval": 1, "default_hooks.logger.interval": 1})
    for loader in ("train_dataloader", "val_dataloader", "test_dataloader"):
        cfg[loader].update(batch_size=4, num_workers=0, persistent_workers=False)
        cfg[loader].dataset.ann_file = str(words)
    runner = RUNNERS.build(cfg)
    runner.train()
    if name not in OFFLINE and name != "MLflowVisBackend":  # those end with the training
        runner.test()
    if pattern is not None:
        assert [path for path in tmp_path.glob(pattern) if path.is_file()]
    if name == "LocalVisBackend":
        pictures = list(tmp_path.glob("run/**/vis_image/*.png"))
        assert len(pictures) == 2 * len(WORDS)  # of validation and of the test
        assert all(cv2.imread(str(picture)).std() > 0 for picture in pictures)

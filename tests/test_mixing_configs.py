"""The configs of mixed parts build at their real sizes; mim's files name every config."""

import re
from pathlib import Path

import pytest
import torch
import yaml
from conftest import ROOT, WORDS, make_samples
from mixing_parts import batch

import aocr_plugin  # noqa: F401

CONFIGS = ROOT / "configs"
MIXED = sorted((CONFIGS / "mixed").glob("*.py"))
ACCURACY = CONFIGS / "aocr_accuracy.py"
SIZES = {"aster": (64, 256), "aocr_accuracy": (64, 256), "sar": (48, 160)}  # height, width


def load(path):
    from mmengine.config import Config
    from mmengine.registry import init_default_scope

    cfg = Config.fromfile(path)
    init_default_scope("mmocr")
    return cfg


def test_there_are_as_many_mixed_configs_as_known():
    assert len(MIXED) == 12


@pytest.mark.slow
@pytest.mark.parametrize("path", [*MIXED, ACCURACY], ids=lambda path: path.stem)
def test_config_passes_the_check_its_model_trains_and_reads(path, seeded):
    from mmocr.registry import MODELS

    from aocr_plugin.engine.config_check import check

    cfg = load(path)
    check(cfg)
    dictionary = cfg.model.decoder.dictionary
    if dictionary.get("charset") == "labels":
        dictionary.charset = "ascii"
    model = MODELS.build(cfg.model)
    channels = len(cfg.model.data_preprocessor.mean)
    size = next((size for name, size in SIZES.items() if path.stem.startswith(name)), (32, 100))
    images = torch.nn.functional.interpolate(batch(channels), size)
    labels = [word.lower() for word in WORDS]
    losses = model.train()(images, make_samples(labels, [1.0] * 4), "loss")
    sum(value.mean() for name, value in losses.items() if "loss" in name).backward()
    assert all(
        parameter.grad is not None and bool(parameter.grad.isfinite().all())
        for parameter in model.parameters()
        if parameter.requires_grad
    )
    with torch.no_grad():
        samples = model.eval()(images, make_samples(labels, [1.0] * 4), "predict")
    assert all(isinstance(sample.pred_text.item, str) for sample in samples)


def test_three_lines_change_mmocrs_crnn():
    ours = (CONFIGS / "mixed" / "crnn_sliding-cnn.py").read_text()
    lines = [line for line in ours.split('"""')[2].splitlines() if line]
    assert len(lines) == 3
    cfg = load(CONFIGS / "mixed" / "crnn_sliding-cnn.py")
    import mmocr

    folder = Path(mmocr.__file__).parent / ".mim" / "configs" / "textrecog" / "crnn"
    theirs = load(folder / "crnn_mini-vgg_5e_mj.py")
    assert cfg.model.backbone.type == "SlidingCNN" and theirs.model.backbone.type == "MiniVGG"
    for part in ("decoder", "data_preprocessor"):
        assert cfg.model[part].type == theirs.model[part].type
    assert cfg.train_dataloader.batch_size == theirs.train_dataloader.batch_size


@pytest.mark.slow
def test_the_accuracy_model_trains_reads_and_exports(words, tmp_path, monkeypatch):
    from mmengine.registry import RUNNERS

    from aocr_plugin import Recognizer
    from aocr_plugin.export import onnx_file

    monkeypatch.chdir(tmp_path)
    cfg = load(ACCURACY)
    cfg.merge_from_dict(
        {
            "work_dir": str(tmp_path / "run"),
            "train_cfg.max_iters": 2,
            "train_cfg.val_interval": 2,
            "train_dataloader.num_workers": 0,
            "train_dataloader.persistent_workers": False,
        }
    )
    for loader in ("train_dataloader", "val_dataloader", "test_dataloader"):
        cfg[loader].batch_size = 4
        cfg[loader].dataset.ann_file = str(words)
    RUNNERS.build(cfg).train()
    checkpoint = tmp_path / "run" / "best.pth"
    agreement = onnx_file.export(checkpoint, tmp_path / "a.onnx", report=lambda line: None)
    assert agreement.worst < 1e-4
    images = sorted((tmp_path / "images").glob("*.png"))
    wanted, found = Recognizer(checkpoint)(images), Recognizer(tmp_path / "a.onnx")(images)
    assert [one.text for one in found] == [one.text for one in wanted]
    assert {Path(one.source).stem for one in wanted} == set(WORDS)


def metafiles() -> list[dict]:
    index = yaml.safe_load((ROOT / "model-index.yml").read_text())
    return [yaml.safe_load((ROOT / name).read_text()) for name in index["Import"]]


def test_the_model_index_names_every_config_once_and_nothing_else():
    there = {
        str(path.relative_to(ROOT))
        for path in CONFIGS.rglob("*.py")
        if not {"_base_", "deploy"} & set(path.relative_to(CONFIGS).parts)
    }
    models = [model for metafile in metafiles() for model in metafile["Models"]]
    named = [model["Config"] for model in models]
    assert len(named) == len(set(named)) and set(named) == there
    names = [model["Name"] for model in models]
    assert len(names) == len(set(names)) and names == [Path(path).stem for path in named]


def test_the_model_index_is_of_mims_form():
    for metafile in metafiles():
        collections = {entry["Name"] for entry in metafile["Collections"]}
        for entry in metafile["Collections"]:
            assert (ROOT / entry["README"]).is_file()
        for model in metafile["Models"]:
            assert model["In Collection"] in collections
            for result in model.get("Results", []):
                assert result["Task"] == "Text Recognition" and result["Dataset"]
                assert 0 <= result["Metrics"]["word_acc"] <= 1
    modelindex = pytest.importorskip("modelindex.load_model_index", reason="model-index, mim's")
    index = modelindex.load(str(ROOT / "model-index.yml"))
    index.build_models_with_collections()
    assert len(index.models) == sum(len(metafile["Models"]) for metafile in metafiles())


def test_figures_of_the_model_index_are_those_of_the_readme():
    readme = (ROOT / "README.md").read_text()
    for metafile in metafiles():
        for model in metafile["Models"]:
            for result in model.get("Results", []):
                figure = f"{result['Metrics']['word_acc']:.4f}"
                rows = [line for line in readme.splitlines() if result["Dataset"] in line]
                assert any(re.search(rf"\| {figure} \|", row) for row in rows), model["Name"]

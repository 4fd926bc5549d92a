import copy
from pathlib import Path

import pytest
from conftest import ROOT

import aocr_plugin  # noqa: F401
from aocr_plugin.errors import ConfigError

CONFIGS = sorted(
    path
    for path in (ROOT / "configs").rglob("*.py")
    if not {"deploy", "mixed"} & set(path.relative_to(ROOT).parts)
)  # MMDeploy's: test_deploy.py; mixed: test_mixing_configs.py


def load(path):
    from mmengine.config import Config

    return Config.fromfile(path)


@pytest.fixture(autouse=True)
def scope():
    from mmengine.registry import init_default_scope

    init_default_scope("mmocr")


def test_there_are_as_many_configs_as_known():
    assert len(CONFIGS) == 19


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_config_loads_passes_the_check_and_its_model_builds(path):
    from mmocr.registry import MODELS

    from aocr_plugin.engine.config_check import check

    cfg = load(path)
    check(cfg)
    if "model" in cfg:
        assert isinstance(cfg.model.type, str)
        assert cfg.test_pipeline[0].type == "LoadImageFromFile"
        assert cfg.dictionary.type == "AOCRDictionary"
        dictionary = cfg.model.decoder.dictionary
        if dictionary.charset == "labels":
            dictionary.charset = "ascii"
        assert MODELS.build(cfg.model).decoder.dictionary.num_classes > 3


@pytest.mark.slow
def test_one_import_makes_the_parts_usable_in_any_mmocr_config(tmp_path):
    import subprocess
    import sys

    config = tmp_path / "mine.py"
    config.write_text(
        "custom_imports = dict(imports=['aocr_plugin'])\ndefault_scope = 'mmocr'\n"
        "model = dict(type='SlidingCNN', channels=(4,) * 7)\n"
    )
    for before in ("", "import aocr_plugin;", "import mmocr.registry;", "import mmocr.models;"):
        program = (
            f"{before}from mmengine.config import Config;cfg = Config.fromfile({str(config)!r});"
            "from mmocr.registry import MODELS;print(type(MODELS.build(cfg.model)).__name__)"
        )
        if "mmocr" in before:
            program = "import aocr_plugin.mends;aocr_plugin.mends.apply();" + program
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
        assert done.stdout.strip().endswith("SlidingCNN"), done.stderr


def test_import_is_light():
    import subprocess
    import sys

    program = (
        "import sys, aocr_plugin, aocr_plugin.samples, aocr_plugin.cli.new_config;"
        "print('torch' in sys.modules, 'mmengine' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.strip() == "False False", done.stderr


MISTAKES = [
    (
        "model.backbone.chanels=[1]",
        r"model.backbone.chanels: SlidingCNN .* did you mean 'channels'",
    ),
    ("model.encodr.type=X", r"model.encodr: AOCR takes no such argument; did you mean 'encoder'"),
    ("model.decoder.type=AttentionDecodr", r"there is no 'AttentionDecodr'; did you mean"),
    ("optim_wrapper.optimizer.learning=1", "optim_wrapper.optimizer.learning: AdamW takes no such"),
    ("default_hooks.checkpoint.max_kep_ckpts=1", "did you mean 'max_keep_ckpts'"),
    ("train_dataloader.dataset.pipeline.3.afine=1", r"pipeline\[3\].afine: LineJitter .*'affine'"),
    ("train_dataloder.batch_size=1", "train_dataloder: not read by anything; did you mean"),
    ("param_scheduler.0.start_facter=1", "did you mean 'start_factor'"),
    ("val_dataloader.batchsize=1", "val_dataloader.batchsize: not read .*'batch_size'"),
    ("default_hooks.chekpoint.interval=1", "default_hooks.chekpoint: .* 'checkpoint'"),
    ("optim_wrapper.clip_grad.max_nrm=1", "clip_grad.max_nrm: .*'max_norm'"),
    ("optim_wrapper.paramwise_cfg.norm_decay_mul=0", "norm_decay_mul: .*'norm_decay_mult'"),
]


@pytest.mark.parametrize(("option", "message"), MISTAKES)
def test_misspelt_settings_are_named_with_the_right_name(option, message):
    from aocr_plugin.engine.config_check import check

    cfg = load(ROOT / "configs" / "aocr_base.py")
    key, value = option.split("=")
    cfg.merge_from_dict({key: value})
    with pytest.raises(ConfigError, match=message):
        check(cfg)


def test_all_mistakes_are_reported_at_once():
    from aocr_plugin.engine.config_check import check

    cfg = load(ROOT / "configs" / "aocr_base.py")
    cfg.merge_from_dict(dict(option.split("=") for option, _ in MISTAKES))
    with pytest.raises(ConfigError, match=r"12 mistake\(s\)"):
        check(cfg)


def test_mmocrs_own_configs_pass_the_check():
    import mmocr

    from aocr_plugin.engine.config_check import check

    folder = Path(mmocr.__file__).parent / ".mim" / "configs" / "textrecog"
    paths = [path for path in folder.glob("*/*.py") if not path.name.startswith("_base_")]
    assert len(paths) > 20
    for path in paths:
        if path.parent.name != "_base_":
            check(load(path))


def test_a_top_level_variable_that_changes_nothing_is_told():
    from aocr_plugin.engine.runner import overridden

    cfg = load(ROOT / "configs" / "aocr_base.py")
    assert overridden(cfg) == []
    cfg.dictionary.letter_case = "upper"
    cfg.test_pipeline = cfg.test_pipeline[:1]
    notes = overridden(cfg)
    assert [note.split()[2] for note in notes] == ["dictionary", "test_pipeline"]


@pytest.mark.parametrize("name", ["captcha5_classic", "captcha6_plain", "plates_us", "sroie_lines"])
def test_set_configs_fit_their_sets(name, real_sets):
    from aocr_plugin import annotations

    cfg = load(ROOT / "configs" / f"aocr_{name}.py")
    lines = annotations.read(real_sets / name / "annotations.txt")
    assert max(len(line.label) for line in lines) <= cfg.model.decoder.max_seq_len - 2


def test_resolving_spells_the_charset_out_and_tells_the_datasets(words):
    from aocr_plugin.engine.runner import resolve

    cfg = load(ROOT / "configs" / "aocr_base.py")
    cfg.train_dataloader.dataset.ann_file = str(words)
    before = copy.deepcopy(cfg.to_dict())
    resolved = resolve(cfg)
    assert cfg.to_dict() == before
    assert resolved.model.decoder.dictionary.charset == "chars:7ACDEGHORSTX"
    for loader in ("train_dataloader", "val_dataloader", "test_dataloader"):
        assert resolved[loader].dataset.dictionary == resolved.model.decoder.dictionary
        assert resolved[loader].dataset.max_label_length == 32
    assert [schedule.get("end") for schedule in resolved.param_scheduler] == [100, 1500]


def test_labels_charset_without_labels_says_what_to_set(tmp_path):
    from aocr_plugin.engine.runner import resolve

    (tmp_path / "empty.txt").write_text("a.png \n")
    cfg = load(ROOT / "configs" / "aocr_base.py")
    cfg.train_dataloader.dataset.ann_file = str(tmp_path / "empty.txt")
    with pytest.raises(ConfigError, match="charset='labels' finds no label"):
        resolve(cfg)


def test_precision():
    from aocr_plugin.engine.optim_wrapper import choose_precision

    assert choose_precision("bf16", "cpu") == "bf16"
    assert choose_precision("auto", "cpu") in ("bf16", "fp32")
    with pytest.raises(ConfigError, match="'fp16' needs a GPU"):
        choose_precision("fp16", "cpu")
    with pytest.raises(ConfigError, match="precision is 'half'"):
        choose_precision("half", "cpu")


def test_every_file_that_the_documents_name_exists():
    import re

    for document in ("README.md", "CONTRIBUTING.md"):
        text = (ROOT / document).read_text(encoding="utf-8")
        named = re.findall(r"(?:tools|configs|benchmarks|tests|aocr_plugin)/[\w/]+\.py", text)
        missing = {path for path in named if not (ROOT / path).exists()} - {"configs/mine.py"}
        assert named and not missing

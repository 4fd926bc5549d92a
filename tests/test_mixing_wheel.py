"""From an installed wheel, outside of the checkout: mim, MMOCR's tools, the documents' configs."""

import re
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import mixing_data
import pytest
import yaml
from conftest import ROOT

pytestmark = pytest.mark.slow

LEFT_OUT = (".*", "build", "dist", "work_dirs", "demo", "*.egg-info", "__pycache__")
QUICK = {  # as options of a command line
    "train_dataloader.num_workers": 0,
    "train_dataloader.persistent_workers": False,
    "val_dataloader.num_workers": 0,
    "val_dataloader.persistent_workers": False,
    "test_dataloader.num_workers": 0,
    "test_dataloader.persistent_workers": False,
}
EPOCH = QUICK | {"train_cfg.max_epochs": 1}
STEPS = QUICK | {
    "train_cfg.max_iters": 2,
    "train_cfg.val_interval": 2,
    "default_hooks.checkpoint.interval": 2,
    "test_dataloader.dataset.ann_file": "annotations-validation.txt",
}


def run(*command, cwd, code=0):
    """Runs a command; returns what it printed."""
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, cwd=cwd)
    assert done.returncode == code, (done.stdout + done.stderr)[-3000:]
    return done.stdout + done.stderr


def options(given):
    return ["--cfg-options", *(f"{name}={value}" for name, value in given.items())]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel, built from a copy of the tree."""
    folder = tmp_path_factory.mktemp("wheel")
    shutil.copytree(ROOT, folder / "tree", ignore=shutil.ignore_patterns(*LEFT_OUT))
    build = ("wheel", "--no-deps", "--no-build-isolation", "-q", "-w", folder, folder / "tree")
    run(sys.executable, "-m", "pip", *build, cwd=folder)
    (made,) = folder.glob("*.whl")
    return made


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """An interpreter with the wheel in an environment of its own, before this one's packages."""
    folder = tmp_path_factory.mktemp("installed")
    venv.create(folder / "venv", symlinks=True)
    python = folder / "venv" / "bin" / "python"
    install = ("--python", python, "install", "-q", "--no-deps", "--no-index", wheel)
    run(sys.executable, "-m", "pip", *install, cwd=folder)
    (site,) = (folder / "venv" / "lib").glob("python*/site-packages")
    (site / "others.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return python, site / "aocr_plugin"


@pytest.fixture
def place(tmp_path):
    """A folder with every data set, to work in."""
    mixing_data.make(tmp_path)
    for name in ("svt", "svtp", "icdar2013", "icdar2015"):
        mixing_data.prepared(tmp_path / "data" / name, ["GNAT"], "textrecog_test.json")
    mixing_data.prepared(tmp_path / "data" / "synthtext", ["BOAR"], "textrecog_train.json")
    toy = tmp_path / "tests" / "data" / "rec_toy_dataset"
    mixing_data.prepared(toy, mixing_data.OWN, "labels.json")
    return tmp_path


def mmocr_tool(name):
    import mmocr

    return Path(mmocr.__file__).parent / ".mim" / "tools" / f"{name}.py"


def test_the_wheel_carries_configs_tools_and_what_the_model_index_names(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if "/.mim/" in name}
        index = yaml.safe_load(archive.read("aocr_plugin/.mim/model-index.yml"))
        (metafile,) = (
            yaml.safe_load(archive.read(f"aocr_plugin/.mim/{name}")) for name in index["Import"]
        )
    inside = {name.removeprefix("aocr_plugin/.mim/") for name in names}
    assert {model["Config"] for model in metafile["Models"]} <= inside
    for folder in ("configs", "tools"):
        there = {str(p.relative_to(ROOT)) for p in (ROOT / folder).rglob("*.py")}
        assert there and there <= inside
    assert not any("__pycache__" in name for name in names)


def test_mim_trains_and_tests_our_config_by_its_name(installed, place):
    pytest.importorskip("mim", reason="openmim is not installed")
    python, package = installed
    mim = (python, "-m", "mim")
    train = ("train", "aocr_plugin", "aocr_base.py", "--gpus", 0, "--work-dir", "run")
    out = run(*mim, *train, *options(STEPS), cwd=place)
    assert str(package / ".mim" / "configs" / "aocr_base.py") in out
    assert (place / "run" / "best.pth").is_file()
    test = ("test", "aocr_plugin", "aocr_base.py", "--checkpoint", "run/best.pth", "--gpus", 0)
    out = run(*mim, *test, *options(STEPS), cwd=place)
    assert "word_acc" in out


def test_mim_trains_our_configs_with_mmocrs_tool(installed, place):
    pytest.importorskip("mim", reason="openmim is not installed")
    python, package = installed
    config = package / ".mim" / "configs" / "mixed" / "crnn_sliding-cnn.py"
    train = (python, "-m", "mim", "train", "mmocr", config, "--gpus", 0, "--work-dir", "run")
    out = run(*train, *options(EPOCH), cwd=place)
    assert "IC15/recog/word_acc" in out and (place / "run" / "epoch_1.pth").is_file()


def test_mmocrs_tools_train_and_test_our_config(installed, place):
    python, package = installed
    config = package / ".mim" / "configs" / "aocr_base.py"
    run(python, mmocr_tool("train"), config, "--work-dir", "run", *options(STEPS), cwd=place)
    out = run(python, mmocr_tool("test"), config, "run/best.pth", *options(STEPS), cwd=place)
    assert "recog/word_acc" in out


def blocks(document):
    """Returns the configs that a document shows, by the name in their first line."""
    text = (ROOT / document).read_text(encoding="utf-8")
    found = re.findall(r"```python\n(# (\S+\.py)\n.*?)```", text, flags=re.DOTALL)
    return {name: body for body, name in found}


def test_the_five_lines_of_the_documents_run_as_they_stand(installed, place):
    python, _ = installed
    shown = blocks("docs/MIXING.md")
    assert "mine.py" in shown
    assert len([line for line in shown["mine.py"].splitlines() if not line.startswith("#")]) == 5
    for name, text in {**shown, **blocks("README.md")}.items():
        (place / name).write_text(text)
        out = run(
            python, mmocr_tool("train"), name, "--work-dir", "run", *options(EPOCH), cwd=place
        )
        assert "Epoch(val) [1]" in out
        run(python, mmocr_tool("test"), name, "run/epoch_1.pth", *options(EPOCH), cwd=place)

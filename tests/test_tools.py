"""The tools as a user runs them: real processes, real files, exit codes."""

import importlib
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from conftest import ROOT, WORDS, draw_word

pytestmark = pytest.mark.slow

TINY = """
_base_ = [{base!r}]
train_dataloader = dict(batch_size=4, num_workers=0, persistent_workers=False,
                        dataset=dict(ann_file={words!r}))
val_dataloader = dict(dataset=dict(ann_file={words!r}))
test_dataloader = dict(dataset=dict(ann_file={words!r}))
train_cfg = dict(max_iters=60, val_interval=20)
default_hooks = dict(checkpoint=dict(interval=20), logger=dict(interval=10))
optim_wrapper = dict(optimizer=dict(lr=1e-2), precision="fp32")
param_scheduler = [dict(type="LinearLR", start_factor=0.1, by_epoch=False, begin=0, end=10)]
model = dict(
    backbone=dict(channels=(8, 8, 16, 16, 32, 32, 32), dropout=0.0),
    encoder=dict(in_channels=32, hidden_size=16),
    decoder=dict(in_channels=32, hidden_size=16, embed_dims=8, max_seq_len=7),
)
"""


def tool(name, *arguments, code=0, stdin=None, cwd=None):
    """Runs a tool; returns (stdout, stderr). No traceback may show."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "tools" / f"{name}.py"), *map(str, arguments)],
        capture_output=True,
        text=True,
        input=stdin,
        cwd=cwd,
    )
    assert done.returncode == code, done.stdout[-2000:] + done.stderr[-3000:]
    assert "Traceback" not in done.stderr or code not in (0, 2)
    return done.stdout, done.stderr


def write_config(words):
    path = words.parent / "tiny.py"
    base = str(ROOT / "configs" / "aocr_base.py")
    path.write_text(TINY.format(base=base, words=str(words)))
    return path


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with words, config and a finished run; tests must not change it."""
    import cv2

    folder = tmp_path_factory.mktemp("trained")
    (folder / "images").mkdir()
    for word in WORDS:
        cv2.imwrite(str(folder / "images" / f"{word}.png"), draw_word(word))
    words = folder / "words.txt"
    words.write_text("".join(f"images/{word}.png {word}\n" for word in WORDS))
    config = write_config(words)
    out, err = tool("train", config, "--work-dir", folder / "run")
    assert "words.txt: 4 samples, 4 kept, 0 rejected" in out + err
    assert "eta" in out + err
    return folder


def test_train_test_predict(trained):
    config, best = trained / "tiny.py", trained / "run" / "best.pth"
    assert sorted(path.name for path in (trained / "run").glob("*.pth")) == [
        "best.pth",
        "iter_40.pth",
        "iter_60.pth",
    ]
    out, _ = tool("test", config, best, "--work-dir", trained / "tested")
    metrics = json.loads((trained / "tested" / "metrics.json").read_text())
    assert metrics["recog/samples"] == 4 and "recog/cer" in out
    lines = (trained / "tested" / "predictions.jsonl").read_text().splitlines()
    assert [json.loads(line)["label"] for line in lines] == WORDS
    out, _ = tool("predict", best, trained / "images", "--format", "jsonl")
    found = [json.loads(line) for line in out.splitlines()]
    assert [line["file"].rsplit("/")[-1] for line in found] == sorted(f"{w}.png" for w in WORDS)
    assert set(found[0]) == {"file", "text", "score", "char_scores"}


def test_predict_goes_on_past_bad_images_and_says_so(trained, tmp_path):
    best = trained / "run" / "best.pth"
    (tmp_path / "fake.png").write_text("text")
    good = trained / "images" / "CAT.png"
    out, err = tool("predict", best, tmp_path / "fake.png", tmp_path / "*.gif", good, code=2)
    assert [line.split("\t")[0] for line in out.splitlines()] == [
        str(tmp_path / "fake.png"),
        str(good),
    ]
    assert "fake.png: not an image" in err and "*.gif: no file matches" in err


def test_predict_answers_a_name_on_standard_input_at_once(trained):
    best, image = trained / "run" / "best.pth", trained / "images" / "CAT.png"
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "tools" / "predict.py"), str(best), "-"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    for _ in range(2):
        process.stdin.write(f"{image}\n")
        process.stdin.flush()
        assert process.stdout.readline().startswith(str(image))
    process.stdin.close()
    assert process.wait(timeout=30) == 0


def test_user_errors_name_culprit_and_mend_and_exit_with_2(trained, tmp_path, capsys):
    config, best = trained / "tiny.py", trained / "run" / "best.pth"
    cases = [
        (("train", tmp_path / "none.py"), "none.py: no such config file"),
        (("train", config, "--cfg-options", "model.backbone.chanels=1"), "did you mean 'channels'"),
        (("train", config, "--cfg-options", "model.encoder.cell=rnn"), "'lstm' or 'gru'"),
        (
            ("train", config, "--cfg-options", "train_dataloader.dataset.ann_file=none.txt"),
            "none.txt: cannot read the annotation file",
        ),
        (
            ("train", config, "--resume", "--cfg-options", f"load_from={best}"),
            "no optimiser .* --finetune ",
        ),
        (
            ("test", config, best, "--work-dir", tmp_path, "--cfg-options",
             "model.decoder.dictionary.charset=digits"),
            "best.pth: its charset is another than the config's: 12 characters",
        ),
        (
            ("train", config, "--work-dir", tmp_path, "--cfg-options", f"load_from={best}",
             "model.decoder.dictionary.charset=ascii"),
            "best.pth: its charset is another",
        ),
        (("train", config, "--cfg-options", "word"), "--cfg-options takes KEY=VALUE"),
        (("train", config, "--cfg-options", "a=[dict(b=1,c=2)]"), "a dict belongs in a config"),
        (("train", config, "--cfg-options", "model.decoder.max_seq_len=abc"), "tiny.py: "),
        (("predict", best, "x.png", "--output", tmp_path / "no" / "out"), "cannot be written"),
        (("predict", best, "x.png", "--device", "cuda:7"), "is not on this machine"),
        (("predict", trained / "words.txt", "x.png"), "words.txt: "),
        (("predict", best, "none.png"), "none.png: no such file or folder"),
        (("new_config", "none.txt", "--out", tmp_path / "c.py"), "none.txt: cannot read"),
    ]  # fmt: skip
    tool(*cases[0][0], code=2)  # as a process; the rest is the same code in this one
    for (name, *words), message in cases:
        main = importlib.import_module(f"aocr_plugin.cli.{name}").main
        assert main([str(word) for word in words]) == 2
        err = capsys.readouterr().err
        assert re.search(message, err), (name, words, err)
        assert err.count("error: ") == 1 or name == "predict"
    done = subprocess.run(
        [sys.executable, str(ROOT / "tools" / "train.py"), "none.py", "--traceback"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2 and "Traceback" in done.stderr


def test_new_config_splits_measures_and_its_config_trains(words, tmp_path):
    lines = words.read_text()
    for index in range(16):
        name = f"images/copy{index}.png"
        shutil.copy(words.parent / "images" / "OX.png", words.parent / name)
        lines += f"{name} ox{index % 3}\n"
    words.write_text(lines)
    config = tmp_path / "my dir" / "mine.py"
    config.parent.mkdir()
    out, _ = tool("new_config", words, "--out", config)
    assert "20 samples, 20 kept" in out and "training: 16 images" in out
    parts = [
        (config.parent / f"mine-{kind}.txt").read_text().splitlines()
        for kind in ("training", "validation", "testing")
    ]
    assert [len(part) for part in parts] == [16, 2, 2]
    assert sorted(line for part in parts for line in part) == sorted(lines.splitlines())
    text = config.read_text()
    assert "max_seq_len=7" in text and "max_iters=1500" in text
    options = [
        "train_cfg.max_iters=2",
        "train_cfg.val_interval=2",
        "model.backbone.channels=[4,4,4,4,8,8,8]",
        "model.encoder.in_channels=8",
    ]
    tool("train", config, "--work-dir", tmp_path / "run", "--cfg-options", *options)
    assert (tmp_path / "run" / "best.pth").exists()
    _, err = tool("new_config", words, "--out", config, code=2)
    assert "exists; give another --out, or --force" in err
    config.unlink()
    own = config.parent / "mine-training.txt"
    before = own.read_bytes()
    _, err = tool("new_config", own, "--out", config, "--force", code=2)
    assert "is an input and would be written over" in err and own.read_bytes() == before


def test_amp_and_resume_go_on(trained, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(trained / "run", run)
    (run / "last_checkpoint").write_text(str(run / "iter_60.pth"))
    config = trained / "tiny.py"
    out, err = tool(
        "train",
        config,
        "--work-dir",
        run,
        "--resume",
        "--amp",
        "--cfg-options",
        "train_cfg.max_iters=80",
    )
    text = out + err
    assert "resumed epoch: 0, iter: 60" in text and "Iter(train) [80/80]" in text
    before = torch.load(trained / "run" / "iter_60.pth", weights_only=True)
    after = torch.load(run / "iter_80.pth", weights_only=True)
    assert after["meta"]["iter"] == 80
    assert (
        after["message_hub"]["runtime_info"]["best_score"]
        >= (before["message_hub"]["runtime_info"]["best_score"])
    )
    steps = {s["step"] for s in after["optimizer"]["state"].values()}
    assert {int(step) for step in steps} == {80}


def test_mmocrs_own_tool_trains_our_configs(trained, tmp_path):
    import mmocr

    script = Path(mmocr.__file__).parent / ".mim" / "tools" / "train.py"
    options = ["train_cfg.max_iters=2", "train_cfg.val_interval=2"]
    program = (
        "import sys, runpy, aocr_plugin;"
        f"sys.argv = ['train.py', {str(trained / 'tiny.py')!r}, '--work-dir', {str(tmp_path)!r},"
        f" '--cfg-options', *{options!r}]; runpy.run_path({str(script)!r}, run_name='__main__')"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    assert (tmp_path / "best.pth").exists()


def test_two_processes_train_together(trained, tmp_path):
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node=2", "--standalone"]
    command += [str(ROOT / "tools" / "train.py"), str(trained / "tiny.py"), "--launcher", "pytorch"]
    command += ["--work-dir", str(tmp_path), "--cfg-options", "train_cfg.max_iters=4"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    assert torch.load(tmp_path / "iter_4.pth", weights_only=True)["meta"]["iter"] == 4


def test_a_new_run_does_not_take_up_an_older_ones_checkpoints(trained, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(trained / "run", run)
    options = ["train_cfg.max_iters=5", "train_cfg.val_interval=5"]
    tool("train", trained / "tiny.py", "--work-dir", run, "--cfg-options", *options)
    assert sorted(path.name for path in run.glob("*.pth")) == ["best.pth", "iter_5.pth"]
    assert sorted(path.name for path in (run / "previous").iterdir()) == [
        "best.pth",
        "iter_40.pth",
        "iter_60.pth",
        "last_checkpoint",
    ]


def test_weights_that_do_not_fit_are_not_measured(trained, tmp_path):
    checkpoint = torch.load(trained / "run" / "best.pth", weights_only=True)
    del checkpoint["state_dict"]["decoder.output.weight"]
    torch.save(checkpoint, tmp_path / "holed.pth")
    _, err = tool("test", trained / "tiny.py", tmp_path / "holed.pth", code=2)
    assert "weights do not fit" in err and "decoder.output.weight" in err


def test_doctor_says_all_well_here_and_works_where_nothing_is_installed(tmp_path):
    out, _ = tool("doctor")
    assert "all well" in out and "torch" in out and "mended" in out
    bare = subprocess.run(
        [sys.executable, "-S", "-E", str(ROOT / "tools" / "doctor.py")],
        capture_output=True,
        text=True,
    )
    assert bare.returncode == 1
    assert "mmocr            missing" in bare.stdout and "cure: " in bare.stdout
    assert "pip install" in bare.stdout and bare.stderr == ""

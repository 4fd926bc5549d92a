"""The original's README, line by line, with our ``aocr`` on images like the demo's."""

import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import ROOT

pytestmark = pytest.mark.slow

STEP = re.compile(r"Step \d+: \d+\.\d{3}s, loss: \d+\.\d{6}, perplexity: \d+\.\d{6}\.$")
GLOBAL = re.compile(
    r"Global step 100\. Time: \d+\.\d{3}, loss: \d+\.\d{6}, perplexity: \d+\.\d{2}\.$"
)
TESTED = re.compile(
    r"Step \d+ \(\d+\.\d{3}s\)\. Accuracy: [ \d.]{5,6}%, loss: \d+\.\d{6}, "
    r"perplexity: \d+\.\d+, probability: [ \d.]{5,6}% [ \d]{3}% \(.*\)"
)


def aocr(line, folder, code=0, stdin=None):
    """Runs a line of the README; returns (stdout, stderr)."""
    words = line.split()
    assert words[0] == "aocr"
    done = subprocess.run(
        [sys.executable, "-m", "aocr_plugin.cli.aocr.main", *words[1:]],
        capture_output=True,
        text=True,
        cwd=folder,
        input=stdin,
        env=environment(),
    )
    assert done.returncode == code, done.stdout[-2000:] + done.stderr[-3000:]
    return done.stdout, done.stderr


def environment():
    import os

    return os.environ | {"PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A working directory with ``datasets/`` as in the README."""
    from captcha.image import ImageCaptcha

    home = tmp_path_factory.mktemp("readme")
    (home / "datasets" / "images").mkdir(parents=True)
    maker = ImageCaptcha(width=160, height=60)
    for split, texts in (("training", ["AB12", "CD34", "EF56", "GH78"] * 2), ("testing", ["AB12"])):
        lines = []
        for number, text in enumerate(texts):
            path = f"datasets/images/{split}{number}.png"
            maker.write(text.lower(), str(home / path))
            lines.append(f"{path} {text.lower()}\n")
        (home / "datasets" / f"annotations-{split}.txt").write_text("".join(lines))
    return home


@pytest.fixture(scope="module")
def trained(folder):
    """After the README's lines up to ``aocr train``, stopped by Ctrl-C at the first checkpoint."""
    for split in ("training", "testing"):
        line = f"aocr dataset ./datasets/annotations-{split}.txt ./datasets/{split}.tfrecords"
        _, err = aocr(line, folder)
        assert "Dataset is ready" in err and "tools/convert_dataset.py" in err
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "aocr_plugin.cli.aocr.main",
            "train",
            "./datasets/training.tfrecords",
        ],
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=(folder / "err.txt").open("w"),
        env=environment(),
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # a test run in the background ignores Ctrl-C, and so would its children
    deadline = time.monotonic() + 1200
    while not (folder / "checkpoints" / "best.pth").exists():
        assert process.poll() is None, (folder / "err.txt").read_text()[-3000:]
        assert time.monotonic() < deadline, (folder / "aocr.log").read_text()[-1000:]
        time.sleep(1)
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 130
    return folder


def test_training_logs_in_the_originals_form_and_as_json(trained):
    lines = (trained / "aocr.log").read_text().splitlines()
    assert all(re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} root  [A-Z]+ +", x) for x in lines)
    assert sum(bool(STEP.search(line)) for line in lines) >= 100
    assert sum(bool(GLOBAL.search(line)) for line in lines) == 1
    events = [json.loads(line) for line in (trained / "aocr.jsonl").read_text().splitlines()]
    steps = [event for event in events if event["event"] == "step"]
    assert [event["step"] for event in steps[:100]] == list(range(1, 101))
    assert steps[99]["loss"] < steps[0]["loss"]


def test_training_goes_on_where_it_stopped(trained):
    line = "aocr train ./datasets/training.tfrecords --num-epoch 940"
    _, err = aocr(line, trained)  # 940 epochs of 7 images in batches of 65: 102 steps
    assert "--resume" in err and "102 steps" in err
    steps = [
        json.loads(line)["step"]
        for line in (trained / "aocr.jsonl").read_text().splitlines()
        if '"event": "step"' in line
    ]
    assert steps[-2:] == [101, 102]
    _, err = aocr("aocr train ./datasets/training.tfrecords --use-gru", trained, code=2)
    assert "was trained with no --use-gru" in err and "--no-resume" in err


def test_test_and_visualize(trained):
    _, err = aocr("aocr test ./datasets/testing.tfrecords", trained)
    assert TESTED.search(err), err[-2000:]
    assert not (trained / "results" / "correct").exists()
    aocr("aocr test --visualize ./datasets/testing.tfrecords", trained)
    found = sorted((trained / "results").glob("*correct/*/*"))
    assert [path.name for path in found] == ["attention.npz", "image.gif", "strip.png", "word.txt"]


def test_the_same_texts_by_every_way(trained):
    from aocr_plugin import Recognizer

    best = trained / "checkpoints" / "best.pth"
    native = subprocess.run(
        [
            sys.executable,
            str(ROOT / "tools" / "test.py"),
            str(ROOT / "configs" / "aocr_original.py"),
            str(best),
            "--work-dir",
            "native",
            "--cfg-options",
            "test_dataloader.dataset.ann_file=datasets/annotations-training.txt",
        ],
        cwd=trained,
        capture_output=True,
        text=True,
    )
    assert native.returncode == 0, native.stderr[-2000:]
    aocr("aocr test ./datasets/training.tfrecords --output-dir ours", trained)

    def predicted(path):
        return [json.loads(line)["text"] for line in path.read_text().splitlines()]

    images = [str(trained / f"datasets/images/training{n}.png") for n in range(8)]
    ours = predicted(trained / "ours" / "predictions.jsonl")
    assert ours == predicted(trained / "native" / "predictions.jsonl")
    assert ours == [prediction.text for prediction in Recognizer(best)(images)]


def test_predict_reads_file_names_from_standard_input(trained):
    out, _ = aocr("aocr predict", trained, stdin="datasets/images/testing0.png\n")
    assert re.fullmatch(r"Result: OK\. [01]\.\d\d \S*\n", out)
    names = "none.png\ndatasets/images/testing0.png\n"
    out, _ = aocr("aocr predict --model-dir checkpoints", trained, stdin=names, code=2)
    first, second = out.splitlines()
    assert first == "Result: error while opening file none.png."
    assert second.startswith("Result: OK. ")


def test_export(trained):
    pytest.importorskip("tensorflow", reason="TensorFlow is not installed")
    aocr("aocr export ./exported-model", trained)
    assert (trained / "exported-model" / "saved_model.pb").exists()
    aocr("aocr export --format=frozengraph ./exported-model", trained)
    assert (trained / "exported-model" / "frozen_graph.pb").exists()


def test_nothing_to_test_with_is_one_clear_line(folder, tmp_path):
    path = Path(folder) / "datasets" / "annotations-testing.txt"
    _, err = aocr(f"aocr test {path} --model-dir {tmp_path}", tmp_path, code=2)
    assert "no checkpoint in it; train one with 'aocr train'" in err.splitlines()[-1]

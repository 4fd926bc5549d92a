"""An old folder of the original: its TFRecords, checkpoint and numbers, with our ``aocr``."""

import json
import os
import subprocess
import sys
from shutil import copy

import pytest
from conftest import DATA, ROOT, need

pytestmark = [pytest.mark.slow, pytest.mark.parity]
FLAGS = "--max-width 180 --max-height 64 --max-prediction 10 --model-dir checkpoints".split()


def aocr(folder, *words, stdin=None, code=0):
    done = subprocess.run(
        [sys.executable, "-m", "aocr_plugin.cli.aocr.main", *words],
        capture_output=True,
        text=True,
        cwd=folder,
        input=stdin,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == code, done.stdout[-2000:] + done.stderr[-3000:]
    return done.stdout, done.stderr


@pytest.fixture(scope="module")
def old(tmp_path_factory):
    """A folder with TFRecords of the recorded plates and the TensorFlow checkpoint."""
    golden = need(DATA / "golden" / "gru_plates")
    home = need(DATA / "data" / "plates_us")
    recorded = json.loads((golden / "outputs.json").read_text())["images"]
    folder = tmp_path_factory.mktemp("old")
    (folder / "checkpoints").mkdir()
    for path in golden.glob("model.ckpt.*"):
        copy(path, folder / "checkpoints")
    lines = [f"{home / image['path']} {image['label']}\n" for image in recorded]
    (folder / "plates.txt").write_text("".join(lines))
    aocr(folder, "dataset", "plates.txt", "plates.tfrecords", "--save-filename")
    return folder, recorded


def test_strict_prints_the_originals_texts_probabilities_and_losses(old):
    folder, recorded = old
    _, err = aocr(folder, "test", "plates.tfrecords", *FLAGS, "--strict")
    assert "holds a TensorFlow checkpoint; converting it" in err
    events = [json.loads(line) for line in (folder / "aocr.jsonl").read_text().splitlines()]
    events = [event for event in events if event["event"] == "test"]
    assert len(events) == len(recorded) == 64
    for event, image in zip(events, recorded, strict=True):
        assert event["text"] == image["prediction"]
        assert event["probability"] == pytest.approx(image["probability"], abs=1e-3)
        assert event["loss"] == pytest.approx(image["free_running_loss"], abs=1e-3)
        assert event["comment"].endswith(image["path"])


def test_predict_and_the_flags_that_the_checkpoint_knows_better(old):
    folder, recorded = old
    names = (folder / "plates.txt").read_text().splitlines()[:3]
    stdin = "".join(name.split(" ")[0] + "\n" for name in names)
    out, err = aocr(folder, "predict", *FLAGS, "--full-ascii", "--strict", stdin=stdin)
    assert out.splitlines() == [
        f"Result: OK. {image['probability']:.2f} {image['prediction']}" for image in recorded[:3]
    ]
    assert "was trained with no --full-ascii, which counts, not the flag" in err


def test_flags_that_were_forgotten_convert_anew(old):
    folder, recorded = old
    name = (folder / "plates.txt").read_text().split(" ")[0] + "\n"
    aocr(folder, "predict", "--model-dir", "checkpoints", stdin=name)
    out, err = aocr(folder, "predict", *FLAGS, "--strict", stdin=f"none.jpg\n{name}", code=2)
    assert "converting it" in err
    assert out.splitlines() == [
        "Result: error while opening file none.jpg.",
        f"Result: OK. {recorded[0]['probability']:.2f} {recorded[0]['prediction']}",
    ]
    out, _ = aocr(folder, "predict", *FLAGS, name.strip(), "none.jpg", name.strip(), code=2)
    assert [line[8:10] for line in out.splitlines()] == ["OK", "er", "OK"]


def test_training_goes_on_from_the_originals_weights(old):
    folder, _ = old
    words = ["train", "plates.tfrecords", *FLAGS, "--batch-size", "8", "--num-epoch", "1"]
    _, err = aocr(folder, *words, code=2)
    assert "was trained with --use-gru" in err
    aocr(folder, *words, "--use-gru", "--steps-per-checkpoint", "4")
    events = [json.loads(line) for line in (folder / "aocr.jsonl").read_text().splitlines()]
    losses = [event["loss"] for event in events if event["event"] == "step"]
    assert len(losses) == 8 and losses[0] < 2.5  # an untrained network is at 3.7
    assert (folder / "checkpoints" / "best.pth").exists()

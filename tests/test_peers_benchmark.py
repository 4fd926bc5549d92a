"""The benchmark of peers: its table and picture from made-up figures, and one short run."""

import itertools
import json
import os
import subprocess
import sys
import time

import pytest
from conftest import ROOT, WORDS, draw_word

sys.path.append(str(ROOT / "benchmarks"))

import peer_memory
import peer_models
import peer_picture
import peer_tables
import peers
import turns

SET_NAMES = ["iiit5k", "svt"]


def accuracy_json(**means):
    """What accuracy.py writes: each reader as good on two real sets, perfect on a drawn one."""
    rows = {
        name: {"printed": {"accuracy": 1.0}, **{one: {"accuracy": mean} for one in SET_NAMES}}
        for name, mean in means.items()
    }
    published = {"MMOCR CRNN": [0.8, 0.6, 0.1, 0.1, 0.1]}
    return {"measured": rows, "published_by_mmocr": published}


def made_up_report():
    size = [1, 32, 100]
    trained = {"aocr_base": (200.0, 1.0), "mmocr_crnn": (100.0, 2.0), "mmocr_sar": (250.0, 0.8)}
    train = {
        name: dict(images_per_s=rate, times=dict(images_per_s=times), memory_mb=1.0, size=size)
        for name, (rate, times) in trained.items()
    }
    slow = dict(images_per_s=10.0, times=dict(images_per_s=4.0), memory_mb=900.0, size=size)
    quick = dict(images_per_s=40.0, times=dict(images_per_s=1.0), memory_mb=950.0, size=size)
    read = {
        "mine": dict(images_per_s=100.0, ms=10.0, memory_mb=500.0, memory_one_mb=300.0),
        "tesseract": dict(images_per_s=5.0, ms=200.0, times=dict(ms=20.0), memory_mb=50.0),
    }
    report = {
        "tasks": {
            "train": train,
            "predict": {"mmocr_crnn": train["mmocr_crnn"] | {"ms": 12.0}},
            "train_86": {"original": slow, "aocr_base": quick},
            "read": read,
        },
        "models": {"mine": "mine.onnx"},
    }
    report |= peer_tables.accuracies(accuracy_json(mine=0.9, tesseract=0.5))
    return report | {"targets": peer_tables.targets(report)}


def test_the_table_has_all_figures_and_says_which_targets_are_missed():
    lines = peer_tables.table(made_up_report()).splitlines()
    assert len({line.count("|") for line in lines if line.startswith("|")}) == 1
    assert "| read | tesseract | files | 5 | - | 200 | 20 | 50 | - | - | 0.500 |" in lines
    assert "| train | mmocr_crnn | 1 x 32 x 100 | 100 | 2 | - | - | 1 | - | - | - |" in lines
    said = [line for line in lines if line.endswith("met")]
    assert said == [
        "train: aocr_base over mmocr_sar, the fastest: 0.8, above 1: NOT met",
        "predict: aocr_base over mmocr_crnn, the fastest: 2, above 1: met",
        "train_86: aocr_base over the original: 4, at least 3: met",
        "train_86: peak MB of aocr_base: 950, below the original's 900: NOT met",
        "read: MB of mine, one image: 300, below 400: met",
    ]


def test_accuracies_are_means_over_the_real_sets_that_all_have_read():
    found = accuracy_json(mine=0.9, tesseract=0.5)
    found["measured"]["mine"]["svt"]["accuracy"] = 0.7
    found["measured"]["mine"]["cute80"] = {"accuracy": 0.0}
    found = peer_tables.accuracies(found)
    assert found["accuracy_sets"] == SET_NAMES
    assert found["accuracy"] == pytest.approx({"mine": 0.8, "tesseract": 0.5})
    assert found["published"] == pytest.approx({"MMOCR CRNN": 0.7})
    assert peer_tables.accuracies({"measured": {"mine": {}}})["accuracy"] == {}


def test_the_picture_shows_readers_with_accuracy_and_what_mmocr_publishes(tmp_path):
    import cv2

    report = made_up_report()
    found = [(one.name, one.ms, one.measured) for one in peer_picture.points(report)]
    crnn = ("MMOCR CRNN (published)", 12.0, False)
    assert found == [("mine", 10.0, True), ("tesseract", 200.0, True), crnn]
    assert peer_picture.draw(report, tmp_path / "peers.png")
    assert cv2.imread(str(tmp_path / "peers.png")).shape[1] == 880
    assert not peer_picture.draw(report | {"accuracy": {}}, tmp_path / "none.png")
    assert not (tmp_path / "none.png").exists()


def test_labels_of_the_picture_cover_nothing():
    """Five readers in one place, one in a corner."""
    given = [peer_picture.Point(f"a long name {n}", 10 + n / 10, 0.9, True) for n in range(5)]
    given.append(peer_picture.Point("the corner", 900.0, 0.1, False))
    figure, texts = peer_picture.draw_points(given, SET_NAMES)
    figure.canvas.draw()
    renderer = figure.canvas.get_renderer()
    boxes = [peer_picture._box(text, renderer) for text in texts]
    assert [text.get_text() for text in texts] == [one.name for one in given]
    assert not any(a.overlaps(b) for a, b in itertools.combinations(boxes, 2))
    dots = [figure.axes[0].transData.transform((one.ms, one.accuracy)) for one in given]
    assert not any(box.contains(*dot) for box in boxes for dot in dots)
    frame = figure.axes[0].get_window_extent(renderer)
    corners = [(x, y) for box in boxes for x in (box.x0, box.x1) for y in (box.y0, box.y1)]
    assert all(frame.contains(*corner) for corner in corners)


def test_candidates_and_jobs(tmp_path, capsys):
    (tmp_path / "a.png").touch()
    (tmp_path / "notes.txt").touch()
    (tmp_path / "m.onnx").touch()
    words = ["--images", str(tmp_path), "--model", f"mine={tmp_path / 'm.onnx'}"]
    args = peers.parse_args([*words, "--threads", "1"])
    theirs = {"crnn", "sar", "aster", "nrtr", "satrn", "abinet_vision", "svtr"}
    readers = {"original", "mine", "tesseract", "rapidocr_v4", "rapidocr_v6", "ddddocr"}
    expected = {*peer_models.OURS, *readers, *(f"mmocr_{name}" for name in theirs)}
    assert set(peers.candidates(args)) == expected
    jobs, left_out = peers.make_jobs(args)
    assert "--original" in left_out["original"] and len(left_out) == 1
    assert {job["candidate"] for job in jobs} == expected - {"original"}
    assert {job["threads"] for job in jobs} == {1}
    assert {tuple(job["images"]) for job in jobs} == {(str(tmp_path / "a.png"),)}
    jobs, left_out = peers.make_jobs(
        peers.parse_args(["--only", "original", "tesseract", "--original", "there"])
    )
    assert [peers.name_of(job) for job in jobs] == [
        ("train_86", "original"),
        ("train_128", "original"),
    ]
    assert left_out.pop("read") == "no --images"
    assert set(left_out.values()) == {"not among --only"}
    assert set(left_out) == expected - {"original", "tesseract", "mine"}
    with pytest.raises(SystemExit):
        peers.parse_args(["--only", "nobody"])
    assert "nobody: there are aocr_base" in capsys.readouterr().err


def test_order_alternates_ratios_are_the_rounds_own_and_failures_are_left_out(monkeypatch):
    names = ["aocr_base", "mmocr_crnn", "mmocr_sar"]
    jobs = [dict(task="train", candidate=name, precision="fp32") for name in names]
    ran, rates = [], {"aocr_base": [10.0, 40.0, 30.0], "mmocr_crnn": [5.0, 10.0, 10.0]}

    def run(group):
        (job,) = group
        ran.append(job["candidate"])
        if job["candidate"] == "mmocr_sar":
            return [{"left_out": "it is not here"}]
        return [{"images_per_s": rates[job["candidate"]][ran.count(job["candidate"]) - 1]}]

    monkeypatch.setattr(peers, "run", run)
    left_out = {}
    measured = peers.measure(jobs, 3, left_out, None)
    assert ran == [*names, "mmocr_crnn", "aocr_base", "aocr_base", "mmocr_crnn"]
    assert left_out == {"train: mmocr_sar": "it is not here"}
    assert measured["train"]["aocr_base"]["images_per_s"] == 30
    assert measured["train"]["mmocr_crnn"]["times"] == {"images_per_s": 3.0}, "of 2, 4, 3"


def test_the_originals_sizes_are_measured_together_and_the_rest_alone(monkeypatch):
    names = ["aocr_base", "original", "aocr_original"]
    tasks = ["train", "train_86", "train_128"]
    ran, jobs = [], []
    for task in tasks:
        jobs += [dict(task=task, candidate=name, precision="fp32") for name in names]

    def run(group):
        ran.append([(job["task"], job["candidate"]) for job in group])
        missing = {"left_out": "no TensorFlow"}
        return [
            missing if job["candidate"] == "original" else {"images_per_s": 1.0} for job in group
        ]

    monkeypatch.setattr(peers, "run", run)
    left_out = {}
    measured = peers.measure(jobs, 2, left_out, None)
    alone = [[("train", name)] for name in names]
    beside = [[(task, name) for name in names] for task in tasks[1:]]
    assert ran[:5] == [*alone, *beside]
    ours = ["aocr_original", "aocr_base"]
    assert ran[5:7] == [
        [("train_128", name) for name in ours],
        [("train_86", name) for name in ours],
    ]
    assert sorted(left_out) == [f"{task}: original" for task in sorted(tasks)]
    assert {len(row["rounds"]) for rows in measured.values() for row in rows.values()} == {2}


STEPS = """
import sys, time
sys.path.append(sys.argv[1])
import turns
for step in range(int(sys.argv[3])):
    turns.wait()
    with open(sys.argv[2], "a") as log:
        log.write(f"{sys.argv[4]}{step} ")
        log.flush()
        time.sleep(0.05)
        log.write("done ")
if sys.argv[4] == "c":
    sys.exit("c has no more to do")
print(sys.argv[4])
"""


def test_steps_are_made_in_turn_and_never_two_at_a_time(tmp_path):
    log = tmp_path / "log"
    line = [sys.executable, "-c", STEPS, str(ROOT / "benchmarks"), str(log)]
    asked = {"a": 3, "b": 2, "c": 0}
    found = [turns.Process([*line, str(n), name], dict(os.environ)) for name, n in asked.items()]
    turns.run(found)
    assert log.read_text() == "a0 done b0 done a1 done b1 done a2 done "
    assert [process.code for process in found] == [0, 0, 1]
    assert [process.said for process in found] == ["a\n", "b\n", ""]
    assert peers.result(found[2]) == {"left_out": "c has no more to do"}
    waits, killed = (turns.Process([*line, "1", "d"], dict(os.environ)) for _ in range(2))
    assert waits.turn() and killed.turn()
    killed._process.kill()
    killed._process.wait()
    assert not killed.turn() and "left_out" in peers.result(killed)
    for process in (waits, killed, *found):
        process.close()
    assert waits._process.returncode not in (0, None) and "d0" not in log.read_text()


def test_input_sizes_are_those_of_the_configs():
    found = {
        name: peer_models.input_size(peer_models.load_config(name))
        for name in [*peer_models.OURS, *peer_models.MMOCR]
    }
    assert found == {
        "aocr_base": (1, 32, 100),
        "aocr_base_full": (1, 32, 100),
        "aocr_original": (1, 32, 86),
        "aocr_accuracy": (3, 64, 256),
        "mmocr_crnn": (1, 32, 100),
        "mmocr_sar": (3, 48, 160),
        "mmocr_aster": (3, 64, 256),
        "mmocr_nrtr": (3, 32, 160),
        "mmocr_satrn": (3, 32, 100),
        "mmocr_abinet_vision": (3, 32, 128),
        "mmocr_svtr": (3, 64, 256),
    }


def test_peak_memory_is_that_of_the_process_alone():
    """A child of few MB has its own peak, not the parent's, and one of many MB is seen."""
    kept = bytearray(200 * 10**6)
    kept[::4096] = b"x" * len(kept[::4096])
    assert peer_memory.peak() > 200
    with peer_memory.Children() as children:
        subprocess.run([sys.executable, "-c", "import time; time.sleep(0.2)"], check=True)
        assert 3 < children.peak < 100
        large = "import time; kept = b'x' * 150_000_000; time.sleep(0.3)"
        subprocess.run([sys.executable, "-c", large], check=True)
    assert 150 < children.peak < 250


@pytest.mark.slow
def test_a_quick_run(tmp_path):
    import cv2

    for word in WORDS:
        cv2.imwrite(str(tmp_path / f"{word}.png"), draw_word(word))
    begun, out = time.time(), tmp_path / "peers.json"
    line = [sys.executable, str(ROOT / "benchmarks" / "peers.py"), "--quick", "--threads", "1"]
    line += ["--only", "aocr_base", "mmocr_crnn", "ddddocr", "original", "--out", str(out)]
    line += ["--images", str(tmp_path), "--accuracy", str(tmp_path / "absent.json")]
    done = subprocess.run(line, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    report = json.loads(out.read_text())
    assert out.stat().st_mtime >= begun and report["left_out"]["accuracy"].startswith("absent.json")
    assert "original" in report["left_out"]
    for task in ("train", "predict"):
        ours, theirs = (report["tasks"][task][name] for name in ("aocr_base", "mmocr_crnn"))
        ratio = ours["images_per_s"] / theirs["images_per_s"]
        assert theirs["times"]["images_per_s"] == pytest.approx(ratio)
        assert 100 < theirs["memory_mb"] < 4000
    theirs = report["tasks"]["predict"]["mmocr_crnn"]
    assert theirs["file_mb"] == pytest.approx(33.3, abs=0.1), "8.33 million weights in float32"
    assert "| predict | mmocr_crnn | 1 x 32 x 100 | " in done.stdout
    assert "no picture" in done.stderr and not out.with_suffix(".png").exists()


def test_an_interruption_keeps_the_rounds_that_are_whole(monkeypatch):
    rates = iter((10.0, 20.0, 30.0, 40.0, 50.0, None))

    def run(group):
        rate = next(rates)
        if rate is None:
            raise KeyboardInterrupt
        return [{"images_per_s": rate} for _ in group]

    monkeypatch.setattr(peers, "run", run)
    names = ("aocr_base", "mmocr_crnn")
    jobs = [{"task": "train", "candidate": name, "precision": "fp32"} for name in names]
    left_out = {}
    found = peers.measure(jobs, 5, left_out, None)["train"]
    assert left_out == {"rounds": "interrupted after 2 of 5"}
    assert [len(row["rounds"]) for row in found.values()] == [2, 2]  # the second went backwards
    assert found["mmocr_crnn"]["times"]["images_per_s"] == pytest.approx((10 / 20 + 40 / 30) / 2)
    rates = iter((10.0, None))
    with pytest.raises(KeyboardInterrupt):
        peers.measure(jobs, 5, left_out, None)


def test_again_takes_new_accuracies_alone(tmp_path, monkeypatch, capsys):
    out, accuracy = tmp_path / "peers.json", tmp_path / "accuracy.json"
    out.write_text(json.dumps(made_up_report() | {"left_out": {"accuracy": "was absent"}}))
    accuracy.write_text(json.dumps(accuracy_json(mine=0.7, tesseract=0.4)))
    words = ["peers.py", "--again", "--out", str(out), "--accuracy", str(accuracy)]
    monkeypatch.setattr(sys, "argv", words)
    before = json.loads(out.read_text())
    peers.main()
    after = json.loads(out.read_text())
    assert after["accuracy"] == pytest.approx({"mine": 0.7, "tesseract": 0.4})
    assert not after["left_out"]
    assert after["tasks"] == before["tasks"] and after["targets"] == before["targets"]
    assert "| read | tesseract | files | 5 | - | 200 |" in capsys.readouterr().out
    assert out.with_suffix(".png").stat().st_size > 5000

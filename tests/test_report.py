"""The HTML report: what it counts, what it shows, and how it works in a real browser."""

import base64
import json
import re
import subprocess
import sys

import cv2
import numpy as np
import pytest
from conftest import ROOT
from picture_runs import EVIL, PAIRS, colour_words, made_run, test_run, tiny_config

import aocr_plugin  # noqa: F401
from aocr_plugin import storage
from aocr_plugin.errors import ConfigError
from aocr_plugin.visualization import report, report_stats
from aocr_plugin.visualization.report_stats import Outcome


@pytest.fixture
def run():
    return made_run()


def data_of(page):
    return json.loads(re.search(r'id="data">(.*?)</script>', page, re.DOTALL)[1])


def test_confusions_are_those_of_the_edit_path():
    outcomes = [Outcome(*pair) for pair in PAIRS[:3]] + [Outcome("OO", "00O", None)]
    counts = report_stats.confusions(outcomes)
    assert counts["O", "0"] == 2 and counts[" ", ""] == 1 and counts["", "0"] == 1
    assert sum(counts.values()) == 4
    for label, text in (("kitten", "sitting"), ("", "ab"), ("ab", "")):
        cells, i = [], 0  # walking the edits turns the label into the text
        for kind, at, to in report_stats.edits(label, text):
            cells += label[i:at]
            i = at + (kind != "insert")
            cells += text[to] if kind != "delete" else ""
        assert "".join(cells) + label[i:] == text


def test_bins_hold_every_image_once():
    outcomes = [Outcome("x" * n, "x" * n if n % 2 else "y", n / 100) for n in range(100)]
    lengths = report_stats.by_length(outcomes)
    assert len(lengths) <= 16 and sum(b.total for b in lengths) == 100
    assert sum(b.correct for b in lengths) == sum(o.correct for o in outcomes)
    more = [*outcomes, Outcome("a", "a", 1.0), Outcome("a", "a", None)]
    scores = report_stats.by_score(more, 10)
    assert [b.total for b in scores] == [10] * 9 + [11]
    bins = report_stats.calibration(more)
    assert sum(b.words for b in bins) == 101 and report_stats.calibration(more[-1:]) == []
    assert report_stats.by_length([]) == []


def test_weights_come_back_from_their_compact_form():
    looks = np.zeros((2, 40))
    looks[0, 10:13] = 0.25, 0.5, 0.25
    for (first, text), row in zip(report.compact(looks), looks, strict=True):
        values = np.frombuffer(base64.b64decode(text), np.uint8) / 255
        back = np.zeros(40)
        back[first : first + len(values)] = values
        assert np.abs(back - row).max() < 1 / 255


def test_the_page_holds_everything_and_runs_nothing_of_a_label(run):
    page = report.render(run)
    assert EVIL not in page and page.count("<script") == 2 == page.count("</script>")
    tags = re.sub(r"<script.*?</script>", "", page, flags=re.DOTALL)
    assert not re.search(r"<[^>]*\s(src|href)=|@import|url\(|https?://", tags)
    entries = data_of(page)
    assert [(e["label"], e["text"], e["score"]) for e in entries] == PAIRS
    picture = base64.b64decode(entries[0]["picture"].partition(",")[2])
    blue, _, red = cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR)[5, 5]
    assert red < 210 < blue  # the image given was RGB
    assert "All 5 errors are here, and all 2 images read right." in page
    run.entries = run.entries[:3]
    run.metrics["recog/cer"] = float("nan")
    page = report.render(run)
    assert "Of 5 errors the 2 most confident are here, and, of 2 images read right" in page
    assert "More would make the page slow" in page


def test_a_run_without_scores_errors_or_images_makes_a_page_too(tmp_path):
    report.write_report(report.ReportedRun("none"), tmp_path / "new" / "none.html")
    perfect = report.ReportedRun("x", outcomes=[Outcome("a", "a", None)])
    assert "No character was read wrong" in report.render(perfect)


@pytest.mark.parametrize("colour", [False, True])
def test_the_hook_reports_a_run(colour, words, tmp_path):
    words = colour_words(tmp_path) if colour else words
    out = tmp_path / "deep" / "report.html"
    hooks = [dict(type="AttentionPictures", out_dir=str(tmp_path / "p"), limit=1),
             dict(type="TestReport", out_file=str(out), max_errors=3, title="Mine")]  # fmt: skip
    runner, metrics = test_run(words, tmp_path / "run", hooks, colour=colour)
    page = out.read_text()
    assert "<h1>Mine</h1>" in page and runner.model.decoder.keep_attention is False
    assert f"{metrics['recog/cer']:.2%}" in page and "Of 4 errors the 3 most confident" in page
    entries = data_of(page)
    scores = [entry["score"] for entry in entries]
    assert len(entries) == 3 and scores == sorted(scores, reverse=True)
    assert all(len(e["looks"]) == len(e["text"]) for e in entries)


def test_the_hooks_write_to_an_object_store(words, tmp_path):
    pytest.importorskip("fsspec", reason="fsspec is not installed")
    store = f"memory://{tmp_path.name}"
    hooks = [dict(type="AttentionPictures", out_dir=f"{store}/p", limit=1, kinds=["png"]),
             dict(type="TestReport", out_file=f"{store}/r.html")]  # fmt: skip
    test_run(words, tmp_path / "run", hooks)
    assert len(data_of(storage.read_bytes(f"{store}/r.html").decode())) == 4
    assert storage.read_bytes(f"{store}/p/incorrect/CAT/word.txt").endswith(b"\nCAT\n")
    assert storage.read_bytes(f"{store}/p/incorrect/CAT/strip.png")[1:4] == b"PNG"


def test_a_model_without_attention_is_reported_too(words, tmp_path):
    model = dict(
        type="CRNN",
        data_preprocessor=dict(type="TextRecogDataPreprocessor", mean=[128], std=[128]),
        backbone=dict(type="MiniVGG", leaky_relu=False, input_channels=1),
        encoder=None,
        decoder=dict(
            type="CRNNDecoder",
            in_channels=512,
            rnn_flag=True,
            module_loss=dict(type="CTCModuleLoss", letter_case="unchanged"),
            postprocessor=dict(type="CTCPostProcessor"),
            dictionary=dict(type="AOCRDictionary", charset="aocr"),
        ),
    )
    page = tmp_path / "crnn.html"
    test_run(words, tmp_path / "crnn", [dict(type="TestReport", out_file=str(page))], model=model)
    assert [("looks" in entry) for entry in data_of(page.read_text())] == [False] * 4
    pictures = dict(type="AttentionPictures", out_dir=str(tmp_path / "none"))
    with pytest.raises(ConfigError, match=r"AttentionPictures needs .* is CRNNDecoder"):
        test_run(words, tmp_path / "crnn2", [pictures], model=model)


def test_limits_may_not_be_negative():
    from aocr_plugin.engine.test_report import TestReport as Hook

    with pytest.raises(ConfigError, match="max_errors is -1 and max_correct 300; neither may be"):
        Hook(max_errors=-1)


@pytest.mark.slow
def test_the_tool_visualizes_and_reports(words, tmp_path, capsys):
    from mmengine.registry import RUNNERS, init_default_scope

    from aocr_plugin.cli.test import main

    init_default_scope("mmocr")
    cfg = tiny_config(words, tmp_path / "trained")
    cfg.dump(tmp_path / "tiny.py")
    RUNNERS.build(cfg).train()
    line = [str(tmp_path / "tiny.py"), str(tmp_path / "trained" / "best.pth")]
    line += ["--work-dir", str(tmp_path)]
    page, out = tmp_path / "page.html", tmp_path / "pictures"
    assert main([*line, "--report", str(page), "--visualize", str(out), "--limit", "2"]) == 0
    assert len(data_of(page.read_text())) == 4 and "best.pth" in page.read_text()
    assert sorted(path.name for path in out.glob("*/*")) == ["CAT", "DOG7"]
    assert main([*line, "--limit", "2"]) == 2
    assert "--limit limits what --visualize draws" in capsys.readouterr().err


SCRIPT = """
import sys
sys.path.insert(0, {tests!r})
from pathlib import Path
from picture_runs import test_run
out = Path({out!r})
hooks = [dict(type="TestReport", out_file=str(out / "r.html")),
         dict(type="AttentionPictures", out_dir=str(out / "p"), kinds=["npz"])]
test_run({words!r}, out / "run", hooks, launcher="pytorch")
"""


@pytest.mark.slow
def test_two_processes_count_no_image_twice(words, tmp_path):
    words.write_text(words.read_text() + "images/CAT.png ODD\n")
    script = tmp_path / "run.py"
    tests, out = str(ROOT / "tests"), str(tmp_path)
    script.write_text(SCRIPT.format(tests=tests, out=out, words=str(words)))
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node=2", "--standalone"]
    done = subprocess.run([*command, str(script)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    entries = data_of((tmp_path / "r.html").read_text())
    assert sorted(e["label"] for e in entries) == ["CAT", "DOG7", "HORSE", "ODD", "OX"]
    folders = [path.name for path in (tmp_path / "p").glob("*/*")]
    assert len(folders) == 6 and sum(name.endswith("-r1") for name in folders) == 3

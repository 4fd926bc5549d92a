"""The hook that writes attention pictures, in runs of real configs."""

import numpy as np
import pytest
from conftest import draw_word
from picture_runs import colour_words, test_run
from PIL import Image

import aocr_plugin  # noqa: F401
from aocr_plugin.errors import ConfigError


def test_folders_are_named_after_files_and_never_shared():
    from aocr_plugin.engine.attention_pictures import FolderNames

    names = FolderNames()
    given = ["a/cat.png", "b/cat.png", "tfrecord:///x/test.tfrecords#12", "s3://b/dog.png?v=1",
             "a/CAT.jpg", "../..", "", "é/中 文.png", "c/" + "x" * 300, "C:\\a\\b.png"]  # fmt: skip
    found = [names(name) for name in given]
    assert found[:4] == ["cat", "cat-2", "test-12", "dog"] and found[7] == "中_文"
    assert len({name.lower() for name in found}) == len(given)
    assert all(0 < len(name) <= 64 and "/" not in name and name[0] != "." for name in found)
    assert FolderNames("-r1")("a/cat.png") == "cat-r1"


@pytest.mark.parametrize("base", ["aocr_base", "aocr_original"])
def test_a_run_writes_every_image_with_text_weights_and_pictures(base, words, tmp_path):
    hook = dict(type="AttentionPictures", out_dir=str(tmp_path / "out"))
    runner, _ = test_run(words, tmp_path / "one", [hook], base=base)
    assert runner.model.decoder.keep_attention is False
    folders = sorted((tmp_path / "out" / "incorrect").iterdir())
    assert [f.name for f in folders] == ["CAT", "DOG7", "HORSE", "OX"]
    for folder in folders:
        text, label = (folder / "word.txt").read_text().split("\n")[:2]
        saved = np.load(folder / "attention.npz")
        assert label == folder.name == saved["label"] and text == saved["text"]
        steps, columns = saved["attention"].shape
        assert np.allclose(saved["attention"].sum(1), 1, atol=1e-4) and steps >= len(text)
        assert len(saved["edges"]) == columns + 1 and len(saved["char_scores"]) == len(text)
        width = draw_word(label).shape[1]
        assert saved["edges"][-1] >= width or base == "aocr_original"
        with Image.open(folder / "image.gif") as gif, Image.open(folder / "strip.png") as png:
            assert gif.n_frames <= len(text) + 1 and png.width <= 1028
    right = tmp_path / "right.txt"  # what was read becomes the label: now it is correct
    text = (folders[0] / "word.txt").read_text().split("\n")[0]
    right.write_text(f"images/CAT.png {text}\nimages/OX.png OX\n")
    test_run(right, tmp_path / "two", [hook], base=base)
    assert (tmp_path / "out" / "correct" / "CAT" / "word.txt").read_text() == f"{text}\n{text}\n"
    assert not (tmp_path / "out" / "incorrect" / "CAT").exists()


def test_colour_limit_kinds_and_names_of_equal_files(tmp_path):
    words = colour_words(tmp_path)
    out = tmp_path / "out"
    hook = dict(type="AttentionPictures", out_dir=str(out), kinds=["gif"], which="incorrect")
    test_run(words, tmp_path / "run", [hook], colour=True)
    wrong = out / "incorrect"
    assert sorted(path.name for path in wrong.iterdir()) == ["CAT", "CAT-2", "DOG7", "HORSE"]
    assert sorted(path.name for path in (wrong / "CAT").iterdir()) == ["image.gif", "word.txt"]
    with Image.open(wrong / "CAT" / "image.gif") as gif:
        red, _, blue = gif.convert("RGB").getpixel((2, 2))
        assert red == pytest.approx(77, abs=4) and blue == pytest.approx(69, abs=4)
    test_run(words, tmp_path / "few", [hook | dict(out_dir=str(tmp_path / "few"), limit=2)],
             colour=True)  # fmt: skip
    assert len(list((tmp_path / "few" / "incorrect").iterdir())) == 2


def test_an_image_without_a_file_is_drawn_from_the_networks_input():
    from mmocr.structures import TextRecogDataSample

    from aocr_plugin.engine.readings import picture_of

    sample = TextRecogDataSample(
        metainfo=dict(
            img_path="image-000001",
            img_shape=(32, 80),
            valid_ratio=0.25,
            batch_input_shape=(32, 160),
        )
    )
    value = np.broadcast_to(np.arange(80, dtype=np.float32), (1, 32, 80))
    found = picture_of(sample, value)
    assert found.shape == (32, 40) and (found[0] == np.arange(40)).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (dict(kinds=["gif", "svg"]), "kinds holds 'svg'; it may hold gif, png, npz"),
        (dict(which="wrong"), "which is 'wrong'; it must be 'all' or 'incorrect'"),
        (dict(limit=-1), "limit is -1; it must not be negative"),
    ],
)
def test_arguments_out_of_range(arguments, message):
    from aocr_plugin.engine.attention_pictures import AttentionPictures

    with pytest.raises(ConfigError, match=message):
        AttentionPictures(**arguments)


def test_a_decoder_without_attention_is_named():
    from torch import nn

    from aocr_plugin.engine.readings import AttentionSwitch

    model = nn.Module()
    model.decoder = nn.Linear(1, 1)
    with pytest.raises(ConfigError, match=r"AttentionPictures needs .* the model's is Linear"):
        AttentionSwitch().on(model, "AttentionPictures")
    AttentionSwitch().on(model)  # the report does without

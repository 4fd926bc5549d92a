import io
import pickle

import numpy as np
import pytest
import torch
from conftest import WORDS, draw_word, tiny_model

import aocr_plugin  # noqa: F401
from aocr_plugin.errors import CheckpointError, ConfigError, ImageError

PIPELINE = [
    dict(type="LoadImageFromFile", color_type="grayscale"),
    dict(type="LoadOCRAnnotations", with_text=True),
    dict(type="RescaleToHeight", height=32),
    dict(
        type="PackTextRecogInputs", meta_keys=["img_path", "ori_shape", "img_shape", "valid_ratio"]
    ),
]


@pytest.fixture
def checkpoint(seeded):
    """A checkpoint, as a dict, of a small random model."""
    from mmengine.registry import init_default_scope
    from mmocr.registry import MODELS

    init_default_scope("mmocr")
    model = MODELS.build(tiny_model())
    for parameter in model.decoder.parameters():
        torch.nn.init.uniform_(parameter, -0.5, 0.5)
    description = dict(format=1, version="0", model=tiny_model(), test_pipeline=PIPELINE)
    return {"meta": {"aocr": description}, "state_dict": model.state_dict()}


@pytest.fixture
def saved(checkpoint, tmp_path):
    path = tmp_path / "model.pth"
    torch.save(checkpoint, path)
    return path


def save(checkpoint, path):
    torch.save(checkpoint, path)
    return path


def test_paths_bytes_arrays_and_pillow_images_read_alike(saved, words):
    from PIL import Image

    from aocr_plugin import Recognizer

    recognizer = Recognizer(saved)
    path = words.parent / "images" / "DOG7.png"
    pixels = draw_word("DOG7")
    forms = [
        path,
        str(path),
        path.read_bytes(),
        pixels,
        np.stack([pixels] * 3, 2),
        Image.open(path),
    ]
    found = recognizer(forms)
    assert len({(p.text, round(p.score, 5)) for p in found}) == 1 and found[0].text
    assert recognizer(path).text == found[0].text and found[0].source == str(path)
    assert len(found[0].char_scores) == len(found[0].text)
    assert all(0 <= score <= 1 for score in [found[0].score, *found[0].char_scores])
    assert recognizer.charset == "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def test_batches_of_any_size_read_like_single_images(saved):
    from aocr_plugin import Recognizer

    images = [draw_word(word * (1 + i % 3)) for i, word in enumerate(WORDS * 3)]
    recognizer = Recognizer(saved, batch_size=5)
    single = [recognizer(image) for image in images]
    together = recognizer(images)
    assert [p.text for p in together] == [p.text for p in single]
    np.testing.assert_allclose([p.score for p in together], [p.score for p in single], atol=1e-5)


def test_attention_on_request(saved):
    from aocr_plugin import Recognizer

    found = Recognizer(saved, attention=True)(draw_word("CAT"))
    assert found.attention.shape[1] == -(-56 // 4)
    np.testing.assert_allclose(found.attention.sum(1), 1, atol=1e-5)


def test_errors_raise_or_return(saved, tmp_path):
    from aocr_plugin import Recognizer

    recognizer = Recognizer(saved)
    bad = tmp_path / "fake.png"
    bad.write_text("text")
    with pytest.raises(ImageError, match=r"fake\.png: not an image"):
        recognizer([draw_word("A"), bad])
    good, wrong, gone = recognizer([draw_word("A"), bad, "gone.png"], errors="return")
    assert good.error is None and "fake.png" in wrong.error and "gone.png: cannot" in gone.error
    assert wrong.to_dict() == {"file": str(bad), "error": wrong.error}
    with pytest.raises(ImageError, match=r"uint8 of shape .* this is float32 \[3, 3\]"):
        recognizer(np.zeros((3, 3), np.float32))
    with pytest.raises(ImageError, match="int is no path"):
        recognizer([3])
    with pytest.raises(ValueError, match="errors is 'ignore'"):
        recognizer(bad, errors="ignore")
    with pytest.raises(ValueError, match="batch_size is 0"):
        Recognizer(saved, batch_size=0)
    for device, message in (("gpu", "'gpu' is unknown"), ("cuda:99", "'cuda:99' is not on this")):
        with pytest.raises(ConfigError, match=message):
            Recognizer(saved, device=device)
    exr = b"\x76\x2f\x31\x01" + bytes(40)  # OpenCV raises at these
    assert "not an image" in recognizer([exr], errors="return")[0].error
    assert "cannot read" in recognizer(["a\0b"], errors="return")[0].error


def test_pillow_images_are_turned_and_scaled_like_files(saved, tmp_path):
    from PIL import Image

    from aocr_plugin import Recognizer

    recognizer = Recognizer(saved)
    turned, deep = tmp_path / "turned.jpg", tmp_path / "deep.png"
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(draw_word("CAT")).save(turned, exif=exif, quality=95)
    Image.fromarray(draw_word("CAT").astype(np.uint16) * 257).save(deep)
    for path in (turned, deep):
        from_file, from_pillow = recognizer([path, Image.open(path)])
        assert from_file.text == from_pillow.text
        assert from_file.score == pytest.approx(from_pillow.score, rel=1e-3)


class Evil:
    def __reduce__(self):
        return (print, ("code ran",))


def test_a_checkpoint_that_carries_code_is_refused(checkpoint, tmp_path, capsys):
    from aocr_plugin import Recognizer

    path = save(checkpoint | {"extra": Evil()}, tmp_path / "evil.pth")
    with pytest.raises(CheckpointError, match=r"evil.pth: refused, .* could run code"):
        Recognizer(path)
    old = tmp_path / "old.pth"
    old.write_bytes(pickle.dumps({"state_dict": Evil()}))
    with pytest.raises(CheckpointError, match=r"old.pth: "):
        Recognizer(old)
    assert "code ran" not in capsys.readouterr().out


CONDITION = {"type": "ConditionApply", "condition": "print('code ran')"}
CALL = {"type": "subprocess.call", "args": "true"}


@pytest.mark.parametrize(
    "changes",
    [
        {"test_pipeline": [*PIPELINE, CONDITION]},
        {"test_pipeline": (CONDITION,)},
        {"test_pipeline": [CALL]},
        {"test_pipeline": (({"type": "json.tool"},),)},
        {"test_pipeline": [{"type": "RescaleToHeight", "height": 32, "resize_type": "json.tool"}]},
        {"test_pipeline": [{"type": "Resize", "_scope_": "json"}]},
        {"model": {"type": "antigravity"}},
        {"model": {"type": "torch.hub.load"}},
        {"model": {"type": ["AOCR"]}},
        {"model": {"type": "AOCR", "backbone": torch.zeros(1)}},
    ],
)
def test_a_description_that_could_run_code_is_refused(checkpoint, tmp_path, changes):
    from aocr_plugin import Recognizer

    checkpoint["meta"]["aocr"].update(changes)
    with pytest.raises(CheckpointError, match=r"could run code|holds a Tensor"):
        Recognizer(save(checkpoint, tmp_path / "evil.pth"))


def test_resuming_runs_nothing_out_of_the_checkpoint():
    from aocr_plugin.engine.checkpoint_hook import SafeCheckpointHook

    checkpoint = {
        "meta": {"config": "raise SystemExit"},
        "state_dict": {},
        "param_schedulers": [{"end": 10, "T_max": 10, "last_step": 10}],
    }
    SafeCheckpointHook().after_load_checkpoint(None, checkpoint)
    assert checkpoint["meta"] == {}
    assert checkpoint["param_schedulers"] == [{"last_step": 10}]


def test_the_best_checkpoint_is_best_whichever_way_the_metric_goes():
    from aocr_plugin.engine.checkpoint_hook import SafeCheckpointHook

    for metric, better, worse in (
        ("recog/cer", 0.1, 0.9),
        ("recog/loss", 1, 2),
        ("recog/word_acc", 0.9, 0.1),
    ):
        hook = SafeCheckpointHook(save_best=metric)
        assert hook.is_better_than[metric](better, worse)
        assert not hook.is_better_than[metric](worse, better)


def test_weights_of_another_model_are_named(checkpoint, tmp_path):
    from aocr_plugin import Recognizer

    checkpoint["meta"]["aocr"]["model"]["decoder"]["dictionary"]["charset"] = "digits"
    with pytest.raises(CheckpointError, match=r"weights do not fit(.|\n)*size mismatch"):
        Recognizer(save(checkpoint, tmp_path / "other.pth"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "no such checkpoint"),
        (b"", "broken or truncated"),
        (b"PK\x03\x04 not really a zip file", "broken or truncated|not a PyTorch"),
    ],
)
def test_broken_files_are_named(tmp_path, content, message):
    from aocr_plugin import Recognizer

    path = tmp_path / "broken.pth"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(CheckpointError, match=rf"broken.pth: .*({message})"):
        Recognizer(path)


def test_truncated_checkpoints_are_never_whole(saved):
    from aocr_plugin.engine.checkpoint_file import is_whole

    data = saved.read_bytes()
    assert is_whole(saved)
    for part in (0, 10, len(data) // 2, len(data) - 1):
        saved.write_bytes(data[:part])
        assert not is_whole(saved)


def test_checkpoints_of_others_and_of_the_future_are_told_apart(checkpoint, tmp_path):
    from aocr_plugin import Recognizer

    with pytest.raises(CheckpointError, match="no 'state_dict' in it"):
        Recognizer(save({"weights": {}}, tmp_path / "a.pth"))
    checkpoint["meta"]["aocr"]["format"] = 99
    with pytest.raises(CheckpointError, match="written by a newer aocr_plugin"):
        Recognizer(save(checkpoint, tmp_path / "b.pth"))
    with pytest.raises(CheckpointError, match="does not describe itself"):
        Recognizer(save({"state_dict": checkpoint["state_dict"]}, tmp_path / "c.pth"))


def test_resume_takes_the_newest_whole_checkpoint(saved, tmp_path):
    from aocr_plugin.engine.checkpoint_file import latest

    assert latest(tmp_path) is None
    data = saved.read_bytes()
    for step, content in ((90, data), (100, data), (110, data[:-50])):
        (tmp_path / f"iter_{step}.pth").write_bytes(content)
    assert latest(tmp_path).name == "iter_100.pth"
    (tmp_path / "last_checkpoint").write_text(str(tmp_path / "iter_90.pth"))
    assert latest(tmp_path).name == "iter_90.pth"
    (tmp_path / "last_checkpoint").write_text(str(tmp_path / "iter_110.pth"))
    assert latest(tmp_path).name == "iter_100.pth"
    (tmp_path / "last_checkpoint").write_text("")
    assert latest(tmp_path).name == "iter_100.pth"


def test_plain_data_survives_and_histories_come_back():
    from mmengine.logging import HistoryBuffer

    from aocr_plugin.engine.plain import from_plain, to_plain

    history = HistoryBuffer([1.0, 2.5], [1, 1])
    value = {"a": {"loss": history}, "b": (np.float64(0.5), np.int64(3), None, "x"), 1: [True]}
    buffer = io.BytesIO()
    torch.save(to_plain(value), buffer)
    buffer.seek(0)
    found = from_plain(torch.load(buffer, weights_only=True))
    assert found["b"] == [0.5, 3, None, "x"] and found[1] == [True]
    np.testing.assert_array_equal(found["a"]["loss"].data, history.data)
    with pytest.raises(TypeError, match="object has no plain form"):
        to_plain({"a": object()})


def test_a_file_is_whole_or_as_before(tmp_path, monkeypatch):
    import os

    from aocr_plugin.atomic import write_atomically

    path = tmp_path / "new" / "file"
    write_atomically(b"first", path)

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_atomically(b"second", path)
    assert path.read_bytes() == b"first" and len(list(path.parent.iterdir())) == 1

"""What an export refuses before any work is done, and where it goes. Needs no TensorFlow."""

import os

import cv2
import pytest
import torch
from conftest import draw_word, tiny_model

import aocr_plugin  # noqa: F401
from aocr_plugin.errors import AnnotationError, ConfigError, ImageError
from aocr_plugin.export import destination, requirements
from aocr_plugin.export.sample_images import given_images, word_images


def build(**changes):
    from mmengine.registry import DefaultScope
    from mmocr.registry import MODELS

    model = tiny_model(mask_padding=False, decoder=changes.pop("decoder", {}))
    for name, parts in changes.items():
        model[name] = model[name] | parts if isinstance(parts, dict) else parts
    with DefaultScope.overwrite_default_scope("mmocr"):
        return MODELS.build(model)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (dict(mask_padding=True), "the model has mask_padding=True; a TensorFlow export is for"),
        (dict(encoder=dict(cell="gru")), "an encoder of cell 'gru'"),
        (dict(encoder=dict(bidirectional=False), decoder=dict(in_channels=16)), "bidirectional"),
        (dict(encoder=dict(return_state=False)), "return_state=False"),
        (
            dict(data_preprocessor=dict(pad_size_divisor=32)),
            "a data preprocessor with pad_size_divisor",
        ),
        (dict(decoder=dict(allowed="ABC")), r"a constraint \(allowed, pattern or length\)"),
        (
            dict(decoder=dict(postprocessor=dict(type="AttentionPostprocessor"))),
            "postprocessor is AttentionPostprocessor, not WordScorePostprocessor",
        ),
        (dict(encoder=None), "encoder is NoneType, not StackedLSTMEncoder"),
        (
            dict(backbone="MiniVGG"),
            "backbone is MiniVGG, not SlidingCNN",
        ),
    ],
)
def test_a_model_of_another_kind_is_named(changes, message):
    if "backbone" in changes:
        built = build()
        built.backbone = type("MiniVGG", (torch.nn.Identity,), {})()
    elif changes.get("mask_padding"):
        built = build()
        built.mask_padding = True
    else:
        built = build(**changes)
    requirements.check_model(build())
    with pytest.raises(ConfigError, match=message):
        requirements.check_model(built)


LOAD, CANVAS = dict(type="LoadImageFromFile", color_type="grayscale"), dict(type="AOCRCanvas")


@pytest.mark.parametrize(
    ("pipeline", "channels", "message"),
    [
        ([LOAD, dict(type="RescaleToHeight", height=32)], 1, "pipeline has RescaleToHeight"),
        ([LOAD], 1, "pipeline has no AOCRCanvas"),
        ([LOAD, CANVAS], 3, "color_type 'grayscale', which is not the 3 channel"),
        ([dict(type="LoadImageFromFile", color_type="unchanged"), CANVAS], 1, "'unchanged'"),
    ],
)
def test_a_pipeline_of_another_kind_is_named(pipeline, channels, message):
    assert requirements.canvas_of([LOAD, CANVAS], 1).width == 86
    with pytest.raises(ConfigError, match=message):
        requirements.canvas_of(pipeline, channels)


def test_folders_that_hold_files_are_refused_but_for_the_other_format(tmp_path):
    assert destination.check(tmp_path / "new", "savedmodel", False) == tmp_path / "new"
    (tmp_path / ".partial-of-a-killed-run").mkdir()
    (tmp_path / "frozen_graph.pb").touch()
    destination.check(tmp_path, "savedmodel", False)
    with pytest.raises(ConfigError, match=r"is not empty \(frozen_graph\.pb\); .*--force"):
        destination.check(tmp_path, "frozengraph", False)
    (tmp_path / "notes.txt").touch()
    with pytest.raises(ConfigError, match=r"not empty \(notes\.txt\)"):
        destination.check(tmp_path, "savedmodel", False)
    destination.check(tmp_path, "savedmodel", True)
    with pytest.raises(ConfigError, match=r"notes\.txt is a file"):
        destination.check(tmp_path / "notes.txt", "savedmodel", True)
    with pytest.raises(ConfigError, match="local folder"):
        destination.check("s3://bucket/model", "savedmodel", False)


def test_an_export_appears_whole_or_not_at_all(tmp_path):
    path = tmp_path / "models" / "1"
    with pytest.raises(RuntimeError), destination.staged(path) as made:
        made.mkdir()
        raise RuntimeError
    assert not list(tmp_path.iterdir())
    for text in ("first", "second"):
        with destination.staged(path) as made:
            (made / "variables").mkdir(parents=True)
            (made / "saved_model.pb").write_text(text)
            assert not path.exists() or (path / "saved_model.pb").read_text() == "first"
        assert sorted(os.listdir(path)) == ["saved_model.pb", "variables"]
        assert (path / "saved_model.pb").read_text() == text
        assert path.stat().st_mode & 0o777 == 0o777 & ~_umask()
    (tmp_path / "file").touch()
    with (
        pytest.raises(ConfigError, match=r"file.1: cannot be written to"),
        destination.staged(tmp_path / "file" / "1") as made,
    ):
        made.mkdir()


def _umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_made_images_are_of_three_kinds_and_the_same_every_time():
    made = word_images()
    assert made == word_images() and len(made) == 24 == len({name for name, _ in made})
    assert {data[:4] for _, data in made} == {b"\x89PNG", b"\xff\xd8\xff\xe0"}


def test_given_images(words, tmp_path):
    found = given_images([str(words), str(words.parent / "images")])
    assert len(found) == 8 and found[0][1] in [data for _, data in found[4:]]
    (tmp_path / "cut.png").write_bytes(cv2.imencode(".png", draw_word("CUT"))[1].tobytes()[:60])
    with pytest.raises(ImageError, match=r"cut\.png"):
        given_images([str(tmp_path / "cut.png")])
    with pytest.raises(ImageError, match="no file matches"):
        given_images([str(tmp_path / "*.gif")])
    (tmp_path / "wrong.txt").write_text("none.png NONE\n")
    with pytest.raises(AnnotationError, match=r"wrong\.txt:1: no file 'none\.png'"):
        given_images([str(tmp_path / "wrong.txt")])

"""TensorBoard gets scalars and attention pictures of a training."""

import io

import pytest
from conftest import ROOT
from picture_runs import tiny_config
from PIL import Image

import aocr_plugin  # noqa: F401
from aocr_plugin.errors import ConfigError


def test_it_is_added_beside_what_is_there_and_once():
    from mmengine.config import Config

    from aocr_plugin.engine.tensorboard import with_tensorboard

    cfg = Config.fromfile(str(ROOT / "configs" / "aocr_base.py"))
    for _ in range(2):
        with_tensorboard(cfg)
        backends = [backend["type"] for backend in cfg.visualizer.vis_backends]
        assert backends == ["LocalVisBackend", "TensorboardVisBackend"]
        hooks = [hook["type"] for hook in cfg.custom_hooks]
        assert hooks == ["EMAHook", "AttentionPictures"]
    own = Config({"custom_hooks": [{"type": "mmocr.AttentionPictures", "val_images": 1}]})
    with_tensorboard(own)
    assert len(own.custom_hooks) == 1 and own.visualizer.type == "TextRecogLocalVisualizer"
    other = with_tensorboard(Config({"model": {"decoder": {"type": "CRNNDecoder"}}}))
    assert other.custom_hooks == []


def test_without_tensorboard_the_error_says_how_to_get_it(monkeypatch):
    from mmengine.config import Config

    from aocr_plugin.engine import tensorboard

    monkeypatch.setattr(tensorboard.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match="needs TensorBoard: pip install tensorboard"):
        tensorboard.with_tensorboard(Config({}))


@pytest.mark.slow
def test_a_training_writes_scalars_and_strips(words, tmp_path):
    accumulators = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator", reason="no tensorboard"
    )
    from mmengine.registry import RUNNERS, init_default_scope

    from aocr_plugin.engine.tensorboard import with_tensorboard

    init_default_scope("mmocr")
    runner = RUNNERS.build(with_tensorboard(tiny_config(words, tmp_path / "tb_run")))
    runner.train()
    assert runner.model.decoder.keep_attention is False
    runner.visualizer.close()
    (file,) = (tmp_path / "tb_run").rglob("events.out.tfevents.*")
    events = accumulators.EventAccumulator(str(file.parent), size_guidance={"images": 0})
    events.Reload()
    tags = events.Tags()
    assert {"loss", "recog/word_acc"} <= set(tags["scalars"])
    assert [event.step for event in events.Scalars("recog/word_acc")] == [3, 6]
    assert sorted(tags["images"]) == [f"attention/{w}" for w in ("CAT", "DOG7", "HORSE", "OX")]
    first, second = events.Images("attention/CAT")
    assert (first.step, second.step) == (3, 6)
    with Image.open(io.BytesIO(first.encoded_image_string)) as strip:
        assert strip.width >= 400 and strip.height >= 150
    local = file.parent / "vis_image" / "attention"
    assert sorted(path.name for path in local.glob("CAT_*")) == ["CAT_3.png", "CAT_6.png"]

"""Batches put together in the data workers learn and read as MMEngine's do."""

import copy

import pytest
import torch
from conftest import draw_word
from mmengine.dataset import pseudo_collate
from mmengine.registry import init_default_scope

from aocr_plugin.datasets.collating import stacked_collate
from aocr_plugin.errors import ConfigError
from aocr_plugin.labelled_batch import LabelledBatch

KEYS = ("img_path", "ori_shape", "img_shape", "valid_ratio")


def packed(image, text):
    """Returns what a pipeline ends with."""
    from mmocr.datasets.transforms import PackTextRecogInputs

    shape = image.shape[:2]
    info = {"img": image, "gt_texts": [text], "img_path": f"{text}.png"}
    sizes = {"img_shape": shape, "ori_shape": shape, "valid_ratio": 1.0}
    return PackTextRecogInputs(meta_keys=KEYS)(info | sizes)


def lines(heights=(32, 32, 32)):
    """Returns three images of different widths, and heights as given, with labels."""
    sides = zip(("ab", "abcde", "c"), (60, 110, 33), heights, strict=True)
    return [packed(draw_word(text, width)[:height], text) for text, width, height in sides]


def preprocessed(collate, items, **settings):
    """Returns a batch as the network gets it."""
    from mmocr.registry import MODELS

    init_default_scope("mmocr")
    config = dict(type="StackedDataPreprocessor", mean=[127.5], std=[127.5], **settings)
    return MODELS.build(config)(collate(copy.deepcopy(items)), training=True)


@pytest.mark.parametrize("heights", [(32, 32, 32), (32, 20, 40)])
def test_images_and_samples_are_those_of_pseudo_collate(heights):
    items = lines(heights)
    one, other = (preprocessed(how, items) for how in (pseudo_collate, stacked_collate))
    assert torch.equal(one["inputs"], other["inputs"])
    for left, right in zip(one["data_samples"], other["data_samples"], strict=True):
        assert left.gt_text.item == right.gt_text.item
        assert set(left.metainfo_keys()) == set(right.metainfo_keys())
        for key in left.metainfo_keys():
            assert left.get(key) == right.get(key)


def test_batches_are_one_tensor_of_bytes():
    batch = stacked_collate(lines())
    assert batch["inputs"].dtype == torch.uint8
    assert batch["inputs"].shape == (3, 1, 32, 110)
    assert batch["data_samples"].texts == ["ab", "abcde", "c"]


def test_batch_augments_get_plain_samples():
    from mmocr.registry import MODELS

    seen = []

    @MODELS.register_module(name="SeesSamples", force=True)
    class SeesSamples(torch.nn.Module):
        def forward(self, inputs, data_samples):
            seen.append((inputs.shape, [sample.gt_text.item for sample in data_samples]))
            return inputs, data_samples

    preprocessed(stacked_collate, lines(), batch_augments=[dict(type="SeesSamples")])
    assert seen == [(torch.Size([3, 1, 32, 110]), ["ab", "abcde", "c"])]


def test_gray_and_colour_in_one_batch_are_refused():
    colour = packed(draw_word("ab")[..., None].repeat(3, 2), "ab")
    with pytest.raises(ConfigError, match="1 and 3 channels: set color_type"):
        stacked_collate([*lines(), colour])


def test_learning_is_the_same_either_way():
    from mmocr.registry import MODELS

    init_default_scope("mmocr")
    torch.manual_seed(0)
    model = MODELS.build(
        dict(
            type="AOCR",
            mask_padding=True,
            data_preprocessor=dict(type="StackedDataPreprocessor", mean=[128], std=[128]),
            backbone=dict(type="SlidingCNN", channels=(8,) * 6 + (16,), dropout=0.0),
            encoder=dict(type="StackedLSTMEncoder", in_channels=16, hidden_size=8),
            decoder=dict(
                type="AttentionDecoder",
                in_channels=16,
                hidden_size=8,
                num_layers=1,
                init_state="linear",
                dictionary=dict(type="AOCRDictionary", charset="alphanumeric"),
                module_loss=dict(type="SequenceCELoss"),
            ),
        )
    )
    start = copy.deepcopy(model.state_dict())
    losses = []
    for collate in (pseudo_collate, stacked_collate):
        model.load_state_dict(start)
        data = model.data_preprocessor(collate(lines()), training=True)
        losses.append(model.loss(**data)["loss_ce"].item())
    assert losses[0] == losses[1]


def test_a_batch_reads_like_a_list():
    batch = LabelledBatch(["ab", "c"], {"img_path": ["1.png", "2.png"]})
    assert len(batch) == 2
    assert [sample.img_path for sample in batch] == ["1.png", "2.png"]
    assert batch[1].gt_text.item == "c"

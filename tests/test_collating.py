"""Batches put together in the data workers learn and read as MMEngine's do."""

import copy

import cv2
import numpy as np
import pytest
import torch
from conftest import draw_word
from mmengine.dataset import pseudo_collate
from mmengine.registry import init_default_scope
from mmengine.structures import LabelData

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


def line(image, text, **others):
    """Returns what a pipeline of ``AOCRRunner`` ends with."""
    from aocr_plugin.datasets.packing import PackLine

    shape = image.shape[:2]
    info = {"img": image, "gt_texts": [text], "img_path": f"{text}.png"}
    sizes = {"img_shape": shape, "ori_shape": shape, "valid_ratio": 1.0}
    return PackLine(meta_keys=KEYS)(info | sizes | others)


def lines(heights=(32, 32, 32)):
    """Returns three images of different widths, and heights as given, with labels."""
    sides = zip(("ab", "abcde", "c"), (60, 110, 33), heights, strict=True)
    return [packed(draw_word(text, width)[:height], text) for text, width, height in sides]


def preprocessed(collate, items, kind="StackedDataPreprocessor", **settings):
    """Returns a batch as the network gets it."""
    from mmocr.registry import MODELS

    init_default_scope("mmocr")
    config = dict(type=kind, mean=[127.5], std=[127.5], **settings)
    return MODELS.build(config)(collate(copy.deepcopy(items)), training=True)


SETTINGS = [dict(), dict(pad_value=-0.5), dict(pad_size_divisor=64), dict(batch_augments=[])]


@pytest.mark.parametrize("settings", SETTINGS)
@pytest.mark.parametrize("heights", [(32, 32, 32), (32, 20, 40)])
def test_images_and_samples_are_those_of_mmocr(heights, settings):
    items = lines(heights)
    one = preprocessed(pseudo_collate, items, "TextRecogDataPreprocessor", **settings)
    other = preprocessed(stacked_collate, items, **settings)
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


def alike(one, other):
    """Whether two batches are the same, samples and all."""
    for left, right in zip(one["data_samples"], other["data_samples"], strict=True):
        assert left.gt_text.get("item") == right.gt_text.get("item")
        assert {key: left.get(key) for key in left.metainfo_keys()} == {
            key: right.get(key) for key in right.metainfo_keys()
        }
    return torch.equal(one["inputs"], other["inputs"])


def test_packed_lines_make_the_batch_that_mmocrs_make():
    gray = [draw_word(text, width) for text, width in (("ab", 60), ("abcde", 110), ("c", 33))]
    colour = [image[..., None].repeat(3, 2) // np.array([1, 2, 3], np.uint8) for image in gray]
    turned = [np.asfortranarray(image) for image in gray]
    for images in (gray, colour, turned, [image[..., None] for image in gray]):
        pairs = list(zip(images, ("ab", "abcde", "c"), strict=True))
        batch = stacked_collate([line(*pair) for pair in pairs])
        assert not batch["data_samples"].made
        assert alike(batch, stacked_collate([packed(*pair) for pair in pairs]))
        mixed = [line(*pairs[0]), packed(*pairs[1]), line(*pairs[2])]  # of a ConcatDataset
        assert alike(stacked_collate(mixed), batch)


def test_packed_lines_need_what_mmocrs_need():
    image = draw_word("ab")
    unlabelled = stacked_collate([line(image, "ab", gt_texts=[])])["data_samples"]
    assert unlabelled[0].gt_text.keys() == []
    with pytest.raises(ValueError, match="2 labels"):
        line(image, "ab", gt_texts=["a", "b"])
    from aocr_plugin.datasets.packing import PackLine

    with pytest.raises(KeyError, match="ori_shape"):
        PackLine(meta_keys=KEYS)({"img": image, "img_path": "a.png", "img_shape": (32, 9)})


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


def test_mmocrs_decoders_find_what_they_write_into_samples():
    from mmocr.registry import MODELS

    init_default_scope("mmocr")
    model = MODELS.build(
        dict(
            type="AOCR",
            data_preprocessor=dict(type="StackedDataPreprocessor", mean=[128], std=[128]),
            backbone=dict(type="SlidingCNN", channels=(8,) * 6 + (16,)),
            decoder=dict(
                type="CRNNDecoder",
                in_channels=16,
                dictionary=dict(type="AOCRDictionary", charset="alphanumeric"),
                module_loss=dict(type="CTCModuleLoss", letter_case="unchanged"),
                postprocessor=dict(type="CTCPostProcessor"),
            ),
        )
    )
    data = model.data_preprocessor(stacked_collate(lines()), training=True)
    assert torch.isfinite(model.loss(**data)["loss_ctc"])


def test_images_without_labels_are_stacked_too():
    items = lines()
    for item in items:
        item["data_samples"].gt_text = LabelData()
    batch = preprocessed(stacked_collate, items)["data_samples"]
    assert not batch.made
    with pytest.raises(AttributeError, match="item"):
        batch.texts  # noqa: B018
    one = preprocessed(pseudo_collate, items, "TextRecogDataPreprocessor")["data_samples"]
    for left, right in zip(one, batch, strict=True):
        assert left.keys() == right.keys() == ["gt_text"] and right.gt_text.keys() == []
        assert left.metainfo.keys() == right.metainfo.keys()


def test_samples_that_hold_more_than_a_text_are_kept():
    items = lines()
    items[1]["data_samples"].gt_text.score = 0.5
    batch = preprocessed(stacked_collate, items)
    assert [sample.get("valid_ratio") for sample in batch["data_samples"]] == [60 / 110, 1, 0.3]
    assert batch["data_samples"][1].gt_text.score == 0.5


def test_the_wider_batch_of_another_process_moves_the_padding(monkeypatch):
    from aocr_plugin.engine import distributed
    from aocr_plugin.models.widths import valid_widths

    class Wrapper(distributed.SameWidthDataParallel):
        def __init__(self):  # nothing of torch.distributed
            torch.nn.Module.__init__(self)
            self.module = torch.nn.Module()
            self.module.data_preprocessor = torch.nn.Identity()

    def widest(sizes, op):
        sizes.copy_(torch.tensor([32, 220]))

    monkeypatch.setattr(distributed, "all_reduce", widest)
    for collate in (pseudo_collate, stacked_collate):
        data = Wrapper()._widened(preprocessed(collate, lines()))
        assert data["inputs"].shape[3] == 220
        assert valid_widths(data["data_samples"], 220, "cpu").tolist() == [60, 110, 33]


def test_a_loader_that_another_preprocessor_follows_does_not_stack():
    from mmengine.config import Config

    from aocr_plugin.engine.runner import resolve

    for kind, kept in (("TextRecogDataPreprocessor", False), ("StackedDataPreprocessor", True)):
        loader = dict(collate_fn=dict(type="stacked_collate"), dataset=dict(type="A"))
        model = dict(data_preprocessor=dict(type=kind))
        resolved = resolve(Config(dict(train_dataloader=loader, model=model)))
        assert ("collate_fn" in resolved.train_dataloader) is kept


def test_what_is_stacked_is_packed_as_lines(tmp_path):
    from mmengine.config import Config

    from aocr_plugin.engine.runner import AOCRRunner

    names = []
    for index in range(4):
        cv2.imwrite(str(tmp_path / f"{index}.png"), draw_word("ab", 40 + index))
        names.append(f"{index}.png ab\n")
    (tmp_path / "annotations.txt").write_text("".join(names))
    pipeline = [
        dict(type="LoadImageFromFile", color_type="grayscale"),
        dict(type="LoadOCRAnnotations", with_text=True),
        dict(type="PackTextRecogInputs", meta_keys=("img_path", "ori_shape", "img_shape")),
    ]
    one = dict(type="AOCRDataset", ann_file=str(tmp_path / "annotations.txt"), pipeline=pipeline)
    twice = dict(type="RepeatDataset", times=2, dataset=one)
    init_default_scope("mmocr")
    batches = {}
    for collate in ("stacked_collate", "pseudo_collate"):
        cfg = Config(
            dict(
                batch_size=12,
                num_workers=0,
                collate_fn=dict(type=collate),
                sampler=dict(type="DefaultSampler", shuffle=False),
                dataset=dict(type="ConcatDataset", datasets=[one, twice]),
            )
        )
        loader = AOCRRunner.build_dataloader(cfg._cfg_dict)
        batches[collate] = next(iter(loader))
        kinds = [
            type(part.pipeline.transforms[-1]).__name__
            for part in (loader.dataset.datasets[0], loader.dataset.datasets[1].dataset)
        ]
        expected = "PackLine" if collate == "stacked_collate" else "PackTextRecogInputs"
        assert kinds == [expected] * 2
        assert cfg.dataset.datasets[0].pipeline[-1].type == "PackTextRecogInputs"  # as it was
    stacked, listed = batches.values()
    assert stacked["inputs"].shape == (12, 1, 40, 43)
    for image, line, alone, sample in zip(
        stacked["inputs"],
        stacked["data_samples"],
        listed["inputs"],
        listed["data_samples"],
        strict=True,
    ):
        assert torch.equal(image[..., : alone.shape[2]], alone)
        assert line.metainfo == sample.metainfo
        assert line.gt_text.item == sample.gt_text.item


def test_only_a_pipelines_end_is_packed_as_lines():
    from aocr_plugin.engine.loaders import packing_lines

    pack = dict(type="PackTextRecogInputs", meta_keys=KEYS)
    collate = dict(type="stacked_collate")
    for pipeline in ([pack, dict(type="Later")], [pack, len], [], None):
        loader = dict(collate_fn=collate, dataset=dict(type="A", pipeline=pipeline))
        assert packing_lines(loader) == loader
    joined = dict(type="B", datasets=[dict(type="A")], pipeline=[len, pack])
    found = packing_lines(dict(collate_fn=collate, dataset=joined))
    assert found["dataset"]["pipeline"] == [len, dict(pack, type="PackLine")]


def test_a_batch_reads_like_a_list():
    metas = {"img_path": ["1.png", "2.png"], "valid_ratio": [1.0, 0.5]}
    batch = LabelledBatch(["ab", "c"], metas, [(32, 9), (32, 5)])
    assert len(batch) == 2
    assert batch.put(valid_ratio=[0.1, 0.2]).get("valid_ratio") == [0.1, 0.2]
    assert [sample.img_path for sample in batch] == ["1.png", "2.png"]
    batch[1].set_metainfo(dict(valid_ratio=0.25))
    batch[1].gt_text.item = "d"
    assert (batch.get("valid_ratio"), batch.texts) == ([1.0, 0.25], ["ab", "d"])
    with pytest.raises(ValueError, match="write into them"):
        batch.put(valid_ratio=[1.0, 1.0])

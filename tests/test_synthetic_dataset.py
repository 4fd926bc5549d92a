"""Drawn images as a dataset: in data workers, beside other sets, with the project's samplers."""

import pickle

import numpy as np
import pytest
from mmengine.dataset import pseudo_collate
from mmengine.registry import init_default_scope
from synthesis_side import FOLDER
from torch.utils.data import DataLoader

import aocr_plugin  # noqa: F401
from aocr_plugin.datasets.samplers import EndlessSampler, WidthBatchSampler
from aocr_plugin.datasets.source_sampler import SourceSampler
from aocr_plugin.errors import ConfigError

FONTS = [str(FOLDER / name) for name in ("DejaVuSans.ttf", "DejaVuSans-Bold.ttf", "cmr10.ttf")]
PIPELINE = [
    dict(type="LoadImageFromFile", color_type="grayscale"),
    dict(type="LoadOCRAnnotations", with_text=True),
    dict(type="RescaleToHeight", height=32, min_width=8, max_width=2048, interpolation="area"),
    dict(type="PackTextRecogInputs", meta_keys=("img_path", "ori_shape", "img_shape")),
]


def build(**arguments):
    from mmocr.registry import DATASETS

    import aocr_plugin.register  # noqa: F401

    init_default_scope("mmocr")
    given = dict(type="SyntheticDataset", fonts=FONTS, pipeline=PIPELINE, size=1000)
    return DATASETS.build(given | arguments)


def texts(samples):
    return [sample["data_samples"].gt_text.item for sample in samples]


def test_samples_are_packed_and_always_the_same():
    first, second = build(), build()
    for index in (3, 999, 3):
        sample = first[index]
        assert sample["inputs"].shape[:2] == (1, 32)
        assert sample["data_samples"].img_path == f"synthetic:///scene/training/0/{index}"
        np.testing.assert_array_equal(sample["inputs"], second[index]["inputs"])
    drawn = first.synthesizer.sample(0, 3)
    assert first.get_data_info(3)["instances"] == [{"text": drawn.text}]
    np.testing.assert_array_equal(first.get_data_info(3)["img"], drawn.image)
    with pytest.raises(IndexError, match="has 1000 images, there is no 1000"):
        first[1000]


@pytest.mark.parametrize("start", ["fork", pytest.param("spawn", marks=pytest.mark.slow)])
def test_workers_draw_different_images(start):
    dataset = build(height=16, max_width=64)
    loader = DataLoader(
        dataset,
        batch_size=4,
        num_workers=2,
        collate_fn=pseudo_collate,
        multiprocessing_context=start,
        sampler=range(24),
    )
    found = [
        (image.numpy(), sample.gt_text.item)
        for batch in loader
        for image, sample in zip(batch["inputs"], batch["data_samples"], strict=True)
    ]
    assert len({image.tobytes() for image, _ in found}) == len(found) == 24
    for index, (image, text) in enumerate(found):
        here = dataset[index]
        assert text == here["data_samples"].gt_text.item
        np.testing.assert_array_equal(image, here["inputs"].numpy())


def test_a_dataset_goes_to_another_process_after_it_was_used():
    dataset = build()
    dataset[0]
    other = pickle.loads(pickle.dumps(dataset))
    np.testing.assert_array_equal(other[5]["inputs"], dataset[5]["inputs"])


def test_validation_is_another_part():
    training = {build()[index]["inputs"].numpy().tobytes() for index in range(40)}
    validation = build(part="validation", test_mode=True)
    assert not training & {validation[index]["inputs"].numpy().tobytes() for index in range(40)}


def test_beside_a_set_of_files_with_the_projects_samplers(words):
    from mmocr.datasets import ConcatDataset

    init_default_scope("mmocr")
    files = dict(type="AOCRDataset", ann_file=str(words), pipeline=PIPELINE)
    drawn = dict(type="SyntheticDataset", fonts=FONTS, pipeline=PIPELINE, size=44)
    both = ConcatDataset([files, drawn])
    assert len(both) == 48
    order = iter(SourceSampler(both, weights=[1, 3], seed=0))
    chosen = [next(order) for _ in range(40)]
    assert sum(index < 4 for index in chosen) == 10
    assert len(texts(both[index] for index in chosen)) == 40
    batches = iter(WidthBatchSampler(EndlessSampler(both, seed=0), batch_size=6, pool=4))
    seen = [index for _, batch in zip(range(8), batches, strict=False) for index in batch]
    assert sorted(seen) == list(range(48))
    alone = WidthBatchSampler(EndlessSampler(build(), seed=0), batch_size=6, pool=4)
    assert len(next(iter(alone))) == 6


def test_a_concat_dataset_may_bring_the_pipeline():
    from mmocr.datasets import ConcatDataset

    both = ConcatDataset([build(pipeline=[], size=4), build(pipeline=[], size=4)], PIPELINE)
    assert both[0]["inputs"].shape[:2] == (1, 32)


def test_colour_where_the_pipeline_loads_colour():
    coloured = [dict(type="LoadImageFromFile"), *PIPELINE[1:]]
    assert build(pipeline=coloured)[0]["inputs"].shape[0] == 3


def test_texts_are_of_the_dictionary_and_short_enough():
    dictionary = dict(type="AOCRDictionary", charset="chars:ABC123")
    dataset = build(dictionary=dictionary, max_label_length=4, style="captcha")
    for index in range(60):
        (instance,) = dataset.get_data_info(index)["instances"]
        assert set(instance["text"]) <= set("ABC123")
        assert len(instance["text"]) <= 4
    with pytest.raises(ConfigError, match=r"the dictionary lacks .*'D'.* \(1 such\)"):
        build(dictionary=dictionary, charset="chars:ABCD")
    with pytest.raises(ConfigError, match="size is 0"):
        build(size=0)


def test_the_charset_of_texts_is_a_setting_like_the_others():
    dataset = build(texts=dict(charset="digits"), charset="alphanumeric")
    texts = [dataset.get_data_info(index)["instances"][0]["text"] for index in range(40)]
    assert set("".join(texts)) == set("0123456789")


def test_the_runner_hands_over_charset_and_length():
    from mmengine.config import Config

    from aocr_plugin.engine.runner import resolve

    dataset = dict(type="SyntheticDataset", charset="digits")
    decoder = dict(dictionary=dict(type="AOCRDictionary", charset="labels"), max_seq_len=12)
    cfg = Config(dict(model=dict(decoder=decoder), train_dataloader=dict(dataset=dataset)))
    resolved = resolve(cfg)
    assert resolved.model.decoder.dictionary.charset == "chars:0123456789"
    assert resolved.train_dataloader.dataset.max_label_length == 10
    assert resolved.train_dataloader.dataset.dictionary.charset == "chars:0123456789"

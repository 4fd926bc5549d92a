"""TFRecords as a dataset: the same samples as from the annotation file, in any loader."""

import numpy as np
import pytest
from conftest import ROOT, WORDS, tiny_model
from mmengine.registry import DefaultScope
from mmocr.registry import DATASETS

from aocr_plugin.cli.convert_dataset import main
from aocr_plugin.errors import AnnotationError, ConfigError

PIPELINE = [
    dict(type="LoadImageFromFile", color_type="grayscale"),
    dict(type="LoadOCRAnnotations", with_text=True),
]


@pytest.fixture
def packed(words, tmp_path):
    out = tmp_path / "words.tfrecords"
    assert main([str(words), str(out), "--save-filename"]) == 0
    return out


def build(kind, path, **settings):
    with DefaultScope.overwrite_default_scope("mmocr"):
        return DATASETS.build(dict(type=kind, ann_file=str(path), pipeline=PIPELINE) | settings)


def test_the_same_samples_as_from_the_annotation_file(words, packed):
    ours, theirs = build("AOCRRecordDataset", packed), build("AOCRDataset", words)
    assert len(ours) == len(theirs) == len(WORDS)
    for one, other in zip(ours, theirs, strict=True):
        assert np.array_equal(one["img"], other["img"])
        assert one["gt_texts"] == other["gt_texts"]
        assert one["size"] == other["size"]
    assert np.array_equal(ours.aspect_ratios(), theirs.aspect_ratios())
    assert ours.get_data_info(0)["comment"] == "images/CAT.png"
    assert ours.get_data_info(2)["img_path"] == f"tfrecord://{packed}#3"


def test_a_record_is_read_by_its_name(words, packed):
    from aocr_plugin.inference.loading import load_bytes

    found = load_bytes(f"tfrecord://{packed}#2", "x")
    assert found == (words.parent / "images" / "DOG7.png").read_bytes()


def test_in_worker_processes_and_several_files(packed):
    from torch.utils.data import DataLoader

    dataset = build("AOCRRecordDataset", packed, ann_file=[str(packed)] * 2)
    loader = DataLoader(dataset, batch_size=None, num_workers=2, shuffle=True)
    assert sorted(sample["gt_texts"][0] for sample in loader) == sorted(WORDS * 2)


def test_relative_to_data_root_and_by_pattern(packed):
    found = build("AOCRRecordDataset", "w*.tfrecords", data_root=str(packed.parent))
    assert len(found) == len(WORDS)


def test_labels_are_checked_as_anywhere(packed):
    dictionary = dict(type="AOCRDictionary", charset="chars:CATOX")
    found = build("AOCRRecordDataset", packed, dictionary=dictionary)
    assert found.report.counts == {"unknown_character": 2}
    with pytest.raises(AnnotationError, match="no sample is left"):
        build("AOCRRecordDataset", packed, max_label_length=1)


@pytest.mark.parametrize("kind", ["AOCRRecordDataset", "AOCRDataset"])
def test_held_out_samples_are_the_others(words, packed, kind):
    path = packed if kind == "AOCRRecordDataset" else words
    train = build(kind, path, hold_out=3)
    held = build(kind, path, hold_out=3, held_out=True)
    texts = [[sample["gt_texts"][0] for sample in part] for part in (train, held)]
    assert texts == [["DOG7", "HORSE"], ["CAT", "OX"]]
    with pytest.raises(ConfigError, match="hold_out is 1"):
        build(kind, path, hold_out=1)
    with pytest.raises(ConfigError, match="held_out=True needs hold_out"):
        build(kind, path, held_out=True)
    with pytest.raises(AnnotationError, match="too few to hold out"):
        build(kind, path, hold_out=2, held_out=True, max_width=50, max_rejected=1.0)


def test_what_is_held_out_is_never_trained_on_whatever_is_rejected(tmp_path):
    import cv2
    from conftest import draw_word

    labels = ["LONGEST", *"ABCDEFGHIJK"]
    cv2.imwrite(str(tmp_path / "a.png"), draw_word("A"))
    path = tmp_path / "set.txt"
    path.write_text("".join(f"a.png {label}\n" for label in labels))
    train = build("AOCRDataset", path, hold_out=3, max_label_length=1)
    held = build("AOCRDataset", path, hold_out=3, held_out=True, max_label_length=1, test_mode=True)
    texts = [[part.get_data_info(i)["line"] for i in range(len(part))] for part in (train, held)]
    assert texts == [[2, 3, 5, 6, 8, 9, 11, 12], [1, 4, 7, 10]]


def test_the_runner_collects_the_charset_and_trains_from_records(packed, tmp_path):
    from mmengine.config import Config

    from aocr_plugin.engine.runner import AOCRRunner

    cfg = Config.fromfile(ROOT / "configs" / "aocr_base.py")
    cfg.merge_from_dict({"model": tiny_model("labels", max_seq_len=7)})
    cfg.work_dir = str(tmp_path / "run")
    for loader in ("train_dataloader", "val_dataloader", "test_dataloader"):
        cfg[loader].dataset.type = "AOCRRecordDataset"
        cfg[loader].dataset.ann_file = str(packed)
        cfg[loader].num_workers, cfg[loader].persistent_workers = 0, False
    cfg.train_dataloader.batch_size = 2
    cfg.train_cfg.update(max_iters=2, val_interval=2)
    cfg.visualizer.name = "records"
    runner = AOCRRunner.from_cfg(cfg)
    charset = runner.cfg.model.decoder.dictionary.charset
    assert charset == "chars:" + "".join(sorted(set("".join(WORDS))))
    runner.train()
    assert runner.iter == 2

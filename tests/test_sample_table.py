import copy
import pickle

import numpy as np
import pytest

from aocr_plugin import sample_table
from aocr_plugin.sample_table import SampleTable
from aocr_plugin.sifting import Sample

SAMPLES = [
    Sample("/data/a/1.png", "CAT", 1, (30, 10)),
    Sample("2.png", "", 3),
    Sample("tfrecord:///data/b/c.tfrecords#7", "größe 猫", 7, (8, 16), "b/7.png"),
    Sample("s3://bucket/a#b/9.png", "\udcff\ud800", 2**40, (1, 1), ""),
    Sample("/data/a/10.png", "dog", 9, (2000, 32)),
]


def test_samples_come_back_as_they_were():
    table = SampleTable(SAMPLES)
    assert len(table) == 5 and list(table.samples()) == SAMPLES
    assert table.sample(-1) == SAMPLES[-1]
    assert table[2] == {
        "img_path": "tfrecord:///data/b/c.tfrecords#7",
        "instances": [{"text": "größe 猫"}],
        "line": 7,
        "size": (8, 16),
        "comment": "b/7.png",
    }
    for index in (5, -6):
        with pytest.raises(IndexError):
            table[index]


def test_a_slice_is_a_table_of_its_own_length():
    part = SampleTable(SAMPLES)[1:4]
    assert list(part.samples()) == SAMPLES[1:4]
    assert [sample["line"] for sample in part[::-1]] == [2**40, 7, 3]
    assert len(part[5:]) == 0


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda t: pickle.loads(pickle.dumps(t))])
def test_copies_hold_the_same(copied):
    table = SampleTable(SAMPLES)
    assert list(copied(table).samples()) == SAMPLES
    assert list(copied(table[1:3]).samples()) == SAMPLES[1:3]


def test_aspect_ratios_are_of_the_rows():
    table = SampleTable(SAMPLES)
    np.testing.assert_array_equal(
        table.aspect_ratios(), np.array([3, np.nan, 0.5, 1, 62.5], np.float32)
    )
    np.testing.assert_array_equal(table[2:4].aspect_ratios(), np.array([0.5, 1], np.float32))


def test_more_folders_than_are_remembered(monkeypatch):
    monkeypatch.setattr(sample_table, "_MOST_FOLDERS", 2)
    samples = [Sample(f"/data/{n}/{m}.png", "A", 1) for n in range(4) for m in range(2)]
    table = SampleTable(samples)
    assert list(table.samples()) == samples and table._folders == ["/data/0/", "/data/1/"]

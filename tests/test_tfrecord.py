"""TFRecord files: TensorFlow reads ours, we read TensorFlow's, damage is found and named."""

import gzip
import json
import os
import subprocess
import sys

import numpy as np
import pytest

from aocr_plugin.errors import RecordError
from aocr_plugin.formats import example, framing, tfrecord, tfrecord_index
from aocr_plugin.formats.tfrecord import TFRecordFile

RECORDS = [
    {"image": bytes(range(256)) * 20, "label": b"ABC", "comment": b"a/b.png"},
    {"image": b"\x00" * 300, "label": "Größe 5".encode()},
    {"image": b"x", "label": b""},
]


def write(path, records=RECORDS, packed=False):
    with (gzip.open if packed else open)(path, "wb") as file:
        for record in records:
            tfrecord.write_record(file, record)
    return path


def features(path):
    source = TFRecordFile(path)
    return [source.features(number) for number in range(1, len(source) + 1)]


def in_tensorflow(code, *arguments):
    """Runs code with TensorFlow in a process of its own; returns its last line as JSON."""
    pytest.importorskip("tensorflow", reason="TensorFlow is not installed")
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        capture_output=True,
        text=True,
        env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


READ = """
import sys, json, tensorflow as tf
spec = {k: tf.io.FixedLenFeature([], tf.string, default_value="-") for k in
        ("image", "label", "comment")}
found = []
for raw in tf.data.TFRecordDataset(sys.argv[1], compression_type=sys.argv[2]):
    parsed = tf.io.parse_single_example(raw, spec)
    found.append({k: v.numpy().hex() for k, v in parsed.items()})
print(json.dumps(found))
"""
WRITE = """
import sys, json, tensorflow as tf
def feature(v): return tf.train.Feature(bytes_list=tf.train.BytesList(value=[v]))
odd = dict(number=tf.train.Feature(int64_list=tf.train.Int64List(value=[-1, 2**40])),
           real=tf.train.Feature(float_list=tf.train.FloatList(value=[1.5, 2.5])))
kept = []
with tf.io.TFRecordWriter(sys.argv[1], options=sys.argv[2]) as writer:
    for record in json.loads(sys.argv[3]):
        own = {k: feature(bytes.fromhex(v)) for k, v in record.items()}
        made = tf.train.Example(features=tf.train.Features(feature=own))
        kept.append(made.SerializeToString(deterministic=True).hex())
        both = tf.train.Example(features=tf.train.Features(feature={**own, **odd}))
        writer.write(both.SerializeToString())
print(json.dumps(kept))
"""


@pytest.mark.slow
@pytest.mark.parametrize("packed", [False, True])
def test_tensorflow_reads_ours(tmp_path, packed):
    path = write(tmp_path / "a.tfrecords", packed=packed)
    found = in_tensorflow(READ, path, "GZIP" if packed else "")
    wanted = [
        {key: record.get(key, b"-").hex() for key in ("image", "label", "comment")}
        for record in RECORDS
    ]
    assert found == wanted


@pytest.mark.slow
@pytest.mark.parametrize("packed", [False, True])
def test_we_read_tensorflows_and_serialise_the_same_bytes(tmp_path, packed):
    path = tmp_path / "tf.tfrecords"
    given = [{key: value.hex() for key, value in record.items()} for record in RECORDS]
    kept = in_tensorflow(WRITE, path, "GZIP" if packed else "", json.dumps(given))
    assert features(path) == RECORDS  # the numbers in it are passed over
    assert [example.serialise(record).hex() for record in RECORDS] == kept


def test_masked_checksum_of_a_known_value():
    # CRC-32C of "123456789" is 0xE3069283; masked by hand
    rotated = (0xE3069283 >> 15 | 0xE3069283 << 17) & 0xFFFFFFFF
    assert framing.masked_crc(b"123456789") == (rotated + 0xA282EAD8) & 0xFFFFFFFF


def test_random_access_equals_front_to_back(tmp_path):
    rng = np.random.default_rng(0)
    records = [
        {"image": rng.bytes(int(rng.integers(1, 9000))), "label": b"%d" % i} for i in range(500)
    ]
    source = TFRecordFile(write(tmp_path / "a.tfrecords", records))
    assert [source.parse(n, data) for n, data in source] == records
    for number in rng.permutation(500)[:100] + 1:
        assert source.features(int(number)) == records[number - 1]
    with pytest.raises(RecordError, match="no record 501, there are 500"):
        source.record(501)


def test_reading_in_forked_processes(tmp_path):
    from multiprocessing import get_context

    source = TFRecordFile(write(tmp_path / "a.tfrecords"))
    with get_context("fork").Pool(2) as pool:
        assert pool.map(source.features, [1, 2, 3] * 20) == RECORDS * 20


def test_every_flipped_bit_is_found_and_the_other_records_stay(tmp_path):
    whole = write(tmp_path / "a.tfrecords").read_bytes()
    starts = TFRecordFile(tmp_path / "a.tfrecords")._offsets.tolist()
    second = range(starts[1], starts[2])
    for place in list(second)[:: max(1, len(second) // 60)]:
        broken = bytearray(whole)
        broken[place] ^= 0x10
        path = tmp_path / f"{place}.tfrecords"
        path.write_bytes(broken)
        source = TFRecordFile(path)
        assert source.features(1) == RECORDS[0]
        if place < starts[1] + framing.HEADER:  # the length: what follows cannot be found
            assert len(source) == 1
            assert source.fault == (
                f"record 2 at byte {starts[1]}: its length is damaged, so that nothing behind it "
                f"can be found ({len(whole) - starts[1]} of {len(whole)} bytes)"
            )
        else:
            assert source.features(3) == RECORDS[2]
            with pytest.raises(RecordError, match=rf"record 2 at byte {starts[1]}: its checksum"):
                source.features(2)


def test_a_file_cut_anywhere_keeps_what_was_before(tmp_path):
    whole = write(tmp_path / "a.tfrecords").read_bytes()
    starts = TFRecordFile(tmp_path / "a.tfrecords")._offsets.tolist()
    for cut in [*range(framing.HEADER, len(whole), 331), len(whole) - 1, starts[1] + 5]:
        path = tmp_path / f"{cut}.tfrecords"
        path.write_bytes(whole[:cut])
        source = TFRecordFile(path)
        kept = sum(end <= cut for end in starts[1:])
        assert [source.features(n + 1) for n in range(kept)] == RECORDS[:kept]
        assert len(source) == kept
        if cut in starts:
            assert source.fault is None
        else:
            assert "the file is cut off in this record" in source.fault


def test_a_damaged_gzip_is_reported_like_a_cut_file(tmp_path):
    whole = write(tmp_path / "a.tfrecords", RECORDS * 50, packed=True).read_bytes()
    path = tmp_path / "cut.tfrecords.gz"
    path.write_bytes(whole[: len(whole) // 2])
    source = TFRecordFile(path)
    assert len(source) < 150 and source.fault is not None


def test_a_length_that_looks_like_gzip(tmp_path):
    image = b"x" * 35_615
    while len(example.serialise({"image": image, "label": b"A"})) > 35_615:
        image = image[:-1]
    record = {"image": image, "label": b"A"}
    assert len(example.serialise(record)) == 0x8B1F  # little-endian: gzip's first two bytes
    path = write(tmp_path / "a.tfrecords", [record, RECORDS[0]])
    assert path.read_bytes().startswith(b"\x1f\x8b")
    assert features(path) == [record, RECORDS[0]]


def test_what_is_no_tfrecord_file(tmp_path):
    path = tmp_path / "x.tfrecords"
    path.write_text("images/a.png ABC\n" * 10)
    with pytest.raises(RecordError, match="not a TFRecord file"):
        TFRecordFile(path)
    with pytest.raises(RecordError, match=r"gone\.tfrecords: cannot read"):
        TFRecordFile(tmp_path / "gone.tfrecords")


def test_a_record_that_is_no_example(tmp_path):
    path = tmp_path / "a.tfrecords"
    with path.open("wb") as file:
        framing.write(file, b"\xff\xff\xff no protobuf")
        tfrecord.write_record(file, {"label": b"A"})
    source = TFRecordFile(path)
    with pytest.raises(RecordError, match="record 1 at byte 0"):
        source.features(1)
    with pytest.raises(RecordError, match="record 2 has no feature 'image'"):
        tfrecord.read_image(str(path), 2)


def test_the_index_is_kept_used_and_made_anew(tmp_path, monkeypatch):
    monkeypatch.setattr(tfrecord_index, "_WORTH_KEEPING", 2)
    path = write(tmp_path / "a.tfrecords")
    TFRecordFile(path)
    kept = tmp_path / "a.tfrecords.index.npy"
    assert kept.exists()
    monkeypatch.setattr(tfrecord_index, "scan", lambda path: pytest.fail("scanned again"))
    assert features(path) == RECORDS
    monkeypatch.undo()
    monkeypatch.setattr(tfrecord_index, "_WORTH_KEEPING", 2)
    write(path, RECORDS * 2)  # the file changes, so the index no longer counts
    assert features(path) == RECORDS * 2
    kept.write_bytes(b"damaged")
    assert features(path) == RECORDS * 2


def test_the_index_goes_to_the_cache_where_the_folder_cannot_be_written(tmp_path, monkeypatch):
    monkeypatch.setattr(tfrecord_index, "_WORTH_KEEPING", 2)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "data").mkdir()
    path = write(tmp_path / "data" / "a.tfrecords")
    (tmp_path / "data" / "a.tfrecords.index.npy").mkdir()  # no file can take this name
    assert features(path) == RECORDS
    assert list((tmp_path / "cache" / "aocr_plugin" / "indexes").glob("*.npy"))

"""Checkpoints that TensorFlow wrote, read without it."""

import shutil
import struct
import subprocess
import sys

import numpy as np
import pytest
from conftest import DATA, ROOT, need
from tensorflow_side import run_tensorflow

from aocr_plugin.conversion.sorted_table import MAGIC, read_table, unsnap
from aocr_plugin.conversion.tensorflow_checkpoint import read_checkpoint
from aocr_plugin.errors import CheckpointError
from aocr_plugin.formats.framing import masked_crc

_WRITE = """
from pathlib import Path
out = Path(sys.argv[1])
rng = np.random.default_rng(0)
values = {f"of/{t}": rng.integers(-3 if t[0] in "ifb" else 0, 90, (3, 5)).astype(t) for t in
          "float16 float32 float64 int8 int16 int32 int64 uint8 uint16 uint32 uint64".split()}
values |= {"of/bool": np.array([True, False]), "scalar": np.float32(3.5),
           "empty": np.zeros((0, 4), np.float32), "slot/Adadelta": np.ones(3, np.float32),
           "slot/Adadelta_1": np.ones(3, np.float32)}
tf.compat.v1.disable_eager_execution()
with tf.compat.v1.Session() as session:
    kept = [tf.compat.v1.Variable(value, name=name) for name, value in values.items()]
    wide = rng.normal(size=(4, 4)).astype(np.float32)
    kept.append(tf.compat.v1.Variable(tf.cast(tf.constant(wide), tf.bfloat16), name="of/bfloat16"))
    kept.append(tf.compat.v1.Variable("a text", name="text"))
    session.run(tf.compat.v1.global_variables_initializer())
    values["of/bfloat16"] = session.run(tf.cast(kept[-2], tf.float32))
    saver = tf.compat.v1.train.Saver(kept)
    saver.save(session, str(out / "saver" / "model.ckpt"), global_step=7)
    np.savez(out / "values.npz", **{n.replace("/", "|"): v for n, v in values.items()})
    tf.compat.v1.train.Saver(kept[:3], write_version=tf.compat.v1.train.SaverDef.V1).save(
        session, str(out / "old.ckpt"))
    parts = []
    for part in range(2):
        prefix = str(out / f"part{part}" / "x")
        names = ["".join(rng.choice(list("abcdef/"), 120)) for _ in range(2000)]
        session.run(tf.raw_ops.SaveV2(prefix=prefix, tensor_names=names,
                    shape_and_slices=[""] * len(names),
                    tensors=[tf.constant(np.float32(i)) for i in range(len(names))]))
        parts.append(prefix)
        (out / f"names{part}.txt").write_text("\\n".join(names))
    session.run(tf.raw_ops.MergeV2Checkpoints(checkpoint_prefixes=parts,
                destination_prefix=str(out / "shards" / "many"), delete_old_dirs=True))
    session.run(tf.raw_ops.SaveV2(prefix=str(out / "sliced"), tensor_names=["whole/W"],
                shape_and_slices=["8 2 0,4:-"], tensors=[tf.zeros([4, 2])]))
"""


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A folder of checkpoints of TensorFlow's own Saver."""
    folder = tmp_path_factory.mktemp("tensorflow")
    for name in ("saver", "shards"):
        (folder / name).mkdir()
    run_tensorflow(_WRITE, folder)
    return folder


@pytest.fixture
def plates(tmp_path):
    """A copy of a recorded checkpoint, which a test may damage."""
    source = need(DATA / "golden" / "gru_plates")
    for path in source.glob("model.ckpt.*"):
        shutil.copyfile(path, tmp_path / path.name)
    return tmp_path


@pytest.mark.slow
def test_every_number_type_of_tensorflows_saver(written):
    expected = {n.replace("|", "/"): v for n, v in np.load(written / "values.npz").items()}
    found = read_checkpoint(written / "saver" / "model.ckpt-7")
    assert set(found) == {name for name in expected if not name.startswith("slot")}
    for name, value in found.items():
        assert value.dtype == expected[name].dtype and value.shape == expected[name].shape, name
        np.testing.assert_array_equal(value, expected[name])


@pytest.mark.slow
def test_shards_and_an_index_of_several_blocks(written):
    assert (written / "shards" / "many.index").stat().st_size > 400_000
    found = read_checkpoint(written / "shards")
    expected = {}
    for part in range(2):
        names = (written / f"names{part}.txt").read_text().splitlines()
        expected |= {name: float(number) for number, name in enumerate(names)}
    assert {name: float(value) for name, value in found.items()} == expected
    (written / "shards" / "many.data-00001-of-00002").rename(written / "elsewhere")
    with pytest.raises(CheckpointError, match=r"many\.data-00001-of-00002: missing.*all of its 2"):
        read_checkpoint(written / "shards" / "many")


@pytest.mark.slow
def test_any_name_of_a_checkpoint_will_do(written, tmp_path):
    folder = tmp_path / "moved"
    shutil.copytree(written / "saver", folder)
    state = (folder / "checkpoint").read_text()
    (folder / "checkpoint").write_text(state.replace('"model', '"/another/machine/model'))
    names = ["", "checkpoint", "model.ckpt-7", "model.ckpt-7.index", "model.ckpt-7.meta"]
    for name in [*names, "model.ckpt-7.data-00000-of-00001"]:
        assert "scalar" in read_checkpoint(folder / name), name
    for path in list(folder.glob("model*")):
        shutil.copyfile(path, path.with_name(path.name.replace("-7", "-9", 1)))
    assert "scalar" in read_checkpoint(folder)
    (folder / "checkpoint").write_text('model_checkpoint_path: "C:\\\\runs\\\\model.ckpt-8"\n')
    with pytest.raises(CheckpointError, match=r"names model\.ckpt-8, but .* model\.ckpt-9: name"):
        read_checkpoint(folder)
    (folder / "checkpoint").write_text("")
    with pytest.raises(CheckpointError, match="no line 'model_checkpoint_path'"):
        read_checkpoint(folder)
    (folder / "checkpoint").unlink()
    with pytest.raises(CheckpointError, match=r"model\.ckpt-7, model\.ckpt-9 and no state file"):
        read_checkpoint(folder)
    with pytest.raises(CheckpointError, match=r"no TensorFlow checkpoint \(NAME\.index\) in it"):
        read_checkpoint(tmp_path)
    with pytest.raises(CheckpointError, match=r"gone\.index: no such file"):
        read_checkpoint(tmp_path / "gone")


@pytest.mark.slow
def test_format_v1_and_partitions_are_named(written):
    with pytest.raises(CheckpointError, match="old format V1; read it with TensorFlow's Saver"):
        read_checkpoint(written / "old.ckpt")
    with pytest.raises(CheckpointError, match=r"1 variables are partitioned.*whole/W"):
        read_checkpoint(written / "sliced")


def test_recorded_checkpoint_equals_the_recorded_variables():
    folder = need(DATA / "golden" / "gru_plates")
    found = read_checkpoint(folder / "model.ckpt")
    expected = {n.replace("|", "/"): v for n, v in np.load(folder / "weights.npz").items()}
    assert set(found) == set(expected)
    for name, value in found.items():
        assert value.dtype == expected[name].dtype
        np.testing.assert_array_equal(value, expected[name])


def test_reading_needs_neither_torch_nor_tensorflow():
    code = (
        "import sys, aocr_plugin.conversion.tensorflow_checkpoint\n"
        "print(sorted({'torch', 'tensorflow', 'mmengine', 'mmocr'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout == "[]\n", done.stderr


@pytest.mark.parametrize("place", [40, 900, 1600])
def test_every_flipped_bit_of_the_index_is_seen(plates, place):
    index = plates / "model.ckpt.index"
    data = bytearray(index.read_bytes())
    data[place] ^= 1
    index.write_bytes(data)
    with pytest.raises(CheckpointError, match=r"model\.ckpt\.index: .*checksum .* copy it again"):
        read_checkpoint(plates)


def test_a_cut_index_is_no_index(plates):
    index = plates / "model.ckpt.index"
    index.write_bytes(index.read_bytes()[:-20])
    with pytest.raises(CheckpointError, match=r"\.index: it does not end as a table does"):
        read_checkpoint(plates)
    index.write_bytes(b"\0\0\0\x64".ljust(40, b"\0") + MAGIC.to_bytes(8, "little"))
    with pytest.raises(CheckpointError, match=r"\.index: the block at byte 0 is cut off"):
        read_checkpoint(plates)


def test_damaged_data_name_the_variable(plates):
    data = plates / "model.ckpt.data-00000-of-00001"
    with data.open("r+b") as file:
        file.seek(100)
        file.write(b"?")
    with pytest.raises(CheckpointError, match=r"the checksum of \S+ \(at byte \d+\) is wrong"):
        read_checkpoint(plates)


def test_truncated_data_name_the_variable(plates):
    data = plates / "model.ckpt.data-00000-of-00001"
    with data.open("r+b") as file:
        file.truncate(30_000_000)
    with pytest.raises(CheckpointError, match=r"truncated: \S+ lies at .* the file has 30000000"):
        read_checkpoint(plates)


def varint(number):
    """Returns a number as the table keeps it."""
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes([*out, number])


def snappy_table(entries):
    """Returns a table of one compressed block; TensorFlow itself writes none."""

    def block(pairs):
        rows = [varint(0) + varint(len(k)) + varint(len(v)) + k + v for k, v in pairs]
        plain = b"".join(rows) + struct.pack("<2I", 0, 1)
        pieces = [plain[i : i + 60] for i in range(0, len(plain), 60)]
        packed = varint(len(plain)) + b"".join(bytes([len(p) - 1 << 2]) + p for p in pieces)
        return packed + b"\1" + struct.pack("<I", masked_crc(packed + b"\1")), len(packed)

    data, size = block(sorted(entries.items()))
    index, index_size = block([(max(entries), varint(0) + varint(size))])
    footer = varint(0) + varint(0) + varint(len(data)) + varint(index_size)
    return data + index + footer.ljust(40, b"\0") + MAGIC.to_bytes(8, "little")


def test_an_index_of_snappy_blocks(plates):
    index, expected = plates / "model.ckpt.index", read_checkpoint(plates)
    index.write_bytes(snappy_table(read_table(index.read_bytes())))
    found = read_checkpoint(plates)
    assert found.keys() == expected.keys()
    assert all(np.array_equal(found[name], expected[name]) for name in expected)


def test_snappy_blocks_of_another_library():
    packed = "6310636f6e765f01050c312f57200108050d00322e0d0000332e0d0076270008616263460300"
    names = b"conv_conv1/W conv_conv2/W conv_conv3/W "
    assert unsnap(bytes.fromhex(packed)) == names * 2 + b"abc" * 7


def test_snappy_blocks_by_the_formats_description():
    assert unsnap(b"\x0b" + b"\x04ab" + b"\x11\x02" + b"\x00c") == b"abababababc"
    long = bytes(range(256)) * 2
    assert unsnap(b"\x80\x04" + b"\xf4\xff\x00" + long[:256] + b"\xfe\x00\x01" * 4) == long
    for broken in (b"\x05\x00a", b"\x04\x01\x05", b"\x03\x08ab", b"\xff" * 11):
        with pytest.raises((ValueError, IndexError)):
            unsnap(broken)

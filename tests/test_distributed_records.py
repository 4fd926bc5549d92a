"""Several TFRecord files on two processes: each reads its part, counted in bytes and in records."""

import json

import cv2
import numpy as np
import pytest
from distributed_side import run, torchrun_line

from aocr_plugin.formats.tfrecord import write_record

pytestmark = pytest.mark.slow
FILES, RECORDS = 4, 32  # eight records a file

SCRIPT = """
import collections, json, pathlib, sys
import torch.distributed as dist
import aocr_plugin.register
from mmengine.dataset import pseudo_collate
from mmengine.registry import DefaultScope
from mmocr.registry import DATASETS
from torch.utils.data import DataLoader
from aocr_plugin import storage
from aocr_plugin.datasets import record_dataset, samplers

folder = pathlib.Path(sys.argv[1])
dist.init_process_group("gloo")
reads = collections.Counter()
plain = storage.read_bytes

def counted(name):
    reads[str(name)] += 1
    return plain(name)

record_dataset.storage.read_bytes = counted

def bytes_read():
    lines = pathlib.Path("/proc/self/io").read_text().splitlines()
    return int(dict(line.split(": ") for line in lines)["rchar"])

def build():
    with DefaultScope.overwrite_default_scope("mmocr"):
        return DATASETS.build(dict(type="AOCRRecordDataset", ann_file=str(folder / "part-*"),
            pipeline=[dict(type="LoadImageFromFile", color_type="grayscale")]))

before = bytes_read()
dataset = build()
built = bytes_read() - before
sampler = samplers.WidthBatchSampler(samplers.EndlessSampler(dataset, seed=1), 4, pool=4)
loader = iter(DataLoader(dataset, batch_sampler=sampler, collate_fn=pseudo_collate))
next(iter(DataLoader(dataset, batch_size=1, collate_fn=pseudo_collate)))  # imports what it needs
reads.clear()
before = bytes_read()
for _ in range(4):
    next(loader)
found = dict(rank=dist.get_rank(), built=built, passed=bytes_read() - before, reads=reads,
             labels=[dataset.get_data_info(i)["instances"][0]["text"] for i in range(len(dataset))],
             table=dataset.report.table())
(folder / f"rank{dist.get_rank()}.json").write_text(json.dumps(found))
dist.barrier()
"""


@pytest.fixture
def parts(tmp_path):
    """Writes the files; returns the bytes in them."""
    noise = np.random.default_rng(0)
    for file in range(FILES):
        with (tmp_path / f"part-{file}.tfrecords").open("wb") as out:
            for record in range(RECORDS // FILES):
                image = noise.integers(0, 255, (300, 1000), np.uint8)
                encoded = cv2.imencode(".png", image)[1].tobytes()
                broken = file == 3 and record == 0
                label = f"F{file}R{record}"
                write_record(out, {"image": b"x" if broken else encoded, "label": label.encode()})
    return sum(path.stat().st_size for path in tmp_path.glob("part-*"))


def test_each_process_reads_its_part_of_the_records(parts, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    run([*torchrun_line(), str(script), str(tmp_path)])
    found = [json.loads((tmp_path / f"rank{rank}.json").read_text()) for rank in range(2)]
    labels = [f"F{file}R{record}" for file in range(4) for record in range(8)]
    labels.remove("F3R0")
    for one in found:
        assert one["labels"] == labels
        assert "32 samples, 31 kept, 1 rejected" in one["table"]
        assert 0.4 < one["built"] / parts < 0.65
        assert 0.4 < one["passed"] / parts < 0.65
        assert len(one["reads"]) == 16 and set(one["reads"].values()) == {1}
    seen = [set(one["reads"]) for one in found]
    assert len(seen[0] & seen[1]) == 1 and len(seen[0] | seen[1]) == 31  # 32 draws of 31

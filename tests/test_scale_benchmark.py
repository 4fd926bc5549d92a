import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.slow
def test_every_kind_is_measured(tmp_path):
    out = tmp_path / "scale.json"
    words = [str(ROOT / "benchmarks" / "scale.py"), f"--out={out}", "--counts", "1500"]
    done = subprocess.run(
        [sys.executable, *words, "--batches", "3"], capture_output=True, text=True, check=False
    )
    assert not done.returncode, done.stderr[-2000:]
    rows = json.loads(out.read_text())
    assert [(row["kind"], row["samples"]) for row in rows] == [
        ("annotations", 1500),
        ("tfrecords", 1500),
        ("mmocr", 1500),
    ]
    for row in rows:
        assert row["start"] > 0 and row["images_a_second"] > 0 and row["worker_mib_last"] > 10
    assert len(done.stdout.splitlines()) == 5  # a table

import os
import subprocess
import sys

import pytest

# counts pages that the kernel had to clear while a block is allocated and freed again and again
SCRIPT = """
import resource, sys
import numpy as np
from aocr_plugin.engine.heap import keep_freed_memory
print(keep_freed_memory() if sys.argv[1] == "keep" else None)
np.full(40_000_000, 1, np.uint8)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(5):
    np.full(40_000_000, 1, np.uint8)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""
glibc = pytest.mark.skipif(
    not sys.platform.startswith("linux") or "glibc" not in os.confstr("CS_GNU_LIBC_VERSION"),
    reason="only glibc's malloc is told to keep memory",
)


def run(choice, **environment):
    """Whether memory was asked to be kept, and the pages that were cleared."""
    found = subprocess.run(
        [sys.executable, "-c", SCRIPT, choice],
        capture_output=True,
        text=True,
        env=os.environ | environment,
        check=True,
    )
    kept, faults = found.stdout.split()
    return kept, int(faults)


@glibc
def test_freed_memory_is_used_again():
    assert run("leave")[1] >= 5 * 40_000_000 >> 21  # pages of 2 MiB at most
    kept, faults = run("keep")
    assert kept == "True" and faults < 100


@glibc
@pytest.mark.parametrize(
    "setting",
    [
        {"MALLOC_TOP_PAD_": "1000"},
        {"MALLOC_TRIM_THRESHOLD_": "1000"},
        {"GLIBC_TUNABLES": "glibc.malloc.trim_threshold=1000"},
    ],
)
def test_the_users_own_settings_stay(setting):
    assert run("keep", **setting)[0] == "False"


def test_training_asks_for_it(monkeypatch):
    from aocr_plugin.engine import runner

    asked = []
    monkeypatch.setattr(runner, "keep_freed_memory", lambda: asked.append("memory"))
    monkeypatch.setattr(runner.Runner, "train", lambda self: asked.append("training"))
    training = runner.AOCRRunner.__new__(runner.AOCRRunner)
    training.cfg, training._train_loop = {}, None
    training.train()
    assert asked == ["memory", "training"]

"""Each mend does its work here and nothing where the stack needs none."""

import subprocess
import sys

import pytest

import aocr_plugin  # noqa: F401


def run(program: str) -> str:
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip().splitlines()[-1]


@pytest.mark.slow
def test_mmocrs_parts_run_with_the_mends():
    program = """
import aocr_plugin
import mmocr.models, mmocr.datasets, mmocr.evaluation, mmocr.visualization
from mmengine.utils.dl_utils import mmcv_full_available
import importlib.util, sys
absent = importlib.util.find_spec("mmcv._ext") is None
print(absent, mmcv_full_available(), "mmcv._ext" in sys.modules)
"""
    absent, full, left = run(program).split()
    assert full == ("False" if absent == "True" else "True") and left == str(absent == "False")


@pytest.mark.slow
def test_a_missing_operator_says_what_to_install():
    pytest.importorskip("mmcv", reason="mmcv is not installed")
    program = """
import importlib.util, aocr_plugin, mmocr.models
if importlib.util.find_spec("mmcv._ext") is None:
    from mmcv.ops import nms
    import torch
    try:
        nms(torch.zeros(1, 4), torch.zeros(1), 0.5)
    except RuntimeError as error:
        print(error)
else:
    print("mim install mmcv")
"""
    assert "mim install mmcv" in run(program)


@pytest.mark.slow
def test_imgaug_augmenters_that_broke_run():
    program = """
import aocr_plugin, mmocr.models
import numpy as np, imgaug.augmenters as iaa
image = np.zeros((32, 64, 3), np.uint8)
flip = iaa.Fliplr()
for augmenter in (iaa.SomeOf(1, [flip]), iaa.OneOf([flip]), iaa.Clouds(), iaa.Fog()):
    assert augmenter(image=image).shape == image.shape
print("ok")
"""
    assert run(program) == "ok"


@pytest.mark.slow
def test_nothing_is_mended_twice_or_where_it_is_not_needed():
    program = """
import numpy as np, sys, types
np.sctypes, np.bool, np.complex = {}, bool, complex
sys.modules["mmcv.ops"] = types.ModuleType("mmcv.ops")
sys.modules["torchvision"] = types.ModuleType("torchvision")
import torch
torch._C._cuda_setDevice = None
import importlib
del importlib.import_module("torch.distributed.rendezvous")._create_c10d_store
from aocr_plugin import mends
print(mends.apply(), mends.apply())
"""
    assert run(program) == "[] []"


def test_reasons_are_told():
    from aocr_plugin import mends

    assert set(mends.APPLIED) <= set(mends.reasons())
    assert all(len(reason) > 20 for reason in mends.reasons().values())

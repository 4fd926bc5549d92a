"""Shared fixtures. Tests that need recorded data skip with a reason where it is absent."""

import contextlib
import fcntl
import os
import random
from collections.abc import Iterator
from pathlib import Path

os.environ.setdefault("GOMP_SPINCOUNT", "1000")
if "PYTEST_XDIST_WORKER" in os.environ:  # two at a time: each has one core
    os.environ.setdefault("OMP_NUM_THREADS", "1")

import cv2
import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[1]
DATA = Path(os.environ.get("AOCR_TEST_DATA", ROOT.parent / "shared"))


def need(path: Path) -> Path:
    """Returns the path or skips the test, saying what is missing."""
    if not path.exists():
        pytest.skip(f"{path.relative_to(DATA)} is not there: set AOCR_TEST_DATA to its folder")
    return path


@contextlib.contextmanager
def alone(place: Path) -> Iterator[None]:
    """Lets one process at a time make a folder; the slow tests run in two."""
    place.parent.mkdir(parents=True, exist_ok=True)
    with open(f"{place}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory, monkeypatch):
    """Tests leave the user's cache alone."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture(params=["lstm_captcha5", "gru_plates"])
def golden(request) -> Path:
    """Folder of weights and outputs recorded from the original."""
    return need(DATA / "golden" / request.param)


@pytest.fixture(scope="session")
def real_sets() -> Path:
    """Folder of real labelled sets."""
    return need(DATA / "data")


def draw_word(text: str, width: int | None = None) -> np.ndarray:
    """Returns a gray image [40, W] of a word in OpenCV's built-in font."""
    width = width or 20 * max(1, len(text)) + 10
    image = np.full((40, width), 230, np.uint8)
    cv2.putText(image, text, (5, 29), cv2.FONT_HERSHEY_SIMPLEX, 0.8, 20, 2)
    return image


WORDS = ["CAT", "DOG7", "HORSE", "OX"]


@pytest.fixture
def words(tmp_path) -> Path:
    """An annotation file of four words of several widths, beside its images."""
    (tmp_path / "images").mkdir()
    lines = []
    for word in WORDS:
        cv2.imwrite(str(tmp_path / "images" / f"{word}.png"), draw_word(word))
        lines.append(f"images/{word}.png {word}\n")
    path = tmp_path / "words.txt"
    path.write_text("".join(lines))
    return path


def tiny_model(charset: str = "aocr", max_seq_len: int = 10, **changes) -> dict:
    """Config of a small recogniser with masked padding."""
    decoder = dict(
        type="AttentionDecoder",
        in_channels=32,
        hidden_size=16,
        num_layers=1,
        embed_dims=8,
        init_state="linear",
        forget_bias=1.0,
        max_seq_len=max_seq_len,
        dictionary=dict(type="AOCRDictionary", charset=charset),
        module_loss=dict(type="SequenceCELoss"),
        postprocessor=dict(type="WordScorePostprocessor"),
    )
    decoder.update(changes.pop("decoder", {}))
    return (
        dict(
            type="AOCR",
            mask_padding=True,
            data_preprocessor=dict(type="TextRecogDataPreprocessor", mean=[128], std=[128]),
            backbone=dict(
                type="SlidingCNN",
                channels=(8, 8, 16, 16, 32, 32, 32),
                norm_all=True,
                dropout=0.0,
                bn_momentum=0.1,
            ),
            encoder=dict(
                type="StackedLSTMEncoder", in_channels=32, hidden_size=16, forget_bias=1.0
            ),
            decoder=decoder,
        )
        | changes
    )


@pytest.fixture
def seeded():
    """Fixes all random generators."""
    import torch

    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)


def make_samples(labels, ratios=None):
    """Returns MMOCR samples with labels and, where given, valid ratios."""
    from mmengine.structures import LabelData
    from mmocr.structures import TextRecogDataSample

    samples = []
    for index, label in enumerate(labels):
        sample = TextRecogDataSample()
        sample.gt_text = LabelData(item=label)
        sample.set_metainfo({"img_path": f"{index}.png"})
        if ratios is not None:
            sample.set_metainfo({"valid_ratio": ratios[index]})
        samples.append(sample)
    return samples

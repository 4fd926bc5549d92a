"""The operations that benchmarks/roofline.py counts, against sums made by hand."""

import json
import subprocess
import sys
import time

import pytest
import torch
from conftest import ROOT, make_samples, tiny_model
from torch import nn

import aocr_plugin  # noqa: F401

sys.path.insert(0, str(ROOT / "benchmarks"))

import roofline_counts
from roofline_counts import Counter, Stages, Work

N, WIDTH, T = 3, 24, 6  # images, pixels, columns
D = 16  # units of a direction and of the decoder
M, E = 2 * D, 8  # channels of the memory, of an embedding
V, L = 39, 4  # symbols, steps: three characters and the end
CONVOLUTIONS = [  # height, width, channels in, channels out, kernel
    (32, 24, 1, 8, 3),
    (16, 12, 8, 8, 3),
    (8, 6, 8, 16, 3),
    (8, 6, 16, 16, 3),
    (4, 6, 16, 32, 3),
    (4, 6, 32, 32, 3),
    (2, 6, 32, 32, 2),
]
NETWORK = {"batch", "CNN, convolutions", "CNN, the rest", "LSTM", "decoder"}
BACKWARD = {f"backward: {name}" for name in ("CNN, convolutions", "CNN, the rest", "LSTM")}
PARTS = {
    "training": NETWORK | BACKWARD | {"backward: decoder, loss", "loss", "optimiser", "averages"},
    "data_loading": {"decode", "resize", "distort", "label", "pack"},
    "reading": NETWORK | {"decode", "resize, pack", "postprocess"},
}


def counted(ratio):
    """Work of a training step of a small recogniser, by stage, and the stages' seconds."""
    from mmengine.registry import init_default_scope
    from mmocr.registry import MODELS
    from roofline_runs import watch

    init_default_scope("mmocr")
    model = MODELS.build(tiny_model())
    stages = Stages()
    watch(stages, model)
    samples = make_samples(["ABC", "12", "Z"], [1.0, ratio, ratio])
    with Counter(stages) as counter:
        loss = model(torch.rand(N, 1, 32, WIDTH), samples, mode="loss")["loss_ce"]
        with stages("backward: decoder, loss"):
            loss.backward()
    return {name: work.macs for name, work in counter.work.items()}, set(stages.seconds)


@pytest.mark.parametrize("ratio", [1.0, 0.96], ids=["plain", "masked"])
def test_a_training_step_has_the_operations_that_a_sum_by_hand_has(seeded, ratio):
    macs, timed = counted(ratio)
    layers = [N * h * w * i * o * k * k for h, w, i, o, k in CONVOLUTIONS]
    assert macs["CNN, convolutions"] == sum(layers)
    # twice, but for the gradient of the images
    assert macs["backward: CNN, convolutions"] == 2 * sum(layers) - layers[0]

    inputs = M + (ratio < 1)  # one says where padding is
    lstm = 2 * N * T * 4 * D * (inputs + D)
    unasked = 2 * N * 4 * D * D  # gradient of the first state, which oneDNN's kernel gives too
    assert macs["LSTM"] == lstm
    assert macs["backward: LSTM"] in (2 * lstm, 2 * lstm - unasked)

    first_state, keys, embedded = N * M * 2 * D, N * T * M * M, N * L * E * D
    of_context, gates, query = N * M * D, N * 2 * D * 4 * D, N * 2 * D * M
    scores, context = N * T * M, N * T * M
    output = N * L * (D + M) * V
    step = of_context + gates + query + scores + context
    decoder = first_state + keys + embedded + L * step + output
    assert macs["decoder"] == decoder
    # of the scores' product one gradient is an outer product, done value by value
    assert macs["backward: decoder, loss"] == 2 * decoder - L * scores - of_context

    stages = {"batch", "loss", "CNN, the rest", "backward: CNN, the rest"}
    assert not any(macs[name] for name in (stages & set(macs)) | ({None} & set(macs)))
    assert set(macs) - {None} <= timed and stages <= timed


def test_bytes_are_those_of_a_products_tensors():
    stages = Stages()
    left, right = torch.rand(5, 7), torch.rand(7, 11, dtype=torch.float32)
    with Counter(stages) as counter, stages("product"):
        torch.relu(left @ right)
    moved = 4 * (5 * 7 + 7 * 11 + 5 * 11)
    assert counter.work["product"] == Work(5 * 7 * 11, moved + 4 * 2 * 5 * 11, moved)


def test_an_lstm_without_gradients_counts_as_with_them(seeded):
    layer = nn.LSTM(4, 8, batch_first=True, bidirectional=True)
    image, found = torch.rand(2, 5, 4), []
    for mode in (torch.no_grad, torch.enable_grad):
        with mode(), Counter(Stages()) as counter:
            layer(image)
        found.append(sum(work.macs for work in counter.work.values()))
    assert found == [2 * 2 * 5 * 32 * (4 + 8)] * 2


def test_time_goes_to_the_innermost_stage(monkeypatch):
    clock = iter(range(100))
    monkeypatch.setattr(roofline_counts.time, "perf_counter", lambda: 10.0 ** next(clock))
    stages = Stages()
    with stages("outer"):  # at 1
        with stages("inner"):  # at 10
            stages.switch("third")  # at 100
        # at 1000
    # at 10,000
    assert stages.seconds == {"outer": 9.0 + 9000.0, "inner": 90.0, "third": 900.0}
    assert stages.current is None and time is roofline_counts.time


def test_shares_and_limits_by_hand():
    from roofline import rows, summary

    limits = {"fp32": {"convolution": 100.0, "product": 50.0}, "bandwidth": 1000.0}
    seconds = {
        "CNN, convolutions": [4.0, 3.0, 9.0],
        "decoder": [2.0],
        "backward: LSTM": [4.0],
        "decode": [6.0],  # files
    }
    work = dict.fromkeys(seconds, Work(0, 0, 0))
    work |= {"CNN, convolutions": Work(200, 1000, 500), "decoder": Work(10, 4000, 2000)}
    table = rows({"seconds": seconds, "work": work}, 2, limits, "fp32")
    assert [row["ms_an_image"] for row in table] == [2000, 1000, 2000, 3000]
    assert [row["share"] for row in table] == [0.25, 0.125, 0.25, 0.375]
    assert [row["of_limit"] for row in table] == [0.5, 0.1, 0.0, 0.0]
    assert [row["of_bandwidth"] for row in table] == [0.25, 2.0, 0.0, 0.0]
    total = summary(table, 1.5)
    assert total["images_a_second"] == 0.125
    assert total["of_limit"] == pytest.approx((200 / 100 + 2000 / 1000) / 16)
    assert (total["convolutions_share"], total["convolutions_of_limit"]) == (0.25, 0.5)
    assert total["convolutions_share_of_network"] == 0.4
    assert (total["backward_share"], total["cores"]) == (0.25, 1.5)


@pytest.mark.slow
def test_every_stage_is_in_the_result(tmp_path):
    out = tmp_path / "roofline.json"
    words = [str(ROOT / "benchmarks" / "roofline.py"), f"--out={out}", "--threads=1"]
    words += ["--batch=2", "--images=4", "--repeats=1"]
    done = subprocess.run([sys.executable, *words], capture_output=True, text=True)
    assert not done.returncode, done.stderr[-2000:]
    found = json.loads(out.read_text())
    stages = {kind: {row["stage"] for row in found[kind]["stages"]} for kind in PARTS}
    assert all(stages[kind] >= PARTS[kind] for kind in PARTS)
    assert found["limits"]["fp32"]["convolution"] > 0 and found["limits"]["bandwidth"] > 0
    for kind in ("training", "reading"):
        assert f"{kind} on " in done.stdout and found[kind]["total"]["of_limit"] > 0
        assert sum(row["share"] for row in found[kind]["stages"]) == pytest.approx(1)
    # the two numbers are of the same images: aocr_base's convolutions
    counts = [
        next(r["mmac_an_image"] for r in found[kind]["stages"] if r["stage"] == "CNN, convolutions")
        for kind in ("training", "reading")
    ]
    assert counts[0] == counts[1]

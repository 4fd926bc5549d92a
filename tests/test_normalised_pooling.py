"""BatchNorm, padding's zeros, pooling and ReLU in one go, beside one after the other."""

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from aocr_plugin.models.backbones.sliding_cnn import ConvBlock, SlidingCNN
from aocr_plugin.models.sync_batch_norm import SyncedBatchNorm2d, synced
from aocr_plugin.models.widths import valid_columns

WIDTHS = torch.tensor([9, 1, 3, 5, 6, 2])


def layer(signs, dtype=torch.float32):
    torch.manual_seed(0)
    norm = nn.BatchNorm2d(8).to(dtype if dtype == torch.float64 else torch.float32)
    with torch.no_grad():
        norm.weight.uniform_(0.1, 2.0).mul_(torch.tensor(signs * (8 // len(signs))))
        norm.bias.normal_()
    return norm


def images(size, dtype=torch.float32):
    """Features with equal neighbours, as even paper has, channels last."""
    torch.manual_seed(1)
    x = torch.randn(6, 8, *size).round(decimals=1).to(dtype)
    return x.contiguous(memory_format=torch.channels_last)


def one_after_the_other(norm, x, window, valid):
    y = norm(x)
    if valid is not None:
        y = y * valid
    if window is not None:
        y = F.max_pool2d(y, window, ceil_mode=True)
    return torch.relu(y)


@pytest.mark.parametrize("window", [None, (2, 1), (2, 2), (1, 3)])
@pytest.mark.parametrize("size", [(8, 9), (5, 10), (1, 1)])
@pytest.mark.parametrize("signs", [[1], [-1, 1]], ids=["rising", "falling"])
@pytest.mark.parametrize("padded", [False, True], ids=["whole", "padded"])
def test_output_gradients_and_averages(window, size, signs, padded):
    x = images(size, torch.float64)
    valid = valid_columns(WIDTHS.clamp(max=size[1]), x) if padded else None
    right = layer(signs, torch.float64)
    found = synced(copy.deepcopy(right))
    ours, theirs = (x.clone().requires_grad_() for _ in range(2))
    y, wanted = (
        found.activated(ours, window, valid),
        one_after_the_other(right, theirs, window, valid),
    )
    assert torch.allclose(y, wanted, rtol=1e-12, atol=1e-12) and y.stride() == wanted.stride()
    slopes = torch.randn_like(wanted)
    y.backward(slopes)
    wanted.backward(slopes)
    assert torch.allclose(ours.grad, theirs.grad, rtol=1e-9, atol=1e-12)
    for name, parameter in found.named_parameters():
        assert torch.allclose(parameter.grad, right.get_parameter(name).grad, rtol=1e-9, atol=1e-12)
    for name, buffer in found.named_buffers():
        assert torch.allclose(buffer, right.get_buffer(name), rtol=1e-9)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("signs", [[1], [-1, 1]], ids=["rising", "falling"])
def test_the_same_bits_as_normalising_first(dtype, signs):
    x = images((8, 9), dtype)
    valid = valid_columns(WIDTHS, x)
    norm = synced(layer(signs))
    normalised = norm._normalised(x)
    first = torch.relu(F.max_pool2d(normalised * valid, (2, 2), ceil_mode=True))
    assert torch.equal(norm.activated(x, (2, 2), valid), first)
    assert first.dtype == dtype and first.gt(0).any() and first.eq(0).any()


@pytest.mark.parametrize("affine", ["no bias", "nothing"])
def test_layers_that_learn_less(affine):
    norm, plain = (nn.BatchNorm2d(8, affine=affine != "nothing").double() for _ in range(2))
    for one in (norm, plain):
        one.bias = None
    norm, x = synced(norm), images((8, 9), torch.float64)
    ours, theirs = (x.clone().requires_grad_() for _ in range(2))
    slopes = torch.randn(6, 8, 4, 5, dtype=torch.float64)
    norm.activated(ours, (2, 2)).backward(slopes)
    one_after_the_other(plain, theirs, (2, 2), None).backward(slopes)
    assert torch.allclose(ours.grad, theirs.grad, rtol=1e-9, atol=1e-12)
    if affine != "nothing":
        assert torch.allclose(norm.weight.grad, plain.weight.grad, rtol=1e-9, atol=1e-12)


def test_widths_are_counted_exactly_in_bfloat16():
    x = torch.randn(2, 8, 2, 600).to(torch.bfloat16).contiguous(memory_format=torch.channels_last)
    valid = valid_columns(torch.tensor([600, 511]), x)
    y = synced(layer([1])).activated(x, (2, 2), valid)
    alone = synced(layer([1]))._normalised(x)[1:, :, :, 510:511]
    assert valid.dtype == torch.bfloat16
    assert torch.equal(y[1, :, 0, 255], torch.relu(alone.amax(dim=(0, 2, 3))))


def test_what_is_put_in_stays_as_it_is():
    x = images((8, 9))
    before = x.clone()
    synced(layer([-1, 1])).activated(x, (2, 2), valid_columns(WIDTHS, x))
    assert torch.equal(x, before)


@pytest.mark.parametrize("padded", [False, True], ids=["whole", "padded"])
def test_the_networks_gradients_are_those_of_pytorchs_layers(padded, monkeypatch):
    torch.manual_seed(0)
    right = SlidingCNN(channels=(8,) * 7, norm_all=True, dropout=0.0).double()
    right.to(memory_format=torch.channels_last)
    found = synced(copy.deepcopy(right))
    taken, activated = [], SyncedBatchNorm2d.activated
    monkeypatch.setattr(
        SyncedBatchNorm2d, "activated", lambda *args: taken.append(1) or activated(*args)
    )
    x = torch.randn(3, 1, 32, 41, dtype=torch.float64).contiguous(memory_format=torch.channels_last)
    widths = torch.tensor([41, 30, 17]) if padded else None
    outputs = [network.train()(x, widths) for network in (found, right)]
    assert len(taken) == 7
    assert torch.allclose(*outputs, rtol=1e-9, atol=1e-12)
    for y in outputs:
        y.square().sum().backward()
    for name, parameter in right.named_parameters():
        ours = found.get_parameter(name).grad
        assert torch.allclose(ours, parameter.grad, rtol=1e-6, atol=1e-9), name


@pytest.mark.parametrize(
    ("layout", "training", "grad", "expected"),
    [
        (torch.channels_last, True, True, True),
        (torch.contiguous_format, True, True, False),
        (torch.channels_last, False, True, False),
        (torch.channels_last, True, False, False),
    ],
)
def test_where_it_is_taken(layout, training, grad, expected, monkeypatch):
    block = ConvBlock(4, 8, 3, norm=True, pool=(2, 2), bn_momentum=0.1, bn_eps=1e-3)
    block = synced(block).to(memory_format=layout).train(training)
    taken = []
    monkeypatch.setattr(
        SyncedBatchNorm2d,
        "activated",
        lambda norm, x, *rest: taken.append(rest) or norm._normalised(x, True, *rest),
    )
    with torch.set_grad_enabled(grad):
        y = block(torch.randn(2, 4, 6, 6).contiguous(memory_format=layout))
    assert y.shape == (2, 8, 3, 3)
    assert taken == ([((2, 2), None)] if expected else [])


def test_hooks_see_what_the_layer_alone_does():
    block = ConvBlock(4, 8, 3, norm=True, pool=(2, 2), bn_momentum=0.1, bn_eps=1e-3)
    block = synced(block).to(memory_format=torch.channels_last)
    x = torch.randn(2, 4, 6, 6).contiguous(memory_format=torch.channels_last)
    pooled, seen = block(x), []
    block.norm.register_forward_hook(lambda layer, inputs, output: seen.append(output.clone()))
    assert torch.allclose(block(x), pooled, atol=1e-5)
    (normalised,) = seen
    assert normalised.shape == (2, 8, 6, 6) and normalised.lt(0).any()

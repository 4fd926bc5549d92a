import pytest
import torch
from torch import nn

from aocr_plugin.models import winograd
from aocr_plugin.models.winograd import LearningConv2d

CHANNELS_LAST = torch.channels_last


@pytest.fixture(autouse=True)
def any_processor(monkeypatch):
    """Takes the smallest layers that any processor learns by products."""
    monkeypatch.setattr(winograd, "_FEWEST", 64 * 64)


def pair(c, k, side=3, padding=1, **options):
    """A layer of each kind with the same weights, in training, channels last."""
    torch.manual_seed(0)
    options = {"padding": padding, "bias": False, **options}
    ours = LearningConv2d(c, k, side, **options).to(memory_format=CHANNELS_LAST)
    plain = nn.Conv2d(c, k, side, **options).to(memory_format=CHANNELS_LAST)
    plain.load_state_dict(ours.state_dict())
    return ours.train(), plain.train()


def learnt(layer, images):
    """Output and both gradients of a layer, the image's and the weights'."""
    x = images.clone(memory_format=torch.preserve_format).requires_grad_()
    y = layer(x)
    slopes = torch.randn(y.shape, generator=torch.Generator().manual_seed(1))
    y.backward(slopes)
    return y.detach(), x.grad, layer.weight.grad


# whole tiles; cut ones at the right, below and at both; smaller than one
@pytest.mark.parametrize("size", [(8, 24), (4, 21), (3, 8), (7, 22), (3, 3), (3, 4)])
@pytest.mark.parametrize(("side", "padding"), [(3, 1), (3, 0), (2, 0), (2, 1)])
@pytest.mark.parametrize("k", [80, 1024])  # learnt by products: the weights alone, and all
def test_output_and_gradients_are_a_convolutions(size, side, padding, k):
    ours, plain = pair(128, k, side, padding)
    assert ours._learns_faster(torch.empty(1, 128, *size).to(memory_format=CHANNELS_LAST))
    images = torch.randn(3, 128, *size).contiguous(memory_format=CHANNELS_LAST)
    exact = learnt(plain.double(), images.double())
    for found, right in zip(learnt(ours, images), exact, strict=True):
        assert found.dtype == torch.float32 and found.shape == right.shape
        assert (found - right).abs().max() < 3e-5 * right.abs().max()


@pytest.mark.parametrize("size", [(1, 1), (2, 8), (3, 2)])
@pytest.mark.parametrize("k", [80, 1024])
def test_an_image_smaller_than_a_tile(size, k):
    ours, plain = pair(128, k)
    images = torch.randn(3, 128, *size).contiguous(memory_format=CHANNELS_LAST)
    exact = learnt(plain.double(), images.double())
    for found, right in zip(learnt(ours, images), exact, strict=True):
        assert (found - right).abs().max() < 3e-5 * right.abs().max()


def test_where_it_takes_over(monkeypatch):
    taken = []
    apply = winograd._Winograd.apply
    monkeypatch.setattr(winograd._Winograd, "apply", lambda *a: taken.append(1) or apply(*a))

    def takes(layer, x):
        taken.clear()
        layer(x)
        return bool(taken)

    images = torch.randn(1, 128, 4, 8).contiguous(memory_format=CHANNELS_LAST)
    ours, _ = pair(128, 32)
    assert takes(ours, images)
    assert not takes(ours, images.contiguous())
    with torch.no_grad():
        assert not takes(ours, images)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert not takes(ours, images)
    assert not takes(ours.eval(), images)
    few, _ = pair(32, 64)
    assert not takes(few, images[:, :32].contiguous(memory_format=CHANNELS_LAST))
    grouped, _ = pair(128, 32, groups=2)
    assert not takes(grouped, images)
    for option in ({"stride": 2}, {"padding": 2}, {"kernel_size": 5}, {"bias": True}):
        settings = {"kernel_size": 3, "padding": 1, "bias": False} | option
        layer = LearningConv2d(128, 32, **settings).to(memory_format=CHANNELS_LAST).train()
        assert not takes(layer, images)
    unpadded = LearningConv2d(128, 32, 3, bias=False).to(memory_format=CHANNELS_LAST).train()
    assert takes(unpadded, images)
    with pytest.raises(RuntimeError, match="Kernel size can't be greater"):  # PyTorch's own words
        unpadded(images[:, :, :2].contiguous(memory_format=CHANNELS_LAST))


def test_reading_is_pytorchs_to_the_last_digit():
    ours, plain = pair(128, 80)
    images = torch.randn(2, 128, 8, 24).contiguous(memory_format=CHANNELS_LAST)
    with torch.no_grad():
        assert torch.equal(ours.eval()(images), plain.eval()(images))


@pytest.mark.parametrize("k", [80, 1024])
def test_a_frozen_layer_passes_gradients_on(k):
    ours, plain = pair(128, k)
    ours.weight.requires_grad_(False)
    images = torch.randn(2, 128, 4, 9).contiguous(memory_format=CHANNELS_LAST)
    _, found, none = learnt(ours, images)
    _, right, _ = learnt(plain, images)
    assert none is None
    torch.testing.assert_close(found, right, atol=1e-4, rtol=1e-4)


def test_the_backbone_learns_by_it():
    from aocr_plugin.models.backbones.sliding_cnn import SlidingCNN

    backbone = SlidingCNN()
    assert all(isinstance(block.conv, LearningConv2d) for block in backbone.blocks)

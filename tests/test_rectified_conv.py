import pickle
from copy import deepcopy
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from aocr_plugin.models.rectified_conv import RectifiedConv2d, available

CHANNELS_LAST = torch.channels_last
pytestmark = pytest.mark.skipif(not available(), reason="this PyTorch is built without oneDNN")


def pair(channels=8, side=3, padding=1, bias=True):
    conv = nn.Conv2d(channels, 16, side, padding=padding, bias=bias).requires_grad_(False).eval()
    return RectifiedConv2d(deepcopy(conv)), conv


@pytest.mark.parametrize("size", [(64, 8, 25), (1, 32, 100), (3, 2, 1)])
@pytest.mark.parametrize(("side", "padding", "channels"), [(3, 1, 1), (3, 1, 8), (2, 0, 8)])
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("layout", [torch.contiguous_format, CHANNELS_LAST])
def test_output_is_relu_of_the_convolution(size, side, padding, channels, bias, layout):
    ours, plain = pair(channels, side, padding, bias)
    count, height, width = size
    images = torch.randn(count, channels, height, width + 1).contiguous(memory_format=layout)
    with torch.inference_mode():
        found, right = ours(images), torch.relu(plain(images))
    torch.testing.assert_close(found, right, atol=1e-5, rtol=1e-5)
    assert found.min() == 0 and (channels == 1 or found.is_contiguous(memory_format=layout))


class Operations(TorchDispatchMode):
    """Notes the operations that are carried out."""

    def __init__(self):
        super().__init__()
        self.names = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.names.append(func.__name__.partition(".")[0])
        return func(*args, **(kwargs or {}))


def test_weights_are_put_in_order_once_and_relu_is_no_operation():
    ours, _ = pair()
    images = torch.randn(2, 8, 4, 6).contiguous(memory_format=CHANNELS_LAST)
    with torch.no_grad(), Operations() as seen:
        for _ in range(3):
            ours(images)
    made = [name for name in seen.names if name not in ("detach", "alias")]
    assert made == ["_reorder_convolution_weight", *["_convolution_pointwise"] * 3]


def test_it_is_pytorchs_where_something_learns_or_records():
    ours, plain = pair()
    images = torch.randn(2, 8, 4, 6).contiguous(memory_format=CHANNELS_LAST).requires_grad_()
    ours(images).sum().backward()
    found, images.grad = images.grad, None
    torch.relu(plain(images)).sum().backward()
    assert torch.equal(found, images.grad)
    with torch.no_grad():
        graph = torch.jit.trace(ours, images.detach()).graph
    kinds = [node.kind() for node in graph.nodes()]
    assert "aten::relu" in kinds and "aten::_convolution" in kinds
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        assert ours(images).dtype == torch.bfloat16
    with torch.inference_mode():
        double = ours.double()(images.double())
    torch.testing.assert_close(double.float(), torch.relu(plain(images)).detach())


def test_weights_may_change_and_the_layer_be_copied_and_pickled():
    ours, plain = pair()
    images = torch.randn(2, 8, 4, 6).contiguous(memory_format=CHANNELS_LAST)
    with torch.inference_mode():
        before = ours(images)
        for copied in (deepcopy(ours), pickle.loads(pickle.dumps(ours))):
            assert torch.equal(copied(images), before)
    plain.weight.neg_()
    ours.load_state_dict(plain.state_dict())
    with torch.inference_mode():
        right = torch.relu(plain(images))
        torch.testing.assert_close(ours(images), right, atol=1e-5, rtol=1e-5)
        assert not torch.equal(before, right)
    for change in ("assign", "data"):
        weight = torch.randn_like(plain.weight)
        plain.weight.copy_(weight)
        if change == "assign":
            ours.load_state_dict({"weight": weight, "bias": plain.bias.clone()}, assign=True)
        else:
            ours.weight.data = weight
        with torch.inference_mode():
            right = torch.relu(plain(images))
            torch.testing.assert_close(ours(images), right, atol=1e-5, rtol=1e-5)
    with torch.inference_mode():
        made_here = RectifiedConv2d(deepcopy(plain))
        made_here.weight = nn.Parameter(plain.weight.clone(), requires_grad=False)
        assert made_here.weight.is_inference() and torch.equal(made_here(images), ours(images))


def test_checkpoints_are_read_by_it_on_a_cpu_in_float32():
    from aocr_plugin import Recognizer, weights

    path = Path(weights.__file__).with_name("english.pth")

    def kinds(**options):
        blocks = Recognizer(path, device="cpu", **options).model.backbone.blocks
        return {isinstance(block.conv, RectifiedConv2d) for block in blocks}

    assert kinds() == {True} and kinds(precision="bf16") == {False}

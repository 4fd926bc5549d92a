import pytest
import torch
import torch.nn.functional as F

from aocr_plugin.models.pooling import max_pool


@pytest.mark.parametrize("window", [(2, 2), (2, 1)])
@pytest.mark.parametrize("size", [(32, 86), (7, 5), (1, 1)])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_output_and_gradient_are_pytorchs(window, size, layout, dtype):
    images = torch.randn(3, 8, *size, dtype=dtype).contiguous(memory_format=layout)
    found, right = (images.clone().requires_grad_() for _ in range(2))
    ours, theirs = max_pool(found, window), F.max_pool2d(right, window, ceil_mode=True)
    assert torch.equal(ours, theirs) and ours.stride() == theirs.stride()
    slopes = torch.randn_like(theirs)
    ours.backward(slopes)
    theirs.backward(slopes)
    assert torch.equal(found.grad, right.grad)


@pytest.mark.parametrize("window", [(2, 2), (2, 1), (1, 2), (1, 1), (3, 2)])
@pytest.mark.parametrize("size", [(32, 86), (7, 5), (1, 1), (2, 1)])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_reading_finds_the_same(window, size, layout):
    images = torch.randn(3, 8, *size).contiguous(memory_format=layout)
    images[0, 0, 0, 0] = float("nan")
    with torch.inference_mode():
        ours, theirs = max_pool(images, window), F.max_pool2d(images, window, ceil_mode=True)
    assert torch.equal(ours.nan_to_num(7.0), theirs.nan_to_num(7.0))
    assert ours.is_contiguous(memory_format=layout) and images[0, 0, 0, 0].isnan()


def test_a_traced_graph_has_one_pooling():
    images = torch.randn(1, 8, 4, 6).contiguous(memory_format=torch.channels_last)
    with torch.no_grad():
        graph = torch.jit.trace(lambda x: max_pool(x, (2, 2)), images).graph
    kinds = [node.kind() for node in graph.nodes()]
    assert "aten::max_pool2d" in kinds and "aten::maximum" not in kinds


def test_the_input_is_not_kept():
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda x: kept.append(x) or x, lambda x: x):
        max_pool(torch.randn(2, 4, 8, 8, requires_grad=True), (2, 2))
    assert [(x.dtype, x.numel()) for x in kept] == [(torch.int32, 2 * 4 * 4 * 4)]


def test_pooling_before_relu_is_pooling_after_it():
    x = torch.randn(2, 4, 9, 12)
    left, right = (x.clone().requires_grad_() for _ in range(2))
    before, after = torch.relu(max_pool(left, (2, 2))), max_pool(torch.relu(right), (2, 2))
    assert torch.equal(before, after)
    before.pow(2).sum().backward()
    after.pow(2).sum().backward()
    assert torch.equal(left.grad, right.grad)

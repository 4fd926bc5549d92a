import pytest
import torch
from torch import nn

from aocr_plugin.models.dropout import ByteDropout


@pytest.mark.parametrize("p", [0.1, 0.2, 0.5, 0.9])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_what_is_dropped_and_what_is_kept(p, layout):
    torch.manual_seed(0)
    x = torch.ones(4, 64, 20, 25).contiguous(memory_format=layout).requires_grad_()
    y = ByteDropout(p)(x)
    share = round(256 * p) / 256
    dropped = y == 0
    assert float(dropped.float().mean()) == pytest.approx(share, abs=0.005)
    assert torch.allclose(y[~dropped], torch.tensor(1 / (1 - share)))
    assert y.stride() == x.stride()
    y.sum().backward()
    assert torch.equal(x.grad, y.detach())


def test_every_byte_of_a_word_is_drawn_from_all_256():
    torch.manual_seed(0)
    y = ByteDropout(0.5)(torch.ones(100_000, 8)) == 0
    assert torch.allclose(y.float().mean(0), torch.tensor(0.5), atol=0.01)
    together = (y[:, :-1] & y[:, 1:]).float().mean(0)
    assert torch.allclose(together, torch.tensor(0.25), atol=0.01)


def test_a_seed_draws_the_same_again():
    x = torch.ones(3, 5, 7)  # not a whole number of words
    drawn = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        drawn.append(ByteDropout(0.5)(x))
    assert torch.equal(drawn[0], drawn[1]) and not torch.equal(drawn[0], drawn[2])


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
def test_other_precisions(dtype):
    y = ByteDropout(0.5)(torch.ones(1000, dtype=dtype))
    assert y.dtype == dtype and set(y.tolist()) == {0.0, 2.0}


@pytest.mark.parametrize("p", [0.0, 0.001, 1.0])
def test_probabilities_that_are_no_256th_are_pytorchs(p):
    torch.manual_seed(0)
    found = ByteDropout(p)(torch.ones(10_000))
    torch.manual_seed(0)
    assert torch.equal(found, nn.Dropout(p)(torch.ones(10_000)))


def test_images_that_lie_apart_are_pytorchs():
    x = torch.ones(60, 60)[:, ::2]
    torch.manual_seed(0)
    found = ByteDropout(0.5)(x)
    torch.manual_seed(0)
    assert torch.equal(found, nn.Dropout(0.5)(x))


def test_reading_drops_nothing():
    x = torch.randn(3, 4)
    assert ByteDropout(0.5).eval()(x) is x

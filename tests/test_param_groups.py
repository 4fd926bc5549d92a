"""Groups of parameters."""

import copy

import pytest
import torch
from torch import nn

from aocr_plugin.engine import param_groups
from aocr_plugin.engine.optim_wrapper import PrecisionOptimWrapper


def optimizer(layers):
    """Returns AdamW with a group for each parameter: no decay for biases, as MMEngine has it."""
    groups = [
        {"params": [parameter], "weight_decay": 0.0 if parameter.dim() == 1 else 0.1}
        for parameter in layers.parameters()
    ]
    return torch.optim.AdamW(groups, lr=0.1)


def layers():
    """Returns two layers whose weights are always the same."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))


def learn(module, step, steps=3):
    """Makes steps on made-up images."""
    for number in range(steps):
        module.zero_grad()
        (module(torch.full((2, 3), 1.0 + number)) ** 2).sum().backward()
        step()


def test_groups_with_the_same_settings_are_one():
    module = layers()
    merged = optimizer(module)
    assert param_groups.merge(merged) == ([0, 2, 1, 3], [1, 1, 1, 1])
    assert [group["weight_decay"] for group in merged.param_groups] == [0.1, 0.0]
    apart = layers()
    learn(module, merged.step)
    learn(apart, optimizer(apart).step)
    for one, other in zip(module.parameters(), apart.parameters(), strict=True):
        assert torch.equal(one, other)


def test_a_state_saved_before_merging_is_taken_up():
    apart, joined = layers(), layers()
    before = optimizer(apart)
    learn(apart, before.step)
    wrapper = PrecisionOptimWrapper(optimizer=optimizer(joined))
    joined.load_state_dict(apart.state_dict())
    wrapper.load_state_dict(copy.deepcopy(before.state_dict()))
    assert len(wrapper.optimizer.param_groups) == 2
    learn(apart, before.step)
    learn(joined, wrapper.step)
    for one, other in zip(apart.parameters(), joined.parameters(), strict=True):
        assert torch.equal(one, other)


def test_a_state_saved_after_merging_is_taken_up():
    first, second = layers(), layers()
    saved = PrecisionOptimWrapper(optimizer=optimizer(first))
    learn(first, saved.step)
    second.load_state_dict(first.state_dict())
    resumed = PrecisionOptimWrapper(optimizer=optimizer(second))
    resumed.load_state_dict(copy.deepcopy(saved.state_dict()))
    learn(first, saved.step)
    learn(second, resumed.step)
    for one, other in zip(first.parameters(), second.parameters(), strict=True):
        assert torch.equal(one, other)


def test_a_schedule_saved_before_merging_goes_on_from_the_groups_rates():
    from mmengine.optim import CosineAnnealingLR

    def scheduled(merged):
        module = layers()
        groups = [
            {"params": [parameter], "lr": 0.1 if number < 2 else 1.0}
            for number, parameter in enumerate(module.parameters())
        ]
        made = torch.optim.SGD(groups)
        if merged:
            param_groups.merge(made)
        return made, CosineAnnealingLR(made, T_max=4, eta_min_ratio=0.1, by_epoch=False)

    before, old = scheduled(merged=False)
    after, new = scheduled(merged=True)
    new.load_state_dict(old.state_dict())
    param_groups.follow([new])
    for _ in range(4):
        before.step(), old.step()
        after.step(), new.step()
    assert [group["lr"] for group in after.param_groups] == pytest.approx([0.01, 0.1])
    assert before.param_groups[0]["lr"] == pytest.approx(0.01)


def test_how_steps_are_made_is_not_resumed():
    first, second = layers(), layers()
    plain = optimizer(first)
    learn(first, plain.step)
    wrapper = PrecisionOptimWrapper(
        optimizer=torch.optim.AdamW(second.parameters(), lr=0.1, fused=True)
    )
    state = plain.state_dict()
    one = torch.optim.AdamW(layers().parameters(), lr=0.1).state_dict()
    wrapper.load_state_dict(one | {"state": state["state"]})
    assert wrapper.optimizer.param_groups[0]["fused"] is True


@pytest.mark.parametrize(
    ("optimizer", "fused"),
    [
        (dict(type="AdamW", lr=1.0), True),
        (dict(type="Adam", foreach=True), None),
        (dict(type="AdamW", fused=False), False),
        (dict(type="Adadelta"), None),
    ],
)
def test_adam_is_fused_unless_the_config_says_how(optimizer, fused):
    from mmengine.config import Config

    from aocr_plugin.engine.runner import resolve

    resolved = resolve(Config(dict(optim_wrapper=dict(optimizer=optimizer))))
    assert resolved.optim_wrapper.optimizer.get("fused") is fused

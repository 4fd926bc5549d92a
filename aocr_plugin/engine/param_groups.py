"""Parameter groups of an optimiser: as few as have settings of their own.

MMEngine makes a group of every parameter as soon as a config has ``paramwise_cfg``. PyTorch's
optimisers take a group's parameters in one go, and each group by itself: hundreds of groups are
hundreds of times the kernels on a GPU.
"""

from itertools import accumulate
from typing import Any

from torch.optim import Optimizer


def merge(optimizer: Optimizer) -> list[int]:
    """Joins the groups whose settings are the same, in the order of the first of each.

    Args:
        optimizer: changed in place; has made no step yet.

    Returns:
        For each parameter, groups one after the other, its place before.
    """
    kept: list[dict[str, Any]] = []
    places: list[list[int]] = []
    start = 0
    for group in optimizer.param_groups:
        mine = list(range(start, start + len(group["params"])))
        start += len(mine)
        for other, theirs in zip(kept, places, strict=True):
            if _settings(other) == _settings(group):
                other["params"] += group["params"]
                theirs += mine
                break
        else:
            kept.append(group)
            places.append(mine)
    optimizer.param_groups = kept
    return [place for group in places for place in group]


def _settings(group: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in group.items() if key != "params"}


def regroup(state: dict[str, Any], optimizer: Optimizer, places: list[int]) -> dict[str, Any]:
    """Returns an optimiser's saved state for its merged groups.

    Args:
        state: of the same parameters before :func:`merge`, as it was once saved, or after.
        optimizer: with merged groups.
        places: what :func:`merge` returned.
    """
    groups = optimizer.param_groups
    sizes = [len(group["params"]) for group in groups]
    saved = [len(group["params"]) for group in state["param_groups"]]
    if saved == sizes or sum(saved) != sum(sizes):
        return state  # the optimiser says what is wrong
    first = {place: number for number, place in enumerate(accumulate(saved, initial=0))}
    ends = list(accumulate(sizes))
    return state | {
        "state": {
            number: state["state"][place]
            for number, place in enumerate(places)
            if place in state["state"]
        },
        "param_groups": [
            state["param_groups"][first[places[end - size]]]
            | {"params": list(range(end - size, end))}
            for size, end in zip(sizes, ends, strict=True)
        ],
    }

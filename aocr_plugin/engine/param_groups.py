"""Parameter groups of an optimiser: as few as have settings of their own.

MMEngine makes a group of every parameter as soon as a config has ``paramwise_cfg``. PyTorch's
optimisers take a group's parameters in one go, and each group by itself: hundreds of groups are
hundreds of times the kernels on a GPU.
"""

from collections.abc import Iterable
from itertools import accumulate, islice
from typing import Any, NamedTuple

from torch.optim import Optimizer


class Merged(NamedTuple):
    """What :func:`merge` has done.

    Attributes:
        places: for each parameter, groups one after the other, its place before.
        sizes: how many parameters each group had before.
    """

    places: list[int]
    sizes: list[int]


def merge(optimizer: Optimizer) -> Merged:
    """Joins the groups whose settings are the same, in the order of the first of each.

    Args:
        optimizer: changed in place; has made no step yet.
    """
    kept: list[dict[str, Any]] = []
    places: list[list[int]] = []
    sizes = [len(group["params"]) for group in optimizer.param_groups]
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
    return Merged([place for group in places for place in group], sizes)


def _settings(group: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in group.items() if key != "params"}


def regroup(state: dict[str, Any], optimizer: Optimizer, merged: Merged) -> dict[str, Any]:
    """Returns an optimiser's saved state for its merged groups.

    How the steps are made (``fused``, ``foreach``) is the optimiser's own, not that of the state.

    Args:
        state: of the same parameters before :func:`merge`, as it was once saved, or after.
        optimizer: with merged groups.
        merged: what :func:`merge` returned.
    """
    groups = optimizer.param_groups
    saved = [len(group["params"]) for group in state["param_groups"]]
    if saved == merged.sizes and len(saved) != len(groups):
        first = {place: number for number, place in enumerate(accumulate(saved, initial=0))}
        numbers = iter(enumerate(merged.places))
        inner: dict[int, Any] = {}
        joined = []
        for group in groups:
            mine = list(islice(numbers, len(group["params"])))
            inner |= {
                number: state["state"][place] for number, place in mine if place in state["state"]
            }
            settings = state["param_groups"][first[mine[0][1]]]
            joined.append(settings | {"params": [number for number, _ in mine]})
        state = state | {"state": inner, "param_groups": joined}
    if len(state["param_groups"]) != len(groups):
        return state  # the optimiser says what is wrong
    pairs = zip(state["param_groups"], groups, strict=True)
    return state | {"param_groups": [old | _ways(new) for old, new in pairs]}


def _ways(group: dict[str, Any]) -> dict[str, Any]:
    return {key: group[key] for key in ("fused", "foreach") if key in group}


def follow(schedules: Iterable[Any]) -> None:
    """Lets MMEngine's schedules, resumed with more groups, go on from the rates of today's."""
    for schedule in schedules:
        groups = schedule.optimizer.param_groups
        if len(schedule.base_values) != len(groups):
            schedule.base_values = [group[f"initial_{schedule.param_name}"] for group in groups]

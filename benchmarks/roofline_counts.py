"""What a stage of the network costs: its time, its multiplications and the bytes it moves.

A step is run once with a :class:`Counter` on it, which sees every operation that PyTorch carries
out, forward and backward, with its tensors' shapes. So what is counted is what runs: products of
slices of a weight, which no layer of its own makes, and the gradients that are really asked for.
Counts of matrix products and convolutions are those of ``torch.utils.flop_counter``, halved: here
a multiplication with its addition is one, a MAC. The kernel of LSTMs and the product of a matrix
with a vector, which it does not know, are added. Convolutions are counted as such while training
too, where fewer products stand for them (``aocr_plugin/models/winograd.py``): they can be above the
limit.

Bytes are counted twice. ``bytes``: what is read and written if every operation takes its tensors
from memory and puts its result back, as PyTorch does where caches do not help. ``least_bytes``:
the same of convolutions and products alone, as if all between them were done on the way.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

aten = torch.ops.aten
_NOTHING_MOVED = ("empty", "new_empty", "detach", "alias", "_unsafe_view", "lift_fresh")


def _lstm_macs(sequence: Tensor, kernel: Tensor, recurrent: Tensor, *_: Any) -> int:
    """Returns the MACs of one layer and direction over a sequence [T, N, I] (or [N, T, I])."""
    return sequence.numel() // sequence.size(-1) * (kernel.numel() + recurrent.numel())


_MACS: dict[Any, Callable[..., int]] = {
    aten.mv: lambda matrix, _: matrix.numel(),
    aten.mkldnn_rnn_layer: _lstm_macs,
    aten.mkldnn_rnn_layer_backward: lambda *args: 2 * _lstm_macs(*args),
}


def _macs(packet: Any, args: tuple[Any, ...], kwargs: dict[str, Any], out: Any) -> int:
    """Returns the MACs of one operation."""
    if packet in _MACS:
        return _MACS[packet](*args)
    if packet in flop_registry:
        return int(flop_registry[packet](*args, **kwargs, out_val=out)) // 2
    return 0


@dataclass
class Work:
    """What a stage costs: MACs, and bytes as the module's docstring has them."""

    macs: int = 0
    bytes: int = 0
    least_bytes: int = 0


class Stages:
    """A clock that knows which stage it is in; time goes to the innermost stage alone.

    Attributes:
        current: name of the stage, or None outside of all.
        seconds: of each stage so far, in the order in which they began.
    """

    def __init__(self) -> None:
        self.current: str | None = None
        self.seconds: dict[str, float] = {}
        self._outer: list[str | None] = []
        self._since = 0.0

    def switch(self, name: str | None) -> None:
        """Goes on in another stage."""
        now = time.perf_counter()
        if self.current is not None:
            self.seconds[self.current] = self.seconds.get(self.current, 0.0) + now - self._since
        self.current, self._since = name, now

    def begin(self, name: str) -> None:
        """Begins a stage within the present one."""
        self._outer.append(self.current)
        self.switch(name)

    def end(self) -> None:
        """Ends the innermost stage."""
        self.switch(self._outer.pop())

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        """A block that is a stage."""
        self.begin(name)
        yield
        self.end()

    def wrap(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Returns a function that is a stage whenever it is called."""

        def staged(*args: Any, **kwargs: Any) -> Any:
            with self(name):
                return function(*args, **kwargs)

        return staged

    def watch(self, module: nn.Module, name: str, then: str | None = None) -> None:
        """Makes a module's forward pass a stage, and its backward pass "backward: NAME".

        Args:
            module: has a backward pass of its own if its output is a tensor, or a tuple that
                begins with one.
            name: of the stage.
            then: the stage that follows it, where that is not the one before it.
        """

        def after(_module: nn.Module, _inputs: Any, output: Any) -> None:
            self.end()
            if then is not None:
                self.switch(then)
            first = output[0] if isinstance(output, tuple) else output
            node = getattr(first, "grad_fn", None)
            if node is not None:  # the first of the module's that the backward pass comes to
                node.register_prehook(lambda _: self.switch(f"backward: {name}"))

        module.register_forward_pre_hook(lambda *_: self.begin(name))
        module.register_forward_hook(after)

    def watch_node(self, module: nn.Module, name: str) -> None:
        """As :meth:`watch` for a layer of one operation, within another stage."""

        def after(_module: nn.Module, _inputs: Any, output: Tensor) -> None:
            self.end()
            if output.grad_fn is not None:
                output.grad_fn.register_prehook(lambda _: self.begin(f"backward: {name}"))
                output.grad_fn.register_hook(lambda *_: self.end())

        module.register_forward_pre_hook(lambda *_: self.begin(name))
        module.register_forward_hook(after)


def _bytes(tensor: Tensor) -> int:
    """Returns the bytes that a tensor's values take; those that it repeats count once."""
    count = tensor.element_size()
    for size, stride in zip(tensor.shape, tensor.stride(), strict=True):
        count *= size if stride else min(size, 1)
    return count


class Counter(TorchDispatchMode):
    """Counts the work of every operation within it, by stage.

    Not for inference mode, in which it would see operations such as an LSTM as a whole, and take
    them apart in another way than they are carried out; without gradients is the same work.

    Args:
        stages: says which stage an operation belongs to.

    Attributes:
        work: of each stage.
    """

    def __init__(self, stages: Stages) -> None:
        super().__init__()
        self.stages = stages
        self.work: dict[str | None, Work] = defaultdict(Work)

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """Carries an operation out and adds what it costs."""
        kwargs = kwargs or {}
        out = func(*args, **kwargs)
        name = func._overloadpacket.__name__
        if func.is_view or name in _NOTHING_MOVED:
            return out
        tensors = [leaf for leaf in tree_leaves((args, kwargs, out)) if isinstance(leaf, Tensor)]
        if name.endswith("_like"):  # of the tensor that it is alike nothing is read
            tensors = tensors[-1:]
        moved = sum(map(_bytes, tensors))
        work = self.work[self.stages.current]
        work.bytes += moved
        macs = _macs(func._overloadpacket, args, kwargs, out)
        if macs:
            work.macs += macs
            work.least_bytes += moved
        return out

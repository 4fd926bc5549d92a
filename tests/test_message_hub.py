"""What is logged is the same as MMEngine's hub has, and nothing waits for it."""

import pytest
import torch
from conftest import ROOT
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.logging import MessageHub
from test_cuda_graphs import batch, build
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from aocr_plugin.engine.message_hub import DeferredMessageHub
from aocr_plugin.engine.optim_wrapper import PrecisionOptimWrapper
from aocr_plugin.models.transfers import moved


class Waits(TorchDispatchMode):
    """Counts the operations that take a number off the device."""

    def __init__(self):
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.count += function is torch.ops.aten._local_scalar_dense.default
        return function(*args, **(kwargs or {}))


@pytest.fixture
def hub(request):
    """A hub that MMEngine's parts find as the current one."""
    made = DeferredMessageHub.get_instance(request.node.name)
    yield made
    del MessageHub._instance_dict[request.node.name]


def fill(hub):
    """Logs tensors and numbers of several keys in turn; the tensors change afterwards."""
    changing = torch.zeros(())
    for step in range(7):
        changing.fill_(step / 3)
        hub.update_scalar("train/loss", changing)
        hub.update_scalar("train/loss", torch.tensor([step / 7], dtype=torch.float64), 2)
        hub.update_scalar("train/lr", 0.1 / (step + 1))
        if step == 3:
            hub.update_scalars({"train/loss": 5.0, "own": {"value": torch.tensor(2), "count": 3}})
    hub.update_scalar("passing", torch.tensor(1.5), resumed=False)
    hub.update_info("iter", 7)


def plain(histories):
    return {key: [part.tolist() for part in history.data] for key, history in histories.items()}


def test_histories_are_mmengines(hub):
    expected = MessageHub("mmengine_s")
    fill(hub)
    fill(expected)
    assert plain({"own": hub.get_scalar("own")}) == {"own": [[2.0], [3]]}
    assert plain(hub.log_scalars) == plain(expected.log_scalars)
    fill(hub)
    fill(expected)
    found, wanted = hub.state_dict(), expected.state_dict()
    assert plain(found.pop("log_scalars")) == plain(wanted.pop("log_scalars"))
    assert found == wanted
    with pytest.raises(KeyError, match="nothing"):
        hub.get_scalar("nothing")
    with pytest.raises(AssertionError):
        hub.update_scalar("train/loss", torch.zeros(2))
    with pytest.raises(TypeError, match="count is 'x'"):
        hub.update_scalar("train/loss", torch.zeros(()), "x")


def test_a_state_is_taken_up(hub):
    fill(hub)
    state = hub.state_dict()
    other = DeferredMessageHub("other")
    other.update_scalar("train/loss", torch.tensor(9.0))
    other.update_scalar("own", torch.tensor(9.0))
    other.update_scalar("its own", torch.tensor(9.0))
    other.load_state_dict(state)
    kept = {"its own": [[9.0], [1]]}
    assert plain(other.log_scalars) == plain(state["log_scalars"]) | kept
    whole = DeferredMessageHub("whole")
    whole.update_scalar("train/loss", torch.tensor(9.0))
    hub.update_scalar("train/loss", torch.tensor(4.0))
    whole.load_state_dict(hub)
    assert plain(whole.log_scalars) == plain(hub.log_scalars)
    assert whole.get_scalar("train/loss").current() == 4.0


def test_no_value_is_read_before_it_is_wanted(hub):
    assert MessageHub.get_current_instance() is hub
    with Waits() as waits:
        hub.update_scalar("train/loss", torch.tensor(1.0))
    assert waits.count == 0
    assert hub.get_scalar("train/loss").current() == 1.0
    with Waits() as waits:
        MessageHub("mmengine_s").update_scalar("train/loss", torch.tensor(1.0))
    assert waits.count == 1


def test_an_endless_training_keeps_no_endless_tensors(hub):
    for _ in range(2500):
        hub.update_scalar("train/loss", torch.tensor(1.0))
    assert len(hub._waiting["train/loss"]) <= 1000
    assert hub.get_scalar("train/loss").data[0].size == 2500


@pytest.mark.parametrize("clip", [{"max_norm": 0.5}, {"clip_value": 0.1, "type": "value"}])
def test_clipping_does_not_wait_for_the_norm(hub, clip):
    torch.manual_seed(0)
    layer = nn.Linear(3, 2)
    layer.bias.requires_grad_(False)
    wrapper = PrecisionOptimWrapper(
        optimizer=torch.optim.SGD(layer.parameters(), lr=0.0), clip_grad=dict(clip)
    )
    (layer(torch.ones(4, 3)) ** 2).sum().backward()
    before = layer.weight.grad.clone()
    with Waits() as waits:
        wrapper.step()
    assert waits.count == 0
    if "type" in clip:
        assert torch.equal(layer.weight.grad, before.clamp(-0.1, 0.1))
        assert "train/grad_norm" not in hub.log_scalars
    else:
        assert torch.allclose(layer.weight.grad, before * 0.5 / before.norm())
        assert hub.get_scalar("train/grad_norm").current() == pytest.approx(before.norm().item())


class Witness(Hook):
    """Takes down what a training's steps give."""

    def __init__(self):
        self.losses = []

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        self.losses.append(outputs["loss"].item())


def test_a_training_logs_every_loss(words, tmp_path):
    from aocr_plugin.engine.runner import AOCRRunner

    cfg = Config.fromfile(ROOT / "configs" / "aocr_base.py")
    cfg.work_dir = str(tmp_path / "run")
    cfg.train_dataloader.dataset.ann_file = cfg.val_dataloader.dataset.ann_file = str(words)
    cfg.train_dataloader.update(batch_size=2, num_workers=0, persistent_workers=False)
    cfg.val_dataloader.update(num_workers=0, persistent_workers=False)
    cfg.train_cfg.update(max_iters=3, val_interval=100)
    runner = AOCRRunner.from_cfg(cfg)
    assert isinstance(runner.message_hub, DeferredMessageHub)
    witness = Witness()
    runner.register_hook(witness)
    runner.train()
    losses, _ = runner.message_hub.get_scalar("train/loss").data
    assert losses.tolist() == pytest.approx(witness.losses, abs=0)
    norms, _ = runner.message_hub.get_scalar("train/grad_norm").data
    assert len(norms) == 3
    assert (norms > 0).all()


def test_what_is_on_the_processor_stays_there():
    values = torch.arange(3)
    assert moved(values, "cpu") is values


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
@pytest.mark.parametrize("padded", [False, True])
def test_a_step_on_a_gpu_does_not_wait(hub, padded):
    model, (images, samples) = build().cuda(), batch()
    model.mask_padding = padded
    for sample in samples if padded else ():
        sample.set_metainfo({"valid_ratio": 0.5})
    wrapper = PrecisionOptimWrapper(
        optimizer=torch.optim.AdamW(model.parameters(), fused=True), clip_grad={"max_norm": 1.0}
    )
    try:
        for step in range(6):
            if step == 4:  # the first ones choose kernels, and record
                torch.cuda.set_sync_debug_mode("error")
            loss = model.loss(moved(images, "cuda"), samples)["loss_ce"]
            hub.update_scalar("train/loss", loss)
            wrapper.update_params(loss)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert len(hub.get_scalar("train/loss").data[0]) == 6
    assert model.graphed._graphs

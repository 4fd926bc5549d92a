"""The parts of training on several processes, without any torchrun."""

import copy
import io
import multiprocessing
from itertools import chain, islice

import numpy as np
import pytest
import torch
from distributed_rank import images, network, rank_of_two, two_steps
from mmengine.config import Config
from object_store import memory  # noqa: F401
from torch import nn

import aocr_plugin.register  # noqa: F401
from aocr_plugin import storage
from aocr_plugin.datasets import record_dataset
from aocr_plugin.datasets.samplers import EndlessSampler, WidthBatchSampler
from aocr_plugin.engine import distributed, staging
from aocr_plugin.errors import AnnotationError, CheckpointError, ConfigError, ConnectionLostError
from aocr_plugin.formats.tfrecord import write_record
from aocr_plugin.models import sync_batch_norm


class Lines:
    def __init__(self, ratios):
        self.ratios = np.array(ratios, np.float32)

    def __len__(self):
        return len(self.ratios)

    def aspect_ratios(self):
        return self.ratios


@pytest.mark.parametrize("pool", [1, 4])
def test_the_batches_of_the_ranks_are_shares_of_the_whole_batch(pool):
    data = Lines(np.random.default_rng(0).uniform(1, 9, 50))

    def batches(size, rank=0, ranks=1):
        sampler = EndlessSampler(data, seed=5)
        sampler.rank, sampler.world_size = rank, ranks
        return list(islice(WidthBatchSampler(sampler, size, pool=pool), 20))

    whole = batches(12)
    shares = zip(batches(4, 0, 3), batches(4, 1, 3), batches(4, 2, 3), strict=True)
    for one, parts in zip(whole, shares, strict=True):
        assert [len(part) for part in parts] == [4, 4, 4]
        assert sorted(chain(*parts)) == sorted(one)


def test_batch_norm_over_two_processes_is_that_of_the_whole_batch(tmp_path):
    """Uneven parts, and every option of BatchNorm, against PyTorch's own in one process."""
    spawn = multiprocessing.get_context("spawn")
    answers = spawn.Queue()
    ranks = [
        spawn.Process(target=rank_of_two, args=(rank, tmp_path / "meet", answers))
        for rank in range(2)
    ]
    for process in ranks:
        process.start()
    found = [answers.get(timeout=30) for _ in ranks]
    for process in ranks:
        process.join(30)
    whole = two_steps(network(activated=True).double(), slice(0, 7))
    unsynced = two_steps(network(activated=True).double(), slice(0, 3))
    assert not np.allclose(unsynced[1].running_mean, whole[1].running_mean, atol=1e-3)
    for gradients, buffers in found:
        for ours, parameter in zip(gradients, whole.parameters(), strict=True):
            assert np.allclose(ours, parameter.grad, atol=1e-5), np.abs(ours - parameter.grad).max()
        for ours, buffer in zip(buffers, whole.buffers(), strict=True):
            assert np.allclose(ours, buffer, rtol=1e-6, atol=1e-6)


def test_synced_keeps_names_numbers_and_what_one_process_computes():
    plain = network()
    model = sync_batch_norm.synced(copy.deepcopy(plain))
    kinds = [type(layer).__name__ for layer in model if "Norm" in type(layer).__name__]
    assert kinds == ["SyncedBatchNorm2d", "SyncedBatchNorm2d", "SyncedBatchNorm1d"]
    assert model.state_dict().keys() == plain.state_dict().keys()
    assert torch.equal(model(images().float()), plain(images().float()))
    alone = sync_batch_norm.synced(nn.BatchNorm1d(3))
    assert type(alone) is sync_batch_norm.SyncedBatchNorm1d


@pytest.mark.parametrize(
    "stated, expected",
    [({}, "aocr"), ({"sync_bn": None}, None), ({"sync_bn": "torch"}, "torch")],
)
def test_what_the_config_says_of_batch_norm_counts(stated, expected, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    cfg = Config({"launcher": "pytorch", "env_cfg": {"dist_cfg": {"backend": "auto"}}} | stated)
    distributed.prepare(cfg)
    assert cfg.sync_bn == expected and cfg.env_cfg.dist_cfg.backend == "gloo"
    assert cfg.model_wrapper_cfg.type == "SameWidthDataParallel"
    layer = distributed.with_synced_norm(cfg, nn.BatchNorm2d(2))
    assert isinstance(layer, sync_batch_norm.SyncedBatchNorm2d) == (expected == "aocr")


def test_one_process_is_left_as_it_is():
    cfg = Config({"launcher": "none"})
    distributed.prepare(cfg)
    assert "sync_bn" not in cfg and "model_wrapper_cfg" not in cfg


@pytest.mark.parametrize(
    "launcher, message",
    [
        ("pytorch", "started by torchrun, but RANK, WORLD_SIZE"),
        ("slurm", "started by srun, but SLURM_PROCID"),
        ("mpi", r"started by mpirun .*, but OMPI_COMM_WORLD_RANK"),
    ],
)
def test_a_launcher_that_did_not_start_it_is_named(launcher, message, monkeypatch):
    for names in distributed._STARTERS.values():
        for name in names[1]:
            monkeypatch.delenv(name, raising=False)
    with pytest.raises(ConfigError, match=message):
        distributed.check_launcher(launcher)
    distributed.check_launcher("none")


def test_mpis_local_rank_reaches_mmengine(monkeypatch):
    for name in distributed._STARTERS["mpi"][1]:
        monkeypatch.setenv(name, "1")
    monkeypatch.setenv("LOCAL_RANK", "0")
    distributed.check_launcher("mpi")
    assert distributed.os.environ["LOCAL_RANK"] == "1"


def test_ranks_that_found_different_checkpoints_are_named(monkeypatch):
    cfg = Config({"work_dir": "run", "resume": True, "load_from": "run/iter_4.pth"})
    distributed.check_same_start(cfg)
    monkeypatch.setattr(distributed, "all_gather_object", lambda mine: [mine, (False, "none")])
    with pytest.raises(CheckpointError, match=r"rank 0: iter_4.pth, rank 1: none.*all hosts share"):
        distributed.check_same_start(cfg)


def test_a_lost_connection_is_explained_and_nothing_else(monkeypatch):
    reset = RuntimeError("[pair.cc:537] Read error: Connection reset by peer. GLHF!")
    assert distributed.explain(reset) is None
    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(distributed, "get_rank", lambda: 3)
    lost = distributed.explain(reset)
    assert isinstance(lost, ConnectionLostError) and "GLHF" not in str(lost)
    assert "rank 3 lost its connection" in str(lost) and "--resume" in str(lost)
    assert distributed.explain(RuntimeError("size mismatch")) is None
    assert distributed.explain(RuntimeError("DataLoader timed out after 60 seconds")) is None
    assert distributed.explain(RuntimeError("NCCL error: invalid usage, duplicate GPU")) is None


def test_an_error_in_one_rank_s_file_is_raised_on_all(tmp_path, monkeypatch):
    for name in "ab":
        with (tmp_path / f"{name}.tfrecords").open("wb") as out:
            write_record(out, {"image": b"x", "label": b"A"})
    found = {}

    def read(rank, gather):
        monkeypatch.setattr(record_dataset, "get_dist_info", lambda: (rank, 2))
        monkeypatch.setattr(record_dataset, "all_gather_object", gather)
        record_dataset.AOCRRecordDataset(
            str(tmp_path / "*"), problems={"broken_image": "error"}, pipeline=[]
        )

    for rank in range(2):
        with pytest.raises(KeyError):
            read(rank, lambda mine, rank=rank: found.update({rank: mine}) or [{}, {}])
    assert [list(found[rank]) for rank in range(2)] == [[0], [1]]
    for rank in range(2):
        with pytest.raises(AnnotationError, match=r"a\.tfrecords:1.*broken"):
            read(rank, lambda mine: [found[0], found[1]])


@pytest.mark.parametrize(
    "launcher, variables, several",
    [
        ("none", {}, False),
        ("pytorch", {"LOCAL_WORLD_SIZE": "2", "WORLD_SIZE": "2"}, False),
        ("pytorch", {"LOCAL_WORLD_SIZE": "2", "WORLD_SIZE": "4"}, True),
        ("mpi", {"OMPI_COMM_WORLD_LOCAL_SIZE": "1", "OMPI_COMM_WORLD_SIZE": "2"}, True),
        ("slurm", {"SLURM_NNODES": "1"}, False),
        ("slurm", {"SLURM_NNODES": "2"}, True),
    ],
)
def test_hosts_that_share_a_store_start_from_what_is_in_it(
    launcher,
    variables,
    several,
    memory,  # noqa: F811
    monkeypatch,
):
    """A checkpoint that did not reach the store any more is on one host only."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert distributed.several_hosts(launcher) == several
    place = staging.folder(memory)
    for folder, step in ((memory, 4), (place, 8)):
        out = io.BytesIO()
        torch.save({"meta": {"iter": step}}, out)
        storage.write_bytes(storage.join(folder, f"iter_{step}.pth"), out.getvalue())
        storage.write_bytes(storage.join(folder, staging.RUN_ID), b"one run")
    cfg = Config({"work_dir": memory, "resume": True, "launcher": launcher})
    staging.localise(cfg)
    assert cfg.load_from.endswith("iter_4.pth" if several else "iter_8.pth")


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32, torch.float64])
def test_statistics_are_as_precise_as_the_weights(dtype, monkeypatch):
    monkeypatch.setattr(torch.distributed, "get_world_size", lambda: 1)
    monkeypatch.setattr(torch.distributed, "all_gather", lambda out, mine: out[0].copy_(mine))
    x = images().to(dtype)
    mean, var, count = sync_batch_norm.world_statistics(x)
    assert mean.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
    assert count == x.numel()
    assert float(mean) == pytest.approx(float(x.double().mean()), rel=1e-5)
    assert float(var) == pytest.approx(float(x.double().var(unbiased=False)), rel=1e-5)


def even_areas(layout):
    """Features of images that are of one grey for the most part, as crops are."""
    torch.manual_seed(0)
    x = torch.full((6, 8, 32, 104), 0.8)
    x[..., ::7] = -0.9
    x = torch.relu(nn.Conv2d(8, 8, 3, padding=1)(x)).detach()
    return x.contiguous(memory_format=layout)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_even_areas_are_added_up_exactly_in_either_layout(layout):
    x, slopes = even_areas(layout), torch.randn(6, 8, 32, 104) + 1
    wanted, found = nn.BatchNorm2d(8, momentum=None).double(), nn.BatchNorm2d(8, momentum=None)
    found = sync_batch_norm.synced(found)
    for layer in (wanted, found):
        image = x.to(layer.weight.dtype).requires_grad_()
        layer(image).backward(slopes.to(image))
        layer.image = image.grad
    pairs = {"image": (found.image, wanted.image)}
    pairs |= {name: (buffer, wanted.get_buffer(name)) for name, buffer in found.named_buffers()}
    for name, parameter in found.named_parameters():
        pairs[name] = parameter.grad, wanted.get_parameter(name).grad
    assert len(pairs) == 6
    for name, (ours, exact) in pairs.items():
        assert float((ours.double() - exact).abs().max() / exact.abs().max()) < 2e-5, name


def test_pytorchs_own_channels_last_sums_are_why():
    """Fails when PyTorch adds up exactly; then one process alone needs no layer of ours."""
    x = even_areas(torch.channels_last)
    mean, var = torch.zeros(8), torch.zeros(8)
    nn.functional.batch_norm(x, mean, var, training=True, momentum=1.0)
    exact = x.double().var((0, 2, 3))
    assert float(((var - exact) / exact.clamp_min(1e-6)).abs().max()) > 1e-5


def test_one_process_alone_on_a_cpu_adds_up_exactly_too():
    layer = distributed.with_synced_norm(Config({"launcher": "none"}), nn.BatchNorm2d(2))
    expected = distributed.get_device() == "cpu"
    assert isinstance(layer, sync_batch_norm.SyncedBatchNorm2d) == expected
    cfg = Config({"launcher": "none", "sync_bn": None})
    assert type(distributed.with_synced_norm(cfg, nn.BatchNorm2d(2))) is nn.BatchNorm2d

"""Training on several processes that computes what one process does with the whole batch."""

import os
from typing import Any

import torch
import torch.nn.functional as F
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.dist import all_gather_object, all_reduce, get_rank
from mmengine.model import MMDistributedDataParallel
from mmengine.registry import MODEL_WRAPPERS
from torch import Tensor, nn

from aocr_plugin.errors import CheckpointError, ConfigError, ConnectionLostError
from aocr_plugin.labelled_batch import LabelledBatch
from aocr_plugin.models.sync_batch_norm import synced

_LOST = (
    "closed by peer",
    "reset by peer",
    "timed out",
    "timeout",
    "broken pipe",
    "connection refused",
    "remote process exited",
    "communicator was aborted",
    "socket",
)

_STARTERS = {
    "pytorch": ("torchrun", ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")),
    "slurm": ("srun", ("SLURM_PROCID", "SLURM_NTASKS", "SLURM_NODELIST")),
    "mpi": (
        "mpirun (Open MPI, with -x MASTER_ADDR)",
        (
            "OMPI_COMM_WORLD_RANK",
            "OMPI_COMM_WORLD_SIZE",
            "OMPI_COMM_WORLD_LOCAL_RANK",
            "MASTER_ADDR",
        ),
    ),
}


def check_launcher(launcher: str) -> None:
    """Checks that the processes were started by what the launcher is named after.

    Raises:
        ConfigError: they were not: variables that it sets are missing.
    """
    if launcher not in _STARTERS:
        return
    starter, names = _STARTERS[launcher]
    missing = [name for name in names if name not in os.environ]
    if missing:
        raise ConfigError(
            f"--launcher {launcher} is for processes started by {starter}, but "
            f"{', '.join(missing)} {'is' if len(missing) == 1 else 'are'} not set; start the "
            "command with it, or leave out --launcher for one process"
        )
    if launcher == "mpi":  # MMEngine leaves it out, and would put all ranks on the first GPU
        os.environ["LOCAL_RANK"] = os.environ["OMPI_COMM_WORLD_LOCAL_RANK"]


def several_hosts(launcher: str) -> bool:
    """Whether the processes are on several hosts, as far as the launcher's variables tell."""
    names = {
        "pytorch": ("LOCAL_WORLD_SIZE", "WORLD_SIZE"),
        "mpi": ("OMPI_COMM_WORLD_LOCAL_SIZE", "OMPI_COMM_WORLD_SIZE"),
    }
    if launcher == "slurm":
        return os.environ.get("SLURM_NNODES", "") != "1"
    if launcher not in names:
        return False
    here, everywhere = (os.environ.get(name) for name in names[launcher])
    return here != everywhere


def prepare(cfg: Config) -> None:
    """Sets the back end "auto", the model wrapper, and BatchNorm over all processes.

    ``sync_bn`` of a config is heeded: "torch" is PyTorch's (GPUs only), "aocr" ours (CPUs too),
    None leaves each process its own statistics. Where the config does not name it, it is
    PyTorch's with GPUs and ours without.
    """
    dist_cfg = (cfg.get("env_cfg") or {}).get("dist_cfg") or {}
    cuda = torch.cuda.is_available()
    if dist_cfg.get("backend") == "auto":
        dist_cfg["backend"] = "nccl" if cuda else "gloo"
    if cfg.get("launcher", "none") == "none":
        return
    if not cfg.get("model_wrapper_cfg"):
        cfg.model_wrapper_cfg = {
            "type": "SameWidthDataParallel",
            "broadcast_buffers": False,
            "gradient_as_bucket_view": True,
            "find_unused_parameters": cfg.get("find_unused_parameters", False),
        }
        if not cuda:
            cfg.model_wrapper_cfg["device_ids"] = None
    if "sync_bn" not in cfg:
        cfg.sync_bn = "torch" if cuda else "aocr"


def with_synced_norm(cfg: Config, model: nn.Module) -> nn.Module:
    """Puts our BatchNorm in for ``sync_bn="aocr"``; MMEngine does the others by itself.

    On CPUs one process alone gets it too: its sums are exacter than those of PyTorch's.
    """
    alone = cfg.get("launcher", "none") == "none"
    default = "aocr" if alone and get_device() == "cpu" else None
    if cfg.get("sync_bn", default) != "aocr":
        return model
    cfg.sync_bn = None
    return synced(model)


def check_same_start(cfg: Config) -> None:
    """Checks that all processes go on from the same checkpoint, or none does.

    Raises:
        CheckpointError: some found another than the others, so they do not see the same files.
    """
    mine = (bool(cfg.get("resume")), os.path.basename(str(cfg.get("load_from") or "none")))
    found = all_gather_object(mine)
    if len(set(found)) > 1:
        listed = ", ".join(f"rank {rank}: {name}" for rank, (_, name) in enumerate(found))
        raise CheckpointError(
            f"{cfg.work_dir}: the processes start from different checkpoints ({listed}); the work "
            "directory must be one that all hosts share: a network file system or a URL such as "
            "s3://bucket/run"
        )


def explain(error: RuntimeError) -> ConnectionLostError | None:
    """Returns what a lost connection means for the user, or None if the error is another."""
    text = str(error)
    lost = any(word in text.lower() for word in _LOST) and not text.startswith("DataLoader")
    if not (torch.distributed.is_initialized() and lost):
        return None
    return ConnectionLostError(
        f"rank {get_rank()} lost its connection to the other processes: one of them was killed, "
        "failed or is out of reach (its own message is elsewhere in the output); start the same "
        f"command again with --resume to go on from the last checkpoint ({text.partition('. ')[0]})"
    )


@MODEL_WRAPPERS.register_module()
class SameWidthDataParallel(MMDistributedDataParallel):
    """MMEngine's wrapper, with the batches of all processes padded to one width while training.

    Each process pads its images to the widest of its own. BatchNorm sees padding, so the
    statistics would differ from those of the whole batch in one process. ``WidthBatchSampler``
    gives all processes images of similar width, so little is added.
    """

    def _run_forward(self, data: Any, mode: str) -> Any:
        """Widens the batch, then runs the model."""
        return super()._run_forward(self._widened(data) if mode == "loss" else data, mode)

    def _widened(self, data: Any) -> Any:
        """Returns the data with ``inputs`` [N, C, H, W] padded at the right and bottom."""
        inputs = data.get("inputs") if isinstance(data, dict) else None
        if not isinstance(inputs, Tensor) or inputs.dim() != 4:
            return data
        height, width = inputs.shape[-2:]
        largest = torch.tensor([height, width], device=get_device())
        all_reduce(largest, "max")
        more_height, more_width = (largest - largest.new_tensor([height, width])).tolist()
        if not (more_height or more_width):
            return data
        pad_value = float(getattr(self.module.data_preprocessor, "pad_value", 0))
        padded = F.pad(inputs, (0, more_width, 0, more_height), value=pad_value)
        samples = data.get("data_samples") or ()
        if isinstance(samples, LabelledBatch) and not samples.made:
            ratios = samples.get("valid_ratio", 1.0)
            samples = samples.put(valid_ratio=[r * width / (width + more_width) for r in ratios])
            return {**data, "inputs": padded, "data_samples": samples}
        for sample in samples:
            if "valid_ratio" in sample:
                ratio = sample.valid_ratio * width / (width + more_width)
                sample.set_metainfo({"valid_ratio": ratio})
        return {**data, "inputs": padded}

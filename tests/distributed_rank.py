"""A network with BatchNorm and one rank of two that trains it; imports little when spawned."""

import torch
import torch.nn.functional as F
from torch import nn

from aocr_plugin.models import sync_batch_norm


class Activated(nn.Module):
    """BatchNorm, pooling and ReLU: in one go where the BatchNorm is ours."""

    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm2d(6, momentum=0.2)

    def forward(self, x):
        x = x.contiguous(memory_format=torch.channels_last)
        if isinstance(self.norm, sync_batch_norm.SyncedBatchNorm2d):
            return self.norm.activated(x, (2, 1))
        return F.relu(F.max_pool2d(self.norm(x), (2, 1), ceil_mode=True))


def network(activated=False):
    torch.manual_seed(0)
    more = [nn.Conv2d(6, 6, 3), Activated()] if activated else []
    return nn.Sequential(
        nn.Conv2d(1, 6, 3),
        nn.BatchNorm2d(6, momentum=0.3),
        nn.ReLU(),
        *more,
        nn.Conv2d(6, 4, 3),
        nn.BatchNorm2d(4, affine=False, momentum=None),
        nn.Flatten(2),
        nn.BatchNorm1d(4, track_running_stats=False),
    )


def images():
    generator = torch.Generator().manual_seed(1)
    return torch.randn(7, 1, 12, 14, generator=generator, dtype=torch.float64) * 3 + 5


def two_steps(model, part):
    """Trains on some of the images; the loss is a mean over all seven."""
    for _ in range(2):
        model.zero_grad()
        (torch.sin(model(images()[part])).sum() / 7).backward()
    return model


def rank_of_two(rank, rendezvous, answers):
    torch.set_num_threads(1)
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{rendezvous}", rank=rank, world_size=2
    )
    model = sync_batch_norm.synced(network(activated=True)).double()
    two_steps(model, slice(0, 3) if rank == 0 else slice(3, 7))
    gradients = []
    for parameter in model.parameters():
        torch.distributed.all_reduce(parameter.grad)
        gradients.append(parameter.grad.numpy())
    answers.put((gradients, [buffer.numpy() for buffer in model.buffers()]))

"""From the processor's memory to the device's, without waiting."""

import torch
from torch import Tensor


def moved(values: Tensor, device: torch.device | str) -> Tensor:
    """Returns a tensor of the processor's memory on a device.

    A GPU copies by itself from memory that is pinned; for any other the processor waits until the
    GPU has done all that it was asked for before.
    """
    device = torch.device(device)
    if device.type == "cuda" and not values.is_cuda:
        values = values.pin_memory()
    return values.to(device, non_blocking=True)

"""TensorFlow 1's default initialisation, which the original relies on for every variable.

Lineage: ``tf.get_variable`` without an initialiser is Glorot-uniform (Glorot and Bengio, 2010).
"""

import math

import torch
from torch import nn


def glorot_uniform_(tensor: torch.Tensor, fan_in: int, fan_out: int) -> torch.Tensor:
    """Fills ``tensor`` from U(-a, a) with a = sqrt(6 / (fan_in + fan_out)), in place."""
    limit = math.sqrt(6.0 / (fan_in + fan_out))
    with torch.no_grad():
        return tensor.uniform_(-limit, limit)


def glorot_linear_(linear: nn.Linear) -> nn.Linear:
    """Initialises a linear layer as TensorFlow does: Glorot-uniform weight, zero bias."""
    glorot_uniform_(linear.weight, linear.in_features, linear.out_features)
    if linear.bias is not None:
        nn.init.zeros_(linear.bias)
    return linear


def glorot_conv_(conv: nn.Conv2d) -> nn.Conv2d:
    """Initialises a convolution as TensorFlow does; the fans count the kernel's area."""
    area = conv.kernel_size[0] * conv.kernel_size[1]
    glorot_uniform_(conv.weight, area * conv.in_channels, area * conv.out_channels)
    return conv

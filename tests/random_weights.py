"""Weights for networks under test."""

import torch
from torch import nn


def randomise(network: nn.Module, seed: int = 0) -> nn.Module:
    """Random weights and statistics in float64 and evaluation mode: no layer is an identity, no map grows or dies."""
    generator = torch.Generator().manual_seed(seed)
    for name, tensor in network.state_dict().items():
        if tensor.is_floating_point():
            values = torch.randn(tensor.shape, generator=generator, dtype=torch.float64)
            if tensor.dim() > 1:
                tensor.copy_(values / tensor[0].numel() ** 0.5)
            else:
                tensor.copy_(0.5 + values.abs() if name.endswith(("weight", "running_var")) else 0.1 * values)
    return network.double().eval()


def noise(*shape: int, seed: int = 1) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)

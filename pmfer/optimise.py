"""How the weights move: the optimiser's groups and rates, a step of it, and the moving average that is exported."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel

from pmfer.config import ScheduleConfig
from pmfer.model import Pmfer

Tensors = tuple[Tensor, ...] | list[Tensor]


def parameter_groups(model: Pmfer, schedule: ScheduleConfig) -> list[dict[str, Any]]:
    """Trained parameters by weight decay and peak learning rate, the new ones first.

    Weights of matrices and kernels decay; biases, norms, positions and temperatures do not.
    """
    groups: dict[tuple[bool, bool], list[Tensor]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            groups.setdefault((model.starts_trained(name), parameter.ndim < 2), []).append(parameter)
    return [
        {
            "params": groups[pretrained, single],
            "weight_decay": 0.0 if single else schedule.weight_decay,
            "lr": schedule.learning_rate * (model.pretrained_rate if pretrained else 1.0),
        }
        for pretrained, single in sorted(groups)
    ]


def moving_average(decay: float) -> Callable[[Tensors, Tensors, Tensor | int], None]:
    """Exponential moving average whose decay rises to `decay`, so that the first steps are soon forgotten.

    It is taken in place, of all tensors of one type together.
    """

    def update(averages: Tensors, currents: Tensors, steps: Tensor | int) -> None:
        n = float(steps)
        weight = 1 - min(decay, (1 + n) / (10 + n))
        if torch.is_floating_point(averages[0]):
            torch._foreach_lerp_(averages, currents, weight)
            return
        for average, current in zip(averages, currents, strict=True):  # batch normalisation counts its batches
            average.copy_(torch.lerp(average.float(), current.float(), weight))

    return update


def learning_rate_factor(progress: float, warmup: float) -> float:
    """Linear warm-up to 1, then half a cosine to 0 (Loshchilov and Hutter, 2017)."""
    if progress < warmup:
        return progress / warmup
    return 0.5 * (1 + math.cos(math.pi * (progress - warmup) / (1 - warmup)))


def set_rates(optimiser: torch.optim.Optimizer, peaks: Sequence[float], factor: float) -> None:
    """Learning rates of the parameter groups: their peaks times a factor."""
    for group, peak in zip(optimiser.param_groups, peaks, strict=True):
        group["lr"] = peak * factor


def descend(loss: Tensor, model: torch.nn.Module, optimiser: torch.optim.Optimizer, averaged: AveragedModel) -> None:
    """One step of the optimiser on the parameters of `model`, and of their moving average."""
    optimiser.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
    optimiser.step()
    averaged.update_parameters(model)

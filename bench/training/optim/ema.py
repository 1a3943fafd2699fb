"""The part of a module that training changes: copies of it, and a moving average of it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["MovingAverage", "copied", "load_trainable_state_dict", "trainable_state_dict"]


def trainable_state_dict(module: nn.Module) -> dict[str, Tensor]:
    """Views of what training changes, by name: parameters with gradients, and buffers (batch statistics)."""
    fixed = {name for name, p in module.named_parameters() if not p.requires_grad}
    return {name: value.detach() for name, value in module.state_dict().items() if name not in fixed}


def copied(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The same with memory of its own."""
    return {name: value.clone() for name, value in state.items()}


def load_trainable_state_dict(module: nn.Module, state: dict[str, Tensor]) -> None:
    """Put back what `trainable_state_dict` gave."""
    module.load_state_dict(state, strict=False)


class MovingAverage:
    """An exponential moving average of what a module learns.

    The share that it keeps rises from 1/10 to ``decay`` over the first steps, ``(1 + step) / (10 + step)``, so that a
    short training is not dominated by its random start (as TensorFlow's ExponentialMovingAverage does).
    """

    def __init__(self, module: nn.Module, decay: float) -> None:
        self.state = copied(trainable_state_dict(module))
        self.steps = 0
        self._module = module
        self._decay = decay

    @torch.no_grad()
    def update(self) -> None:
        """Move towards the module's weights, after a step of the optimizer; whole numbers are copied."""
        self.steps += 1
        keep = min(self._decay, (1 + self.steps) / (10 + self.steps))
        now = trainable_state_dict(self._module)
        floating = [name for name, value in now.items() if value.is_floating_point()]
        torch._foreach_lerp_([self.state[n] for n in floating], [now[n] for n in floating], 1 - keep)
        for name in now.keys() - set(floating):
            self.state[name].copy_(now[name])

    def swap(self) -> None:
        """Exchange the module's weights and the average's."""
        kept = copied(trainable_state_dict(self._module))
        load_trainable_state_dict(self._module, self.state)
        self.state = kept

    def restore(self, state: dict[str, Tensor], steps: int) -> None:
        """Take over what a checkpoint held."""
        self.state = {name: state[name].to(value.device) for name, value in self.state.items()}
        self.steps = steps

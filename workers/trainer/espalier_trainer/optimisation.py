"""Rates and numbers: parameter groups, the learning rate's course, and float16's loss scale."""

import math
from contextlib import AbstractContextManager, nullcontext

import torch

AUTOCAST = {"bf16": torch.bfloat16, "fp16": torch.float16}


def parameter_groups(trainable: dict[str, torch.Tensor], spec: dict, head: str | None = "head.") -> list[dict]:
    """Encoder and head (names beginning with `head`) with rates of their own; biases and norms (one dimension) are not
    decayed."""
    groups = []
    for rate, of_head in ((spec["learningRate"], False), (spec["headLearningRate"], True)):
        for decay, is_matrix in ((spec["weightDecay"], True), (0.0, False)):
            members = [
                parameter
                for name, parameter in trainable.items()
                if (head is not None and name.startswith(head)) == of_head and (parameter.ndim > 1) == is_matrix
            ]
            if members:
                groups.append({"params": members, "base_lr": rate, "lr": rate, "weight_decay": decay})
    return groups


def learning_rate_factor(step: int, total: int, warmup_fraction: float, schedule: str) -> float:
    """Linear warm-up to 1, then down to 0 along the schedule. A function of the step: nothing to save."""
    warmup = round(total * warmup_fraction)
    if step < warmup:
        return (step + 1) / warmup
    progress = (step - warmup) / max(1, total - warmup)
    return {"constant": 1.0, "linear": 1 - progress, "cosine": 0.5 * (1 + math.cos(math.pi * progress))}[schedule]


def autocast(device: torch.device, precision: str) -> AbstractContextManager:
    return torch.autocast(device.type, AUTOCAST[precision]) if precision in AUTOCAST else nullcontext()


class LossScale:
    """float16 loses small gradients, so the loss is multiplied before the backward pass and gradients divided after
    (Micikevicius et al. 2018, arXiv:1710.03740, §3.2; figures as in torch.amp.GradScaler). An overflow halves the scale
    and the same step is done again: no batch is left out. Other precisions have the scale 1 for ever."""

    FIRST, GROWS_AFTER, LEAST = 2.0**16, 2000, 2.0**-10

    def __init__(self, precision: str):
        self.active = precision == "fp16"
        self.scale, self.good_steps = (self.FIRST if self.active else 1.0), 0

    def overflow(self) -> bool:
        """Halves the scale. False when it cannot be the scale that makes the gradients infinite."""
        self.scale, self.good_steps = self.scale / 2, 0
        return self.active and self.scale >= self.LEAST

    def good(self) -> None:
        self.good_steps += 1
        if self.active and self.good_steps == self.GROWS_AFTER:
            self.scale, self.good_steps = self.scale * 2, 0

    def state(self) -> dict:
        return {"scale": self.scale, "goodSteps": self.good_steps}

    def restore(self, state: dict) -> None:
        self.scale, self.good_steps = state["scale"], state["goodSteps"]

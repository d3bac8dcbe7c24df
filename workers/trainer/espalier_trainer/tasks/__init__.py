"""What the loop asks of a task; one module a kind. A task knows models, rows and losses, the loop time and state."""

from pathlib import Path
from typing import Protocol

import numpy
import torch
from torch import nn

from ..guard import StopFlag
from ..job import DEFAULT_KIND

Batch = tuple[dict[str, torch.Tensor], torch.Tensor]
"""Inputs of the module by name, and targets."""


class Task(Protocol):
    """Made from (job's task, device, stop flag); everything random in it is a pure function of (seed, epoch, row)."""

    module: nn.Module
    head: str | None
    """Parameters whose names begin so train with `headLearningRate`."""
    frozen: list[nn.Module]
    """Modules that stay in evaluation mode while the others train."""
    evaluation_rows: int
    """Rows of an evaluation batch."""
    batched_normalisation: bool
    """True when a result depends on which rows share a micro-batch."""

    def length(self, split: str) -> int: ...
    def batch(self, split: str, rows: numpy.ndarray, epoch: int | None) -> Batch:
        """`epoch` is None outside training: no augmentation."""

    def logits(self, inputs: dict[str, torch.Tensor]) -> torch.Tensor: ...
    def loss(self, logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """The training loss summed over the batch; divided by the step's `weight` it is a mean."""

    def weight(self, rows: numpy.ndarray) -> torch.Tensor: ...
    def measure(self, logits: torch.Tensor, targets: torch.Tensor) -> tuple[float, float, int]:
        """Summed cross-entropy (unweighted, unsmoothed), right predictions, predictions. What is half right may count half."""

    def evaluation_order(self, split: str) -> numpy.ndarray: ...
    def source_rows(self, rows: numpy.ndarray) -> list[int]:
        """Row numbers of the data file (from 0) behind rows of ours."""

    def config(self) -> dict: ...
    def data(self) -> dict[str, str]:
        """Digests of everything read as data."""

    def save(self, out: Path) -> None: ...


def make_task(task: dict, device: torch.device, stop: StopFlag) -> Task:
    kind = task.get("task", DEFAULT_KIND)
    # One import a kind: image classification alone needs Pillow.
    if kind == "image-classification":
        from .image_classification import ImageClassification as Kind
    elif kind == "causal-lm":
        from .causal_lm import CausalLm as Kind
    elif task.get("multiLabel", False):
        from .multi_label import MultiLabelTextClassification as Kind
    else:
        from .text_classification import TextClassification as Kind
    return Kind(task, device, stop)

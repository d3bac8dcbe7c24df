"""What text and images share: one class a row, weighted and smoothed cross-entropy, accuracy."""

import numpy
import torch
from torch.nn import functional


class Classification:
    """Wants `targets(split)` (int64 [rows]) and `_device`, `_spec` of its subclass."""

    _device: torch.device
    _spec: dict

    def weigh_classes(self, targets: torch.Tensor, classes: int) -> None:
        self._train_targets = targets
        self.class_weights = class_weights(targets, classes, self._spec["classWeights"]).to(self._device)

    def weight(self, rows: numpy.ndarray) -> torch.Tensor:
        return self.class_weights[self._train_targets[torch.from_numpy(rows)].to(self._device)].sum()

    def loss(self, logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        smoothing = self._spec["labelSmoothing"]
        return functional.cross_entropy(logits, targets, self.class_weights, reduction="sum", label_smoothing=smoothing)

    def measure(self, logits: torch.Tensor, targets: torch.Tensor) -> tuple[float, int, int]:
        loss = functional.cross_entropy(logits, targets, reduction="sum").item()
        return loss, int((logits.argmax(1) == targets).sum()), len(targets)

    def source_rows(self, rows: numpy.ndarray) -> list[int]:
        return [int(row) for row in rows]


def class_weights(targets: torch.Tensor, classes: int, balanced: bool) -> torch.Tensor:
    """rows / (classes · rows of the class), as scikit-learn's 'balanced'; ones when not asked for."""
    if not balanced:
        return torch.ones(classes)
    counts = torch.bincount(targets, minlength=classes).clamp(min=1)
    return (len(targets) / (classes * counts)).float()

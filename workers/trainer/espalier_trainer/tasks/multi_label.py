"""Any number of labels a text: a yes or no for each (binary relevance), with the sigmoid's cross-entropy. Rows are
`{text, labels}`, or `{text, pair, labels}`."""

import numpy
import torch
from torch.nn import functional

from .text_classification import TextClassification


class MultiLabelTextClassification(TextClassification):
    multi_label = True

    def weigh_classes(self, targets: torch.Tensor, classes: int) -> None:
        self._train_targets = targets
        self.label_weights = label_weights(targets, self._spec["classWeights"]).to(self._device)

    def weight(self, rows: numpy.ndarray) -> torch.Tensor:
        return self._weights_of(self._train_targets[torch.from_numpy(rows)].to(self._device)).sum()

    def loss(self, logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        smoothing = self._spec["labelSmoothing"]
        wanted = targets * (1 - smoothing) + smoothing / 2
        return functional.binary_cross_entropy_with_logits(logits, wanted, self._weights_of(targets), reduction="sum")

    def measure(self, logits: torch.Tensor, targets: torch.Tensor) -> tuple[float, float, int]:
        """Cross-entropy a label; of each row the share of its labels that are right: those both given and found, of those
        either given or found (Godbole & Sarawagi, PAKDD 2004), and 1 where there are none of either."""
        loss = functional.binary_cross_entropy_with_logits(logits, targets, reduction="sum").item() / targets.shape[1]
        found, given = logits > 0, targets > 0.5
        both, either = (found & given).sum(1).double(), (found | given).sum(1).double()
        return loss, torch.where(either > 0, both / either.clamp(min=1), 1.0).sum().item(), len(targets)

    def config(self) -> dict:
        return {**super().config(), "multiLabel": True}

    def _weights_of(self, targets: torch.Tensor) -> torch.Tensor:
        return torch.where(targets > 0.5, self.label_weights[1], self.label_weights[0])


def label_weights(targets: torch.Tensor, balanced: bool) -> torch.Tensor:
    """Float32 [2, labels]: what a row without, and what one with the label weighs. As scikit-learn's 'balanced' for each
    label by itself: rows / (2 · rows of that kind); ones when not asked for."""
    if not balanced:
        return torch.ones(2, targets.shape[1])
    having = targets.sum(0)
    counts = torch.stack([len(targets) - having, having]).clamp(min=1)
    return (len(targets) / (2 * counts)).float()

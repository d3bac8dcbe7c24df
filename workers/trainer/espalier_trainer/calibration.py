"""One number that makes a classifier as sure as it is right: temperature scaling (Guo et al., On Calibration of Modern Neural
Networks, ICML 2017), folded into the head, so that whoever reads the graph gets the same probabilities."""

import math

import torch
from torch.nn import functional

from .data import Rows, collate
from .events import Stopped
from .guard import StopFlag
from .model import Classifier, graph_inputs

# A model that is right on every row would be made infinitely sure, one that knows nothing infinitely unsure.
LOWEST, HIGHEST = 0.25, 10.0
# With fewer rows the fitted number is noise.
LEAST_ROWS = 30
BATCH = 64


@torch.no_grad()
def calibrate(classifier: Classifier, rows: Rows, pad: int, stop: StopFlag) -> float:
    """Fits the temperature on `rows` and divides the head's weights and bias by it. Labels stay as they are: only how sure
    they are changes. 1, and nothing changed, where there are too few rows."""
    if len(rows) < LEAST_ROWS:
        return 1.0
    inputs, logits = graph_inputs(classifier.encoder), []
    for start in range(0, len(rows), BATCH):
        if stop:
            raise Stopped
        batch, _ = collate(rows, range(start, min(start + BATCH, len(rows))), pad, inputs, torch.device("cpu"))
        logits.append(classifier(batch))
    temperature = fit_temperature(torch.cat(logits), rows.targets)
    classifier.head.weight /= temperature
    classifier.head.bias /= temperature
    return temperature


def fit_temperature(logits: torch.Tensor, targets: torch.Tensor) -> float:
    """The temperature with the least mean cross-entropy, by golden-section search: convex in 1/t, so with one minimum in t."""
    logits = logits.double()

    def loss(log_temperature: float) -> float:
        return float(functional.cross_entropy(logits / math.exp(log_temperature), targets))

    ratio = (math.sqrt(5) - 1) / 2
    low, high = math.log(LOWEST), math.log(HIGHEST)
    left, right = high - ratio * (high - low), low + ratio * (high - low)
    at_left, at_right = loss(left), loss(right)
    while high - low > 1e-6:
        if at_left <= at_right:
            high, right, at_right = right, left, at_left
            left = high - ratio * (high - low)
            at_left = loss(left)
        else:
            low, left, at_left = left, right, at_right
            right = low + ratio * (high - low)
            at_right = loss(right)
    # Six digits: what is beyond them is the arithmetic's noise.
    return float(f"{math.exp((low + high) / 2):.6g}")

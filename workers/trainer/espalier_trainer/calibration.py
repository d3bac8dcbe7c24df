"""What makes a classifier as sure as it is right, folded into the head, so that whoever reads the graph gets the same
probabilities. Of one label a row: temperature scaling (Guo et al., On Calibration of Modern Neural Networks, ICML 2017),
one number. Of several: Platt's sigmoid, two numbers a label."""

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
# A label with fewer rows of either kind stays as it was trained.
LEAST_OF_A_KIND = 5


@torch.no_grad()
def calibrate(classifier: Classifier, rows: Rows, pad: int, stop: StopFlag) -> float:
    """Fits the temperature on `rows` and divides the head's weights and bias by it. Labels stay as they are: only how sure
    they are changes. 1, and nothing changed, where there are too few rows."""
    if len(rows) < LEAST_ROWS:
        return 1.0
    temperature = fit_temperature(logits_of(classifier, rows, pad, stop), rows.targets)
    classifier.head.weight /= temperature
    classifier.head.bias /= temperature
    return temperature


@torch.no_grad()
def calibrate_labels(classifier: Classifier, rows: Rows, pad: int, stop: StopFlag) -> int:
    """Of several labels a row: fits a sigmoid for each label on `rows` and folds it into the head. Within a label the order
    of the texts stays. The number of labels that were fitted: those with rows enough with and without them."""
    if len(rows) < LEAST_ROWS:
        return 0
    logits, fitted = logits_of(classifier, rows, pad, stop), 0
    for label in range(logits.shape[1]):
        having = int(rows.targets[:, label].sum())
        if min(having, len(rows) - having) < LEAST_OF_A_KIND:
            continue
        scale, shift = fit_sigmoid(logits[:, label], rows.targets[:, label])
        classifier.head.weight[label] *= scale
        classifier.head.bias[label] = classifier.head.bias[label] * scale + shift
        fitted += 1
    return fitted


def logits_of(classifier: Classifier, rows: Rows, pad: int, stop: StopFlag) -> torch.Tensor:
    inputs, logits = graph_inputs(classifier.encoder), []
    for start in range(0, len(rows), BATCH):
        if stop:
            raise Stopped
        batch, _ = collate(rows, range(start, min(start + BATCH, len(rows))), pad, inputs, torch.device("cpu"))
        logits.append(classifier(batch))
    return torch.cat(logits)


def fit_sigmoid(logits: torch.Tensor, targets: torch.Tensor) -> tuple[float, float]:
    """Scale and shift of a label's logits with the least cross-entropy against Platt's targets (Platt, Probabilistic Outputs for
    Support Vector Machines, 1999: a row counts as having the label with (n + 1) / (n + 2), so that separable rows have a finite
    optimum), by Newton's method with backtracking (Lin, Lin & Weng, A Note on Platt's Probabilistic Outputs, 2007). The
    scale keeps to the same bounds as a temperature's inverse."""
    logits, having = logits.double(), targets > 0.5
    positives = int(having.sum())
    negatives = len(targets) - positives
    wanted = torch.where(having, (positives + 1) / (positives + 2), 1 / (negatives + 2)).double()

    def loss(point: torch.Tensor) -> float:
        return float(functional.binary_cross_entropy_with_logits(point[0] * logits + point[1], wanted, reduction="sum"))

    def newton(point: torch.Tensor, free: list[int]) -> torch.Tensor:
        design = torch.stack([logits, torch.ones_like(logits)], 1)[:, free]
        for _ in range(100):
            chances = torch.sigmoid(point[0] * logits + point[1])
            slope = design.T @ (chances - wanted)
            curve = design.T @ (design * (chances * (1 - chances))[:, None]) + 1e-12 * torch.eye(len(free), dtype=torch.float64)
            step, before, size = torch.linalg.solve(curve, slope), loss(point), 1.0
            while True:
                trial = point.clone()
                trial[free] -= size * step
                if loss(trial) <= before - 1e-4 * size * float(slope @ step) or size < 1e-10:
                    break
                size /= 2
            point = trial
            if float(slope.abs().max()) < 1e-9 * len(logits):
                break
        return point

    point = newton(torch.tensor([1.0, 0.0], dtype=torch.float64), [0, 1])
    bounded = min(max(float(point[0]), 1 / HIGHEST), 1 / LOWEST)
    if bounded != float(point[0]):
        point = newton(torch.tensor([bounded, 0.0], dtype=torch.float64), [1])
    return float(f"{float(point[0]):.6g}"), float(f"{float(point[1]):.6g}")


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

"""Trains a job's first task with the trainer's deterministic kernels, or with the fastest ones; prints, as one line of JSON,
the median step and what passed through it. Usage: training_kernels.py job.json deterministic|fastest"""

import json
import statistics
import sys
from pathlib import Path

import torch

from espalier_trainer import train
from espalier_trainer.events import Events
from espalier_trainer.guard import StopFlag

WARM_UP_STEPS = 10
task = json.loads(Path(sys.argv[1]).read_text())["tasks"][0]


class Listening(Events):
    def __init__(self) -> None:
        super().__init__(descriptor=-1)
        self.rates: list[float] = []
        self.utilisation: list[float] = []

    def emit(self, type: str, **fields: object) -> None:
        if type == "step":
            self.rates.append(float(fields["samplesPerSecond"]))  # type: ignore[arg-type]
            if "gpuUtilisation" in fields:
                self.utilisation.append(float(fields["gpuUtilisation"]))  # type: ignore[arg-type]


def fastest(threads: int, device: torch.device) -> None:
    torch.set_num_threads(threads)
    torch.backends.cudnn.benchmark = True


if sys.argv[2] == "fastest":
    train.make_deterministic = fastest
heard = Listening()
training = train.Training(task, heard, StopFlag())
training.run()
# The loop reads the loss back after every step: a step's time is the device's, too.
rate = statistics.median(heard.rates[WARM_UP_STEPS:])
rows = training.task.rows["train"]
tokens = sum(map(len, rows.tokens)) / len(rows)
print(json.dumps({
    "stepMs": 1000 * task["training"]["batchSize"] / rate,
    "samplesPerSecond": rate,
    "tokensPerSecond": rate * tokens,
    "utilisation": statistics.mean(heard.utilisation) if heard.utilisation else None,
}))  # fmt: skip

"""What the unit tests share: a folder of their own, a recorder of events, a toy job, and children with limits."""

import json
import os
import shutil
import tempfile
import traceback
import unittest
from collections.abc import Callable
from pathlib import Path

from espalier_trainer import events, train
from espalier_trainer.guard import StopFlag

TINY = Path(os.environ["TINY_MODEL"])


class Recorder(events.Events):
    """Keeps events; calls `heard` with each."""

    def __init__(self, heard: Callable[[dict], None] = lambda event: None) -> None:
        super().__init__(descriptor=-1)
        self.seen: list[dict] = []
        self.heard = heard

    def emit(self, type: str, **fields: object) -> None:
        self.seen.append({"type": type, **fields})
        self.heard(self.seen[-1])


class Folder(unittest.TestCase):
    def setUp(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="espalier-unittest-"))
        self.addCleanup(shutil.rmtree, self.folder)

    def fails(self, code: int, fragment: str, call, *arguments, kind: str | None = None) -> events.TrainerError:
        with self.assertRaises(events.TrainerError) as caught:
            call(*arguments)
        self.assertEqual((caught.exception.code, caught.exception.kind), (code, kind))
        self.assertIn(fragment, caught.exception.message)
        return caught.exception

    def tiny_copy(self, **config: object) -> Path:
        copy = self.folder / "model"
        shutil.copytree(TINY, copy)
        raw = json.loads((copy / "config.json").read_text()) | config
        (copy / "config.json").write_text(json.dumps(raw))
        return copy

    def rows(self, count: int, words: int = 3, name: str = "rows.jsonl") -> Path:
        path = self.folder / name
        path.write_text("".join(json.dumps({"text": f"order {index}" + " please" * words, "label": "ab"[index % 2]}) + "\n" for index in range(count)))
        return path


def toy_task(folder: Path, rows: Path, **training: object) -> dict:
    spec = {
        "method": "full", "epochs": 2, "batchSize": 4, "gradientAccumulation": 1, "learningRate": 1e-3, "headLearningRate": 1e-2,
        "weightDecay": 0.01, "warmupFraction": 0.0, "schedule": "constant", "dropout": 0.1, "labelSmoothing": 0.0,
        "maxGradientNorm": 1.0, "classWeights": False, "lora": {"rank": 2, "alpha": 4, "dropout": 0.0}, "precision": "fp32",
        "seed": 7, "earlyStoppingPatience": 0, "threads": 1,
    }  # fmt: skip
    return {
        "verb": "train", "model": str(TINY), "train": str(rows), "validation": str(rows), "labels": ["a", "b"], "pooling": "mean",
        "maxLength": 32, "training": spec | training, "device": "cpu", "checkpoints": str(folder / "checkpoints"),
        "out": str(folder / "out"),
    }  # fmt: skip


def stopped_after(step: int, task: dict) -> events.Stopped:
    """Runs a training whose stop flag is set when that step is done."""
    stop = StopFlag()

    def heard(event: dict) -> None:
        if event["type"] == "step" and event["step"] == step:
            stop.reason = "SIGTERM"

    try:
        train.Training(task, Recorder(heard), stop).run()
    except events.Stopped as stopped:
        return stopped
    raise AssertionError("the training was not stopped")


def in_child(action: Callable[[], object]) -> object:
    """What `action` returns in a forked process, as JSON: limits and mounts that it sets end with it."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(writer, json.dumps(action()).encode())
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as answer:
        text = answer.read()
    os.waitpid(child, 0)
    return json.loads(text) if text else None

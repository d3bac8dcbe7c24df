"""Long texts in windows: what is learnt of them, and that an interrupted training of them is the same one."""

import json
import math
import unittest
from pathlib import Path

import numpy
import torch
from espalier_trainer import events, train
from espalier_trainer.data import collate, tokenize
from espalier_trainer.guard import StopFlag
from espalier_trainer.job import train_problems
from espalier_trainer.model import MOST_AT_ONCE, load_tokenizer, mean_by_row, read_config
from espalier_trainer.tasks.text_classification import TextClassification
from espalier_trainer.windows import Windows, spans

from .support import TINY, Folder, Recorder, stopped_after, toy_task

WINDOWS = {"overlap": 0.25, "most": 4}


class LongTexts(Folder):
    def task(self, name: str, rows, **fields: object) -> dict:
        return {**toy_task(self.folder / name, rows, epochs=3), "maxLength": 16, "windows": WINDOWS, **fields}

    def trained(self, task: dict) -> dict:
        return train.Training(task, Recorder(), StopFlag()).run()

    def weights(self, result: dict) -> bytes:
        return (Path(result["model"]) / "model.safetensors").read_bytes()

    def test_spans_are_those_that_node_takes(self) -> None:
        self.assertEqual(spans(90, 40, Windows(0.25, 8)), [(0, 40), (25, 65), (50, 90)])
        self.assertEqual(spans(40, 40, Windows(0.25, 8)), [(0, 40)])
        self.assertEqual(spans(1000, 40, Windows(0.25, 2)), [(0, 40), (30, 70)])

    def test_short_texts_are_trained_to_the_same_bytes_with_and_without_windows(self) -> None:
        rows = self.rows(12, words=3)
        windowed, cut = self.trained(self.task("a", rows)), self.trained(self.task("b", rows, windows=None))
        self.assertEqual(self.weights(windowed), self.weights(cut))

    def test_what_is_only_in_a_later_window_is_learnt(self) -> None:
        rows = self.folder / "late.jsonl"
        lines = [{"text": "please " * 30 + ("parcel late" if index % 2 else "refund money"), "label": "ab"[index % 2]} for index in range(24)]
        rows.write_text("".join(json.dumps(line) + "\n" for line in lines))
        training = toy_task(self.folder, rows, epochs=12)["training"]
        windowed, cut = (self.trained(self.task(name, rows, windows=windows, training=training)) for name, windows in (("windows", WINDOWS), ("cut", None)))
        self.assertEqual(windowed["validationAccuracy"], 1)
        self.assertEqual(cut["validationAccuracy"], 0.5)

    def test_a_stopped_training_goes_on_to_the_same_bytes(self) -> None:
        rows = self.rows(12, words=40)
        whole = self.trained(self.task("whole", rows))
        task = self.task("stopped", rows)
        stopped = stopped_after(4, task)
        resumed = self.trained({**task, "resumeFrom": str(stopped.checkpoint)})
        self.assertEqual(self.weights(resumed), self.weights(whole))

    def test_a_checkpoint_of_other_windows_is_refused(self) -> None:
        rows = self.rows(12, words=40)
        task = self.task("stopped", rows)
        stopped = stopped_after(4, task)
        other = {**task, "windows": {**WINDOWS, "most": 3}, "resumeFrom": str(stopped.checkpoint)}
        with self.assertRaises(events.TrainerError) as caught:
            self.trained(other)
        self.assertEqual(caught.exception.code, 66)

    def test_a_long_text_counts_once(self) -> None:
        config = read_config(TINY, 16)
        rows = tokenize(load_tokenizer(TINY, config), ["please " * 50, "ok"], [0, 1], 16, Windows.of(WINDOWS))
        inputs, targets = collate(rows, numpy.array([1, 0]), 0, ["input_ids", "attention_mask"], torch.device("cpu"))
        self.assertEqual(targets.tolist(), [1, 0])
        self.assertEqual(inputs["row"].tolist(), [0, 1, 1, 1, 1])
        logits = torch.tensor([[0.0, 1.0], *([float(line), 0.0] for line in range(4))], requires_grad=True)
        means = mean_by_row(logits, inputs["row"])
        self.assertEqual(means.tolist(), [[0, 1], [1.5, 0]])
        torch.nn.functional.cross_entropy(means, targets, reduction="sum").backward()
        self.assertTrue(math.isclose(logits.grad[1:, 0].sum().item(), torch.softmax(means[1], 0)[0].item() - 1, rel_tol=1e-6))

    def test_windows_that_make_no_sense_are_refused(self) -> None:
        for windows, said in (
            ({"overlap": 0.9, "most": 4}, "overlap must be"), ({"overlap": 0.1, "most": 1}, "most must be"),
            ({"most": 2}, "overlap is missing"), (3, "windows must be an object"),
        ):  # fmt: skip
            found = train_problems(self.task("x", self.rows(4), windows=windows), "task")
            self.assertTrue(len(found) == 1 and said in found[0], found)

    def test_more_windows_than_go_through_at_once_make_no_difference(self) -> None:
        rows = self.rows(70, words=40)
        task = TextClassification(self.task("x", rows), torch.device("cpu"), StopFlag())
        inputs, _ = task.batch("validation", numpy.arange(70), None)
        with torch.no_grad():
            whole = task.module.eval()(inputs)
            singles = torch.cat([task.module(task.batch("validation", numpy.array([row]), None)[0]) for row in range(70)])
        self.assertGreater(len(inputs["row"]), 2 * MOST_AT_ONCE)
        self.assertEqual(whole.shape, (70, 2))
        self.assertTrue(torch.allclose(whole, singles, atol=1e-5))


if __name__ == "__main__":
    unittest.main()

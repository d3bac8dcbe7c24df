"""Several labels a text: the loss against torch's own, calibration against scipy's figure, a training that is stopped."""

import json
import shutil
import unittest

import numpy
import torch
from torch.nn import functional

from espalier_trainer import calibration, data, export, train
from espalier_trainer.guard import StopFlag
from espalier_trainer.tasks.multi_label import label_weights

from .support import Folder, Recorder, stopped_after, toy_task

LABELS = ["money", "delivery", "returns"]


def topics(index: int) -> list[str]:
    return [label for label, every in zip(LABELS, (2, 3, 7), strict=True) if index % every == 0]


class MultiLabel(Folder):
    def many(self, count: int = 40) -> str:
        words = {"money": "refund my money", "delivery": "where is my parcel", "returns": "send it back"}
        lines = [{"text": f"order {index} please " + " ".join(words[topic] for topic in topics(index)), "labels": topics(index)} for index in range(count)]
        path = self.folder / "many.jsonl"
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
        return path

    def task(self, **training: object) -> dict:
        return toy_task(self.folder / str(len(list(self.folder.iterdir()))), self.many(), **training) | {"labels": LABELS, "multiLabel": True}

    def test_accumulated_gradients_equal_one_large_batch(self) -> None:
        gradients = []
        for batch, accumulation in ((40, 1), (16, 3)):
            training = train.Training(self.task(batchSize=batch, gradientAccumulation=accumulation, classWeights=True, labelSmoothing=0.1, dropout=0.0), Recorder(), StopFlag())
            training.load()
            for module in training.module.modules():
                if isinstance(module, torch.nn.Dropout):
                    module.p = 0.0
            batches = data.step_batches(40, 7, 0, 0, batch, accumulation)
            loss = training.gradients(batches, numpy.concatenate(batches), 0, {})
            gradients.append((loss, training.module.head.weight.grad.clone()))
        self.assertAlmostEqual(gradients[0][0], gradients[1][0], places=5)
        self.assertTrue(torch.allclose(gradients[0][1], gradients[1][1], atol=1e-6))

    def test_the_loss_is_torchs_with_positive_weights(self) -> None:
        targets = torch.tensor([[1, 0], [0, 0], [0, 1], [0, 1.0]])
        weights = label_weights(targets, True)
        self.assertTrue(torch.allclose(weights, torch.tensor([[4 / 6, 1], [2, 1]])))
        # rows / (2 · with) to rows / (2 · without) is what torch calls pos_weight: without / with.
        logits = torch.tensor([[0.3, -1], [2, 0.1], [-0.5, 1], [0, 0.7]])
        ours = functional.binary_cross_entropy_with_logits(logits, targets, torch.where(targets > 0.5, weights[1], weights[0]), reduction="none")
        theirs = functional.binary_cross_entropy_with_logits(logits, targets, pos_weight=torch.tensor([3.0, 1]), reduction="none")
        self.assertTrue(torch.allclose(ours / weights[0], theirs))
        self.assertTrue(torch.equal(label_weights(targets, False), torch.ones(2, 2)))

    def test_a_row_half_right_counts_half(self) -> None:
        training = train.Training(self.task(), Recorder(), StopFlag())
        training.load()
        logits = torch.tensor([[1.0, 1, -1], [-1, -1, -1], [-1, -1, 1]])
        targets = torch.tensor([[1.0, 0, 0], [0, 0, 0], [0, 0, 1]])
        loss, right, count = training.task.measure(logits, targets)
        self.assertEqual((right, count), (2.5, 3))
        self.assertAlmostEqual(loss / count, functional.binary_cross_entropy_with_logits(logits, targets).item(), places=6)

    def test_learns_and_resumes_to_the_same_bytes(self) -> None:
        whole = self.task(epochs=3)
        result = train.Training(whole, Recorder(), StopFlag()).run()
        self.assertGreater(result["validationAccuracy"], 0.5)
        cut = self.task(epochs=3)
        stopped = stopped_after(7, cut)
        again = train.Training(cut | {"resumeFrom": stopped.checkpoint}, Recorder(), StopFlag()).run()
        read = [(path / "model.safetensors").read_bytes() for path in map(lambda one: self.folder / one["model"], (result, again))]
        self.assertEqual(read[0], read[1])

    def test_a_checkpoint_of_one_label_a_row_is_not_gone_on_with(self) -> None:
        cut = self.task(epochs=3)
        stopped = stopped_after(7, cut)
        lines = [json.loads(line) for line in (self.folder / "many.jsonl").read_text().splitlines()]
        (self.folder / "many.jsonl").write_text("".join(json.dumps({"text": line["text"], "label": LABELS[place % 3]}) + "\n" for place, line in enumerate(lines)))
        del cut["multiLabel"]
        self.fails(66, "multiLabel", train.Training(cut | {"resumeFrom": stopped.checkpoint}, Recorder(), StopFlag()).run)

    def test_rows_that_have_no_list_of_known_labels_are_named(self) -> None:
        path = self.folder / "bad.jsonl"
        path.write_text('{"text":"a","labels":"money"}\n{"text":"b","labels":["money","moon"]}\n{"text":"c","label":"money"}\n')
        error = self.fails(65, "bad.jsonl:1 has no list of labels; bad.jsonl:2 has the unknown label 'moon'", data.read_rows, path, LABELS, True)
        self.assertIn("bad.jsonl:3 is not a row", error.message)

    def test_is_exported_with_a_probability_and_a_threshold_for_each_label(self) -> None:
        trained = train.Training(self.task(epochs=2), Recorder(), StopFlag()).run()
        results = {}
        for name, calibrated in (("plain", None), ("fitted", str(self.folder / "many.jsonl"))):
            task = {"verb": "export-classifier", "model": trained["model"], "calibration": calibrated, "out": str(self.folder / name)}
            results[name] = export.export_classifier(task, Recorder(), StopFlag())
        self.assertEqual((results["plain"]["calibratedLabels"], results["fitted"]["calibratedLabels"]), (0, 3))
        about = json.loads((self.folder / "fitted" / "classifier" / "classifier.json").read_text())
        self.assertEqual((about["thresholds"], about["labels"]), ([0.5] * 3, LABELS))
        probabilities = json.loads((self.folder / "fitted" / "parity.json").read_text())["probabilities"]
        self.assertTrue(any(abs(sum(row) - 1) > 0.01 for row in probabilities))
        shutil.rmtree(self.folder / "plain")


class Sigmoid(unittest.TestCase):
    def test_is_the_one_that_scipy_finds(self) -> None:
        random = numpy.random.default_rng(5)
        logits = random.normal(size=300) * 3
        targets = (random.random(300) < 1 / (1 + numpy.exp(-(0.4 * logits - 1.2)))).astype(float)
        # scipy.optimize.minimize (BFGS, gtol=1e-10) of the same loss: 0.36902054, -1.00609251
        scale, shift = calibration.fit_sigmoid(torch.tensor(logits), torch.tensor(targets))
        self.assertAlmostEqual(scale, 0.36902, places=4)
        self.assertAlmostEqual(shift, -1.00609, places=4)

    def test_keeps_the_order_and_its_bounds_where_the_logits_say_the_opposite(self) -> None:
        logits = torch.linspace(-3, 3, 60)
        scale, shift = calibration.fit_sigmoid(logits, (logits < 0).double())
        self.assertAlmostEqual(scale, 1 / calibration.HIGHEST)
        self.assertAlmostEqual(shift, 0, places=3)
        scale, _ = calibration.fit_sigmoid(logits / 100, (logits > 0).double())
        self.assertAlmostEqual(scale, 1 / calibration.LOWEST)

"""Attacks on a picture classifier: uphill, within ε and the range of a pixel, PGD no weaker than FGSM, the same bytes again."""

import json
import unittest
from pathlib import Path

import numpy
import torch
from torch import nn
from torch.nn import functional

from espalier_trainer import attack, events, images, job, train
from espalier_trainer.guard import StopFlag

from .support import Recorder
from .test_families import Families

EPSILON = 4.0
HOW = attack.Attack(EPSILON, 10, 1.0)


def curved(pixels: torch.Tensor) -> torch.Tensor:
    """Two classes, a bend between them: one step along the gradient's sign is not the best."""
    places = (pixels / 255 - 0.5).flatten(1)
    weights = torch.linspace(-1, 1, places.shape[1])
    score = 0.3 * torch.sin(9 * places).matmul(weights) - 0.1 * places.pow(2).sum(1)
    return torch.stack([score, -score], 1)


class Steps(unittest.TestCase):
    def setUp(self) -> None:
        random = torch.Generator().manual_seed(3)
        self.levels = torch.randint(0, 256, (24, 3, 8, 8), generator=random).float()
        # At the ends of the range, too, where a step may not leave it.
        self.levels[0], self.levels[1] = 0, 255
        self.targets = torch.tensor([0, 1] * 12)
        self.starts = torch.from_numpy(numpy.stack([attack.random_start(7, row, self.levels.shape[1:], EPSILON) for row in range(24)]))

    def losses(self, pixels: torch.Tensor) -> torch.Tensor:
        return functional.cross_entropy(curved(pixels), self.targets, reduction="none")

    def fgsm(self, epsilon: float) -> torch.Tensor:
        return attack.within(self.levels + epsilon * attack.ascent(curved, self.levels, self.targets).sign(), self.levels, epsilon)

    def pgd(self) -> torch.Tensor:
        return attack.projected_descent(curved, self.levels, self.targets, self.starts, HOW, StopFlag())

    def test_a_small_step_along_the_sign_makes_every_loss_larger(self) -> None:
        inner = slice(2, None)
        self.assertTrue((self.losses(self.fgsm(0.05))[inner] > self.losses(self.levels)[inner]).all())

    def test_nothing_moves_by_more_than_epsilon_or_leaves_the_range_of_a_pixel(self) -> None:
        for pixels in (self.fgsm(EPSILON), self.pgd()):
            self.assertLessEqual(float((pixels - self.levels).abs().max()), EPSILON)
            self.assertTrue(0 <= float(pixels.min()) and float(pixels.max()) <= 255)
            self.assertFalse(torch.equal(pixels, self.levels))

    def test_many_steps_cost_at_least_what_one_does(self) -> None:
        one, several = self.losses(self.fgsm(EPSILON)).mean(), self.losses(self.pgd()).mean()
        self.assertGreater(float(one), float(self.losses(self.levels).mean()))
        self.assertGreaterEqual(float(several), float(one))

    def test_rows_of_a_batch_do_not_meet(self) -> None:
        alone = attack.ascent(curved, self.levels[5:6], self.targets[5:6])
        self.assertTrue(torch.allclose(alone, attack.ascent(curved, self.levels, self.targets)[5:6], atol=1e-6))

    def test_a_row_whose_loss_no_pixel_changes_is_said_to_be_so(self) -> None:
        def blind(pixels: torch.Tensor) -> torch.Tensor:
            return pixels.flatten(1)[:, :2] * 0 + torch.tensor([1.0, 0.0])

        lines = attack.answers(blind, self.levels, self.targets, self.starts, HOW, StopFlag())
        self.assertEqual({line["gradient"] for line in lines}, {False})
        self.assertEqual({line["gradient"] for line in attack.answers(curved, self.levels, self.targets, self.starts, HOW, StopFlag())}, {True})

    def test_the_gradient_is_that_of_pixels_through_the_normalisation(self) -> None:
        class Mean(nn.Module):
            def forward(self, pixel_values: torch.Tensor):
                score = pixel_values.mean((2, 3))[:, :2]
                return type("Said", (), {"logits": score})()

        how = images.Preprocessing(8, 8, None, (8, 8), 2, 1 / 255, (0.1, 0.2, 0.3), (0.5, 0.25, 1.0))
        said = attack.of_levels(Mean(), how)(self.levels)
        expected = torch.stack([(self.levels[:, 0] / 255 - 0.1).mean((1, 2)) / 0.5, (self.levels[:, 1] / 255 - 0.2).mean((1, 2)) / 0.25], 1)
        self.assertTrue(torch.allclose(said, expected, atol=1e-5))
        # The second channel is divided by half as much: its pixels count double.
        gradient = attack.ascent(attack.of_levels(Mean(), how), self.levels, self.targets)
        self.assertTrue(torch.allclose(gradient[:, 1], -2 * gradient[:, 0], rtol=1e-4))


class Verb(Families):
    def trained(self, method: str) -> str:
        task = self.image_task(method=method, headLearningRate=0.05) | {"out": str(self.folder / "trained")}
        return train.Training(task, Recorder(), StopFlag()).run()["model"]

    def task(self, model: str, out: str, **own: object) -> dict:
        rows = str(self.made / "image" / "pictures" / "validation.jsonl")
        return {
            "verb": "attack-classifier", "model": model, "rows": rows, "epsilonLevels": EPSILON, "steps": 5, "stepLevels": 2.0, "seed": 7,
            "threads": 1, "out": str(self.folder / out),
        } | own  # fmt: skip

    def run_task(self, task: dict) -> bytes:
        self.assertEqual(job.job_problems({"version": 1, "id": "a", "tasks": [task]}), [])
        return Path(attack.attack_classifier(task, Recorder(), StopFlag())["attacked"]).read_bytes()

    def test_a_head_on_frozen_features_is_attacked_through_them_with_the_same_bytes_twice(self) -> None:
        model = self.trained("head")
        first = self.run_task(self.task(model, "a"))
        self.assertEqual(self.run_task(self.task(model, "b")), first)
        lines = [json.loads(line) for line in first.splitlines()]
        self.assertEqual((len(lines), set(lines[0])), (15, {"label", "clean", "fgsm", "pgd", "gradient"}))
        self.assertTrue(all(line["gradient"] and line["label"] in ("red", "green", "blue") for line in lines))

    def test_no_room_leaves_every_answer_as_it_is_and_all_room_turns_some(self) -> None:
        model = self.trained("full")
        still = [json.loads(line) for line in self.run_task(self.task(model, "still", epsilonLevels=0, stepLevels=0)).splitlines()]
        self.assertTrue(all(line["clean"] == line["fgsm"] == line["pgd"] for line in still))
        wild = [json.loads(line) for line in self.run_task(self.task(model, "wild", epsilonLevels=128, stepLevels=64)).splitlines()]
        self.assertEqual([line["clean"] for line in wild], [line["clean"] for line in still])
        self.assertTrue(any(line["clean"] != line["pgd"] for line in wild))

    def test_a_graph_is_refused_for_it_has_no_gradients(self) -> None:
        folder = self.folder / "graph"
        folder.mkdir()
        (folder / "espalier.json").write_text(json.dumps({"labels": ["a", "b"], "backbone": "onnx"}))
        self.fails(events.BAD_JOB, "has no gradients", attack.trained_labels, folder, kind="BadModel")

    def test_a_stop_ends_it_between_steps(self) -> None:
        stop = StopFlag()
        stop.reason = "SIGTERM"
        with self.assertRaises(events.Stopped):
            attack.attack_classifier(self.task(self.trained("head"), "a"), Recorder(), stop)

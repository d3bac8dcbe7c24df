"""Attacks on a picture classifier: uphill, within ε and the range of a pixel, PGD no weaker than FGSM, the same bytes again."""

import json
import unittest
from pathlib import Path

import numpy
import torch
from torch.nn import functional

from espalier_trainer import attack, events, images, job, train
from espalier_trainer.guard import StopFlag

from .support import Folder, Recorder
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
        def mean(pixels: torch.Tensor) -> torch.Tensor:
            return pixels.mean((2, 3))[:, :2]

        how = images.Preprocessing(8, 8, None, (8, 8), 2, 1 / 255, (0.1, 0.2, 0.3), (0.5, 0.25, 1.0))
        said = attack.of_levels(mean, how)(self.levels)
        expected = torch.stack([(self.levels[:, 0] / 255 - 0.1).mean((1, 2)) / 0.5, (self.levels[:, 1] / 255 - 0.2).mean((1, 2)) / 0.25], 1)
        self.assertTrue(torch.allclose(said, expected, atol=1e-5))
        # The second channel is divided by half as much: its pixels count double.
        gradient = attack.ascent(attack.of_levels(mean, how), self.levels, self.targets)
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


class Galleries(Folder):
    def test_a_label_may_have_what_ends_a_line_of_text_but_not_of_json(self) -> None:
        labels = ["red\u2028brick", "red\u0085", "blue\u2029\x1c"]
        # As the platform writes it: JSON of JavaScript leaves these as they are, but for what is below a space.
        gallery, vectors = self.folder / "ends.jsonl", self.folder / "ends.f32"
        gallery.write_bytes("".join(json.dumps({"label": label}, ensure_ascii=False) + "\n" for label in labels).encode())
        numpy.eye(3, dtype="<f4").tofile(vectors)
        read = attack.read_gallery(vectors, gallery, 3)
        self.assertEqual(read.labels, labels)
        self.assertEqual(read.classes.tolist(), [0, 1, 2])


class Neighbours(Families):
    """Of a model whose embedding asks a gallery: lost is what finds another label first."""

    def setUp(self) -> None:
        super().setUp()
        self.pictures = self.made / "image" / "pictures"
        self.rows = [json.loads(line) for line in (self.pictures / "train.jsonl").read_text().splitlines()]

    def task(self, model: Path | str, **own: object) -> dict:
        gallery, vectors = self.folder / "gallery.jsonl", self.folder / "vectors.f32"
        if not gallery.exists():
            # What an index has: the embeddings of the train split, of length 1.
            how, graph = images.read_preprocessing(Path(model)), attack.ImageGraph(attack.load_embedder(Path(model))).eval()
            levels = torch.from_numpy(numpy.stack([attack.levels_of(self.pictures / row["image"], how) for row in self.rows]))
            with torch.no_grad():
                made = functional.normalize(attack.of_levels(graph, how)(levels), dim=-1)
            made.numpy().tofile(vectors)
            gallery.write_text("".join(json.dumps({"label": row["label"]}) + "\n" for row in self.rows))
        return {
            "verb": "attack-embedder", "model": str(model), "vectors": str(vectors), "gallery": str(gallery),
            "rows": str(self.pictures / "validation.jsonl"), "epsilonLevels": EPSILON, "steps": 5, "stepLevels": 2.0, "seed": 7, "threads": 1,
            "out": str(self.folder / "out"),
        } | own  # fmt: skip

    def lines(self, task: dict) -> list[dict]:
        self.assertEqual(job.job_problems({"version": 1, "id": "a", "tasks": [task]}), [])
        return [json.loads(line) for line in Path(attack.attack_embedder(task, Recorder(), StopFlag())["attacked"]).read_bytes().splitlines()]

    def asking(self, *rows: dict) -> str:
        file = self.pictures / f"{self.id()}.jsonl"
        self.addCleanup(file.unlink, missing_ok=True)
        file.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return str(file)

    def test_a_stock_model_that_was_never_tuned_is_attacked_and_loses_neighbours_to_all_room(self) -> None:
        model = self.made / "image" / "model"
        still = self.lines(self.task(model, epsilonLevels=0, stepLevels=0, out=str(self.folder / "still")))
        self.assertTrue(all(line["clean"] == line["fgsm"] == line["pgd"] and line["gradient"] for line in still))
        self.assertGreater(sum(line["clean"] == line["label"] for line in still), len(still) / 2)
        wild = self.lines(self.task(model, epsilonLevels=64, stepLevels=32, steps=10, out=str(self.folder / "wild")))
        right = [line for line in wild if line["clean"] == line["label"]]
        self.assertLess(sum(line["pgd"] == line["label"] for line in right), len(right))
        again = self.lines(self.task(model, epsilonLevels=64, stepLevels=32, steps=10, out=str(self.folder / "again")))
        self.assertEqual(again, wild)

    def test_a_picture_never_answers_for_itself(self) -> None:
        model = self.made / "image" / "model"
        place = next(at for at, row in enumerate(self.rows) if row["label"] == "red")
        twin = self.rows[place]
        task = self.task(model, epsilonLevels=0, stepLevels=0)
        # A gallery in which its label has it and one that is far away.
        far = numpy.fromfile(task["vectors"], "<f4").reshape(len(self.rows), -1)
        kept = [at for at, row in enumerate(self.rows) if row["label"] != "red"]
        numpy.concatenate([far[kept], far[[place]], -far[[place]]]).tofile(task["vectors"])
        Path(task["gallery"]).write_text("".join(json.dumps({"label": label}) + "\n" for label in [*(self.rows[at]["label"] for at in kept), "red", "red"]))
        by_itself = self.lines(task | {"rows": self.asking(twin)})
        self.assertEqual([line["clean"] for line in by_itself], ["red"])
        alone = self.lines(task | {"rows": self.asking(twin | {"except": len(kept)}), "out": str(self.folder / "alone")})
        self.assertNotEqual([line["clean"] for line in alone], ["red"])

    def test_what_cannot_be_asked_is_refused_by_line(self) -> None:
        task = self.task(self.made / "image" / "model")
        place = next(at for at, row in enumerate(self.rows) if row["label"] == "red")
        outside = task | {"rows": self.asking(self.rows[0] | {"except": 99})}
        self.fails(events.BAD_DATA, ":1 leaves out 99, which is no entry", attack.attack_embedder, outside, Recorder(), StopFlag())
        vectors = numpy.fromfile(task["vectors"], "<f4").reshape(len(self.rows), -1)
        vectors[place : place + 1].tofile(task["vectors"])
        Path(task["gallery"]).write_text(json.dumps({"label": "red"}) + "\n")
        nothing = task | {"rows": self.asking(self.rows[place] | {"except": 0})}
        self.fails(events.BAD_DATA, ":1 has nothing of its label to find", attack.attack_embedder, nothing, Recorder(), StopFlag())
        Path(task["gallery"]).write_text((json.dumps({"label": "red"}) + "\n") * 2)
        self.fails(events.BAD_JOB, "2 entries of this model have", attack.attack_embedder, task, Recorder(), StopFlag(), kind="BadModel")

    def test_a_graph_is_refused(self) -> None:
        folder = self.folder / "graph"
        folder.mkdir()
        (folder / "model.onnx").write_bytes(b"graph")
        self.fails(events.BAD_JOB, "has no gradients", attack.load_embedder, folder, kind="BadModel")

    def test_the_loss_is_above_0_where_the_answer_is_wrong_and_knows_nothing_of_what_is_left_out(self) -> None:
        gallery = attack.Gallery(torch.eye(3), torch.tensor([0, 1, 1]), ["a", "b"])
        near = torch.tensor([[0.9, 0.3, 0.1], [0.2, 0.8, 0.1]])
        found = gallery.similarities(near, [None, None])
        self.assertTrue(torch.allclose(found, functional.normalize(near, dim=-1)))
        losses = gallery.losses(found, torch.tensor([0, 0]))
        self.assertTrue(losses[0] < 0 < losses[1])
        self.assertTrue(torch.allclose(losses[0], found[0, 1] - found[0, 0]))
        left_out = gallery.losses(gallery.similarities(near, [None, 1]), torch.tensor([0, 0]))
        self.assertTrue(torch.allclose(left_out[1], found[1, 2] - found[1, 0]))
        # A gallery of one label finds it from anywhere.
        one = attack.Gallery(torch.eye(2), torch.tensor([0, 0]), ["a"])
        self.assertLess(float(one.losses(one.similarities(torch.tensor([[-1.0, -1.0]]), [None]), torch.tensor([0]))), 0)

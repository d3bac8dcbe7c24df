"""Fast checks of the trainer's parts, in one process. Usage: TINY_MODEL=FOLDER python -m unittest discover -s tests -t ."""

import json
import math
import unittest
from pathlib import Path

import numpy
import torch
from safetensors.torch import load_file, save_file
from torch.nn import functional

from espalier_trainer import checkpoint, data, events, export_generator, job, model, optimisation, train
from espalier_trainer.guard import StopFlag
from espalier_trainer.tasks.classification import class_weights

from .support import TINY, Folder, Recorder, toy_task


class Randomness(unittest.TestCase):
    def test_order_depends_on_seed_and_epoch_alone(self) -> None:
        first = data.order(100, 7, 0).tolist()
        data.order(100, 7, 1)
        numpy.random.seed(1)
        self.assertEqual(first, data.order(100, 7, 0).tolist())
        self.assertNotEqual(first, data.order(100, 7, 1).tolist())
        self.assertNotEqual(first, data.order(100, 8, 0).tolist())

    def test_the_steps_of_an_epoch_see_every_row_once(self) -> None:
        steps = [data.step_batches(53, 7, 2, step, 8, 2) for step in range(math.ceil(53 / 16))]
        rows = [int(row) for batches in steps for batch in batches for row in batch]
        self.assertEqual(sorted(rows), list(range(53)))
        self.assertEqual([len(batch) for batch in steps[-1]], [5])

    def test_new_weights_depend_on_the_seed_alone(self) -> None:
        def made(seed: int, before: int) -> dict[str, torch.Tensor]:
            torch.manual_seed(before)
            classifier = model.Classifier(model.load_encoder(TINY, model.read_config(TINY, 32)), 3, "mean", 0.1, seed)
            model.adapt(classifier, "lora", {"rank": 2, "alpha": 4, "dropout": 0.0}, seed)
            return {name: p for name, p in classifier.named_parameters() if p.requires_grad and p.abs().sum() > 0}

        one, same, other = made(7, before=1), made(7, before=2), made(8, before=1)
        self.assertEqual(len(one), 1 + 2 * 2)  # the head's weight and every A; B and the bias begin at zero
        self.assertTrue(all(torch.equal(one[name], same[name]) for name in one))
        self.assertFalse(any(torch.equal(one[name], other[name]) for name in one))


class LearningRate(unittest.TestCase):
    def test_warms_up_and_comes_down(self) -> None:
        linear = [optimisation.learning_rate_factor(step, 10, 0.2, "linear") for step in range(10)]
        self.assertEqual(linear[:3], [0.5, 1.0, 1.0])
        self.assertAlmostEqual(linear[-1], 1 / 8)
        self.assertAlmostEqual(optimisation.learning_rate_factor(6, 10, 0.2, "cosine"), 0.5)
        self.assertEqual(optimisation.learning_rate_factor(9, 10, 0, "constant"), 1.0)
        self.assertEqual(optimisation.learning_rate_factor(0, 10, 0, "linear"), 1.0)


class Loss(Folder):
    def test_accumulated_gradients_equal_one_large_batch(self) -> None:
        """Uneven micro-batches, class weights and label smoothing: the mean over the step, as torch computes it at once."""
        rows = [{"text": "refund my money please" + " now" * (index % 5), "label": "a" if index % 3 else "b"} for index in range(13)]
        path = self.folder / "rows.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        results = []
        for batch, accumulation in ((16, 1), (5, 3)):
            task = toy_task(self.folder / str(batch), path, batchSize=batch, gradientAccumulation=accumulation, classWeights=True, labelSmoothing=0.1, dropout=0.0)
            training = train.Training(task, Recorder(), StopFlag())
            training.load()
            training.module.encoder.config.hidden_dropout_prob = 0.0
            for module in training.module.modules():
                if isinstance(module, torch.nn.Dropout):
                    module.p = 0.0
                if hasattr(module, "dropout_prob"):
                    module.dropout_prob = 0.0
            training.train_step(0)
            results.append((training.history["steps"][0]["loss"], training.history["steps"][0]["gradientNorm"]))
        self.assertAlmostEqual(results[0][0], results[1][0], places=5)
        self.assertAlmostEqual(results[0][1], results[1][1], places=4)
        weights = class_weights(training.task.rows["train"].targets, 2, True)
        self.assertTrue(torch.allclose(weights, torch.tensor([13 / (2 * 8), 13 / (2 * 5)])))
        inputs, targets = training.task.batch("train", numpy.arange(13), None)
        fresh = train.Training(toy_task(self.folder / "fresh", path, dropout=0.0), Recorder(), StopFlag())
        fresh.load()
        fresh.module.eval()
        with torch.no_grad():
            expected = functional.cross_entropy(fresh.module(inputs), targets, weights, label_smoothing=0.1).item()
        self.assertAlmostEqual(results[0][0], expected, places=5)


class Methods(Folder):
    def test_what_each_method_trains(self) -> None:
        config = model.read_config(TINY, 32)
        trained = {}
        for method in ("full", "lora", "head"):
            classifier = model.Classifier(model.load_encoder(TINY, config), 3, "mean", 0.1)
            model.adapt(classifier, method, {"rank": 2, "alpha": 4, "dropout": 0.0}, 7)
            trained[method] = {name for name, parameter in classifier.named_parameters() if parameter.requires_grad}
        self.assertEqual(trained["head"], {"head.weight", "head.bias"})
        self.assertEqual(len(trained["lora"]), 2 + 2 * 2 * 2)  # head; A and B of query and value in two layers
        self.assertTrue(all("lora_" in name for name in trained["lora"] - trained["head"]))
        self.assertGreater(len(trained["full"]), 30)

    def test_a_frozen_encoder_keeps_its_bytes(self) -> None:
        path = self.folder / "rows.jsonl"
        path.write_text("".join(json.dumps({"text": f"order {index}", "label": "ab"[index % 2]}) + "\n" for index in range(12)))
        train.Training(toy_task(self.folder, path, method="head", epochs=1), Recorder(), StopFlag()).run()
        saved = load_file(self.folder / "out" / "model" / "model.safetensors")
        for name, tensor in load_file(TINY / "model.safetensors").items():
            if not name.startswith("pooler"):
                self.assertTrue(torch.equal(saved[f"encoder.{name}"], tensor), name)

    def test_a_chat_template_of_its_own_goes_with_the_tokenizer(self) -> None:
        """Else what was tuned in a chat format would be asked as a model without one."""
        source, target = self.folder / "source", self.folder / "target"
        source.mkdir()
        target.mkdir()
        (source / "chat_template.jinja").write_text("{{ '[INST]' + raise_exception('run!') }}", encoding="utf-8")
        (source / "tokenizer_config.json").write_text("{}", encoding="utf-8")
        model.copy_tokenizer_files(source, target)
        self.assertEqual(export_generator.chat_format(target), "mistral")

    def test_early_stopping_keeps_the_best_epoch(self) -> None:
        rows = [{"text": f"order {index} please", "label": "ab"[index % 2]} for index in range(12)]
        path, other = self.folder / "rows.jsonl", self.folder / "validation.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        other.write_text("".join(json.dumps({**row, "label": "ba"[index % 2]}) + "\n" for index, row in enumerate(rows)))  # the better it learns, the worse
        task = toy_task(self.folder, path, epochs=50, learningRate=1e-2, earlyStoppingPatience=3) | {"validation": str(other)}
        result = train.Training(task, Recorder(), StopFlag()).run()
        epochs = json.loads((self.folder / "out" / "history.json").read_text())["epochs"]
        losses = [epoch["validationLoss"] for epoch in epochs]
        self.assertLess(len(epochs), 50)
        self.assertEqual(result["bestEpoch"], losses.index(min(losses)) + 1)
        self.assertEqual(len(epochs), result["bestEpoch"] + 3)
        classifier, _ = model.load_classifier(self.folder / "out" / "model")
        training = train.Training({**task, "out": str(self.folder / "x")}, Recorder(), StopFlag())
        training.load()
        training.task.module = training.module = classifier
        self.assertAlmostEqual(training.evaluate("validation", 1)[0], min(losses), places=6)


class Refusals(Folder):
    def test_a_model_with_code_of_its_own_anywhere_in_its_config(self) -> None:
        folder = self.tiny_copy(nested={"deeper": [{"auto_map": {}}]})
        self.fails(64, "config.nested.deeper[0].auto_map", model.read_config, folder, 32, kind="UnsafeModel")

    def test_an_architecture_we_do_not_know(self) -> None:
        self.fails(64, "model_type 'llama'", model.read_config, self.tiny_copy(model_type="llama"), 32, kind="BadModel")

    def test_more_tokens_or_layers_than_the_model_has(self) -> None:
        self.fails(64, "128 positions", model.read_config, TINY, 129, kind="BadModel")
        self.fails(64, "the model has 2", model.read_config, TINY, 32, 3, kind="BadModel")

    def test_a_model_of_pickles(self) -> None:
        folder = self.tiny_copy()
        (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
        self.fails(64, "no model.safetensors", model.load_encoder, folder, model.read_config(folder, 32), kind="UnsafeModel")

    def test_a_missing_weight_instead_of_a_random_one(self) -> None:
        folder = self.tiny_copy()
        weights = load_file(folder / "model.safetensors")
        del weights["encoder.layer.1.output.dense.weight"]
        save_file(weights, folder / "model.safetensors", {"format": "pt"})
        self.fails(64, "encoder.layer.1.output.dense.weight", model.load_encoder, folder, model.read_config(folder, 32), kind="BadModel")

    def test_rows_by_file_and_line(self) -> None:
        path = self.folder / "train.jsonl"
        path.write_text('{"text": "a", "label": "x"}\n{"text": " ", "label": "x"}\nnonsense\n{"text": "b", "label": "z"}\n')
        for fragment in ("train.jsonl:2 has no text", "train.jsonl:3 is not a row", "train.jsonl:4 has the unknown label 'z'"):
            self.fails(65, fragment, data.read_rows, path, ["x", "y"])
        path.write_text("")
        self.fails(65, "has no rows", data.read_rows, path, ["x", "y"])


class Checkpoints(Folder):
    def setUp(self) -> None:
        super().setUp()
        self.identity = {"config": {"seed": 7, "lora": {"rank": 8}}, "data": {"train": "a"}}
        tensors = {"trainable": {"w": torch.ones(2)}, "optimizer": {"step/w": torch.tensor(3.0)}}
        self.path, self.manifest = checkpoint.write_checkpoint(self.folder, 5, 1, self.identity, tensors, {"step": 5})

    def test_comes_back_as_it_was_written(self) -> None:
        state, tensors = checkpoint.read_checkpoint(self.path, self.identity)
        self.assertEqual(state, {"step": 5})
        self.assertTrue(torch.equal(tensors["trainable"]["w"], torch.ones(2)))
        self.assertEqual(sorted(path.name for path in self.folder.iterdir()), ["step-00000005"])
        self.assertEqual(self.manifest["files"]["state.json"]["sha256"], job.sha256_file(self.path / "state.json"))

    def test_is_refused_for_each_damage(self) -> None:
        def flip(path: Path) -> None:
            content = bytearray(path.read_bytes())
            content[-1] ^= 1
            path.write_bytes(content)

        damages = {
            "trainable.safetensors is damaged": lambda: flip(self.path / "trainable.safetensors"),
            "optimizer.safetensors is missing": lambda: (self.path / "optimizer.safetensors").unlink(),
            "manifest.json cannot be read": lambda: (self.path / "manifest.json").unlink(),
        }
        for fragment, damage in damages.items():
            damage()
            self.fails(66, fragment, checkpoint.read_checkpoint, self.path, self.identity)
            self.setUp()

    def test_is_refused_for_each_difference_by_name(self) -> None:
        other = {"config": {"seed": 8, "lora": {"rank": 4}}, "data": {"train": "a"}}
        for fragment in ("config.seed is 8 here and 7 in the checkpoint", "config.lora.rank is 4 here and 8 in the checkpoint"):
            self.fails(66, fragment, checkpoint.read_checkpoint, self.path, other)

    def test_a_path_out_of_the_folder_is_not_followed(self) -> None:
        manifest = json.loads((self.path / "manifest.json").read_text())
        (self.folder / "outside").write_text("x")
        manifest["files"]["../outside"] = {"sha256": job.sha256_file(self.folder / "outside"), "bytes": 1}
        (self.path / "manifest.json").write_text(json.dumps(manifest))
        self.fails(66, "../outside is missing", checkpoint.read_checkpoint, self.path, self.identity)


if __name__ == "__main__":
    unittest.main()

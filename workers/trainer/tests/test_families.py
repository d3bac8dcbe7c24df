"""Pictures and language: preprocessing, losses, what is saved; and one training in several processes."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import numpy
import torch
import transformers
from PIL import Image
from safetensors.torch import load_file
from tokenizers import Tokenizer

from espalier_trainer import events, images, memorisation, train
from espalier_trainer.guard import StopFlag
from espalier_trainer.launcher import RENDEZVOUS
from espalier_trainer.tasks import causal_lm, image_classification, make_task

from .support import Folder, Recorder, toy_task

MAKER = Path(__file__).parents[3] / "test" / "support" / "tiny_families.py"
CPU = torch.device("cpu")


class Families(Folder):
    @classmethod
    def setUpClass(cls) -> None:
        cls.made = Path(tempfile.mkdtemp(prefix="espalier-unittest-families-"))
        cls.addClassCleanup(shutil.rmtree, cls.made)
        for kind in ("image", "gpt"):
            # In a child: the tests' own process stays single-threaded.
            subprocess.run([sys.executable, str(MAKER), kind, str(cls.made / kind)], check=True, capture_output=True)

    def image_task(self, **training: object) -> dict:
        task = toy_task(self.folder, self.made / "image" / "pictures" / "train.jsonl", **training)
        for name in ("pooling", "maxLength"):
            del task[name]
        about = {"task": "image-classification", "labels": ["red", "green", "blue"], "model": str(self.made / "image" / "model")}
        validation = str(self.made / "image" / "pictures" / "validation.jsonl")
        return task | about | {"validation": validation, "augmentation": {"horizontalFlip": True, "minimumCropArea": 0.2}}

    def language_task(self, rows: str = "pairs", **training: object) -> dict:
        task = toy_task(self.folder, self.made / "gpt" / rows / "train.jsonl", **training)
        for name in ("pooling", "labels"):
            del task[name]
        validation = str(self.made / "gpt" / rows / "validation.jsonl")
        about = {"task": "causal-lm", "model": str(self.made / "gpt" / "model"), "maxLength": 24, "packing": False}
        return task | about | {"validation": validation}


class Pictures(Families):
    def test_preprocessing_is_that_of_transformers(self) -> None:
        how = images.read_preprocessing(self.made / "image" / "model")
        processor = transformers.models.convnext.image_processing_pil_convnext.ConvNextImageProcessorPil.from_pretrained(self.made / "image" / "model")
        random = numpy.random.Generator(numpy.random.PCG64(3))
        for width, height in ((50, 31), (31, 50), (200, 90), (28, 28), (9, 12)):
            picture = Image.fromarray(random.integers(0, 256, (height, width, 3)).astype(numpy.uint8))
            expected = numpy.asarray(processor(picture, return_tensors="np")["pixel_values"][0])
            self.assertLess(numpy.abs(images.prepare(picture, how) - expected).max(), 1e-5, (width, height))

    def test_augmentation_is_a_function_of_seed_epoch_and_row(self) -> None:
        how = images.read_preprocessing(self.made / "image" / "model")
        picture = images.open_picture(self.made / "image" / "pictures" / "files" / "train-1.png")
        options = {"horizontalFlip": True, "minimumCropArea": 0.2}

        def made(seed: int, epoch: int, row: int) -> bytes:
            return images.augment(picture, how, options, seed, epoch, row).tobytes()

        first = made(7, 0, 1)
        numpy.random.seed(1)
        torch.manual_seed(1)
        self.assertEqual(first, made(7, 0, 1))
        self.assertEqual(len({first, made(8, 0, 1), made(7, 1, 1), made(7, 0, 2)}), 4)
        plain = {images.augment(picture, how, {"horizontalFlip": False, "minimumCropArea": None}, 7, 0, row).tobytes() for row in range(9)}
        self.assertEqual(plain, {images.prepare(picture, how).tobytes()})
        flips = {images.augment(picture, how, {"horizontalFlip": True, "minimumCropArea": None}, 7, 0, row).tobytes() for row in range(20)}
        self.assertEqual(flips, plain | {images.prepare(picture, how)[:, :, ::-1].tobytes()})

    def test_modes_orientation_and_files_that_are_no_pictures(self) -> None:
        path = self.folder / "x.png"
        Image.new("RGBA", (2, 1), (0, 0, 0, 0)).save(path)
        self.assertEqual(images.open_picture(path).getpixel((0, 0)), (255, 255, 255))
        Image.new("I;16", (3, 2)).save(path)
        self.assertEqual(images.open_picture(path).mode, "RGB")
        exif = Image.Exif()
        exif[0x0112] = 6
        Image.new("RGB", (4, 2)).save(self.folder / "x.jpg", exif=exif)
        self.assertEqual(images.open_picture(self.folder / "x.jpg").size, (2, 4))

    def test_rows_are_refused_by_line(self) -> None:
        data = self.folder / "data"
        data.mkdir()
        (data / "text.png").write_text("no picture")
        (self.folder / "outside.png").write_bytes((self.made / "image" / "pictures" / "files" / "train-1.png").read_bytes())
        rows = [{"image": "../outside.png", "label": "red"}, {"image": "text.png", "label": "red"}, {"image": 1, "label": "red"}, {"label": "red"}]
        (data / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        error = self.fails(65, "train.jsonl:1 names no file", make_task, self.image_task() | {"train": str(data / "train.jsonl")}, CPU, StopFlag())
        self.assertEqual([problem.split(" ")[0] for problem in error.problems], [f"train.jsonl:{line}" for line in (1, 2, 3, 4)])
        self.assertIn("names no picture", error.problems[1])

    def test_running_statistics_are_state_where_they_change_and_frozen_elsewhere(self) -> None:
        before = load_file(self.made / "image" / "model" / "model.safetensors")
        for method, changes in (("full", True), ("lora", False), ("head", False)):
            self.setUp()
            training = train.Training(self.image_task(method=method), Recorder(), StopFlag())
            training.run()
            saved = load_file(Path(str(training.last_checkpoint)) / "trainable.safetensors")
            self.assertEqual(any("running_mean" in name for name in saved), changes, method)
            after = load_file(self.folder / "out" / "model" / "model.safetensors")
            name = "resnet.embedder.embedder.normalization.running_mean"
            self.assertEqual(torch.equal(before[name], after[name]), not changes, method)
            size = sum(path.stat().st_size for path in Path(str(training.last_checkpoint)).glob("trainable*"))
            if method != "full":
                self.assertTrue(all("lora_" in name or name.startswith("classifier.") for name in saved), method)
                self.assertLess(size, (self.made / "image" / "model" / "model.safetensors").stat().st_size)
            loaded = transformers.AutoModelForImageClassification.from_pretrained(self.folder / "out" / "model", local_files_only=True)
            self.assertEqual(loaded.config.id2label, {0: "red", 1: "green", 2: "blue"})

    def test_a_head_of_the_same_labels_is_kept(self) -> None:
        source = self.made / "image" / "model"
        weights = load_file(source / "model.safetensors")
        for labels, kept in ((["other", "things"], True), (["things", "other"], False)):
            config = transformers.AutoConfig.from_pretrained(source)
            model = image_classification.load_image_classifier(source, config, labels, 7)
            self.assertEqual(torch.equal(model.classifier[1].weight, weights["classifier.1.weight"]), kept)


class Language(Families):
    def test_the_loss_is_on_the_completion_alone_and_as_transformers_reckons_it(self) -> None:
        task = make_task(self.language_task(), CPU, StopFlag())
        inputs, targets = task.batch("train", numpy.arange(3), None)
        row = json.loads((self.made / "gpt" / "pairs" / "train.jsonl").read_text().splitlines()[0])
        tokenizer = Tokenizer.from_file(str(self.made / "gpt" / "model" / "tokenizer.json"))
        prompt, completion = tokenizer.encode(row["prompt"]).ids, tokenizer.encode(row["completion"]).ids
        self.assertEqual(targets[0].tolist()[: len(prompt)], [-100] * len(prompt))
        self.assertEqual([token for token in targets[0].tolist() if token != -100], [*completion, 0])
        self.assertEqual(inputs["input_ids"][0, : len(prompt)].tolist(), prompt)
        task.module.eval()
        with torch.no_grad():
            theirs = task.module(**inputs, labels=targets).loss.item()
            ours = (task.loss(task.logits(inputs), targets) / task.weight(numpy.arange(3))).item()
        self.assertAlmostEqual(ours, theirs, places=5)

    def test_earlier_answers_of_a_conversation_are_read_and_not_learnt(self) -> None:
        tokenizer = Tokenizer.from_file(str(self.made / "gpt" / "model" / "tokenizer.json"))
        path = self.folder / "turns.jsonl"
        row = {"prompt": "User: late?\nAssistant: the order was sent\nUser: and the money?\nAssistant:", "completion": " a refund"}
        path.write_text(json.dumps(row) + "\n")
        for packing in (False, True):
            (sequence,) = causal_lm.read_sequences(path, tokenizer, 0, 200, packing, StopFlag())
            learnt = [token for token in sequence.targets.tolist() if token != -100]
            self.assertEqual(learnt, [*tokenizer.encode(row["completion"], add_special_tokens=False).ids, 0])
            self.assertGreater(len(sequence.tokens), len(learnt) + 10)

    def test_every_answer_of_a_conversation_is_learnt_token_by_token_and_nothing_else(self) -> None:
        tokenizer = Tokenizer.from_file(str(self.made / "gpt" / "model" / "tokenizer.json"))
        path = self.folder / "turns.jsonl"
        turns = [("late? \U0001f600 \u0e04\u0e38\u0e13", "the \U0001f600 order was sent twice \u00e9\u6211"), ("and the money?", "refund: 12.5 %"), ("when", "today")]
        before = "be kind\n\n"
        for opening, answered, end in (("Assistant:", "\n", ""), ("Assistant:", "<|endoftext|>\n", "<|endoftext|>"), ("", " <|endoftext|>", "<|endoftext|>")):
            prompt, spans, asked, answers = before, [], [], []
            for place, (question, answer) in enumerate(turns):
                prompt += f"User: {question}\n{opening}"
                asked.append(prompt)
                answers.append(f" {answer}")
                if place == len(turns) - 1:
                    break
                spans.append([len(prompt), len(prompt) + len(answers[-1])])
                prompt += answers[-1] + answered
                if end:
                    spans.append([spans[-1][1] + answered.index(end), spans[-1][1] + answered.index(end) + len(end)])
            path.write_text(json.dumps({"prompt": prompt, "completion": answers[-1], "learnt": spans}) + "\n")
            (whole,) = causal_lm.read_sequences(path, tokenizer, 0, 500, False, StopFlag())
            # What the server reads of the same conversation, and then the answer.
            last = tokenizer.encode(answers[-1], add_special_tokens=False).ids
            self.assertEqual(whole.tokens.tolist(), [*tokenizer.encode(prompt).ids, *last, 0])
            expected = []
            for place, (before_answer, answer) in enumerate(zip(asked, answers, strict=True)):
                path.write_text(json.dumps({"prompt": before_answer, "completion": answer}) + "\n")
                (alone,) = causal_lm.read_sequences(path, tokenizer, 0, 500, False, StopFlag())
                learnt = [token for token in alone.targets.tolist() if token != -100]
                expected += learnt if end or place == len(turns) - 1 else learnt[:-1]
            masked = [(token, target) for token, target in zip(whole.tokens.tolist(), whole.targets.tolist(), strict=True) if target != -100]
            self.assertEqual([target for _, target in masked], expected)
            self.assertTrue(all(token == target for token, target in masked))
            self.assertEqual(memorisation.prompted(whole), len(tokenizer.encode(prompt).ids))
            path.write_text(json.dumps({"prompt": prompt, "completion": answers[-1]}) + "\n")
            (last_alone,) = causal_lm.read_sequences(path, tokenizer, 0, 500, False, StopFlag())
            self.assertEqual(last_alone.tokens.tolist(), whole.tokens.tolist())
            self.assertEqual([target for target in last_alone.targets.tolist() if target != -100], [*last, 0])

    def test_parts_to_learn_that_are_none_of_the_prompt_are_refused_by_line(self) -> None:
        tokenizer = Tokenizer.from_file(str(self.made / "gpt" / "model" / "tokenizer.json"))
        path = self.folder / "turns.jsonl"
        wrong = ([[0, 9]], [[3, 2]], [[2, 2]], [[2, 4], [1, 3]], [[-1, 2]], [[0, True]], [[0.0, 1]], [[1]], "12", {"0": 1})
        rows = [{"prompt": "late 12", "completion": " x", "learnt": learnt} for learnt in wrong]
        rows += [{"text": "fine", "learnt": [[0, 1]]}, {"prompt": "late 12", "completion": " x", "learnt": [[0, 4], [5, 7]]}]
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        error = self.fails(65, "turns.jsonl:1 learns parts that are none", causal_lm.read_sequences, path, tokenizer, 0, 100, False, StopFlag())
        self.assertEqual(len(error.problems), len(rows) - 1)

    def test_packing_cuts_the_rows_without_losing_a_token(self) -> None:
        parts = [causal_lm.Sequence(numpy.arange(length, dtype=numpy.int32), numpy.arange(length, dtype=numpy.int32), (row,)) for row, length in enumerate((5, 7, 4))]
        packed = causal_lm.pack(parts, 6)
        self.assertEqual([len(part.tokens) for part in packed], [6, 6, 4])
        self.assertEqual(numpy.concatenate([part.tokens for part in packed]).tolist(), [*range(5), *range(7), *range(4)])
        self.assertEqual([part.sources for part in packed], [(0, 1), (1,), (2,)])

    def test_rows_without_anything_to_learn_are_refused_by_line(self) -> None:
        path = self.folder / "train.jsonl"
        rows = [{"prompt": "order " * 40, "completion": "x"}, {"text": "a", "prompt": "b", "completion": "c"}, {"prompt": "b"}, {"text": "fine here"}]
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        error = self.fails(65, "train.jsonl:1 has no token to learn within 24 tokens", make_task, self.language_task() | {"train": str(path)}, CPU, StopFlag())
        self.assertEqual(len(error.problems), 3)

    def test_the_mean_is_over_tokens_however_a_step_is_cut(self) -> None:
        steps = []
        for batch, accumulation, divisor in ((12, 1, 1), (6, 2, 1), (12, 1, 5)):
            task = self.language_task(batchSize=batch, gradientAccumulation=accumulation) | {"microBatchDivisor": divisor}
            training = train.Training(task, Recorder(), StopFlag())
            training.load()
            for module in training.module.modules():
                if isinstance(module, torch.nn.Dropout):
                    module.p = 0.0
            training.train_step(0)
            steps.append(training.history["steps"][0])
        for other in steps[1:]:
            self.assertAlmostEqual(steps[0]["loss"], other["loss"], places=5)
            self.assertAlmostEqual(steps[0]["gradientNorm"], other["gradientNorm"], places=4)

    def test_adapters_alone_are_saved_and_a_merged_model_comes_out(self) -> None:
        training = train.Training(self.language_task(method="lora"), Recorder(), StopFlag())
        training.run()
        saved = load_file(Path(str(training.last_checkpoint)) / "trainable.safetensors")
        self.assertTrue(all("lora_" in name for name in saved))
        source, out = self.made / "gpt" / "model", self.folder / "out" / "model"
        before, after = load_file(source / "model.safetensors"), load_file(out / "model.safetensors")
        self.assertEqual(sorted(before), sorted(after))
        changed = {name for name in before if not torch.equal(before[name], after[name])}
        self.assertEqual(changed, {f"transformer.h.{layer}.attn.c_attn.weight" for layer in (0, 1)})
        loaded = transformers.AutoModelForCausalLM.from_pretrained(out, local_files_only=True)
        self.assertTrue(torch.equal(loaded.lm_head.weight, loaded.transformer.wte.weight))


class Architectures(Families):
    def test_every_supported_one_takes_adapters_and_is_merged(self) -> None:
        small = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
        decoder = {**small, "vocab_size": 50, "num_key_value_heads": 2, "max_position_embeddings": 32}
        shapes = {
            "gpt2": {"n_embd": 16, "n_layer": 1, "n_head": 2, "vocab_size": 50}, "gpt_neox": {**small, "vocab_size": 50},
            "vit": {**small, "image_size": 32, "patch_size": 16}, "convnext": {"hidden_sizes": [8, 16], "depths": [1, 1], "num_stages": 2},
            "resnet": {"embedding_size": 8, "hidden_sizes": [8, 16], "depths": [1, 1], "layer_type": "bottleneck"},
        }  # fmt: skip
        lora = {"rank": 2, "alpha": 4, "dropout": 0.0}
        for mapping, targets in (
            (transformers.MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING, image_classification.IMAGE_LORA_TARGETS),
            (transformers.MODEL_FOR_CAUSAL_LM_MAPPING, causal_lm.LM_LORA_TARGETS),
        ):
            # No names: adapters are refused for that type.
            for kind, names in ((kind, names) for kind, names in targets.items() if names):
                config = transformers.CONFIG_MAPPING[kind](**shapes.get(kind, decoder))
                adapted = image_classification.with_adapters(mapping[type(config)](config), names, lora, 7, fan_in_fan_out=kind == "gpt2")
                self.assertTrue(any(parameter.requires_grad for parameter in adapted.parameters()), kind)
                adapted.merge_and_unload()


class SeveralProcesses(Families):
    """Two processes on gloo, forked: what torchrun does, without the seconds of its imports."""

    def both(self, task: dict, stop_at: int | None = None) -> list:
        answers = []
        meeting = Path(tempfile.mkdtemp(dir=self.folder)) / "store"  # a place of an earlier meeting leads nowhere
        for rank in (0, 1):
            reader, writer = os.pipe()
            child = os.fork()
            if child == 0:
                try:
                    os.environ |= {"RANK": str(rank), "WORLD_SIZE": "2", "LOCAL_RANK": str(rank), RENDEZVOUS: str(meeting), "GLOO_SOCKET_IFNAME": "lo"}
                    os.write(writer, json.dumps(self.one(rank, task, stop_at)).encode())
                finally:
                    os._exit(0)
            os.close(writer)
            answers.append((child, reader))
        results = []
        for child, reader in answers:
            with os.fdopen(reader) as text:
                results.append(json.loads(text.read() or "null"))
            os.waitpid(child, 0)
        return results

    def one(self, rank: int, task: dict, stop_at: int | None) -> dict:
        stop = StopFlag()

        def heard(event: dict) -> None:
            if rank == 1 and event["type"] == "step" and event["step"] == stop_at:
                stop.reason = "SIGTERM"  # of one process alone

        try:
            return {"done": train.Training(task, Recorder(heard), stop).run()}
        except events.Stopped as stopped:
            return {"stopped": [stopped.step, stopped.checkpoint]}
        except events.TrainerError as error:
            return {"error": [error.code, error.message]}

    def test_stop_together_resume_exactly_and_refuse_another_number_of_processes(self) -> None:
        for task in (toy_task(self.folder, self.rows(22), gradientAccumulation=2), self.image_task(gradientAccumulation=2)):
            names = {"out": str(self.folder / "whole"), "checkpoints": str(self.folder / "others")}
            whole = self.both(task | names)[0]["done"]
            self.assertEqual((whole["environment"]["processes"], whole["exact"]), (2, {"value": True, "reasons": []}))
            (step, path), (other_step, _) = (answer["stopped"] for answer in self.both(task, stop_at=3))
            self.assertEqual((step, other_step), (3, 3))
            resumed = self.both(task | {"resumeFrom": path})[0]["done"]
            for name in ("model/model.safetensors", "history.json"):
                self.assertEqual((self.folder / "whole" / name).read_bytes(), (self.folder / "out" / name).read_bytes())
            self.assertEqual(resumed["steps"], whole["steps"])
            alone = task | {"resumeFrom": path, "out": str(self.folder / "x")}
            self.fails(66, "environment.processes is 1 here and 2 in the checkpoint", train.Training(alone, Recorder(), StopFlag()).run)
            for used in ("whole", "others", "out", "checkpoints"):
                shutil.rmtree(self.folder / used)

    def test_the_rows_of_a_step_are_those_of_one_process(self) -> None:
        losses = []
        task = toy_task(self.folder, self.rows(22), gradientAccumulation=3, dropout=0.0, method="head", epochs=1)
        losses.append(self.both(task)[0]["done"])
        alone = train.Training(task | {"out": str(self.folder / "x")}, Recorder(), StopFlag())
        losses.append(alone.run())
        one, other = (json.loads(Path(result["history"]).read_text())["steps"] for result in losses)
        for first, second in zip(one, other, strict=True):
            self.assertAlmostEqual(first["loss"], second["loss"], places=5)


if __name__ == "__main__":
    unittest.main()

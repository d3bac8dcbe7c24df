"""The fine-tuning that every system of the comparison runs: a plain loop on Espalier's model, rows, batches and rates.
Its state is what an exact resume needs: weights, optimizer, step and the random generator of dropout."""

import hashlib
import io
import json
import os
import time
from pathlib import Path

import torch
from safetensors.torch import save_file

from espalier_trainer.data import collate, read_rows, step_batches, tokenize
from espalier_trainer.model import Classifier, graph_inputs, load_encoder, load_tokenizer, read_config
from espalier_trainer.optimisation import learning_rate_factor, parameter_groups


class Training:
    """One training, `epoch` by `epoch`, of a settings file: {model, train, labels, maxLength, training, log, out}."""

    def __init__(self, settings: str):
        self.settings = json.loads(Path(settings).read_text())
        self.spec, source, limit = self.settings["training"], Path(self.settings["model"]), self.settings["maxLength"]
        torch.set_num_threads(1)
        torch.manual_seed(self.spec["seed"])
        config = read_config(source, limit)
        encoder = load_encoder(source, config)
        self.inputs, self.pad = graph_inputs(encoder), config.pad_token_id or 0
        labels = self.settings["labels"]
        self.module = Classifier(encoder, len(labels), "mean", self.spec["dropout"], self.spec["seed"])
        texts = read_rows(Path(self.settings["train"]), labels)
        self.rows = tokenize(load_tokenizer(source, config), *texts, limit)
        self.optimizer = torch.optim.AdamW(parameter_groups(dict(self.module.named_parameters()), self.spec), fused=True)
        self.steps_an_epoch = -(-len(self.rows) // self.spec["batchSize"])
        self.step = 0

    @property
    def finished(self) -> bool:
        return self.step == self.steps_an_epoch * self.spec["epochs"]

    def epoch(self) -> None:
        self.module.train()
        total, epoch = self.steps_an_epoch * self.spec["epochs"], self.step // self.steps_an_epoch
        for number in range(self.steps_an_epoch):
            factor = learning_rate_factor(self.step, total, self.spec["warmupFraction"], self.spec["schedule"])
            for group in self.optimizer.param_groups:
                group["lr"] = group["base_lr"] * factor
            (batch,) = step_batches(len(self.rows), self.spec["seed"], epoch, number, self.spec["batchSize"], 1)
            named, targets = collate(self.rows, batch, self.pad, self.inputs, torch.device("cpu"))
            self.optimizer.zero_grad(set_to_none=True)
            torch.nn.functional.cross_entropy(self.module(named), targets).backward()
            torch.nn.utils.clip_grad_norm_(self.module.parameters(), self.spec["maxGradientNorm"])
            self.optimizer.step()
            self.step += 1
            self.note(type="step", step=self.step)

    def state(self) -> bytes:
        """All that the rest of the training depends on, as a checkpoint holds it."""
        held, state = io.BytesIO(), {"module": self.module.state_dict(), "optimizer": self.optimizer.state_dict()}
        torch.save({**state, "step": self.step, "random": torch.get_rng_state()}, held)
        return held.getvalue()

    def restore(self, state: bytes) -> None:
        held = torch.load(io.BytesIO(state), weights_only=True)
        self.module.load_state_dict(held["module"])
        self.optimizer.load_state_dict(held["optimizer"])
        self.step = held["step"]
        torch.set_rng_state(held["random"])

    def save(self) -> str:
        """Writes the model; returns its sha256."""
        out = Path(self.settings["out"])
        save_file({name: tensor.contiguous() for name, tensor in self.module.state_dict().items()}, out)
        digest = hashlib.sha256(out.read_bytes()).hexdigest()
        self.note(type="saved", digest=digest)
        return digest

    def note(self, **fields: object) -> None:
        """A line for the bench, whole even when the process is killed."""
        line = json.dumps({"at": time.time() * 1000, "pid": os.getpid(), **fields}) + "\n"
        log = os.open(self.settings["log"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        os.write(log, line.encode())
        os.close(log)


def train(settings: str) -> str:
    """The whole training in one go; returns the model's sha256."""
    training = Training(settings)
    while not training.finished:
        training.epoch()
    return training.save()


def train_epoch(settings: str, before: bytes | None) -> bytes:
    """One epoch from the state before it (None: the beginning); returns the state after it."""
    training = Training(settings)
    if before is not None:
        training.restore(before)
    training.epoch()
    return training.state()


def save_model(settings: str, state: bytes) -> str:
    """Writes the model of a state; returns its sha256."""
    training = Training(settings)
    training.restore(state)
    return training.save()

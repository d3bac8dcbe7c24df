"""The training loop. Every random choice is a pure function of (seed, epoch, step), so a run that was killed and
resumed from any checkpoint ends with the same bytes as one that was not (same device type, threads and versions)."""

import math
import os
import time
from contextlib import nullcontext
from importlib.metadata import version
from pathlib import Path

import numpy
import torch
from torch.nn import functional

from .checkpoint import optimizer_tensors, read_checkpoint, restore_optimizer, write_checkpoint, write_json
from .data import Rows, collate, pure_seed, read_rows, step_batches, tokenize
from .events import BAD_JOB, DIVERGED, Events, Stopped, TrainerError
from .guard import StopFlag
from .job import sha256_file
from .model import TOKENIZER_FILES, Classifier, adapt, graph_inputs, load_encoder, load_tokenizer, read_config, save_classifier

LIBRARIES = ("torch", "transformers", "peft", "tokenizers", "safetensors", "numpy")
EVALUATION_BATCH = 64
# What may differ between two attempts at one training without changing a bit of the result.
NOT_IN_IDENTITY = ("checkpointEverySeconds", "threads")


class Interrupted(Exception):
    """The stop flag was seen where the state is whole."""


class Training:
    """One training: `run` reads top to bottom."""

    def __init__(self, task: dict, events: Events, stop: StopFlag):
        self.task, self.spec, self.events, self.stop = task, task["training"], events, stop
        self.device = pick_device(task["device"])
        make_deterministic(self.spec["threads"], self.device)
        self.source, self.checkpoints, self.out = Path(task["model"]), Path(task["checkpoints"]), Path(task["out"])
        self.step = 0
        self.history: dict[str, list[dict]] = {"steps": [], "epochs": []}
        self.best: dict[str, torch.Tensor] | None = None
        self.last_checkpoint, self.last_checkpoint_at = task.get("resumeFrom"), time.monotonic()

    def run(self) -> dict:
        self.load()
        self.resume()
        trainable = sum(parameter.numel() for parameter in self.trainable.values())
        self.events.emit("ready", step=self.step, total=self.total_steps, trainable=trainable, **self.identity["environment"])
        try:
            while not self.finished():
                epoch = len(self.history["epochs"])
                while self.step < (epoch + 1) * self.steps_an_epoch:
                    self.train_step(epoch)
                    self.checkpoint_if_due()
                self.close_epoch(epoch)
            self.take_best_weights()
            train_loss, train_accuracy = self.evaluate(self.train_rows, "train", len(self.history["epochs"]))
        except Interrupted:
            self.checkpoint()
            raise Stopped(self.step, str(self.last_checkpoint)) from None
        return self.finish(train_loss, train_accuracy)

    # ── set up ──

    def load(self) -> None:
        task, spec = self.task, self.spec
        config = read_config(self.source, task["maxLength"])
        train_texts = read_rows(Path(task["train"]), task["labels"])
        validation_texts = read_rows(Path(task["validation"]), task["labels"])
        encoder = load_encoder(self.source, config)
        self.inputs, self.pad = graph_inputs(encoder), config.pad_token_id or 0
        self.classifier = Classifier(encoder, len(task["labels"]), task["pooling"], spec["dropout"], spec["seed"])
        adapt(self.classifier, spec["method"], spec["lora"], spec["seed"])
        self.classifier.to(self.device)
        self.trainable = {name: parameter for name, parameter in self.classifier.named_parameters() if parameter.requires_grad}
        self.optimizer = torch.optim.AdamW(parameter_groups(self.trainable, spec))
        self.identity = self.describe()
        tokenizer = load_tokenizer(self.source, config)
        self.train_rows = tokenize(tokenizer, *train_texts, task["maxLength"])
        self.validation_rows = tokenize(tokenizer, *validation_texts, task["maxLength"])
        self.steps_an_epoch = math.ceil(len(self.train_rows) / (spec["batchSize"] * spec["gradientAccumulation"]))
        self.total_steps = self.steps_an_epoch * spec["epochs"]
        self.class_weights = class_weights(self.train_rows, len(task["labels"]), spec["classWeights"]).to(self.device)

    def describe(self) -> dict:
        """All that the trajectory depends on."""
        task, spec = self.task, self.spec
        config = {key: value for key, value in spec.items() if key not in NOT_IN_IDENTITY}
        files = [*sorted(path.name for path in self.source.glob("model*.safetensors")), "config.json", *TOKENIZER_FILES]
        return {
            "config": {**config, "labels": task["labels"], "pooling": task["pooling"], "maxLength": task["maxLength"]},
            "model": {name: sha256_file(self.source / name) for name in files if (self.source / name).is_file()},
            "data": {split: sha256_file(Path(task[split])) for split in ("train", "validation")},
            "environment": {
                "device": torch.cuda.get_device_name() if self.device.type == "cuda" else "cpu",
                "threads": spec["threads"],
                "versions": {name: version(name) for name in LIBRARIES},
            },
        }

    def resume(self) -> None:
        if self.task.get("resumeFrom") is None:
            return
        state, tensors = read_checkpoint(Path(self.task["resumeFrom"]), self.identity)
        self.step, self.history = state["step"], state["history"]
        self.set_weights(tensors["trainable"])
        restore_optimizer(self.optimizer, tensors["optimizer"], self.names())
        self.best = tensors.get("best")

    # ── the loop's parts ──

    def train_step(self, epoch: int) -> None:
        if self.stop:
            raise Interrupted
        spec, began = self.spec, time.monotonic()
        self.events.phase = "train"
        self.classifier.train()
        if spec["method"] == "head":
            self.classifier.encoder.eval()
        torch.manual_seed(pure_seed(spec["seed"], "step", self.step))  # dropout: a function of the step alone
        factor = learning_rate_factor(self.step, self.total_steps, spec["warmupFraction"], spec["schedule"])
        for group in self.optimizer.param_groups:
            group["lr"] = group["base_lr"] * factor
        batches = step_batches(
            len(self.train_rows), spec["seed"], epoch, self.step - epoch * self.steps_an_epoch, spec["batchSize"], spec["gradientAccumulation"]
        )
        # One mean over the whole step, whatever the sizes of its micro-batches.
        rows = numpy.concatenate(batches)
        weight = self.class_weights[self.train_rows.targets[torch.from_numpy(rows)].to(self.device)].sum()
        self.optimizer.zero_grad(set_to_none=True)
        loss = 0.0
        for batch in batches:
            inputs, targets = collate(self.train_rows, batch, self.pad, self.inputs, self.device)
            with self.precision():
                logits = self.classifier(inputs)
            part = functional.cross_entropy(
                logits.float(), targets, self.class_weights, reduction="sum", label_smoothing=spec["labelSmoothing"]
            ) / weight  # fmt: skip
            part.backward()
            loss += part.item()
        norm = torch.nn.utils.clip_grad_norm_(self.trainable.values(), spec["maxGradientNorm"]).item()
        rate = self.optimizer.param_groups[0]["lr"]
        if not (math.isfinite(loss) and math.isfinite(norm)):
            raise diverged(f"loss is {loss} and gradient norm {norm} at step {self.step + 1}", rate)
        self.optimizer.step()
        self.step += 1
        record = {"step": self.step, "epoch": epoch + 1, "loss": loss, "learningRate": rate, "gradientNorm": norm}
        self.history["steps"].append(record)
        speed = round(len(rows) / max(time.monotonic() - began, 1e-6), 1)
        self.events.emit(
            "step", step=self.step, total=self.total_steps, epoch=epoch + 1, loss=loss, lr=rate, gradNorm=norm, samplesPerSecond=speed
        )

    def close_epoch(self, epoch: int) -> None:
        loss, accuracy = self.evaluate(self.validation_rows, "validation", epoch + 1)
        if not math.isfinite(loss):
            raise diverged(f"validation loss is {loss} after epoch {epoch + 1}", self.optimizer.param_groups[0]["lr"])
        losses = [record["loss"] for record in self.history["steps"] if record["epoch"] == epoch + 1]
        record = {"epoch": epoch + 1, "step": self.step, "trainLoss": math.fsum(losses) / len(losses)}
        self.history["epochs"].append({**record, "validationLoss": loss, "validationAccuracy": accuracy})
        if self.best_epoch() == epoch + 1:
            self.best = {name: parameter.detach().cpu().clone() for name, parameter in self.trainable.items()}
        self.events.emit("eval", split="validation", epoch=epoch + 1, step=self.step, loss=loss, accuracy=accuracy)
        if epoch == 0:
            self.checkpoint()  # a short run has one too

    @torch.no_grad()
    def evaluate(self, rows: Rows, split: str, epoch: int) -> tuple[float, float]:
        """Mean cross-entropy (unweighted, unsmoothed) and accuracy."""
        self.events.phase = f"evaluate {split}"
        self.classifier.eval()
        by_length = numpy.argsort([len(tokens) for tokens in rows.tokens], kind="stable")
        losses: list[float] = []
        correct, told = 0, time.monotonic()
        for start in range(0, len(rows), EVALUATION_BATCH):
            if self.stop:
                raise Interrupted
            inputs, targets = collate(rows, by_length[start : start + EVALUATION_BATCH], self.pad, self.inputs, self.device)
            with self.precision():
                logits = self.classifier(inputs)
            losses.append(functional.cross_entropy(logits.float(), targets, reduction="sum").item())
            correct += int((logits.argmax(1) == targets).sum())
            if time.monotonic() - told >= 1:
                told = time.monotonic()
                self.events.emit("eval", split=split, epoch=epoch, step=self.step, done=start, rows=len(rows))
        return math.fsum(losses) / len(rows), correct / len(rows)

    def finished(self) -> bool:
        epochs, patience = len(self.history["epochs"]), self.spec["earlyStoppingPatience"]
        return epochs == self.spec["epochs"] or (patience > 0 and epochs > 0 and epochs - self.best_epoch() >= patience)

    def best_epoch(self) -> int:
        """The first epoch with the lowest validation loss, from 1."""
        return min(self.history["epochs"], key=lambda epoch: epoch["validationLoss"])["epoch"]

    def take_best_weights(self) -> None:
        # A checkpoint made after this holds the best weights as current ones: harmless, no step follows.
        assert self.best is not None
        self.set_weights(self.best)

    def finish(self, train_loss: float, train_accuracy: float) -> dict:
        if self.spec["method"] == "lora":
            self.classifier.encoder = self.classifier.encoder.merge_and_unload()
        about = {key: self.task[key] for key in ("labels", "pooling", "maxLength")} | {"method": self.spec["method"]}
        save_classifier(self.classifier, self.source, self.out / "model", about)
        write_json(self.out / "history.json", self.history)
        best = self.history["epochs"][self.best_epoch() - 1]
        return {
            "model": str(self.out / "model"),
            "history": str(self.out / "history.json"),
            "steps": self.step,
            "total": self.total_steps,
            "bestEpoch": best["epoch"],
            "trainLoss": train_loss,
            "trainAccuracy": train_accuracy,
            "validationLoss": best["validationLoss"],
            "validationAccuracy": best["validationAccuracy"],
            "environment": self.identity["environment"],
        }

    # ── checkpoints ──

    def checkpoint_if_due(self) -> None:
        every_steps = self.task.get("checkpointEverySteps")
        due = time.monotonic() - self.last_checkpoint_at >= self.spec["checkpointEverySeconds"]
        if due or (every_steps and self.step % every_steps == 0):
            self.checkpoint()

    def checkpoint(self) -> None:
        tensors = {"trainable": dict(self.trainable), "optimizer": optimizer_tensors(self.optimizer, self.names())}
        if self.best is not None:
            tensors["best"] = self.best
        state, epochs = {"step": self.step, "history": self.history}, len(self.history["epochs"])
        path, manifest = write_checkpoint(self.checkpoints, self.step, epochs, self.identity, tensors, state)
        self.last_checkpoint, self.last_checkpoint_at = path, time.monotonic()
        size = sum(file["bytes"] for file in manifest["files"].values())
        digest = sha256_file(path / "manifest.json")
        self.events.emit("checkpoint", path=str(path), step=self.step, epoch=epochs, bytes=size, manifestSha256=digest)

    # ── small helpers ──

    def names(self) -> dict[torch.Tensor, str]:
        return {parameter: name for name, parameter in self.trainable.items()}

    @torch.no_grad()
    def set_weights(self, saved: dict[str, torch.Tensor]) -> None:
        for name, parameter in self.trainable.items():
            parameter.copy_(saved[name])

    def precision(self):
        return torch.autocast(self.device.type, torch.bfloat16) if self.spec["precision"] == "bf16" else nullcontext()


def pick_device(wanted: str) -> torch.device:
    available = torch.cuda.is_available()
    if wanted == "cuda" and not available:
        raise TrainerError(BAD_JOB, "the job wants a CUDA device, but torch sees none", "use device 'auto' or 'cpu'")
    return torch.device("cuda" if available and wanted != "cpu" else "cpu")


def make_deterministic(threads: int, device: torch.device) -> None:
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True)
    if device.type == "cuda":
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS is deterministic only with a fixed workspace
        # The fused attention kernels have no deterministic backward pass.
        torch.backends.cuda.enable_flash_sdp(False)
        torch.backends.cuda.enable_mem_efficient_sdp(False)
        torch.backends.cuda.enable_cudnn_sdp(False)
        torch.backends.cudnn.benchmark = False


def parameter_groups(trainable: dict[str, torch.Tensor], spec: dict) -> list[dict]:
    """Encoder and head with rates of their own; biases and norms (one dimension) are not decayed."""
    groups = []
    for rate, of_head in ((spec["learningRate"], False), (spec["headLearningRate"], True)):
        for decay, is_matrix in ((spec["weightDecay"], True), (0.0, False)):
            members = [p for name, p in trainable.items() if name.startswith("head.") == of_head and (p.ndim > 1) == is_matrix]
            if members:
                groups.append({"params": members, "base_lr": rate, "lr": rate, "weight_decay": decay})
    return groups


def learning_rate_factor(step: int, total: int, warmup_fraction: float, schedule: str) -> float:
    """Linear warm-up to 1, then down to 0 along the schedule. A function of the step: nothing to save."""
    warmup = round(total * warmup_fraction)
    if step < warmup:
        return (step + 1) / warmup
    progress = (step - warmup) / max(1, total - warmup)
    return {"constant": 1.0, "linear": 1 - progress, "cosine": 0.5 * (1 + math.cos(math.pi * progress))}[schedule]


def class_weights(rows: Rows, classes: int, balanced: bool) -> torch.Tensor:
    """rows / (classes · rows of the class), as scikit-learn's 'balanced'; ones when not asked for."""
    if not balanced:
        return torch.ones(classes)
    counts = torch.bincount(rows.targets, minlength=classes).clamp(min=1)
    return (len(rows) / (classes * counts)).float()


def diverged(what: str, rate: float) -> TrainerError:
    return TrainerError(DIVERGED, f"training diverged: {what} (learning rate {rate:g})", "lower learningRate or headLearningRate, or raise warmupFraction")

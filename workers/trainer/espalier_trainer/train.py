"""The training loop, the same for every task. Every random choice is a pure function of (seed, epoch, row, step), so a
run that was killed and resumed from any checkpoint ends with the same bytes as one that was not (same device type,
threads, processes and versions)."""

import math
import time
from importlib.metadata import version
from pathlib import Path

import numpy
import torch

from .cadence import Cadence
from .checkpoint import optimizer_tensors, read_checkpoint, restore_optimizer, write_checkpoint, write_json
from .data import pure_seed, step_batches
from .device import NondeterministicKernels, device_figures, make_deterministic, pick_device
from .events import DIVERGED, Events, Stopped, TrainerError
from .failure import failure_of
from .guard import StopFlag
from .job import CADENCE, DEFAULT_KIND, sha256_file
from .model import TOKENIZER_FILES
from .optimisation import LossScale, autocast, learning_rate_factor, parameter_groups
from .processes import Processes
from .tasks import make_task

LIBRARIES = ("torch", "transformers", "peft", "tokenizers", "safetensors", "numpy")
# What may differ between two attempts at one training without changing a bit of the result.
NOT_IN_IDENTITY = {*CADENCE, "threads"}
SHOWN_ROWS = 64


class Interrupted(Exception):
    """The stop flag was seen where the state is whole."""


class Training:
    """One training: `run` reads top to bottom."""

    def __init__(self, task: dict, events: Events, stop: StopFlag):
        self.job, self.spec, self.events, self.stop = task, task["training"], events, stop
        self.divisor = task.get("microBatchDivisor", 1)
        self.micro_batch = math.ceil(self.spec["batchSize"] / self.divisor)
        self.checkpoints, self.out = Path(task["checkpoints"]), Path(task["out"])
        self.step = 0
        self.history: dict[str, list[dict]] = {"steps": [], "epochs": []}
        self.best: dict[str, torch.Tensor] | None = None
        self.scale, self.kernels = LossScale(self.spec["precision"]), NondeterministicKernels()
        self.inexact: list[str] = []
        self.epoch_seconds, self.stopped_by_budget = 0.0, None
        self.last_checkpoint, self.cadence = task.get("resumeFrom"), Cadence(task)

    def run(self) -> dict:
        try:
            self.load()
            self.resume()
            self.say_ready()
            while not self.finished():
                epoch, began = len(self.history["epochs"]), time.monotonic()
                while self.step < (epoch + 1) * self.steps_an_epoch:
                    self.train_step(epoch)
                    if self.cadence.due(self.step):
                        self.checkpoint()
                self.close_epoch(epoch)
                self.epoch_seconds = max(self.epoch_seconds, time.monotonic() - began)
            self.take_best_weights()
            train_loss, train_accuracy = self.evaluate("train", len(self.history["epochs"]))
            return self.finish(train_loss, train_accuracy)
        except Interrupted:
            self.checkpoint()
            raise Stopped(self.step, None if self.last_checkpoint is None else str(self.last_checkpoint)) from None
        except Exception as error:
            details = {"microBatch": self.micro_batch, "step": self.step}
            if failure := failure_of(error, details):
                raise failure from error
            raise

    # ── set up ──

    def load(self) -> None:
        self.device = pick_device(self.job["device"])
        make_deterministic(self.spec["threads"], self.device)
        self.kernels.listen()
        self.processes = Processes(self.device.type)
        self.task = make_task(self.job, self.device, self.stop)
        self.module = self.task.module.to(self.device)
        self.set_training_mode()
        self.trainable = {name: parameter for name, parameter in self.module.named_parameters() if parameter.requires_grad}
        self.statistics = running_statistics(self.module)
        self.optimizer = torch.optim.AdamW(parameter_groups(self.trainable, self.spec, self.task.head), fused=True)
        self.identity = self.describe()
        rows_a_step = self.spec["batchSize"] * self.spec["gradientAccumulation"]
        self.steps_an_epoch = math.ceil(self.task.length("train") / rows_a_step)
        self.total_steps = self.steps_an_epoch * self.spec["epochs"]

    def describe(self) -> dict:
        """All that the trajectory depends on."""
        source, kind = Path(self.job["model"]), self.job.get("task", DEFAULT_KIND)
        config = {key: value for key, value in self.spec.items() if key not in NOT_IN_IDENTITY}
        weights = sorted(path.name for path in source.glob("model*.safetensors"))
        files = [*weights, "config.json", "preprocessor_config.json", *TOKENIZER_FILES]
        libraries = (*LIBRARIES, "pillow") if kind == "image-classification" else LIBRARIES
        return {
            "config": {**config, "task": kind, **self.task.config()},
            "model": {name: sha256_file(source / name) for name in files if (source / name).is_file()},
            "data": self.task.data(),
            "environment": {
                "device": torch.cuda.get_device_name() if self.device.type == "cuda" else "cpu",
                "threads": self.spec["threads"],
                "processes": self.processes.world,
                "versions": {name: version(name) for name in libraries},
            },
        }

    def resume(self) -> None:
        if self.job.get("resumeFrom") is not None:
            state, tensors = read_checkpoint(Path(self.job["resumeFrom"]), self.identity)
            self.step, self.history, self.inexact = state["step"], state["history"], state["inexact"]
            self.scale.restore(state["lossScale"])
            self.set_weights(tensors["trainable"])
            restore_optimizer(self.optimizer, tensors["optimizer"], self.names())
            self.best = tensors.get("best")
        for reason in self.reasons():
            if reason not in self.inexact:
                self.inexact.append(reason)

    def reasons(self) -> list[str]:
        """Why the bytes may differ from those of an undisturbed run of this job, as far as is known before it trains."""
        found = []
        if self.divisor > 1:
            found.append(f"micro-batches of {self.micro_batch} rows instead of {self.spec['batchSize']}: other rounding and dropout")
        if self.divisor > 1 and self.task.batched_normalisation:
            found.append(f"batch normalisation saw {self.micro_batch} rows at a time instead of {self.spec['batchSize']}")
        if self.device.type == "cuda" and self.processes.world > 1:
            found.append("sums over several GPUs (NCCL) are not known to keep one order")
        return found

    def exactness(self) -> dict:
        reasons = [*self.inexact, *self.kernels.reasons()]
        return {"value": not reasons, "reasons": reasons}

    def say_ready(self) -> None:
        trainable = sum(parameter.numel() for parameter in self.trainable.values())
        about = {"trainable": trainable, "microBatch": self.micro_batch, "exact": self.exactness(), **self.identity["environment"]}
        self.events.emit("ready", step=self.step, total=self.total_steps, **about)

    # ── the loop's parts ──

    def train_step(self, epoch: int) -> None:
        if self.processes.any(self.stop, self.device):
            raise Interrupted
        spec, began = self.spec, time.monotonic()
        self.events.phase = "train"
        self.set_training_mode()
        factor = learning_rate_factor(self.step, self.total_steps, spec["warmupFraction"], spec["schedule"])
        for group in self.optimizer.param_groups:
            group["lr"] = group["base_lr"] * factor
        rate, first = self.optimizer.param_groups[0]["lr"], epoch * self.steps_an_epoch
        batches = step_batches(
            self.task.length("train"), spec["seed"], epoch, self.step - first, spec["batchSize"], spec["gradientAccumulation"], self.divisor
        )
        rows, before = numpy.concatenate(batches), {name: tensor.clone() for name, tensor in self.statistics.items()}
        while True:
            loss = self.gradients(batches, rows, epoch, before)
            norm = torch.nn.utils.clip_grad_norm_(self.trainable.values(), spec["maxGradientNorm"]).item()
            if math.isfinite(norm):
                break
            self.restore_statistics(before)
            if not self.scale.overflow():
                raise self.diverged(f"loss is {loss} and gradient norm {norm}", epoch, rows)
        self.scale.good()
        self.optimizer.step()
        self.processes.average(list(self.statistics.values()))
        self.step += 1
        record = {"step": self.step, "epoch": epoch + 1, "loss": loss, "learningRate": rate, "gradientNorm": norm}
        self.history["steps"].append(record)
        speed = round(len(rows) / max(time.monotonic() - began, 1e-6), 1)
        self.events.emit(
            "step", step=self.step, total=self.total_steps, epoch=epoch + 1, loss=loss, lr=rate, gradNorm=norm, samplesPerSecond=speed,
            **device_figures(self.device),
        )  # fmt: skip

    def gradients(self, batches: list[numpy.ndarray], rows: numpy.ndarray, epoch: int, before: dict[str, torch.Tensor]) -> float:
        """Leaves the step's mean gradient in the parameters; returns its mean loss."""
        rank, world = self.processes.rank, self.processes.world
        # Dropout: a function of the step alone.
        torch.manual_seed(pure_seed(self.spec["seed"], "step", self.step, *([rank] if rank > 0 else [])))
        weight = self.task.weight(rows)  # one mean over the whole step, whatever the sizes of its micro-batches
        self.optimizer.zero_grad(set_to_none=True)
        loss = 0.0
        for batch in batches[rank::world]:
            if self.stop and world == 1:
                self.restore_statistics(before)
                raise Interrupted  # nothing of this step has touched the weights
            inputs, targets = self.task.batch("train", batch, epoch)
            with autocast(self.device, self.spec["precision"]):
                logits = self.task.logits(inputs)
            part = self.task.loss(logits.float(), targets) / weight
            (part * self.scale.scale if self.scale.active else part).backward()
            loss += part.item()
            if world == 1 and not math.isfinite(loss):
                raise self.diverged(f"loss is {loss}", epoch, batch)
        if world > 1:
            loss = self.processes.add(torch.tensor(loss, dtype=torch.float64, device=self.device)).item()
            if not math.isfinite(loss):
                raise self.diverged(f"loss is {loss}", epoch, rows)
        self.processes.add_gradients(list(self.trainable.values()))
        if self.scale.active:
            for parameter in self.trainable.values():
                if parameter.grad is not None:
                    parameter.grad.div_(self.scale.scale)
        return loss

    def diverged(self, what: str, epoch: int, rows: numpy.ndarray) -> TrainerError:
        """Rows by their numbers in the training file, from 0: never by their texts."""
        numbers, rate = self.task.source_rows(rows), self.optimizer.param_groups[0]["lr"]
        shown = ", ".join(map(str, numbers[:SHOWN_ROWS])) + (f" and {len(numbers) - SHOWN_ROWS} more" if len(numbers) > SHOWN_ROWS else "")
        where = f"at step {self.step + 1} of epoch {epoch + 1}, learning rate {rate:g}, batch of the training rows {shown}"
        details = {"step": self.step + 1, "epoch": epoch + 1, "learningRate": rate, "rows": numbers[:SHOWN_ROWS]}
        fix = "lower learningRate or headLearningRate, or raise warmupFraction; look at these rows"
        return TrainerError(DIVERGED, f"training diverged: {what} {where}", fix, details=details)

    def close_epoch(self, epoch: int) -> None:
        loss, accuracy = self.evaluate("validation", epoch + 1)
        if not math.isfinite(loss):
            rate = self.optimizer.param_groups[0]["lr"]
            fix, details = "lower learningRate or headLearningRate", {"step": self.step, "epoch": epoch + 1, "learningRate": rate, "rows": []}
            what = f"validation loss is {loss} after step {self.step} of epoch {epoch + 1}, learning rate {rate:g}"
            raise TrainerError(DIVERGED, f"training diverged: {what}", fix, details=details)
        losses = [record["loss"] for record in self.history["steps"] if record["epoch"] == epoch + 1]
        record = {"epoch": epoch + 1, "step": self.step, "trainLoss": math.fsum(losses) / len(losses)}
        self.history["epochs"].append({**record, "validationLoss": loss, "validationAccuracy": accuracy})
        if self.best_epoch() == epoch + 1:
            self.best = {name: tensor.detach().cpu().clone() for name, tensor in self.weights().items()}
        self.events.emit("eval", split="validation", epoch=epoch + 1, step=self.step, loss=loss, accuracy=accuracy)
        if epoch == 0:
            self.checkpoint()  # a short run has one too

    @torch.no_grad()
    def evaluate(self, split: str, epoch: int) -> tuple[float, float]:
        """Mean cross-entropy (unweighted, unsmoothed) and accuracy, each over everything predicted."""
        self.events.phase = f"evaluate {split}"
        self.module.eval()
        order, size, told = self.task.evaluation_order(split), max(1, self.task.evaluation_rows // self.divisor), time.monotonic()
        starts = range(0, len(order), size)
        measured = torch.zeros(len(starts), 3, dtype=torch.float64)
        for number, start in enumerate(starts):
            if number % self.processes.world != self.processes.rank:
                continue
            if self.stop and self.processes.world == 1:
                raise Interrupted
            inputs, targets = self.task.batch(split, order[start : start + size], None)
            with autocast(self.device, self.spec["precision"]):
                logits = self.task.logits(inputs)
            measured[number] = torch.tensor(self.task.measure(logits.float(), targets), dtype=torch.float64)
            if time.monotonic() - told >= 1:
                told = time.monotonic()
                self.events.emit("eval", split=split, epoch=epoch, step=self.step, done=start, rows=len(order))
        losses, correct, count = self.processes.add(measured.to(self.device)).cpu().T.tolist()
        return math.fsum(losses) / sum(count), sum(correct) / sum(count)

    def finished(self) -> bool:
        epochs, patience = len(self.history["epochs"]), self.spec["earlyStoppingPatience"]
        if self.out_of_time(epochs) or epochs == self.job.get("stopAfterEpochs"):
            return True
        return epochs == self.spec["epochs"] or (patience > 0 and epochs > 0 and epochs - self.best_epoch() >= patience)

    def out_of_time(self, epochs: int) -> bool:
        """Whether the next epoch would end after the budget; all processes decide alike."""
        stop_at = self.job.get("stopAt")
        if stop_at is None or epochs == 0 or epochs == self.spec["epochs"]:
            return False
        late = self.processes.any(time.time() + self.epoch_seconds > stop_at, self.device)
        if late and self.stopped_by_budget is None:
            self.stopped_by_budget = epochs
            self.inexact.append(f"the budget ended after epoch {epochs} of {self.spec['epochs']}")
        return late

    def best_epoch(self) -> int:
        """The first epoch with the lowest validation loss, from 1."""
        return min(self.history["epochs"], key=lambda epoch: epoch["validationLoss"])["epoch"]

    def take_best_weights(self) -> None:
        # A checkpoint made after this holds the best weights as current ones: harmless, no step follows.
        assert self.best is not None
        self.set_weights(self.best)

    def finish(self, train_loss: float, train_accuracy: float) -> dict:
        model, history = self.out / "model", self.out / "history.json"
        if self.processes.first:
            self.task.save(model)
            write_json(history, self.history)
        best = self.history["epochs"][self.best_epoch() - 1]
        return {
            "model": str(model),
            "history": str(history),
            "steps": self.step,
            "total": self.total_steps,
            "bestEpoch": best["epoch"],
            "trainLoss": train_loss,
            "trainAccuracy": train_accuracy,
            "validationLoss": best["validationLoss"],
            "validationAccuracy": best["validationAccuracy"],
            "environment": self.identity["environment"],
            "microBatch": self.micro_batch,
            "exact": self.exactness(),
            "stoppedByBudget": self.stopped_by_budget,
        }

    # ── state ──

    def weights(self) -> dict[str, torch.Tensor]:
        """Everything that training changes in the module."""
        return {**self.trainable, **self.statistics}

    @torch.no_grad()
    def set_weights(self, saved: dict[str, torch.Tensor]) -> None:
        for name, tensor in self.weights().items():
            tensor.copy_(saved[name])

    def restore_statistics(self, before: dict[str, torch.Tensor]) -> None:
        for name, tensor in self.statistics.items():
            tensor.copy_(before[name])

    def set_training_mode(self) -> None:
        self.module.train()
        for module in self.task.frozen:
            module.eval()

    def checkpoint(self) -> None:
        if not self.processes.first:
            return
        began = time.monotonic()
        tensors = {"trainable": self.weights(), "optimizer": optimizer_tensors(self.optimizer, self.names())}
        if self.best is not None:
            tensors["best"] = self.best
        state = {"step": self.step, "history": self.history, "lossScale": self.scale.state(), "inexact": self.exactness()["reasons"]}
        epochs = len(self.history["epochs"])
        path, manifest = write_checkpoint(self.checkpoints, self.step, epochs, self.identity, tensors, state)
        seconds = time.monotonic() - began
        self.cadence.saved(seconds)
        self.last_checkpoint = path
        self.events.emit(
            "checkpoint", path=str(path), step=self.step, epoch=epochs, bytes=sum(file["bytes"] for file in manifest["files"].values()),
            manifestSha256=sha256_file(path / "manifest.json"), seconds=round(seconds, 4), intervalSeconds=round(self.cadence.interval_seconds, 1),
        )  # fmt: skip

    def names(self) -> dict[torch.Tensor, str]:
        return {parameter: name for name, parameter in self.trainable.items()}


def running_statistics(module: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Batch normalisation's buffers, by name, of the modules that are in training mode: they change with every step."""
    return {
        f"{prefix}.{name}": buffer
        for prefix, part in module.named_modules()
        if isinstance(part, torch.nn.modules.batchnorm._BatchNorm) and part.training
        for name, buffer in part.named_buffers(recurse=False)
    }

"""What goes wrong and how it is told: memory, disk, divergence, stops; and when checkpoints are due."""

import ctypes
import json
import math
import os
import resource
import time
import unittest
from pathlib import Path

import torch
from safetensors.torch import load_file

from espalier_trainer import cadence, data, events, failure, job, optimisation, train
from espalier_trainer.guard import StopFlag

from .support import Folder, Recorder, in_child, stopped_after, toy_task

CLONE_NEWUSER, CLONE_NEWNS = 0x10000000, 0x00020000
PAGE = resource.getpagesize()


def run(task: dict, recorder: Recorder | None = None) -> dict:
    return train.Training(task, recorder or Recorder(), StopFlag()).run()


class Jobs(Folder):
    def problems(self, task: dict) -> str:
        return "; ".join(job.job_problems({"version": 1, "id": "x", "tasks": [task]}))

    def test_every_mistake_of_every_kind_of_task_is_listed(self) -> None:
        task = toy_task(self.folder, self.rows(4))
        self.assertEqual(self.problems(task), "")
        self.assertEqual(self.problems(task | {"task": "text-classification", "checkpointEverySeconds": None, "checkpointEverySteps": 3}), "")
        self.assertIn('.task must be one of "text-classification", "image-classification", "causal-lm"', self.problems(task | {"task": "x"}))
        bad = {"microBatchDivisor": 5, "failureRatePerHour": 0, "checkpointEverySteps": 0, "processes": 0}
        for fragment in ("batch of 4 rows cannot be cut", "failureRatePerHour must be more than 0", "checkpointEverySteps must", "processes must"):
            self.assertIn(fragment, self.problems(task | bad))
        common = {key: value for key, value in task.items() if key not in ("labels", "pooling", "maxLength")}
        image = {**common, "task": "image-classification", "labels": ["a", "b"], "augmentation": {"horizontalFlip": 1, "minimumCropArea": 0}}
        for fragment in ("augmentation.horizontalFlip must be", "augmentation.minimumCropArea must be more than 0"):
            self.assertIn(fragment, self.problems(image))
        self.assertEqual(self.problems(image | {"augmentation": None}), "")
        language = {**common, "task": "causal-lm", "maxLength": 32, "training": common["training"] | {"method": "head"}}
        for fragment in ("packing is missing", "method is 'head'"):
            self.assertIn(fragment, self.problems(language))

    def test_all_trainings_of_a_job_want_as_many_processes(self) -> None:
        task = toy_task(self.folder, self.rows(4))
        both = {"version": 1, "id": "x", "tasks": [task, task | {"processes": 2}]}
        self.assertIn("want 1 and 2 processes", "; ".join(job.job_problems(both)))
        self.assertEqual(job.processes_of({"tasks": [task | {"processes": 3}]}), 3)


class CheckpointTimes(Folder):
    def test_the_interval_of_young_and_daly_within_its_limits(self) -> None:
        # sqrt(2 · 1 s · 72,000 s) = 379.5 s, by hand
        for cost, rate, expected in ((1.0, 0.05, 379.47), (0.001, 0.05, 30.0), (100.0, 0.05, 600.0), (1.0, 1.0, 84.85)):
            self.assertAlmostEqual(cadence.best_interval(cost, rate), expected, places=2)

    def test_steps_or_seconds_whichever_come_first(self) -> None:
        now = [0.0]
        due = cadence.Cadence({"checkpointEverySteps": 4, "checkpointEverySeconds": 10, "training": {}}, lambda: now[0])
        self.assertEqual([due.due(step) for step in (1, 4, 5)], [False, True, False])
        now[0] = 10.0
        self.assertTrue(due.due(5))
        due.saved(0.5)
        self.assertFalse(due.due(5))
        self.assertEqual(due.interval_seconds, 10)  # stated: the cost does not matter

    def test_the_interval_follows_the_measured_cost_unless_it_is_stated(self) -> None:
        auto = cadence.Cadence({"checkpointEverySeconds": None, "failureRatePerHour": 0.05, "training": {"checkpointEverySeconds": 3}})
        self.assertEqual(auto.interval_seconds, 30)
        auto.saved(0.5)
        auto.saved(1.5)
        self.assertAlmostEqual(auto.interval_seconds, 379.47, places=2)
        self.assertEqual(cadence.Cadence({"training": {"checkpointEverySeconds": 3}}).interval_seconds, 3)

    def test_a_checkpoint_event_tells_its_cost(self) -> None:
        recorder = Recorder()
        run(toy_task(self.folder, self.rows(8)) | {"checkpointEverySteps": 1}, recorder)
        saved = [event for event in recorder.seen if event["type"] == "checkpoint"]
        self.assertEqual([event["step"] for event in saved], [1, 2, 2, 3, 4])
        self.assertTrue(all(event["seconds"] > 0 and 30 <= event["intervalSeconds"] <= 600 for event in saved))


class Memory(Folder):
    def limited(self, divisor: int) -> list:
        """One step of 2000 rows at once within 250 MB more than what is in use: a real failed allocation."""
        task = toy_task(self.folder, self.rows(2000, words=120), batchSize=2000, epochs=1, learningRate=1e-4)
        task |= {"maxLength": 128, "microBatchDivisor": divisor, "validation": str(self.rows(4, name="few.jsonl"))}

        def action() -> list:
            training = train.Training(task, Recorder(), StopFlag())
            training.load()
            used = int(Path("/proc/self/statm").read_text().split()[0]) * PAGE
            resource.setrlimit(resource.RLIMIT_AS, (used + 250 * 2**20,) * 2)
            try:
                training.load = lambda: None
                training.finish = lambda *_: {}
                training.evaluate = lambda *_: (1.0, 1.0)
                training.run()
            except events.TrainerError as error:
                return [error.code, error.message, error.details]
            return [0, training.exactness()["reasons"], training.history["steps"][0]["loss"]]

        answer = in_child(action)
        assert isinstance(answer, list)
        return answer

    @unittest.skipUnless(Path("/proc/self/statm").exists(), "needs Linux: a limit on the address space")
    def test_a_failed_allocation_names_the_micro_batch_and_smaller_ones_fit(self) -> None:
        code, message, details = self.limited(1)
        self.assertEqual((code, details["microBatch"], details["step"]), (71, 2000, 0))
        self.assertIn("out of memory with micro-batches of 2000 rows", message)
        code, reasons, loss = self.limited(100)
        self.assertEqual((code, reasons), (0, ["micro-batches of 20 rows instead of 2000: other rounding and dropout"]))
        self.assertAlmostEqual(loss, math.log(2), delta=0.2)

    def test_what_counts_as_memory_and_what_as_disk(self) -> None:
        for error, code, kind in (
            (MemoryError(), 71, None),
            (OSError(12, "Cannot allocate memory"), 71, None),
            (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"), 71, None),
            (RuntimeError("[enforce fail at alloc_cpu.cpp:117] err == 0. DefaultCPUAllocator: can't allocate memory: you tried"), 71, None),
            (OSError(28, "No space left on device"), 70, "DiskFull"),
            (Exception("Error while serializing: I/O error: No space left on device (os error 28)"), 70, "DiskFull"),
        ):
            found = failure.failure_of(error, {"microBatch": 4})
            self.assertEqual((found.code, found.kind, found.details), (code, kind, {"microBatch": 4}), error)
        for bug in (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), ValueError("x"), OSError(2, "no file")):
            self.assertIsNone(failure.failure_of(bug, {}))

    def test_a_divisor_keeps_the_rows_the_loss_and_the_gradient_of_a_step(self) -> None:
        for divisor, sizes in ((1, [8, 8, 3]), (2, [4, 4, 4, 4, 3]), (3, [3, 3, 2, 3, 3, 2, 3]), (8, [1] * 19)):
            batches = data.step_batches(19, 7, 0, 0, 8, 3, divisor)
            self.assertEqual([len(batch) for batch in batches], sizes)
            self.assertEqual([int(row) for batch in batches for row in batch], data.order(19, 7, 0).tolist())
        steps = []
        for divisor in (1, 3):
            task = toy_task(self.folder / str(divisor), self.rows(11), batchSize=8, dropout=0.0, classWeights=True, method="head")
            training = train.Training(task | {"microBatchDivisor": divisor}, Recorder(), StopFlag())
            training.load()
            training.train_step(0)
            steps.append(training.history["steps"][0])
        self.assertAlmostEqual(steps[0]["loss"], steps[1]["loss"], places=6)
        self.assertAlmostEqual(steps[0]["gradientNorm"], steps[1]["gradientNorm"], places=6)

    def test_a_run_that_once_had_other_micro_batches_says_so_to_its_end(self) -> None:
        task = toy_task(self.folder, self.rows(16))
        stopped = stopped_after(3, task | {"microBatchDivisor": 2})
        result = run(task | {"resumeFrom": stopped.checkpoint})
        self.assertEqual(result["exact"], {"value": False, "reasons": ["micro-batches of 2 rows instead of 4: other rounding and dropout"]})
        self.assertEqual(result["microBatch"], 4)


class Disk(Folder):
    def test_a_full_disk_is_told_and_leaves_no_half_checkpoint(self) -> None:
        task = toy_task(self.folder, self.rows(8))
        checkpoints = Path(task["checkpoints"])
        checkpoints.mkdir()

        def action() -> list:
            libc, root = ctypes.CDLL(None, use_errno=True), os.getuid() == 0
            if libc.unshare(CLONE_NEWNS if root else CLONE_NEWUSER | CLONE_NEWNS) != 0:
                return ["no namespace"]
            if libc.mount(b"none", b"/", None, ctypes.c_ulong(0x44000), None) != 0:  # private, recursively
                return ["no private mounts"]
            if libc.mount(b"tmpfs", str(checkpoints).encode(), b"tmpfs", ctypes.c_ulong(0), b"size=128k") != 0:
                return ["no mount"]
            try:
                run(task)
            except events.TrainerError as error:
                return [error.code, error.kind, error.message, sorted(path.name for path in checkpoints.iterdir())]
            return ["it fitted"]

        answer = in_child(action)
        assert isinstance(answer, list)
        if len(answer) == 1 and answer[0].startswith("no "):
            self.skipTest(f"this machine lets us make {answer[0]}")
        code, kind, message, left = answer
        self.assertEqual((code, kind, left), (70, "DiskFull", []))
        self.assertIn("the disk is full", message)


class Divergence(Folder):
    def test_names_step_epoch_rows_and_rate_and_no_text(self) -> None:
        task = toy_task(self.folder, self.rows(8), learningRate=1e37, headLearningRate=1e37)
        error = self.fails(67, "training diverged: loss is nan at step 2 of epoch 1, learning rate 1e+37, batch of the training rows ", run, task)
        rows = [int(row) for row in data.order(8, 7, 0)[4:]]
        self.assertEqual(error.details, {"step": 2, "epoch": 1, "learningRate": 1e37, "rows": rows})
        self.assertIn(", ".join(map(str, rows)), error.message)
        self.assertNotIn("please", error.message)

    def test_an_infinite_gradient_of_a_finite_loss(self) -> None:
        training = train.Training(toy_task(self.folder, self.rows(8)), Recorder(), StopFlag())
        training.load()
        training.module.head.weight.register_hook(lambda gradient: gradient * math.inf)
        self.fails(67, "gradient norm", training.train_step, 0)
        self.assertEqual(training.step, 0)


class Precision(Folder):
    def test_float16_halves_its_scale_until_gradients_are_finite(self) -> None:
        scale = optimisation.LossScale("fp16")
        self.assertEqual(scale.scale, 2**16)
        self.assertTrue(scale.overflow())
        for _ in range(scale.GROWS_AFTER):
            scale.good()
        self.assertEqual(scale.state(), {"scale": 2**16, "goodSteps": 0})
        scale.restore({"scale": scale.LEAST, "goodSteps": 3})
        self.assertFalse(scale.overflow())
        self.assertFalse(optimisation.LossScale("fp32").overflow())

    def test_a_stopped_training_goes_on_to_the_same_bytes_in_every_precision(self) -> None:
        for precision in ("bf16", "fp16"):
            folder = self.folder / precision
            folder.mkdir()
            task = toy_task(folder, self.rows(14), precision=precision)
            whole = run(task | {"out": str(folder / "whole"), "checkpoints": str(folder / "other")})
            stopped = stopped_after(5, task)
            state = json.loads((Path(stopped.checkpoint) / "state.json").read_text())
            scale, good_steps = state["lossScale"]["scale"], state["lossScale"]["goodSteps"]
            # The first scales overflow here, so that the state that is saved is not the one a fresh training has.
            self.assertTrue((scale, good_steps) == (1.0, 5) if precision == "bf16" else 1 < scale < 2**16 and good_steps < 5)
            resumed = run(task | {"resumeFrom": stopped.checkpoint})
            for name in ("model/model.safetensors", "history.json"):
                self.assertEqual((folder / "whole" / name).read_bytes(), (folder / "out" / name).read_bytes(), precision)
            self.assertEqual(resumed["exact"], {"value": True, "reasons": []})
            self.assertTrue(math.isfinite(whole["trainLoss"]))

    def test_an_overflow_repeats_the_step_with_a_smaller_scale(self) -> None:
        task = toy_task(self.folder, self.rows(8), precision="fp16")
        training = train.Training(task, Recorder(), StopFlag())
        training.scale.scale = 2.0**40
        training.run()
        self.assertLess(training.scale.scale, 2.0**40)
        self.assertEqual([step["step"] for step in training.history["steps"]], [1, 2, 3, 4])
        self.assertTrue(all(math.isfinite(step["gradientNorm"]) for step in training.history["steps"]))


class Stops(Folder):
    def test_between_micro_batches_nothing_of_the_step_is_kept(self) -> None:
        task = toy_task(self.folder, self.rows(16), gradientAccumulation=4)
        training, stop = None, StopFlag()
        training = train.Training(task, Recorder(), stop)
        training.load()
        batch, seen = training.task.batch, []

        def stopping(*arguments):
            seen.append(1)
            if len(seen) == 2:
                stop.reason = "SIGTERM"
            return batch(*arguments)

        training.task.batch, training.load = stopping, lambda: None
        with self.assertRaises(events.Stopped) as caught:
            training.run()
        self.assertEqual((caught.exception.step, len(seen)), (0, 2))
        resumed = run(task | {"resumeFrom": caught.exception.checkpoint})
        whole = run(toy_task(self.folder / "whole", self.rows(16), gradientAccumulation=4))
        self.assertEqual(Path(resumed["history"]).read_bytes(), Path(whole["history"]).read_bytes())
        one, other = (load_file(Path(result["model"]) / "model.safetensors") for result in (resumed, whole))
        self.assertTrue(all(torch.equal(one[name], other[name]) for name in one))

    def test_during_an_evaluation_the_epoch_is_evaluated_again(self) -> None:
        task = toy_task(self.folder, self.rows(8))
        stop = StopFlag()
        training = train.Training(task, Recorder(), stop)
        training.load()
        measure = training.task.measure

        def stopping(*arguments):
            stop.reason = "SIGTERM"
            return measure(*arguments)

        training.task.measure, training.load, training.task.evaluation_rows = stopping, lambda: None, 4
        began = time.monotonic()
        with self.assertRaises(events.Stopped) as caught:
            training.run()
        self.assertLess(time.monotonic() - began, 5)
        self.assertEqual(caught.exception.step, 2)
        self.assertEqual(run(task | {"resumeFrom": caught.exception.checkpoint})["steps"], 4)


if __name__ == "__main__":
    unittest.main()

"""Kills trainings at random moments and resumes them until they are done, then compares with runs nobody disturbed.
One process imports everything once and forks: an attempt costs what training costs. Usage: kills.py plan.json, with
{seed, folder, trainings: [{label, task, kills}]}; prints one JSON line a training. The same plan kills at the same steps.
"""

import hashlib
import json
import os
import random
import shutil
import signal
import sys
import threading
from pathlib import Path

import torch

from espalier_trainer import export, train  # noqa: F401  (what the children need, once)
from espalier_trainer.__main__ import main
from espalier_trainer.events import DONE, EVENT_DESCRIPTOR, STOPPED, Events
from espalier_trainer.guard import StopFlag
from espalier_trainer.tasks import make_task

# Enough to reach into the next steps, a checkpoint or an evaluation of a tiny model.
LONGEST_DELAY_SECONDS = 0.08
SIGTERM_SHARE = 0.25
LOW_DESCRIPTORS = 64


def kill_yourself(at_step: int, delay: float, by: int) -> None:
    """Has this process get `by` `delay` seconds after it told of `at_step`. A parent that must first read of the step
    comes too late on a busy machine: a tiny training is over before it is given the processor."""
    emit = Events.emit

    def emit_and_end(self: Events, type: str, **fields: object) -> None:
        emit(self, type, **fields)
        if type == "step" and fields["step"] >= at_step:
            Events.emit = emit
            threading.Timer(delay, os.kill, (os.getpid(), by)).start() if delay > 0 else os.kill(os.getpid(), by)

    Events.emit = emit_and_end


def attempt(job: Path, moment: tuple[int, float, int] | None) -> tuple[int, int, int]:
    """Forks a trainer under its contract. Returns its id, the end of its events and our end of its leash."""
    events, event_end = os.pipe()
    leash_end, leash = os.pipe()
    child = os.fork()
    if child == 0:
        code = 70
        try:
            log = os.open(job.with_suffix(".log"), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            high = [os.dup(descriptor) for descriptor in (leash_end, log, log, event_end)]
            for place, descriptor in enumerate(high):
                os.dup2(descriptor, place)
            os.closerange(EVENT_DESCRIPTOR + 1, LOW_DESCRIPTORS)
            if moment is not None:
                kill_yourself(*moment)
            code = main(["run", str(job)])
        finally:
            os._exit(code)
    os.close(event_end)
    os.close(leash_end)
    return child, events, leash


def run(task: dict, folder: Path, moment: tuple[int, float, int] | None = None) -> tuple[int, list[dict]]:
    """Exit code (negative: the signal that ended it) and events of one attempt, ended at this moment: (step, seconds after it, signal)."""
    shutil.rmtree(task["out"], ignore_errors=True)  # an attempt's folder is its own: it may have died while it wrote the result
    job = folder / "job.json"
    job.write_text(json.dumps({"version": 1, "id": "kills", "tasks": [task]}))
    child, descriptor, leash = attempt(job, moment)
    events = []
    with os.fdopen(descriptor, encoding="utf-8") as lines:
        for line in lines:
            try:
                events.append(json.loads(line))
            except ValueError:
                break  # torn by the kill
    _, status = os.waitpid(child, 0)
    os.close(leash)
    return os.waitstatus_to_exitcode(status), events


def complete_checkpoints(folder: Path) -> list[str]:
    return sorted(str(path) for path in folder.glob("step-*") if path.name[5:].isdigit()) if folder.is_dir() else []


def newest_checkpoint(folder: Path) -> str | None:
    return next(reversed(complete_checkpoints(folder)), None)


def digests(out: Path) -> dict[str, str]:
    return {str(path.relative_to(out)): hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(out.rglob("*")) if path.is_file()}


def disturb(label: str, task: dict, kills: int, folder: Path, chance: random.Random) -> dict:
    whole, disturbed = folder / "whole", folder / "disturbed"
    for place in (whole, disturbed):
        place.mkdir(parents=True)
    code, events = run({**task, "checkpoints": str(whole / "checkpoints"), "out": str(whole / "out")}, whole)
    if code != DONE:
        return {"label": label, "failure": f"the undisturbed training ended with {code}: {events[-1]}"}
    total, result = events[-1]["results"][0]["steps"], events[-1]["results"][0]
    task = {**task, "checkpoints": str(disturbed / "checkpoints"), "out": str(disturbed / "out")}
    record, moments, late = [], sorted(chance.choices(range(1, total + 1), k=kills)), 0
    while moments:
        at_step = moments.pop(0)
        by = signal.SIGTERM if chance.random() < SIGTERM_SHARE else signal.SIGKILL
        delay = chance.random() * LONGEST_DELAY_SECONDS if late == 0 else 0
        code, events = run(task, disturbed, (at_step, delay, by))
        steps = [event["step"] for event in events if event["type"] in ("ready", "step")]
        record.append({"atStep": at_step, "by": signal.Signals(by).name, "from": steps[0] if steps else None, "exit": code})
        task["resumeFrom"] = newest_checkpoint(disturbed / "checkpoints")
        if code == DONE and late < kills:
            # Done before the signal came: once more, earlier and at the very step, from any checkpoint, for each must lead to the same end.
            late += 1
            moments.append(chance.randint(1, max(1, total // 2)))
            task["resumeFrom"] = chance.choice([None, *complete_checkpoints(disturbed / "checkpoints")[:2]])
        elif code not in (DONE, -signal.SIGKILL, STOPPED):
            return {"label": label, "kills": record, "failure": f"an attempt ended with {code}: {events[-1]}"}
    if code != DONE:
        task["resumeFrom"] = newest_checkpoint(disturbed / "checkpoints")
        code, events = run(task, disturbed)
        if code != DONE:
            return {"label": label, "kills": record, "failure": f"the last attempt ended with {code}: {events[-1]}"}
    return {
        "label": label, "steps": total, "kills": record, "exact": result["exact"], "resumedExact": events[-1]["results"][0]["exact"],
        "whole": digests(whole / "out"), "disturbed": digests(disturbed / "out"),
    }  # fmt: skip


def start() -> None:
    while os.open(os.devnull, os.O_RDONLY) < 10:
        pass  # keeps the children's descriptor 3 free of ours
    plan = json.loads(Path(sys.argv[1]).read_text())
    for training in plan["trainings"]:
        make_task(training["task"], torch.device("cpu"), StopFlag())  # transformers imports a model's code when it is first used
    for index, training in enumerate(plan["trainings"]):
        chance = random.Random(f"{plan['seed']}/{training['label']}")
        folder = Path(plan["folder"]) / f"{index:03}"
        print(json.dumps(disturb(training["label"], training["task"], training["kills"], folder, chance)), flush=True)


if __name__ == "__main__":
    start()

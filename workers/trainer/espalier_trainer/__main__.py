"""`python -m espalier_trainer run job.json`, or `standby MODEL_TYPE…`: the contract is docs/training-process.md."""

import os
import platform
import sys
import time
import traceback

from . import events as codes
from .events import Events, Stopped, TrainerError
from .failure import failure_of
from .guard import StopFlag, die_with_parent, forbid_network, read_order, watch_parent
from .job import processes_of, read_job
from .launcher import RENDEZVOUS, launch
from .sandbox import Sandbox

RETRYABLE = {codes.INTERNAL, codes.OUT_OF_MEMORY}
# One failed process of several is heard before the others, whose sums fail because of it.
SAY_LATER_SECONDS = {"other process": 1, "broken sum": 3}


def run(arguments: list[str], events: Events, stop: StopFlag, sandbox: Sandbox) -> int:
    job = read_job(arguments[1])
    print("inputs are held read-only", "by the kernel" if sandbox.protect(job) else "by the process itself alone", file=sys.stderr)
    if stop:
        raise Stopped
    if (processes := processes_of(job)) > 1 and "RANK" not in os.environ:
        events.silent = True  # the first of the processes speaks from here on
        return launch(arguments, processes, stop)
    events.phase = "importing"
    from . import attack, export, export_generator, memorisation, train  # torch and transformers: seconds

    verbs = {
        "train": lambda task: train.Training(task, events, stop).run(),
        "export-encoder": lambda task: export.export_encoder(task, events, stop),
        "export-classifier": lambda task: export.export_classifier(task, events, stop),
        "export-generator": lambda task: export_generator.export_generator(task, events, stop),
        "attack-classifier": lambda task: attack.attack_classifier(task, events, stop),
        "attack-embedder": lambda task: attack.attack_embedder(task, events, stop),
        "measure-memorisation": lambda task: memorisation.measure_memorisation(task, events, stop),
    }
    results = []
    for index, task in enumerate(job["tasks"]):
        if rank() > 0 and task["verb"] != "train":
            continue
        if stop:
            raise Stopped
        events.phase = task["verb"]
        results.append({"verb": task["verb"], **verbs[task["verb"]](task)})
        events.emit("artifact", task=index, **results[-1])
    events.emit("done", results=results)
    return codes.DONE


def stand_by(model_types: list[str], events: Events, stop: StopFlag) -> list[str]:
    """Imports everything, with the code of these kinds of model (`bert`, `resnet`, …), says so, and waits for the path of
    a job on standard input: an attempt that takes this process begins seconds earlier. Standard input stays the leash.
    Exit 76 when it ends before a job came."""
    events.phase = "importing"
    from . import export, train  # noqa: F401
    from .model import import_architectures

    import_architectures(model_types)
    events.phase = "standby"
    events.emit("standby", pid=os.getpid())
    path = read_order(stop)
    if path is None:
        raise Stopped
    return ["run", path]


def rank() -> int:
    return int(os.environ.get("RANK", "0"))


def main(arguments: list[str]) -> int:
    waits = arguments[:1] == ["standby"]
    if not waits and (len(arguments) != 2 or arguments[0] != "run"):
        print("usage: python -m espalier_trainer run job.json\n       python -m espalier_trainer standby MODEL_TYPE...", file=sys.stderr)
        return codes.BAD_JOB
    events, stop = Events(silent=rank() > 0), StopFlag()
    stop.install()
    if RENDEZVOUS not in os.environ:
        events.emit("starting", pid=os.getpid(), python=platform.python_version())
    sandbox = Sandbox()
    sandbox.enter()  # while there is one thread
    die_with_parent()
    forbid_network()
    events.start_heart()
    try:
        if waits:
            arguments = stand_by(arguments[1:], events, stop)
        watch_parent()
        return run(arguments, events, stop, sandbox)
    except Stopped as stopped:
        events.emit("stopped", reason=stop.reason, step=stopped.step, checkpoint=stopped.checkpoint)
        return codes.STOPPED
    except TrainerError as error:
        failure = error
    except Exception as error:  # what the machine lacks, or a bug: the log has the trace
        traceback.print_exc()
        failure = failure_of(error, {}) or TrainerError(codes.INTERNAL, f"{type(error).__name__}: {error}")
        if "RANK" in os.environ and failure.code == codes.INTERNAL:
            time.sleep(SAY_LATER_SECONDS["broken sum"])
    if rank() > 0:
        time.sleep(SAY_LATER_SECONDS["other process"])
        events.silent = False
    about = {"kind": failure.kind, "fix": failure.fix, "problems": failure.problems, **failure.details}
    events.emit("error", code=failure.code, message=failure.message, retryable=failure.code in RETRYABLE, **about)
    return failure.code


if __name__ == "__main__":
    code = main(sys.argv[1:])
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # daemon threads and native pools have nothing left to say

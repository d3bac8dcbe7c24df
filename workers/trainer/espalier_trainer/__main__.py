"""`python -m espalier_trainer run job.json`: the contract is docs/training-process.md."""

import os
import platform
import sys
import traceback

from . import events as codes
from .events import Events, Stopped, TrainerError
from .guard import StopFlag, die_with_parent, forbid_network
from .job import read_job

RETRYABLE = {codes.INTERNAL, codes.OUT_OF_MEMORY}


def run(path: str, events: Events, stop: StopFlag) -> int:
    job = read_job(path)
    if stop:
        raise Stopped
    events.phase = "importing"
    from . import export, train  # torch and transformers: seconds

    verbs = {
        "train": lambda task: train.Training(task, events, stop).run(),
        "export-encoder": lambda task: export.export_encoder(task, events, stop),
        "export-classifier": lambda task: export.export_classifier(task, events, stop),
    }
    results = []
    for index, task in enumerate(job["tasks"]):
        if stop:
            raise Stopped
        events.phase = task["verb"]
        results.append({"verb": task["verb"], **verbs[task["verb"]](task)})
        events.emit("artifact", task=index, **results[-1])
    events.emit("done", results=results)
    return codes.DONE


def main(arguments: list[str]) -> int:
    if len(arguments) != 2 or arguments[0] != "run":
        print("usage: python -m espalier_trainer run job.json", file=sys.stderr)
        return codes.BAD_JOB
    events, stop = Events(), StopFlag()
    stop.install()
    events.emit("starting", pid=os.getpid(), python=platform.python_version())
    die_with_parent()
    forbid_network()
    events.start_heart()
    try:
        return run(arguments[1], events, stop)
    except Stopped as stopped:
        events.emit("stopped", reason=stop.reason, step=stopped.step, checkpoint=stopped.checkpoint)
        return codes.STOPPED
    except TrainerError as error:
        failure = error
    except MemoryError as error:
        failure = TrainerError(codes.OUT_OF_MEMORY, f"out of memory: {error}", "use a smaller batchSize with more gradientAccumulation")
    except Exception as error:  # a bug, or a fault of the machine: the log has the trace
        traceback.print_exc()
        out_of_memory = type(error).__name__ == "OutOfMemoryError" or "can't allocate memory" in str(error)
        code = codes.OUT_OF_MEMORY if out_of_memory else codes.INTERNAL
        failure = TrainerError(code, f"{type(error).__name__}: {error}")
    about = {"kind": failure.kind, "fix": failure.fix, "problems": failure.problems}
    events.emit("error", code=failure.code, message=failure.message, retryable=failure.code in RETRYABLE, **about)
    return failure.code


if __name__ == "__main__":
    code = main(sys.argv[1:])
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # daemon threads and native pools have nothing left to say

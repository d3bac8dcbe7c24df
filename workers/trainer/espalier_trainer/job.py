"""The job file: complete and explicit. All mistakes are reported at once, each by its path; nothing has a default here
but the kind of task and the fields that do not touch the result. No heavy import: a bad job fails in milliseconds."""

import hashlib
import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from .events import BAD_JOB, TrainerError

Check = Callable[[object], str | None]


def number(low: float, high: float = math.inf, *, above: bool = False) -> Check:
    def check(value: object) -> str | None:
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
            return "must be a finite number"
        if value < low or value > high or (above and value == low):
            return f"must be {'more than' if above else 'at least'} {low:g}" + (f" and at most {high:g}" if high < math.inf else "")
        return None

    return check


def integer(low: int, high: int = 2**31 - 1) -> Check:
    def check(value: object) -> str | None:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            return f"must be an integer from {low} to {high}"
        return None

    return check


def one_of(*choices: object) -> Check:
    def check(value: object) -> str | None:
        # 1 == True in Python: compare types as well
        if any(type(value) is type(choice) and value == choice for choice in choices):
            return None
        return "must be one of " + ", ".join(map(json.dumps, choices))

    return check


def optional(inner: Check) -> Check:
    return lambda value: None if value is None else inner(value)


def text(value: object) -> str | None:
    return None if isinstance(value, str) and value else "must be a non-empty string"


def labels(value: object) -> str | None:
    if not isinstance(value, list) or len(value) < 2 or not all(isinstance(label, str) and label for label in value):
        return "must be a list of at least two non-empty strings"
    return None if len(set(value)) == len(value) else "must not repeat a label"


def folder(value: object) -> str | None:
    return text(value) or (None if Path(str(value)).is_dir() else f"is not a folder: {value}")


def file(value: object) -> str | None:
    return text(value) or (None if Path(str(value)).is_file() else f"is not a file: {value}")


def fresh(value: object) -> str | None:
    taken = isinstance(value, str) and Path(value).exists() and any(Path(value).iterdir())
    return text(value) or (f"must be an empty or absent folder: {value}" if taken else None)


@dataclass(frozen=True)
class Nullable:
    """An object of these fields, or null."""

    spec: dict


FRACTION = number(0, 1)
FLAG = one_of(True, False)
# When a checkpoint is due. The result does not depend on it, so it may be left out; `null` seconds: the interval
# follows from what saving costs and how often machines fail (cadence.py). A task's own field wins over `training`'s.
CADENCE = {
    "checkpointEverySeconds": optional(number(0, above=True)),
    "checkpointEverySteps": optional(integer(1)),
    "failureRatePerHour": number(0, 3600, above=True),
}
DEFAULT_FAILURE_RATE_PER_HOUR = 0.05
TRAINING = {
    "method": one_of("full", "lora", "head"),
    "epochs": integer(1, 1000),
    "batchSize": integer(1, 4096),
    "gradientAccumulation": integer(1, 1024),
    "learningRate": number(0, above=True),
    "headLearningRate": number(0, above=True),
    "weightDecay": FRACTION,
    "warmupFraction": FRACTION,
    "schedule": one_of("linear", "cosine", "constant"),
    "dropout": FRACTION,
    "labelSmoothing": FRACTION,
    "maxGradientNorm": number(0, above=True),
    "classWeights": FLAG,
    "lora": {"rank": integer(1, 256), "alpha": number(0, above=True), "dropout": FRACTION},
    "precision": one_of("fp32", "bf16", "fp16"),
    "seed": integer(0),
    "earlyStoppingPatience": integer(0),
    "threads": integer(1, 256),
    **CADENCE,
}
WINDOWS = {"overlap": number(0, 0.5), "most": integer(2, 64)}
# `windows`: how longer texts are read; null or missing: cut.
ENCODING = {"pooling": one_of("mean", "cls"), "maxLength": integer(8, 8192), "windows": Nullable(WINDOWS)}
AUGMENTATION = {
    "horizontalFlip": FLAG,
    # null: no crop; else the least share of the picture's area that a random crop keeps
    "minimumCropArea": optional(number(0, 1, above=True)),
}
TRAIN = {
    "task": text,
    "model": folder,
    "train": file,
    "validation": file,
    "training": TRAINING,
    "device": one_of("auto", "cpu", "cuda"),
    "checkpoints": text,
    "out": fresh,
    "resumeFrom": optional(folder),
    "microBatchDivisor": integer(1, 4096),
    "processes": integer(1, 64),
    # Seconds since 1970. The epoch that would not end before is not begun, once one has ended.
    "stopAt": number(0),
    # What a clock once decided, said again: no further epoch after so many.
    "stopAfterEpochs": integer(1),
    **CADENCE,
}
DEFAULT_KIND = "text-classification"
KINDS: dict[str, dict] = {
    # `multiLabel`: a row has none, one or several of the labels.
    DEFAULT_KIND: {**TRAIN, "labels": labels, "multiLabel": FLAG, **ENCODING},
    "image-classification": {**TRAIN, "labels": labels, "augmentation": Nullable(AUGMENTATION)},
    "causal-lm": {**TRAIN, "maxLength": integer(8, 131072), "packing": FLAG},
}
ENCODERS: dict[str, dict] = {
    DEFAULT_KIND: {"task": text, "model": folder, **ENCODING, "layers": optional(integer(1, 1024)), "out": fresh},
    "image-classification": {"task": text, "model": folder, "out": fresh},
}
TASKS: dict[str, dict] = {
    "export-classifier": {"model": folder, "calibration": optional(file), "out": fresh},
    "export-generator": {"model": folder, "out": fresh},
    # Levels are of the 255 that a pixel has.
    "attack-classifier": {
        "model": folder, "rows": file, "epsilonLevels": number(0, 255), "steps": integer(1, 1000), "stepLevels": number(0, 255), "seed": integer(0),
        "threads": integer(1, 256), "out": fresh,
    },
    "attack-embedder": {
        "model": folder, "vectors": file, "gallery": file, "rows": file, "epsilonLevels": number(0, 255), "steps": integer(1, 1000),
        "stepLevels": number(0, 255), "seed": integer(0), "threads": integer(1, 256), "out": fresh,
    },
    "measure-memorisation": {
        "model": folder, "base": optional(folder), "texts": file, "prompts": file, "maxLength": integer(8, 131072), "batchSize": integer(1, 4096),
        "prefixTokens": integer(1), "newTokens": integer(1), "samples": integer(0, 1024), "temperature": number(0, above=True), "seed": integer(0),
        "threads": integer(1, 256), "device": one_of("auto", "cpu", "cuda"), "out": fresh,
    },
}  # fmt: skip
MAY_BE_ABSENT = {"task", "multiLabel", "windows", "calibration", "resumeFrom", "microBatchDivisor", "processes", "stopAt", "stopAfterEpochs", *CADENCE}


def problems_of(value: object, spec: dict, path: str) -> list[str]:
    if not isinstance(value, dict):
        return [f"{path} must be an object"]
    found = [f"{path}.{key} is not a field of the contract" for key in value if key not in spec and key != "verb"]
    for key, rule in spec.items():
        where = f"{path}.{key}"
        if key not in value:
            found += [] if key in MAY_BE_ABSENT else [f"{where} is missing"]
        elif isinstance(rule, Nullable):
            found += [] if value[key] is None else problems_of(value[key], rule.spec, where)
        elif isinstance(rule, dict):
            found += problems_of(value[key], rule, where)
        elif problem := rule(value[key]):
            found.append(f"{where} {problem}")
    return found


def job_problems(job: object) -> list[str]:
    if not isinstance(job, dict):
        return ["job must be an object"]
    found = [f"job.{key} is not a field of the contract" for key in job if key not in ("version", "id", "tasks")]
    if problem := one_of(1)(job.get("version")):
        found.append(f"job.version {problem}")
    if problem := text(job.get("id")):
        found.append(f"job.id {problem}")
    tasks = job.get("tasks")
    if not isinstance(tasks, list) or not tasks:
        return [*found, "job.tasks must be a non-empty list"]
    counts = {task.get("processes", 1) for task in tasks if isinstance(task, dict) and task.get("verb") == "train" and isinstance(task.get("processes", 1), int)}
    if len(counts) > 1:
        found.append(f"job.tasks want {' and '.join(map(str, sorted(counts)))} processes: all trainings of a job must want the same number")
    for index, task in enumerate(tasks):
        path = f"job.tasks[{index}]"
        verb = task.get("verb") if isinstance(task, dict) else None
        if problem := one_of("train", "export-encoder", *TASKS)(verb):
            found.append(f"{path}.verb {problem}")
        elif verb == "train":
            found += train_problems(task, path)
        elif verb == "export-encoder":
            found += encoder_problems(task, path)
        else:
            found += problems_of(task, TASKS[str(verb)], path)
    return found


def encoder_problems(task: dict, path: str) -> list[str]:
    kind = task.get("task", DEFAULT_KIND)
    if problem := one_of(*ENCODERS)(kind):
        return [f"{path}.task {problem}"]
    return problems_of(task, ENCODERS[kind], path)


def train_problems(task: dict, path: str) -> list[str]:
    kind = task.get("task", DEFAULT_KIND)
    if problem := one_of(*KINDS)(kind):
        return [f"{path}.task {problem}"]
    found = problems_of(task, KINDS[kind], path)
    training = task.get("training")
    spec = training if isinstance(training, dict) else {}
    if kind == "causal-lm" and spec.get("method") == "head":
        found.append(f"{path}.training.method is 'head', but a causal language model has no head of its own: use 'full' or 'lora'")
    divisor, batch = task.get("microBatchDivisor", 1), spec.get("batchSize")
    if not integer(1)(divisor) and not integer(1)(batch) and divisor > batch:
        found.append(f"{path}.microBatchDivisor is {divisor}, but a batch of {batch} rows cannot be cut into more than {batch} parts")
    return found


def processes_of(job: dict) -> int:
    return max((task.get("processes", 1) for task in job["tasks"] if task["verb"] == "train"), default=1)


def read_job(path: str) -> dict:
    """The checked job. Raises TrainerError 64 with every mistake."""
    try:
        job = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise TrainerError(BAD_JOB, f"cannot read the job file {path}: {error}") from error
    if found := job_problems(job):
        raise TrainerError(BAD_JOB, "the job is not valid: " + "; ".join(found), problems=found)
    return job


def sha256_file(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def sha256_json(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()).hexdigest()

"""`python -m espalier_convert REQUEST`: JSON of {of: "torch", source, parts, target, scanner}, {of: "keras", source, parts, target, config} or
{of: "checkpoint", source, parts, target, config}; one line of JSON on descriptor 3, {result} (with `of` once more) or {error}.

`source`, `parts` (beside it: where weights are spread over files, and `source` says how) and `config` (the model's config.json)
are only read, `target` is written into another folder, `scanner` is the scanner's folder or null. Standard input is the leash: its end ends the process. Exit code 0 after a result, 1 after an error; the other
outputs are for people.
"""

import json
import os
import resource
import sys
from pathlib import Path

from espalier_trainer.events import EVENT_DESCRIPTOR
from espalier_trainer.guard import die_with_parent, forbid_network, watch_parent
from espalier_trainer.sandbox import Sandbox

from .checkpoint import convert_checkpoint
from .container import read_container
from .failure import ConvertError
from .legacy import require_state_dict
from .scanner import NAME, VERSION, find_scanner, require_clean
from .tensorflow import convert_keras
from .tensors import MAX_GROWTH, convert, sources_of

# Hashing and copying take seconds a gigabyte; what has not ended by then is made to last.
CPU_SECONDS, TENSORFLOW_CPU_SECONDS = 3600, 900
HEADER_BYTES = 100_000_000
# Of TensorFlow's weights, which need no torch: libraries and their threads reserve some, the weights are held as read and as written.
RESERVED_BYTES, COPIES = 4 << 30, 4


def main() -> int:
    sandbox = Sandbox()
    sandbox.enter()
    die_with_parent()
    forbid_network()
    watch_parent()
    with os.fdopen(EVENT_DESCRIPTOR, "w", encoding="utf-8") as answers:
        try:
            answer = {"result": run(json.loads(sys.argv[1]), sandbox)}
        except ConvertError as error:
            answer = {"error": {"kind": error.kind, "message": str(error), "fix": error.fix}}
        except MemoryError:
            answer = {"error": {"kind": "OutOfMemory", "message": "the conversion ran out of memory", "fix": None}}
        except OSError as error:
            kind = "DiskFull" if error.errno == 28 else "Internal"
            answer = {"error": {"kind": kind, "message": f"{type(error).__name__}: {error}", "fix": None}}
        answers.write(json.dumps(answer) + "\n")
    return 0 if "result" in answer else 1


def run(request: dict, sandbox: Sandbox) -> dict:
    source, target = Path(request["source"]), Path(request["target"])
    of, parts = request["of"], [Path(part) for part in request.get("parts", [])]
    inputs = {"model": str(source), **({} if of == "torch" else {"base": request["config"]})}
    sandbox.protect({"tasks": [{**inputs, "out": str(target.parent)}]})
    size = sum(file.stat().st_size for file in (source, *parts))
    limit(resource.RLIMIT_FSIZE, MAX_GROWTH * size + HEADER_BYTES)
    limit_cpu(CPU_SECONDS if of == "torch" else TENSORFLOW_CPU_SECONDS)
    if of != "torch" and sys.platform == "linux":  # elsewhere the system has no such limit, or does not hold it
        limit(resource.RLIMIT_AS, RESERVED_BYTES + COPIES * size)
    if of == "keras":
        return {"of": of, **convert_keras(source, parts, Path(request["config"]), target)}
    if of == "checkpoint":
        return {"of": of, **convert_checkpoint(source, parts, Path(request["config"]), target)}
    sources = sources_of(source, parts)
    # Every part, before torch is loaded for the first.
    containers = {file: read_container(file) for file in sources}
    scanner = find_scanner(request["scanner"]) if any(container.form == "zip" for container in containers.values()) else None
    for file, container in containers.items():
        if scanner is None or container.form == "legacy":
            require_state_dict(file, container)
        else:
            require_clean(scanner, file, container)
    spoke = None if scanner is None else {"name": NAME, "version": VERSION, "verdict": "clean"}
    return {"of": of, "scanner": spoke, "torch": convert(sources, target)}


def limit(what: int, most: int) -> None:
    hard = resource.getrlimit(what)[1]
    most = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(what, (most, most))


def limit_cpu(seconds: int) -> None:
    """By SIGXCPU, which says what it was; the hard limit's SIGKILL could be anybody's."""
    hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
    if hard == resource.RLIM_INFINITY or hard > seconds:
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, hard))


if __name__ == "__main__":
    sys.exit(main())

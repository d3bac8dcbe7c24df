"""`python -m espalier_convert REQUEST`: JSON of {source, target, scanner}; one line of JSON on descriptor 3, {result} or {error}.

`source` is only read, `target` is written into another folder, `scanner` is the scanner's folder or null. Standard input is the
leash: its end ends the process. Exit code 0 after a result, 1 after an error; the other outputs are for people.
"""

import json
import os
import resource
import sys
from pathlib import Path

from espalier_trainer.events import EVENT_DESCRIPTOR
from espalier_trainer.guard import die_with_parent, forbid_network, watch_parent
from espalier_trainer.sandbox import Sandbox

from .container import read_container
from .failure import ConvertError
from .scanner import NAME, VERSION, find_scanner, require_clean
from .tensors import MAX_GROWTH, convert

# Hashing and copying take seconds a gigabyte; what has not ended by then is made to last.
CPU_SECONDS = 3600
HEADER_BYTES = 100_000_000


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
    sandbox.protect({"tasks": [{"model": str(source), "out": str(target.parent)}]})
    written = MAX_GROWTH * source.stat().st_size + HEADER_BYTES
    resource.setrlimit(resource.RLIMIT_FSIZE, (written, written))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    scanner = find_scanner(request["scanner"])
    container = read_container(source)
    require_clean(scanner, source, container)
    return {"scanner": {"name": NAME, "version": VERSION, "verdict": "clean"}, "torch": convert(source, target)}


if __name__ == "__main__":
    sys.exit(main())

"""One JSON request, a line on stdin; JSON lines on stdout: any number of {"progress": …} and {"note": …}, then {"result": …} or {"error": …}.

Standard input stays open as the leash: its end ends the process, and what runs below it (leash.py).
Exit code 0 after a result, 1 after an error. stderr is for people. Tokens come from the environment and go nowhere else.
"""

import json
import sys

from .failure import DISK_FULL, FetchError
from .leash import hold
from .progress import emit


def main() -> int:
    try:
        request = json.loads(sys.stdin.buffer.readline())
        hold()
        emit({"result": run(request.pop("verb"), request)})
        return 0
    except FetchError as error:
        emit({"error": {"kind": error.kind, "message": str(error), "fix": error.fix}})
    except OSError as error:
        kind = "DiskFull" if error.errno in DISK_FULL else "Internal"
        emit({"error": {"kind": kind, "message": f"{type(error).__name__}: {error}", "fix": None}})
    return 1


def run(verb: str, request: dict) -> object:
    # Imported per verb: huggingface_hub costs half a second that a wheel does not need.
    if verb in ("hub-resolve", "hub-download", "hub-header"):
        from . import hub

        return {"hub-resolve": hub.resolve, "hub-download": hub.download, "hub-header": hub.header}[verb](**request)
    if verb in ("wheel-extract", "wheel-file"):
        from . import wheel

        return {"wheel-extract": wheel.extract, "wheel-file": wheel.extract_file}[verb](**request)
    if verb == "wheel-terms":
        from . import package_index, wheel_terms

        try:
            return wheel_terms.terms(**request)
        except Exception as error:
            raise package_index.explained(error, request["name"]) from error
    raise FetchError("Internal", f"unknown verb {verb!r}")


sys.exit(main())

"""modelaudit-picklescan, where the operator has put it: it reads pickles without running them, and nothing but CLEAN opens the way.

It must be asked before torch is imported: it recognises torch's own functions by their installed files, and a loaded module could
have been changed since.
"""

import importlib
import importlib.metadata
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from .container import Container
from .failure import ConvertError, unsafe

# Its verdicts, and the report's metadata read below, are those of exactly this version.
NAME, VERSION = "modelaudit-picklescan", "0.1.12"
INSTALL = f"on every pipeline worker: pip install --no-deps --target FOLDER {NAME}=={VERSION}, and set ESPALIER_PICKLESCAN to that folder"
SCAN_SECONDS = 600
SHOWN_FINDINGS = 3


def find_scanner(folder: str | None) -> ModuleType:
    """From the folder, else from this Python's own packages. Throws MissingTool when it is not there in the very version."""
    place = [folder] if folder is not None else sys.path
    found = next(iter(importlib.metadata.distributions(name=NAME, path=place)), None)
    where = folder if folder is not None else "the trainer's Python"
    if found is None:
        raise ConvertError("MissingTool", f"a torch file is converted only after {NAME} {VERSION} called it clean, and {where} has none", INSTALL)
    if found.version != VERSION:
        raise ConvertError("MissingTool", f"{where} has {NAME} {found.version}; its verdicts are known of {VERSION} alone", INSTALL)
    root = Path(str(found.locate_file(""))).resolve()
    sys.path.append(str(root))
    module = importlib.import_module(NAME.replace("-", "_"))
    if module.__file__ is None or not Path(module.__file__).resolve().is_relative_to(root):
        raise ConvertError("MissingTool", f"another {NAME} ({module.__file__}) hides the one in {where}", INSTALL)
    return module


def require_clean(scanner: ModuleType, path: Path, container: Container) -> None:
    """Throws UnsafeModel unless the scan of every pickle of the archive is complete and its verdict clean. Of pickles in a row it calls
    none so: legacy.py judges those."""
    if "torch" in sys.modules:
        raise ConvertError("Internal", "the scanner was to be asked before torch is loaded")
    options = scanner.ScanOptions(timeout_s=SCAN_SECONDS)
    # A state dict's pickle refers to storages beside it, so its scan needs the archive; that it saw each pickle is checked.
    report = scanner.scan_file(str(path), options=options)
    _require(report, path.name)
    members = {str(member["source"]): (member["status"], member["verdict"]) for member in report.metadata.get("member_reports", ())}
    if members != {f"{path}:{name}": ("complete", "clean") for name, _ in container.streams}:
        raise unsafe(f"{NAME} scanned {sorted(members)} of {path.name}, not each of its pickles")


def _require(report: Any, name: str) -> None:
    status, verdict = report.status.value, report.verdict.value
    if (status, verdict) == ("complete", "clean") and not report.findings and not report.errors:
        return
    reasons = [f"{finding.rule_code} {finding.message}"[:200] for finding in report.findings] + [str(error)[:200] for error in report.errors]
    shown = "; ".join(reasons[:SHOWN_FINDINGS]) or "no finding"
    more = f"; and {len(reasons) - SHOWN_FINDINGS} more" if len(reasons) > SHOWN_FINDINGS else ""
    raise unsafe(f"{NAME} calls {name} {verdict.upper()} (scan {status}), and only CLEAN and complete is converted: {shown}{more}")

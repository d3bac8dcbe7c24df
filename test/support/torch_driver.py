"""Every file of the folder argv[1] through the steps of espalier_convert in this one process, with the scanner in argv[2]:
JSON of name -> [step that refused, kind, message], null for a file that got through all of them. argv[3]: `scan` ends after the scan."""

import json
import sys
from pathlib import Path

from espalier_convert.container import read_container
from espalier_convert.failure import ConvertError
from espalier_convert.legacy import require_state_dict
from espalier_convert.scanner import find_scanner, require_clean
from espalier_convert.tensors import convert

files = sorted(Path(sys.argv[1]).glob("*.bin"))
scanner, refused = find_scanner(sys.argv[2]), {}


def attempt(step: str, path: Path, work) -> object:
    if refused.get(path.name) is not None:
        return None
    refused[path.name] = None
    try:
        return work()
    except ConvertError as error:
        refused[path.name] = [step, error.kind, str(error)]
    return None


containers = {path: attempt("container", path, lambda path=path: read_container(path)) for path in files}
for path, container in containers.items():
    if container is not None and container.form == "legacy":
        attempt("legacy", path, lambda path=path, container=container: require_state_dict(path, container))
    else:
        attempt("scan", path, lambda path=path, container=container: require_clean(scanner, path, container))
if sys.argv[3:] != ["scan"]:
    for path in files:
        attempt("load", path, lambda path=path: convert({path: None}, path.with_suffix(".safetensors")))
print(json.dumps(refused))

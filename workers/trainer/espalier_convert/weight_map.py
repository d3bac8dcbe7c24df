"""Which array lies in which part of weights that save_pretrained spread over files, by the index beside them.

What is opened are the files that stand beside the index: a name in it opens none, and both must say the same.
"""

import json
from pathlib import Path

from .failure import ConvertError

MAX_INDEX_BYTES = 16 << 20
SHOWN = 3


def read_weight_map(index: Path, way_out: str) -> dict[str, str]:
    """From an array's name, as the index has it, to its file's. Throws BadModel."""
    size = index.stat().st_size
    if size > MAX_INDEX_BYTES:
        raise ConvertError("BadModel", f"{index.name} has {size} bytes, more than {MAX_INDEX_BYTES}", way_out)
    try:
        given = json.loads(index.read_bytes(), object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise ConvertError("BadModel", f"{index.name} is not JSON: {str(error)[:120]}", way_out) from error
    names = given.get("weight_map") if isinstance(given, dict) else None
    if not isinstance(names, dict) or not names or not all(isinstance(file, str) for file in names.values()):
        raise ConvertError("BadModel", f"{index.name} has no weight_map of names of arrays and of files", way_out)
    return names


def require_same(named: set[str], found: set[str], index: str, where: str, way_out: str) -> None:
    """Throws BadModel unless the index names what there is, and nothing else."""
    if named == found:
        return
    missing, more = sorted(named - found), sorted(found - named)
    faults = [f"{index} names {_shown(missing)}, which is not {where}"] if missing else []
    if more:
        faults.append(f"{_shown(more)} is {where}, and {index} does not name it there")
    raise ConvertError("BadModel", "; ".join(faults), way_out)


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError("a key is there twice")
    return made


def _shown(names: list[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(name[:200] for name in names[:SHOWN]) + more

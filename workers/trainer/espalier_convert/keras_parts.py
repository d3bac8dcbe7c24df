"""Weights that transformers' TensorFlow classes spread over files: tf_model-NNNNN-of-NNNNN.h5, by tf_model.h5.index.json.

The index says which array lies in which file, by Keras's whole name; the file has it without the model's own. What is opened are the
files that stand beside the index: a name in it opens none, and both must say the same.
"""

import json
from pathlib import Path

from .failure import ConvertError
from .hdf5 import read_hdf5
from .stored_array import StoredArray

MAX_INDEX_BYTES = 16 << 20
SHOWN = 3
ALL_PARTS = "put all files of one save_pretrained into the folder: tf_model.h5.index.json and every tf_model-…-of-….h5 that it names"


def read_parts(index: Path, parts: list[Path]) -> tuple[dict[str, StoredArray], str]:
    """The arrays of all parts by their paths, and h5py's version. Throws UnsafeModel for what Keras does not write, BadModel when
    the parts are not those of the index."""
    named = _weight_map(index)
    _require_same(set(named.values()), {part.name for part in parts}, index.name, "beside it")
    arrays: dict[str, StoredArray] = {}
    version = ""
    for part in parts:
        found, version = read_hdf5(part)
        _require_same({path for path, file in named.items() if file == part.name}, set(found), index.name, f"in {part.name}")
        arrays |= found
    return arrays, version


def _weight_map(index: Path) -> dict[str, str]:
    """From an array's path in its file to the file's name."""
    size = index.stat().st_size
    if size > MAX_INDEX_BYTES:
        raise _bad(f"{index.name} has {size} bytes, more than {MAX_INDEX_BYTES}")
    try:
        given = json.loads(index.read_bytes(), object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise _bad(f"{index.name} is not JSON: {str(error)[:120]}") from error
    names = given.get("weight_map") if isinstance(given, dict) else None
    if not isinstance(names, dict) or not names or not all(isinstance(file, str) for file in names.values()):
        raise _bad(f"{index.name} has no weight_map of names of arrays and of files")
    paths = {path_in_file(name): file for name, file in names.items()}
    if len(paths) != len(names):
        raise _bad(f"{index.name} has two names of one array")
    return paths


def path_in_file(name: str) -> str:
    """'tf_bert_model/bert/pooler/dense/bias:0' lies at 'bert/pooler/dense/bias:0' (transformers 4, modeling_tf_utils.py)."""
    return name.split("/", 1)[1] if "/" in name and "model." not in name else name


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError("a key is there twice")
    return made


def _require_same(named: set[str], found: set[str], index: str, where: str) -> None:
    if named == found:
        return
    missing, more = sorted(named - found), sorted(found - named)
    faults = [f"{index} names {_shown(missing)}, which is not {where}"] if missing else []
    if more:
        faults.append(f"{_shown(more)} is {where}, and {index} does not name it there")
    raise _bad("; ".join(faults))


def _shown(names: list[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(name[:200] for name in names[:SHOWN]) + more


def _bad(message: str) -> ConvertError:
    return ConvertError("BadModel", message, ALL_PARTS)

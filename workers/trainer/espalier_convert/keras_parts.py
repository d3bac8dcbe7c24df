"""Weights that transformers' TensorFlow classes spread over files: tf_model-NNNNN-of-NNNNN.h5, by tf_model.h5.index.json.

The index says which array lies in which file, by Keras's whole name; the file has it without the model's own.
"""

from pathlib import Path

from .failure import ConvertError
from .hdf5 import read_hdf5
from .stored_array import StoredArray
from .weight_map import read_weight_map, require_same

ALL_PARTS = "put all files of one save_pretrained into the folder: tf_model.h5.index.json and every tf_model-…-of-….h5 that it names"


def read_parts(index: Path, parts: list[Path]) -> tuple[dict[str, StoredArray], str]:
    """The arrays of all parts by their paths, and h5py's version. Throws UnsafeModel for what Keras does not write, BadModel when
    the parts are not those of the index."""
    names = read_weight_map(index, ALL_PARTS)
    named = {path_in_file(name): file for name, file in names.items()}
    if len(named) != len(names):
        raise ConvertError("BadModel", f"{index.name} has two names of one array", ALL_PARTS)
    require_same(set(named.values()), {part.name for part in parts}, index.name, "beside it", ALL_PARTS)
    arrays: dict[str, StoredArray] = {}
    version = ""
    for part in parts:
        found, version = read_hdf5(part)
        require_same({path for path, file in named.items() if file == part.name}, set(found), index.name, f"in {part.name}", ALL_PARTS)
        arrays |= found
    return arrays, version


def path_in_file(name: str) -> str:
    """'tf_bert_model/bert/pooler/dense/bias:0' lies at 'bert/pooler/dense/bias:0' (transformers 4, modeling_tf_utils.py)."""
    return name.split("/", 1)[1] if "/" in name and "model." not in name else name

"""Weights as transformers 4's TensorFlow classes saved them (tf_model.h5 or its parts, or as Keras 3 does), under PyTorch's names and the right way
round."""

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from . import keras_archive
from .crc32c import masked_crc32c
from .model_layout import ModelLayout, read_layout
from .failure import ConvertError, unsafe
from .hdf5 import read_hdf5
from .keras_attributes import attribute_name, by_attributes, is_by_attributes
from .keras_parts import read_parts
from .stored_array import StoredArray, without_row

SHOWN_NAMES = 5
FLOATS = ("<f2", "<f4", "<f8")
Naming = Callable[[str, str], tuple[str, bool]]
"""Of an array's path and the encoder's scope: PyTorch's name, and whether the array is held the other way round."""
Places = dict[str, tuple[str, bool]]
"""By tensor: which array it is made of, and whether that is transposed."""
# Keras keeps a layer's kernel as [inputs, outputs] or [height, width, inputs, outputs], PyTorch as [outputs, inputs (, height, width)].
TRANSPOSED = "kernel"
AXES = {2: (1, 0), 4: (3, 2, 0, 1)}
LAST = {"kernel": "weight", "embeddings": "weight", "gamma": "weight", "beta": "bias", "weight": "weight", "bias": "bias"}
MEAN, COUNT = ".running_mean", ".num_batches_tracked"
LAST |= {"moving_mean": "running_mean", "moving_variance": "running_var"}
SAVE_ANEW = "take config and weights of one model; or save it anew with the TensorFlow class of transformers 4 (TFAutoModel.from_pretrained(…).save_pretrained(folder)), or take a model with model.safetensors"


def convert_keras(source: Path, parts: list[Path], config: Path, target: Path) -> dict:
    """Writes the model's tensors as safetensors, the same bytes for the same tensors; gives h5py's version and the heads that
    were left out. `parts`: where `source` is their index. Throws UnsafeModel (hdf5.py) or BadModel when they are not those of
    config.json."""
    layout = read_layout(config)
    if source.suffix == keras_archive.SUFFIX:
        source = keras_archive.unpack_weights(source, target.parent)
    arrays, version = read_parts(source, parts) if source.suffix == ".json" else read_hdf5(source)
    if is_by_attributes(arrays):
        arrays = by_attributes(arrays, layout, source.name)
        places, heads = place(arrays, layout, source.name, attribute_name)
    else:
        if layout.bias_rows:
            arrays = {path: without_row(array) if path.endswith("/bias:0") else array for path, array in arrays.items()}
        places, heads = place(arrays, layout, source.name)
    write_tensors(places, arrays, source.parent, target)
    return {"h5py": version, "leftOut": heads}


def write_tensors(places: Places, arrays: dict[str, StoredArray], folder: Path, target: Path) -> None:
    """As safetensors, out of the folder's files. Throws UnsafeModel when an array's bytes are not those of its checksum."""
    import numpy as np
    from safetensors.numpy import save_file

    tensors = {}
    with ExitStack() as opened:
        files = {name: opened.enter_context((folder / name).open("rb")) for name in {arrays[path].file for path, _ in places.values()}}
        for name, (path, turned) in places.items():
            array = arrays[path]
            file = files[array.file]
            file.seek(array.offset)
            data = file.read(array.size_bytes)
            if array.crc32c is not None and masked_crc32c(data) != array.crc32c:
                raise unsafe(f"{path} has another checksum in {array.file} than is kept of it: the file is damaged")
            values = np.frombuffer(data, array.dtype).reshape(array.shape)
            if name.endswith(MEAN):  # PyTorch counts the batches that it was made of; Keras does not
                tensors[name.removesuffix(MEAN) + COUNT] = np.zeros((), np.int64)
            tensors[name] = np.ascontiguousarray(values.transpose(AXES[values.ndim]) if turned else values)
    save_file(tensors, target, {"format": "pt"})


def place(arrays: dict[str, StoredArray], layout: ModelLayout, file: str, name_of: Naming | None = None) -> tuple[Places, list[str]]:
    """Which array becomes which tensor, and whether it is transposed; and the names of the heads. Throws BadModel unless the
    encoder's arrays are exactly those that the config asks for."""
    known, places, name_of = layout.needed | layout.optional, {}, name_of or torch_name
    heads = sorted({path.split("/")[0] for path in arrays} - {layout.scope})
    for path, array in arrays.items():
        # A head that shares the encoder's weights holds them once more, below its own name.
        if not path.startswith(f"{layout.scope}/"):
            continue
        name, turned = name_of(path, layout.scope)
        if name not in known:
            raise _bad(f"{path} of {file} would be {name}, which config.json has no place for: are there fewer layers in it?")
        if name in places:
            raise _bad(f"{path} and {places[name][0]} of {file} would both be {name}")
        shape = tuple(array.shape[axis] for axis in AXES.get(len(array.shape), ())) if turned else array.shape
        if shape != known[name]:
            raise _bad(f"{name} (from {path} of {file}) has the shape {list(shape)}, by config.json it is {list(known[name])}")
        if array.dtype not in FLOATS:
            raise unsafe(f"{path} of {file} does not hold floats of 16, 32 or 64 bits")
        places[name] = (path, turned)
    wanted = layout.needed if places.keys().isdisjoint(layout.optional) else known
    missing = [name for name in wanted if name not in places]
    if missing:
        more = f" and {len(missing) - SHOWN_NAMES} more" if len(missing) > SHOWN_NAMES else ""
        raise _bad(f"{file} has no {', '.join(missing[:SHOWN_NAMES])}{more} below its group {layout.scope}, which config.json asks for")
    return places, heads


def torch_name(path: str, scope: str) -> tuple[str, bool]:
    """As transformers names them: 'bert/tf_bert_model/bert/encoder/layer_._0/…/dense/kernel:0' is 'encoder.layer.0.….dense.weight',
    transposed. What leads to the encoder's own scope (the layer's group, the model's name, the scope once or twice) is dropped."""
    steps = path.removesuffix(":0").replace("_._", "/").split("/")
    own = _after_last(steps, scope)
    last = own[-1] if own else ""
    return ".".join([*own[:-1], LAST.get(last, last)]), last == TRANSPOSED


def _after_last(steps: list[str], scope: str) -> list[str]:
    return steps[len(steps) - steps[::-1].index(scope) :] if scope in steps else steps


def _bad(message: str) -> ConvertError:
    return ConvertError("BadModel", message, SAVE_ANEW)

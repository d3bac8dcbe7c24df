"""The arrays of a checkpoint of TensorFlow 2's objects: save_weights(prefix) of Keras 2, tf.train.Checkpoint, or a SavedModel's variables.

Its keys tell how objects hold each other (bert/encoder/layer/0/…, layer_with_weights-4/…, variables/7), by the program that saved them;
beside each stands the variable's own name (object_graph.py), which says what it is: transformers' classes give those of tf_model.h5, Google's
model garden (official/nlp/modeling) its own (garden.py).
"""

from pathlib import Path

from .failure import ConvertError, unsafe
from .garden import garden_array, garden_name, garden_path, is_of_garden
from .model_layout import ModelLayout
from .object_graph import read_variable_names
from .stored_array import StoredArray, without_row
from .tensorflow import Naming, torch_name

VALUE = "/.ATTRIBUTES/VARIABLE_VALUE"
# Steps of a key: what optimisers keep (of Keras before and after 2.11), metrics, and counters.
LEFT = {".OPTIMIZER_SLOT", "optimizer", "_variables", "keras_api", "save_counter", "global_step"}


def object_arrays(stored: dict[str, StoredArray], objects: StoredArray, layout: ModelLayout, index: Path) -> tuple[dict[str, StoredArray], Naming]:
    """By paths that begin with the model's scope or a head's name, and how such a path is named. Throws UnsafeModel when a key has no
    name, BadModel when two have the same, or the encoder's are of more than one model."""
    names = read_variable_names(objects, index.parent, index.name)
    own = {key: array for key, array in stored.items() if LEFT.isdisjoint(key.split("/"))}
    for key in own:
        if not key.endswith(VALUE) or not names.get(key):
            raise unsafe(f"{key} of {index.name} is no variable that its objects name")
    garden = layout.scope == "bert" and any(is_of_garden(names[key]) for key in own)
    arrays: dict[str, StoredArray] = {}
    models: set[str] = set()
    for key, array in own.items():
        path = garden_path(names[key]) if garden else keras_path(names[key], layout.scope)
        if path in arrays:
            raise ConvertError("BadModel", f"{index.name} has two variables that are called {path}; one is {key}", ONE_MODEL)
        arrays[path] = garden_array(array, path, layout) if garden else _keras_array(array, path, layout)
        if path.startswith(f"{layout.scope}/"):
            models.add(_model_of(names[key], path, layout.scope))
    if not any(path.startswith(f"{layout.scope}/") for path in arrays):
        shown = ", ".join(sorted({path.split("/")[0] for path in arrays})[:SHOWN_PARTS])
        raise ConvertError("BadModel", f"{index.name} is a TensorFlow 2 checkpoint in which nothing is called {layout.scope}, as in transformers' class of the model; it has {shown or 'no variable'}", OF_TRANSFORMERS)
    if garden:
        models.discard("")  # its layers may stand below no model's name
    if len(models) > 1:
        shown = ", ".join(sorted(models)[:SHOWN_PARTS])
        raise ConvertError("BadModel", f"{index.name} has weights of the {layout.scope} of {len(models)} models: below {shown}", ONE_MODEL)
    return arrays, garden_name if garden else torch_name


SHOWN_PARTS = 5
OF_TRANSFORMERS = "only weights of transformers' TensorFlow classes and of Google's BERT (tensorflow/models) are converted: load them into such a class and save that (save_pretrained), or take a model with model.safetensors"
ONE_MODEL = "save the encoder alone (model.save_pretrained, or save_weights of it), or take a model with model.safetensors"


def keras_path(name: str, scope: str) -> str:
    """'my/tf_bert_model_1/bert/pooler/dense/bias' is 'bert/pooler/dense/bias'; of a head, its model's name goes."""
    steps = name.split("/")
    start = steps.index(scope) if scope in steps else 1 if len(steps) > 2 else 0
    return "/".join(steps[start:])


def _model_of(name: str, path: str, scope: str) -> str:
    """What stands in a variable's name before what it is called in the encoder: 'tf_bert_model/bert/' of 'tf_bert_model/bert/pooler/dense/bias'."""
    return name.removesuffix(f"/{path}".rpartition(f"/{scope}/")[2])


def _keras_array(array: StoredArray, path: str, layout: ModelLayout) -> StoredArray:
    return without_row(array) if layout.bias_rows and path.endswith("/bias") else array

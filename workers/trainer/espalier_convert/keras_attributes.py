"""Weights as Keras 3 (and tf.keras from 2.12 on) keeps them: *.weights.h5, alone or in a .keras archive, of transformers' TensorFlow classes.

An array has no name there: its path is that of the attributes which lead to its layer, elements of a list called by their class, and a
number, its place among the layer's variables ('layers/tf_bert_main_layer/encoder/layer/tf_bert_layer_1/intermediate/dense/vars/0').
The attributes are those of transformers 4 (modeling_tf_{bert,roberta,electra,distilbert,gpt2,resnet}.py).
"""

import re
from collections.abc import Iterable

from .failure import ConvertError
from .model_layout import ModelLayout
from .stored_array import StoredArray, without_row

NUMBERED = re.compile(r"(?:.*/)?vars/\d{1,4}")
LISTS = {"layer", "h", "stages", "stage_layers"}
ELEMENT = re.compile(r"tf_[a-z_]*[a-z](?:_(\d{1,4}))?")
CONVOLUTION = re.compile(r"conv(\d)")
CALLED = {"self_attention": "self", "dense_output": "output", "bert_output": "output", "conv": "convolution", "stage_layers": "layers"}
OF_NORM = ("weight", "bias", "running_mean", "running_var")
OF_LAYER = ("weight", "bias")
TABLES = ("wte", "wpe")
GPT2, DISTILBERT = "transformer", "distilbert"
# What each model has once: where it is, the model begins.
SURE = {GPT2: "wte/vars/0", "resnet": "embedder/embedder/normalization/vars/0"}
SURE_OF_BERT = "embeddings/LayerNorm/vars/0"
# A masked language model's head holds the embeddings, too: Keras saves them there, where it meets them first, and not in the model.
SHARED = "input_embeddings/"
FIRST_LAYER = {"bert": "encoder/layer/tf_bert_layer/intermediate/dense/vars/0", DISTILBERT: "transformer/layer/tf_transformer_block/ffn/lin1/vars/0"}
FIX = "save the model with save_pretrained of transformers' TensorFlow class (tf_model.h5), or take a model with model.safetensors"


def is_by_attributes(arrays: dict[str, StoredArray]) -> bool:
    return any(NUMBERED.fullmatch(path) for path in arrays)


def by_attributes(arrays: dict[str, StoredArray], layout: ModelLayout, file: str) -> dict[str, StoredArray]:
    """By paths that begin with the model's scope or a head's name. Throws BadModel unless there is one such model in the file."""
    sure = SURE.get(layout.scope, SURE_OF_BERT)
    arrays = _with_embeddings(arrays, layout.scope)
    roots = _before(sure, arrays)
    if len(roots) != 1:
        raise ConvertError("BadModel", f"{file} holds weights by Keras 3's attributes, and {len(roots) or 'none'} of its parts {'have' if roots else 'has'} {sure}, as the {layout.scope} of a class of transformers has", FIX)
    made: dict[str, StoredArray] = {}
    for path, array in arrays.items():
        own = f"{layout.scope}/{path.removeprefix(roots[0])}" if path.startswith(roots[0]) else path.removeprefix("layers/")
        if own in made:
            raise ConvertError("BadModel", f"{file} has two arrays that would be {own}", FIX)
        is_bias = layout.bias_rows and attribute_name(own, layout.scope)[0].endswith(".bias")
        made[own] = without_row(array) if is_bias else array
    return made


def _before(end: str, paths: Iterable[str]) -> list[str]:
    return [path.removesuffix(end) for path in paths if path == end or path.endswith(f"/{end}")]


def _with_embeddings(arrays: dict[str, StoredArray], scope: str) -> dict[str, StoredArray]:
    """In the model, where its head has them; as they are where that is not sure."""
    models = _before(FIRST_LAYER[scope], arrays) if scope in FIRST_LAYER else []
    heads = [f"{head}{SHARED}" for head in _before(f"{SHARED}{SURE_OF_BERT.removeprefix('embeddings/')}", arrays)]
    if len(models) != 1 or len(heads) != 1 or any(path.startswith(f"{models[0]}embeddings/") for path in arrays):
        return arrays
    own = f"{models[0]}embeddings/"
    return {own + path.removeprefix(heads[0]) if path.startswith(heads[0]) else path: array for path, array in arrays.items()}


def attribute_name(path: str, scope: str) -> tuple[str, bool]:
    """PyTorch's name, and whether the array is held the other way round; the path itself where it is nobody's."""
    if not NUMBERED.fullmatch(path):
        return path, False
    *steps, _, place = path.removeprefix(f"{scope}/").split("/")
    last = steps[-1] if steps else ""
    if steps == ["embeddings"]:
        names = [f"{kind}_embeddings.weight" for kind in (("word", "position") if scope == DISTILBERT else ("word", "token_type", "position"))]
    else:
        names = list(OF_NORM if "norm" in last.lower() or last.startswith("ln_") else OF_LAYER)
    if int(place) >= len(names):
        return path, False
    turned = names[0] == "weight" and len(names) == len(OF_LAYER) and place == "0" and scope != GPT2 and last not in TABLES
    return ".".join([*_torch_steps(steps), names[int(place)]]), turned


def _torch_steps(steps: list[str]) -> list[str]:
    made, first = [], 0
    for before, step in zip(["", *steps], steps, strict=False):
        element = ELEMENT.fullmatch(step) if before in LISTS else None
        convolution = CONVOLUTION.fullmatch(step)
        if element:
            made.append(str(int(element[1] or 0)))
            first = 1 if step.startswith("tf_res_net_basic_layer") else 0  # it counts its convolutions from one
        elif convolution:
            made.append(f"layer.{int(convolution[1]) - first}")
        else:
            made.append(CALLED.get(step, step))
    return made

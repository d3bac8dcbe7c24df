"""Which tensors a model has by its config.json: PyTorch's names and shapes, as AutoModel expects them (no head, no prefix).

Shapes are those of transformers' models/{bert,roberta,electra,distilbert,gpt2,resnet}; xlm-roberta and camembert are RoBERTa by other names.
"""

import json
import os
import stat
from dataclasses import dataclass
from pathlib import Path

from .failure import ConvertError

MAX_CONFIG_BYTES = 64 * 1024 * 1024
MAX_LAYERS, MAX_LENGTH, MAX_STAGES = 200, 10_000_000, 16
Shapes = dict[str, tuple[int, ...]]


@dataclass(frozen=True)
class ModelLayout:
    """What Keras calls the model's layer, which is the top group that holds it."""

    scope: str
    needed: Shapes
    optional: Shapes
    """All of them or none: there are encoders without a pooler."""
    bias_rows: bool = False
    """Keras holds a bias as a matrix of one row."""
    heads: int = 0
    """Of a BERT's attention; 0 of others."""


def read_layout(config: Path) -> ModelLayout:
    """Throws BadModel when the config names no family of the table, or a figure that no encoder has."""
    given = _read_json(config)
    family = given.get("model_type")
    if family is None and isinstance(given.get("registered_name"), str):
        raise ConvertError("BadModel", f"config.json is of a Keras object ({given['registered_name'][:80]!r}), as KerasHub saves its models, which are not converted", OF_KERAS)
    layout = LAYOUTS.get(family) if isinstance(family, str) else None
    if layout is None:
        raise ConvertError(
            "BadModel",
            f"TensorFlow weights of model_type {str(family)[:80]!r} are not converted, only of {', '.join(sorted(LAYOUTS))}",
            "convert them elsewhere with transformers 4: AutoModel.from_pretrained(folder, from_tf=True).save_pretrained(other)",
        )
    for name, plain in (("position_embedding_type", "absolute"), ("add_cross_attention", False)):
        if given.get(name, plain) not in (plain, None):
            raise ConvertError("BadModel", f"{name} {str(given[name])[:80]!r} of config.json is none that TensorFlow weights are converted of")
    return layout(given)


def _read_json(config: Path) -> dict:
    try:
        file = os.open(config, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    except OSError as error:
        raise ConvertError("BadModel", "there is no config.json beside the weights, which says what they are", SAVE_BOTH) from error
    with os.fdopen(file, "rb") as opened:
        if not stat.S_ISREG(os.fstat(file).st_mode) or os.fstat(file).st_size > MAX_CONFIG_BYTES:
            raise ConvertError("BadModel", f"config.json is no regular file of at most {MAX_CONFIG_BYTES} bytes", SAVE_BOTH)
        text = opened.read(MAX_CONFIG_BYTES)
    try:
        given = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ConvertError("BadModel", f"config.json is not JSON: {str(error)[:120]}", SAVE_BOTH) from error
    if not isinstance(given, dict):
        raise ConvertError("BadModel", "config.json is not an object", SAVE_BOTH)
    return given


OF_KERAS = "take the model that transformers has (model.safetensors), or load these weights into a class of transformers elsewhere and save that (save_pretrained)"
SAVE_BOTH = "put the config.json and the weights of one model into the folder"


def _figure(config: dict, name: str, default: int, most: int = MAX_LENGTH) -> int:
    value = config.get(name, default)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value <= most:
        raise ConvertError("BadModel", f"{name} of config.json is {str(value)[:80]}, not a whole number from 1 to {most}", SAVE_BOTH)
    return value


def _dense(name: str, outputs: int, inputs: int) -> Shapes:
    return {f"{name}.weight": (outputs, inputs), f"{name}.bias": (outputs,)}


def _turned(name: str, inputs: int, outputs: int) -> Shapes:
    return {f"{name}.weight": (inputs, outputs), f"{name}.bias": (outputs,)}


def _norm(name: str, width: int) -> Shapes:
    return {f"{name}.weight": (width,), f"{name}.bias": (width,)}


def _bert_like(scope: str, words: int, pooler: bool, kinds: int = 2, positions: int = 512):
    """By the defaults of the family's configuration: what equals them need not be in config.json."""

    def layout(config: dict) -> ModelLayout:
        electra = scope == "electra"
        width = _figure(config, "hidden_size", 256 if electra else 768)
        inner = _figure(config, "intermediate_size", 1024 if electra else 3072)
        embedded = _figure(config, "embedding_size", 128) if electra else width
        needed: Shapes = {
            "embeddings.word_embeddings.weight": (_figure(config, "vocab_size", words), embedded),
            "embeddings.position_embeddings.weight": (_figure(config, "max_position_embeddings", positions), embedded),
            "embeddings.token_type_embeddings.weight": (_figure(config, "type_vocab_size", kinds), embedded),
            **_norm("embeddings.LayerNorm", embedded),
        }
        if embedded != width:
            needed |= _dense("embeddings_project", width, embedded)
        for number in range(_figure(config, "num_hidden_layers", 12, MAX_LAYERS)):
            at = f"encoder.layer.{number}"
            for part in ("query", "key", "value"):
                needed |= _dense(f"{at}.attention.self.{part}", width, width)
            needed |= _dense(f"{at}.attention.output.dense", width, width) | _norm(f"{at}.attention.output.LayerNorm", width)
            needed |= _dense(f"{at}.intermediate.dense", inner, width)
            needed |= _dense(f"{at}.output.dense", width, inner) | _norm(f"{at}.output.LayerNorm", width)
        heads = _figure(config, "num_attention_heads", 4 if electra else 12)
        return ModelLayout(scope, needed, _dense("pooler.dense", width, width) if pooler else {}, heads=heads)

    return layout


def _distilbert(config: dict) -> ModelLayout:
    width, inner = _figure(config, "dim", 768), _figure(config, "hidden_dim", 3072)
    needed: Shapes = {
        "embeddings.word_embeddings.weight": (_figure(config, "vocab_size", 30522), width),
        "embeddings.position_embeddings.weight": (_figure(config, "max_position_embeddings", 512), width),
        **_norm("embeddings.LayerNorm", width),
    }
    for number in range(_figure(config, "n_layers", 6, MAX_LAYERS)):
        at = f"transformer.layer.{number}"
        for part in ("q_lin", "k_lin", "v_lin", "out_lin"):
            needed |= _dense(f"{at}.attention.{part}", width, width)
        needed |= _norm(f"{at}.sa_layer_norm", width) | _dense(f"{at}.ffn.lin1", inner, width)
        needed |= _dense(f"{at}.ffn.lin2", width, inner) | _norm(f"{at}.output_layer_norm", width)
    return ModelLayout("distilbert", needed, {})


def _gpt2(config: dict) -> ModelLayout:
    """Its Conv1D holds a kernel as [inputs, outputs] in both libraries."""
    width = _figure(config, "n_embd", 768)
    inner = 4 * width if config.get("n_inner") is None else _figure(config, "n_inner", 4 * width)
    needed: Shapes = {"wte.weight": (_figure(config, "vocab_size", 50257), width), "wpe.weight": (_figure(config, "n_positions", 1024), width)}
    for number in range(_figure(config, "n_layer", 12, MAX_LAYERS)):
        at = f"h.{number}"
        needed |= _norm(f"{at}.ln_1", width) | _norm(f"{at}.ln_2", width)
        needed |= _turned(f"{at}.attn.c_attn", width, 3 * width) | _turned(f"{at}.attn.c_proj", width, width)
        needed |= _turned(f"{at}.mlp.c_fc", width, inner) | _turned(f"{at}.mlp.c_proj", inner, width)
    return ModelLayout("transformer", needed | _norm("ln_f", width), {}, bias_rows=True)


def _resnet(config: dict) -> ModelLayout:
    """A block's shortcut has weights where it changes the width or, as the first of a stage that halves the picture, its size."""
    kind = config.get("layer_type", "bottleneck")
    if kind not in ("bottleneck", "basic"):
        raise ConvertError("BadModel", f"layer_type of config.json is {str(kind)[:80]!r}, not bottleneck or basic", SAVE_BOTH)
    inputs = _figure(config, "embedding_size", 64)
    widths, depths = _figures(config, "hidden_sizes", [256, 512, 1024, 2048], MAX_LENGTH), _figures(config, "depths", [3, 4, 6, 3], MAX_LAYERS)
    if len(widths) != len(depths):
        raise ConvertError("BadModel", f"config.json has {len(widths)} hidden_sizes and {len(depths)} depths", SAVE_BOTH)
    needed = _convolved("embedder.embedder", inputs, _figure(config, "num_channels", 3), 7)
    for stage, (width, depth) in enumerate(zip(widths, depths, strict=True)):
        halves = stage > 0 or config.get("downsample_in_first_stage", False) is True
        for block in range(depth):
            at = f"encoder.stages.{stage}.layers.{block}"
            if inputs != width or (halves and block == 0):
                needed |= _convolved(f"{at}.shortcut", width, inputs, 1)
            inner = width // 4
            steps = [(inner, inputs, 1), (inner, inner, 3), (width, inner, 1)] if kind == "bottleneck" else [(width, inputs, 3), (width, width, 3)]
            for number, (outputs, taken, side) in enumerate(steps):
                needed |= _convolved(f"{at}.layer.{number}", outputs, taken, side)
            inputs = width
    return ModelLayout("resnet", needed, {})


def _convolved(name: str, outputs: int, inputs: int, side: int) -> Shapes:
    """A convolution without bias, and the normalisation by batch after it."""
    norm = f"{name}.normalization"
    return {f"{name}.convolution.weight": (outputs, inputs, side, side), **_norm(norm, outputs), f"{norm}.running_mean": (outputs,), f"{norm}.running_var": (outputs,)}


def _figures(config: dict, name: str, default: list[int], most: int) -> list[int]:
    values = config.get(name, default)
    if not isinstance(values, list) or not 0 < len(values) <= MAX_STAGES:
        raise ConvertError("BadModel", f"{name} of config.json is no list of 1 to {MAX_STAGES} numbers", SAVE_BOTH)
    return [_figure({name: value}, name, 0, most) for value in values]


LAYOUTS = {
    "bert": _bert_like("bert", 30522, pooler=True),
    "roberta": _bert_like("roberta", 50265, pooler=True),
    "xlm-roberta": _bert_like("roberta", 30522, pooler=True),
    "camembert": _bert_like("roberta", 30522, pooler=True),
    "electra": _bert_like("electra", 30522, pooler=False),
    "distilbert": _distilbert,
    "gpt2": _gpt2,
    "resnet": _resnet,
}

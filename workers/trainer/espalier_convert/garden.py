"""BERT as Google's TensorFlow 2 model garden names and shapes its variables (official/nlp/modeling: TransformerEncoder, BertEncoder,
BertEncoderV2; official/nlp/tools/tf1_bert_checkpoint_converter_lib.py has the names beside TensorFlow 1's).

A name may stand below models' own ('bert_encoder_v2/transformer/layer_0/…'). Attention's arrays have the heads as a dimension of their
own, [width, heads, size of a head]: values lie in the same order as without it.
"""

import re
from dataclasses import replace

from .failure import ConvertError
from .model_layout import SAVE_BOTH, ModelLayout
from .stored_array import StoredArray
from .tensorflow import LAST, TRANSPOSED

SCOPE = "bert"
LAYER = re.compile(r"(?:^|/)transformer/layer_\d{1,4}/")
TOP = {
    "word_embeddings": "embeddings.word_embeddings",
    "position_embedding": "embeddings.position_embeddings",
    "type_embeddings": "embeddings.token_type_embeddings",
    "embeddings/layer_norm": "embeddings.LayerNorm",
    "pooler_transform": "pooler.dense",
}
# self_attention_output: of TransformerEncoder, until 2.3.
IN_LAYER = {
    "self_attention/query": "attention.self.query",
    "self_attention/key": "attention.self.key",
    "self_attention/value": "attention.self.value",
    "self_attention/attention_output": "attention.output.dense",
    "self_attention_output": "attention.output.dense",
    "self_attention_layer_norm": "attention.output.LayerNorm",
    "intermediate": "intermediate.dense",
    "output": "output.dense",
    "output_layer_norm": "output.LayerNorm",
}
FIRST = {"transformer", "embedding_projection", *(name.split("/")[0] for name in TOP)}


def is_of_garden(name: str) -> bool:
    return LAYER.search(name) is not None


def garden_path(name: str) -> str:
    """'model/bert_encoder/pooler_transform/bias' is 'bert/pooler_transform/bias'; a head's name stays."""
    steps = name.split("/")
    start = next((place for place, step in enumerate(steps) if step in FIRST), None)
    return name if start is None else "/".join([SCOPE, *steps[start:]])


def garden_name(path: str, scope: str) -> tuple[str, bool]:
    """PyTorch's name, and whether the array is held the other way round: as checkpoint.py's, of other names."""
    steps, last = path.removeprefix(f"{scope}/").rpartition("/")[::2]
    layer = re.fullmatch(r"transformer/layer_(\d{1,4})/(.+)", steps)
    known = TOP.get(steps) if layer is None else IN_LAYER.get(layer[2])
    if known is None or last not in LAST:
        return path, False
    place = known if layer is None else f"encoder.layer.{int(layer[1])}.{known}"
    return f"{place}.{LAST[last]}", last == TRANSPOSED


def garden_array(array: StoredArray, path: str, layout: ModelLayout) -> StoredArray:
    """Without the dimension of the heads. Throws BadModel when there are not as many of them as config.json says."""
    name, is_kernel = garden_name(path, SCOPE)
    heads_at = _heads_at(name, is_kernel)
    if heads_at is None or len(array.shape) != (3 if is_kernel else 2):
        return array
    heads, size = array.shape[heads_at : heads_at + 2]
    if heads != layout.heads:
        raise ConvertError("BadModel", f"{path} has {heads} heads, by config.json there are {layout.heads}", SAVE_BOTH)
    return replace(array, shape=(*array.shape[:heads_at], heads * size, *array.shape[heads_at + 2 :]))


def _heads_at(name: str, is_kernel: bool) -> int | None:
    if re.search(r"\.attention\.self\.(query|key|value)\.", name):
        return 1 if is_kernel else 0
    return 0 if is_kernel and ".attention.output.dense." in name else None

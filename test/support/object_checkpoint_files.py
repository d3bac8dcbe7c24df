"""Checkpoints laid out as TensorFlow 2 writes its objects (save_weights, tf.train.Checkpoint, the variables of a SavedModel), honest and hostile, into
the folder argv[1], each X.ckpt.index with its shard. argv[2]: honest weights of a BERT (safetensors) beside their config.json."""

import json
import struct
import sys
from pathlib import Path

import numpy
from bundle_writer import FLOAT, STRING, entry, in_blocks, lay, masked, message, number, table, varint
from safetensors.numpy import load_file

folder, weights = Path(sys.argv[1]), load_file(sys.argv[2])
HEADS = json.loads(Path(sys.argv[2]).with_name("config.json").read_text())["num_attention_heads"]
GRAPH, VALUE = "_CHECKPOINTABLE_OBJECT_GRAPH", "/.ATTRIBUTES/VARIABLE_VALUE"
Variables = dict[str, tuple[str, numpy.ndarray]]
"""By key: the variable's own name, and its values."""


def attribute(key: str, name: str, more: bytes = b"") -> bytes:
    return message(2, message(1, b"VARIABLE_VALUE") + message(2, name.encode("latin1")) + message(3, key.encode()) + more)


def graph_of(names: list[tuple[str, str]]) -> bytes:
    """A node a variable, held by the first."""
    children = b"".join(message(1, number(1, place + 1) + message(2, b"child")) for place in range(len(names)))
    return message(1, children) + b"".join(message(1, attribute(key, name) + message(5, number(1, 1))) for key, name in names)


def text(content: bytes) -> tuple[bytes, int]:
    """As it lies in the file, and the checksum of its entry."""
    counted = struct.pack("<I", len(content))
    given = struct.pack("<I", masked(counted))
    return varint(len(content)) + given + content, masked(counted + given + content)


def write(name: str, variables: Variables, graph: bytes | None = None, stored: bytes | None = None, other: bytes | None = None, more: dict[str, bytes] | None = None) -> None:
    """`graph`: instead of the one that names the variables; `stored`: its bytes in the file; `other`: its entry; `more`: other texts."""
    entries, data = lay({key: values for key, (_, values) in variables.items()})
    content = graph_of([(key, called) for key, (called, _) in variables.items()]) if graph is None else graph
    for key, what in {GRAPH: content, **(more or {})}.items():
        raw, crc = text(what)
        raw = stored if stored is not None and key == GRAPH else raw
        entries[key.encode()] = other if other and key == GRAPH else entry(STRING, (), len(data[0]), len(raw), crc)
        data[0] += raw
    (folder / f"{name}.ckpt.index").write_bytes(table(in_blocks(dict(sorted(entries.items())))))
    (folder / f"{name}.ckpt.data-00000-of-00001").write_bytes(data[0])


def keras(key_of: dict[str, str] | None = None) -> Variables:
    """As transformers 4 names a TFBertForSequenceClassification."""
    made: Variables = {}
    for tensor, values in weights.items():
        *steps, last = tensor.split(".")
        if steps[-1] == "LayerNorm":
            last = {"weight": "gamma", "bias": "beta"}[last]
        elif last == "weight":
            last = "weight" if steps[-1] == "word_embeddings" else "embeddings" if steps[-1].endswith("_embeddings") else "kernel"
        scope = "/".join(steps)
        kernel = last == "kernel"
        own = f"bert/{scope}/{last}".replace("attention/self", "attention/self_attention").replace("/output/", "/dense_output/")
        called = f"tf_bert_for_sequence_classification/bert/{scope.replace('layer/', 'layer_._')}/{last}"
        made[own + VALUE] = (called, numpy.ascontiguousarray(values.T if kernel else values))
    return made | {f"classifier/bias{VALUE}": ("tf_bert_for_sequence_classification/classifier/bias", numpy.ones(2, "float32"))}


GARDEN = {
    "embeddings.word_embeddings.weight": "word_embeddings/embeddings",
    "embeddings.position_embeddings.weight": "position_embedding/embeddings",
    "embeddings.token_type_embeddings.weight": "type_embeddings/embeddings",
    "embeddings.LayerNorm": "embeddings/layer_norm",
    "pooler.dense": "pooler_transform",
    "attention.self": "self_attention",
    "attention.output.dense": "self_attention/attention_output",
    "attention.output.LayerNorm": "self_attention_layer_norm",
    "intermediate.dense": "intermediate",
    "output.dense": "output",
    "output.LayerNorm": "output_layer_norm",
}


def garden(model: str = "", heads: int = HEADS) -> Variables:
    """As Google's BertEncoder (or below a model's name, BertEncoderV2) is saved: the heads are a dimension."""
    made: Variables = {}
    for place, (tensor, values) in enumerate(weights.items()):
        name, last = tensor.rsplit(".", 1)
        layer = name.split(".")[2] if name.startswith("encoder.") else None
        inside = name if layer is None else name.split(".", 3)[3]
        if tensor in GARDEN:
            called = GARDEN[tensor]
        else:
            kind = {"weight": "gamma", "bias": "beta"}[last] if name.endswith("LayerNorm") else {"weight": "kernel", "bias": "bias"}[last]
            own = GARDEN[inside] if inside in GARDEN else f"self_attention/{inside.rsplit('.', 1)[1]}"
            called = f"{'' if layer is None else f'transformer/layer_{layer}/'}{own}/{kind}"
            values = values.T if kind == "kernel" else values
        if ".self." in name:
            values = values.reshape(*values.shape[:-1], heads, -1)
        elif name.endswith("attention.output.dense") and last == "weight":
            values = values.reshape(heads, -1, values.shape[-1])
        made[f"encoder/layer_with_weights-{place}{VALUE}"] = (f"{model}{called}", numpy.ascontiguousarray(values))
    return made


honest = keras()
BIAS = f"bert/encoder/layer/0/attention/self_attention/query/bias{VALUE}"
QUERY = honest[BIAS][0]
kept = {f"optimizer/_variables/{place}{VALUE}": (f"Adam/m/{called}", values * 0) for place, (called, values) in enumerate(honest.values())}
kept |= {key.replace("/.ATTRIBUTES", f"/.OPTIMIZER_SLOT/optimizer/{slot}/.ATTRIBUTES"): (f"Adam/{called}/{slot}", values * 0) for slot in "mv" for key, (called, values) in honest.items()}
counters = {f"save_counter{VALUE}": ("save_counter", numpy.array(1, "int64")), f"keras_api/metrics/0/total{VALUE}": ("total", numpy.array(1, "float32"))}
write("honest", honest)
write("training", {f"model/{key}" if key.startswith("bert") else key: value for key, value in (honest | kept | counters).items()})
write("saved-model", {f"variables/{place}{VALUE}": value for place, value in enumerate(honest.values())})
write("own-model", {f"enc/{key}": (f"my/tf_bert_model_1/{called.split('/', 1)[1]}", values) for key, (called, values) in honest.items()})
write("old-keras", honest, more={"bert/.ATTRIBUTES/OBJECT_CONFIG_JSON": b'{"class_name": "Lambda"}'})
write("long-head", honest | {f"head/bias{VALUE}": ("h" * 500, numpy.ones(2, "float32"))})
write("no-pooler", {key: value for key, value in honest.items() if "/pooler/" not in key})
write("garden", garden() | {f"masked_lm/bias{VALUE}": ("cls/predictions/output_bias/bias", numpy.ones(3, "float32"))})
write("garden-v2", garden("bert_encoder_v2/"))


def pooler_of(model: Variables, other: Variables) -> Variables:
    """The model without its pooler, and of the other that alone."""
    own = {key: value for key, value in model.items() if "pooler" not in value[0]}
    return own | {f"other/{key}": value for key, value in other.items() if "pooler" in value[0]}


write("garden-part", pooler_of(garden("bert_encoder/"), garden()))
write("two-gardens", pooler_of(garden("bert_encoder/"), garden("bert_encoder_1/")))
write("two-models", pooler_of(honest, {key: (called.replace("classification/", "classification_1/"), values) for key, (called, values) in honest.items()}))
write("two-nested", pooler_of({key: (f"bert/{called}", values) for key, (called, values) in honest.items() if "/bert/" in called}, honest))

# What the keys are called.
named = [(key, called) for key, (called, _) in honest.items()]
write("unnamed", honest, graph_of([pair for pair in named if pair[0] != BIAS]))
write("nameless", honest, graph_of([pair if pair[0] != BIAS else (BIAS, "") for pair in named]))
write("two-names", honest, graph_of([*named, (BIAS, "tf_bert_model/bert/pooler/dense/bias")]))
write("same-name", honest | {f"other/bias{VALUE}": (QUERY.replace("classification/", "classification_1/"), honest[BIAS][1])})
write("odd-key", honest | {"bert/bias": (QUERY, honest[BIAS][1])})
write("escape", honest, graph_of([pair if pair[0] != BIAS else (BIAS, "tf/bert/\x1b[2J") for pair in named]))
write("latin", honest, graph_of([pair if pair[0] != BIAS else (BIAS, "tf/bert/\xe9") for pair in named]))
write("long-name", honest, graph_of([*named, ("bert/" + "x" * 600, "y")]))
write("missing", {key: value for key, value in honest.items() if key != BIAS})
write("shape", honest | {BIAS: (QUERY, numpy.ones(33, "float32"))})
write("type", honest | {BIAS: (QUERY, numpy.ones(32, "int32"))})
write("more-layers", honest | {f"x/bias{VALUE}": ("tf_bert_for_sequence_classification/bert/encoder/layer_._7/output/dense/bias", numpy.ones(3, "float32"))})
write("other-heads", garden(heads=2 * HEADS))
write("projection", garden() | {f"p/kernel{VALUE}": ("embedding_projection/kernel", numpy.ones((3, 2), "float32"))})
write("unknown-model", {f"layer_with_weights-0/kernel{VALUE}": ("my_model/dense/kernel", numpy.ones((2, 2), "float32"))})
# The graph.
write("no-message", honest, b"\xff" * 40)
write("cut-message", honest, graph_of(named)[:-3])
write("odd-field", honest, graph_of(named) + number(2, 1))
write("odd-node", honest, graph_of(named) + message(1, message(9, b"")))
write("odd-attribute", honest, graph_of([]) + message(1, attribute(BIAS, QUERY, number(7, 1))))
write("name-twice", honest, graph_of([]) + message(1, attribute(BIAS, QUERY, message(2, b"other"))))
write("many", honest, message(1, b"") * 200_001)
sound, crc = text(graph_of(named))
at = sum(values.nbytes for _, values in honest.values())
write("damaged", honest, stored=sound[:-1] + b"\0")
write("length", honest, stored=b"\xff" + sound[1:])
write("longer", honest, stored=sound + b"\0")
write("empty", honest, stored=b"")
write("numbers", honest, other=entry(FLOAT, (2,), at, 8, crc))
write("texts", honest, other=entry(STRING, (2,), at, len(sound), crc))
write("beyond", honest, other=entry(STRING, (), at, 1 << 62, crc))
write("within", honest, other=entry(STRING, (), 0, len(sound), crc))
write("unchecked", honest, other=entry(STRING, (), at, len(sound), None))
write("more-text", honest, more={f"bert/words{VALUE}": b"text"})

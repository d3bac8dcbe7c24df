"""Checkpoints laid out as TensorFlow's Saver writes them, honest and hostile, into the folder argv[1], each X.ckpt.index with its shards.
argv[2]: honest weights of a BERT (safetensors)."""

import struct
import sys
from pathlib import Path

import numpy
from bundle_writer import FLOAT, FOOTER, STRING, VARIANT, block, entry, fixed, header, in_blocks, lay, message, number, sealed, table
from safetensors.numpy import load_file

folder, weights = Path(sys.argv[1]), load_file(sys.argv[2])


def variable(name: str) -> tuple[str, bool]:
    *steps, last = name.split(".")
    scope = "bert/" + "/".join(steps).replace("layer/", "layer_")
    if steps[-1].endswith("_embeddings"):
        return scope, False
    if steps[-1] == "LayerNorm":
        return f"{scope}/{ {'weight': 'gamma', 'bias': 'beta'}[last] }", False
    return f"{scope}/{ {'weight': 'kernel', 'bias': 'bias'}[last] }", last == "weight"


def variables(model: dict[str, numpy.ndarray] = weights) -> dict[str, numpy.ndarray]:
    turned = {variable(name): values for name, values in model.items()}
    return {path: numpy.ascontiguousarray(values.T if other else values) for (path, other), values in turned.items()}


def write(name: str, index: bytes, data: list[bytes]) -> None:
    (folder / f"{name}.ckpt.index").write_bytes(index)
    for number, content in enumerate(data):
        (folder / f"{name}.ckpt.data-{number:05d}-of-{len(data):05d}").write_bytes(content)


head = {"cls/predictions/output_bias": numpy.ones(7, "float32"), "output_weights": numpy.ones((2, 3), "float32")}
slots = {f"{name}/{slot}": array * 0 for name, array in variables().items() for slot in ("adam_m", "adam_v")}
released = variables() | head
for name, values, count in (
    ("honest", released, 1),
    ("shards", released, 3),
    ("no-pooler", {name: array for name, array in variables().items() if "/pooler/" not in name}, 1),
    ("slots", released | slots | {"global_step": numpy.array(1200, "int64")}, 2),
):
    entries, data = lay(values, count)
    write(name, table(in_blocks(entries)), data)

entries, data = lay(released)
blocks, items = in_blocks(entries), list(entries.items())
sound = table(blocks)
BIAS = b"bert/encoder/layer_0/attention/self/query/bias"
size = 4 * weights["encoder.layer.0.attention.self.query.bias"].size


def spoilt(name: str, value: bytes | None = None, **more: bytes) -> None:
    """The honest one with the query's bias entered as `value`, and what else."""
    changed = {key: old for key, old in entries.items() if key != BIAS or value is None}
    changed |= {} if value is None else {BIAS: value}
    changed |= {key.encode("latin1"): new for key, new in more.items()}
    write(name, table(in_blocks(dict(sorted(changed.items())))), data)


# The table.
write("words", b"not a table at all, and long enough to be one by its length", data)
write("cut-short", sound[: len(sound) // 2], data)
write("no-footer", sound[-40:], data)
flipped = bytearray(sound)
flipped[60] ^= 1
write("damaged", bytes(flipped), data)
write("snappy", table([(blocks[0][0], sealed(blocks[0][1][:-5], 1)), *blocks[1:]]), data)
index_at = sum(len(content) for _, content in blocks) + len(sealed(block([])))
write("cycle", table(blocks, {1: (index_at, 40)}), data)
write("same-block", table(blocks, {1: (0, len(blocks[0][1]) - 5)}), data)
write("skipped-block", table(blocks, {1: (len(blocks[0][1]) + len(blocks[1][1]), 40)}), data)
write("giant-block", table(blocks, {0: (0, 1 << 62)}), data)
write("giant-index", table(blocks, foot=(0, 8, 1 << 63, 1 << 63)), data)
write("foot", table(blocks)[:-12] + b"\x01\0\0\0" + FOOTER, data)
write("own-blocks", table(blocks, others=sealed(block([(b"filter", b"\0\0")]))), data)
write("restarts", table([(blocks[0][0], sealed(b"\0\1\1ab" + b"\xff" * 4)), *blocks[1:]]), data)
write("no-block", table([(b"zz", sealed(b"\0"))]), data)
write("shared", table([(b"zz", sealed(b"\x05\x01\x01ab" + struct.pack("<2I", 0, 1)))]), data)
write("long-key", table([(b"zz", sealed(b"\0\xff\xff\xff\xff\x0f\x01ab" + struct.pack("<2I", 0, 1)))]), data)
write("long-number", table([(b"zz", sealed(b"\xff" * 11 + struct.pack("<2I", 0, 1)))]), data)
write("unordered", table(in_blocks(dict([*items[:3], *items[:2:-1]]))), data)
write("doubled", table([(items[-1][0], sealed(block([*items[:3], *items[2:]])))]), data)
write("many", table(in_blocks({b"": header()} | {b"%06d" % count: b"" for count in range(20_001)}, 1_000)), data)

# The bundle.
write("no-header", table(in_blocks(dict(items[1:]))), data)
write("empty", table([]), data)
for name, given in (
    ("big-endian", header(1, 1)),
    ("no-shards", b""),
    ("too-many-shards", header(1 << 31)),
    ("more-shards", header(2)),
    ("odd-header", header() + number(9, 1)),
):
    write(name, table(in_blocks({**entries, b"": given})), data)
for name, value in {
    "text": entry(STRING, (8,), 0, size, 0),
    "variant": entry(VARIANT, (8,), 0, size, 0),
    "unknown-type": entry(99, (32,), 0, size, 0),
    "slices": entry(FLOAT, (32,), 0, size, 0, more=message(7, b"\x0a\0")),
    "no-checksum": entry(FLOAT, (32,), 0, size, None),
    "beyond": entry(FLOAT, (32,), len(data[0]), size, 0),
    "far-beyond": entry(FLOAT, (32,), (1 << 64) - 4, size, 0),
    "overlap": entry(FLOAT, (32,), 4, size, 0),
    "giant": entry(FLOAT, (1 << 31, 1 << 31), 0, 0, 0),
    "negative": entry(FLOAT, (-32,), 0, size, 0),
    "sizes": entry(FLOAT, (31,), 0, size, 0),
    "deep": entry(FLOAT, (1,) * 9, 0, 4, 0),
    "other-shard": entry(FLOAT, (32,), 0, size, 0, shard=1),
    "odd-field": entry(FLOAT, (32,), 0, size, 0, more=number(8, 1)),
    "field-twice": entry(FLOAT, (32,), 0, size, 0, more=number(4, 0) * 2),
    "cut-field": entry(FLOAT, (32,), 0, size, 0)[:-2],
    "unknown-shape": number(1, FLOAT) + message(2, number(3, 1)) + number(5, size) + fixed(6, 0),
}.items():
    spoilt(name, value)
spoilt("name", **{"bert/\x1b[2Jcleared": entry(FLOAT, (1,), 0, 4, 0)})
write("cut-data", sound, [data[0][:-8]])
position = data[0].index(variables()["bert/embeddings/word_embeddings"].tobytes())
write("wrong-value", sound, [data[0][: position + 40] + b"\1" + data[0][position + 41 :]])

# What the config asks for.
for name, values in {
    "missing": {name: array for name, array in released.items() if name.encode() != BIAS},
    "shape": {**released, BIAS.decode(): numpy.ones(33, "float32")},
    "type": {**released, BIAS.decode(): numpy.ones(32, "int32")},
    "more-layers": {**released, "bert/encoder/layer_7/output/dense/bias": numpy.ones(3, "float32")},
    "half-pooler": {name: array for name, array in released.items() if name != "bert/pooler/dense/bias"},
    "other-slot": {**released, "bert/pooler/dense/bias/lamb_m": numpy.ones(32, "float32")},
}.items():
    changed, shards = lay(values)
    write(name, table(in_blocks(changed)), shards)

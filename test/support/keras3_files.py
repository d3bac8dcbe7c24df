"""Weights as Keras 3 keeps them (x.weights.h5, and x.keras archives of them), of a BERT of transformers' class, honest and hostile, into the folder
argv[1]. argv[2]: honest weights (safetensors)."""

import struct
import sys
import zipfile
from pathlib import Path

import h5py
import numpy
from safetensors.numpy import load_file

folder, weights = Path(sys.argv[1]), load_file(sys.argv[2])
ATTRIBUTES = {"attention.self": "attention/self_attention", "attention.output": "attention/dense_output", "output": "bert_output", "intermediate": "intermediate"}
TABLES = ("word_embeddings", "token_type_embeddings", "position_embeddings")


def path_of(tensor: str) -> tuple[str, bool]:
    """Below the model, and whether it is held the other way round."""
    *steps, last = tensor.split(".")
    number = {"weight": 0, "bias": 1}[last]
    if steps[-1] in TABLES:
        return f"embeddings/vars/{TABLES.index(steps[-1])}", False
    if steps[0] == "encoder":
        place = "tf_bert_layer" if steps[2] == "0" else f"tf_bert_layer_{steps[2]}"
        steps = ["encoder", "layer", place, ATTRIBUTES[".".join(steps[3:-1])], steps[-1]]
    return f"{'/'.join(steps)}/vars/{number}", last == "weight" and steps[-1] != "LayerNorm"


def write(name: str, root: str = "layers/tf_bert_main_layer/", without: str = "", embeddings: str = "") -> h5py.File:
    """Open, to be spoilt. `embeddings`: where they are, if not in the model."""
    file = h5py.File(folder / f"{name}.weights.h5", "w")
    for tensor, values in weights.items():
        path, turned = path_of(tensor)
        if tensor != without:
            place = path.replace("embeddings/", embeddings) if embeddings and path.startswith("embeddings/") else f"{root}{path}"
            file[place] = values.T if turned else values
    file["layers/dense/vars/0"] = numpy.ones((3, 2), "<f4")
    file.create_group("layers/dropout/vars")
    return file


BIAS = "encoder.layer.1.attention.self.query.bias"
write("plain").close()
write("own-attribute", "encoder/bert/").close()
write("masked", embeddings="mlm/predictions/input_embeddings/").close()
with write("masked-twice", embeddings="mlm/predictions/input_embeddings/") as file:
    file["layers/tf_bert_main_layer/embeddings/vars/0"] = numpy.ones(3, "<f4")
with write("trained") as file:
    file["optimizer/vars/0"] = numpy.array(7, "<i8")
    file["optimizer/vars/1"] = numpy.ones(3, "<f4")
    file["layers/dropout/seed_generator/vars/0"] = numpy.ones(2, "<u4")
write("missing", without=BIAS).close()
with write("shape", without=BIAS) as file:
    file[f"layers/tf_bert_main_layer/{path_of(BIAS)[0]}"] = numpy.ones(33, "<f4")
with write("integers", without=BIAS) as file:
    file[f"layers/tf_bert_main_layer/{path_of(BIAS)[0]}"] = numpy.ones(32, "<i4")
with write("more") as file:
    file["layers/tf_bert_main_layer/encoder/layer/tf_bert_layer_7/intermediate/dense/vars/1"] = numpy.ones(3, "<f4")
with write("third-variable") as file:
    file["layers/tf_bert_main_layer/pooler/dense/vars/2"] = numpy.ones(3, "<f4")
with write("other-name") as file:
    file["layers/tf_bert_main_layer/pooler/dense/kernel"] = numpy.ones(3, "<f4")
with write("short-name") as file:
    file["layers/tf_bert_main_layer/bias"] = numpy.ones(3, "<f4")
with write("doubled") as file:
    file[f"layers/tf_bert_main_layer/{path_of(BIAS)[0].replace('tf_bert_layer_1', 'tf_other_layer_1')}"] = weights[BIAS]
with write("two-models") as file:
    file["layers/tf_bert_main_layer_1/embeddings/LayerNorm/vars/0"] = numpy.ones(3, "<f4")
with write("linked", without=BIAS) as file:
    file[f"layers/tf_bert_main_layer/{path_of(BIAS)[0]}"] = h5py.ExternalLink("/etc/passwd", "/stolen")
with h5py.File(folder / "unknown.weights.h5", "w") as file:
    file["layers/transformer_encoder/vars/0"] = numpy.ones(3, "<f4")

PLAIN = (folder / "plain.weights.h5").read_bytes()
CODE = '{"class_name": "Lambda", "config": {"function": "code"}}'


def archive(name: str, members: list[tuple[str, bytes | str]], kind: int = zipfile.ZIP_STORED, before: bytes = b"") -> None:
    path = folder / f"{name}.keras"
    path.write_bytes(before)
    with zipfile.ZipFile(path, "a", kind) as file:
        for member, content in members:
            file.writestr(member, content)


whole: list[tuple[str, bytes | str]] = [("metadata.json", "{}"), ("config.json", CODE), ("model.weights.h5", PLAIN)]
archive("archive", whole)
archive("compressed", whole, zipfile.ZIP_DEFLATED)
archive("bomb", [*whole[:2], ("model.weights.h5", bytes(50 << 20))], zipfile.ZIP_DEFLATED)
archive("outside", [*whole, ("../stolen.h5", PLAIN)])
archive("assets", [*whole, ("assets/vocabulary.txt", "a")])
archive("twice", [*whole, ("model.weights.h5", PLAIN)])
archive("before", whole, before=b"#!/bin/sh\n")
archive("no-weights", whole[:2])
archive("no-hdf5", [*whole[:2], ("model.weights.h5", "words")])
content = bytearray((folder / "archive.keras").read_bytes())
content[content.index(weights[BIAS].tobytes())] ^= 1
(folder / "damaged.keras").write_bytes(content)
(folder / "cut.keras").write_bytes(content[: len(content) // 2])
# A member that says of itself that it is longer than the file.
entry = content.rindex(b"PK\x01\x02")
content[entry + 20 : entry + 28] = struct.pack("<II", 1 << 30, 1 << 30)
(folder / "longer.keras").write_bytes(content)
# One that lies within another, and one that begins far behind the file, as only zip64 can say it.
content = bytearray((folder / "archive.keras").read_bytes())
entry = content.index(b"PK\x01\x02", content.index(b"PK\x01\x02") + 1)
content[entry + 42 : entry + 46] = struct.pack("<I", 5)
(folder / "overlapping.keras").write_bytes(content)
content = bytearray((folder / "archive.keras").read_bytes())
entry, end = content.rindex(b"PK\x01\x02"), content.rindex(b"PK\x05\x06")
content[entry + 30 : entry + 32], content[entry + 42 : entry + 46] = struct.pack("<H", 12), b"\xff" * 4
content[end + 12 : end + 16] = struct.pack("<I", struct.unpack_from("<I", content, end + 12)[0] + 12)
content[end:end] = struct.pack("<HHQ", 1, 8, 1 << 62)
(folder / "behind.keras").write_bytes(content)

"""tf_model.h5 files, and in folders of their own parts and their index, laid out as transformers 4's TensorFlow classes save a BERT, honest and hostile, into the folder argv[1].
argv[2]: honest weights (safetensors). Whoever opens what a hostile one points to waits for ever: it is a pipe nobody writes to."""

import json
import os
import shutil
import struct
import sys
from pathlib import Path

import h5py
import numpy
from safetensors.numpy import load_file

folder, weights = Path(sys.argv[1]), load_file(sys.argv[2])
outside = folder / "outside.pipe"
os.mkfifo(outside)
BIAS, KERNEL = "encoder.layer.0.attention.self.query.bias", "encoder.layer.0.attention.self.query.weight"


def keras_path(name: str, model: str) -> tuple[str, bool]:
    """Keras's path of a tensor below the encoder's group, and whether it is held the other way round."""
    *steps, last = name.split(".")
    scope = "/".join(steps).replace("layer/", "layer_._")
    norm, embedding = steps[-1] == "LayerNorm", steps[-1].endswith("_embeddings")
    if norm:
        last = {"weight": "gamma", "bias": "beta"}[last]
    elif last == "weight":
        last = ("weight" if steps[-1] == "word_embeddings" else "embeddings") if embedding else "kernel"
    return f"{model}/bert/{scope}/{last}:0", last == "kernel"


def write(name: str, model: str = "tf_bert_model", without: tuple[str, ...] = (), **more: object) -> h5py.File:
    """Open, to be spoilt."""
    file = h5py.File(folder / name, "w", **more)
    file.attrs["layer_names"], file.attrs["backend"] = ["bert"], "tensorflow"
    file.create_group("top_level_model_weights")
    group = file.create_group("bert")
    group.attrs["weight_names"] = [keras_path(tensor, model)[0] for tensor in weights]
    for tensor, values in weights.items():
        path, turned = keras_path(tensor, model)
        if tensor not in without:
            group.create_dataset(path, data=values.T if turned else values)
    return file


def path_of(tensor: str) -> str:
    return f"bert/{keras_path(tensor, 'tf_bert_model')[0]}"


write("honest.h5").close()
write("no-pooler.h5", without=tuple(name for name in weights if name.startswith("pooler."))).close()
with write("with-head.h5", "tf_bert_for_masked_lm") as file:
    # The head shares the embeddings, and so Keras saves them below it, too.
    head = file.create_group("mlm___cls")
    head.create_dataset("tf_bert_for_masked_lm/mlm___cls/predictions/bias:0", data=numpy.ones(7, "<f4"))
    head.create_dataset(keras_path("embeddings.word_embeddings.weight", "tf_bert_for_masked_lm")[0], data=numpy.ones((7, 3), "<f4"))

write("missing.h5", without=(KERNEL, BIAS)).close()
write("half-pooler.h5", without=("pooler.dense.bias",)).close()
with write("shape.h5", without=(BIAS,)) as file:
    file[path_of(BIAS)] = numpy.ones(weights[BIAS].size + 1, "<f4")
with write("more-layers.h5") as file:
    file[path_of("encoder.layer.7.output.dense.bias")] = numpy.ones(3, "<f4")
with write("doubled.h5") as file:
    file[f"bert/other_model/bert/{path_of(BIAS).split('/bert/')[1]}"] = weights[BIAS]
with write("model.h5") as file:
    file.attrs["model_config"] = '{"class_name": "Functional", "config": {"layers": [{"class_name": "Lambda"}]}}'

with write("external-link.h5", without=(BIAS,)) as file:
    file[path_of(BIAS)] = h5py.ExternalLink(str(outside), "/stolen")
with write("slash.h5") as file:
    file["a/b"] = h5py.ExternalLink(str(outside), "/stolen")
    file["a_b"] = numpy.ones(3, "<f4")
# The library takes such a name for a way, and goes it through the link.
slash = folder / "slash.h5"
slash.write_bytes(slash.read_bytes().replace(b"a_b\0", b"a/b\0"))
with write("soft-link.h5", without=(BIAS,)) as file:
    file[path_of(BIAS)] = h5py.SoftLink(f"/{path_of('encoder.layer.0.attention.self.key.bias')}")
with write("soft-cycle.h5") as file:
    file["bert/again"] = h5py.SoftLink("/bert")
with write("hard-cycle.h5") as file:
    file["bert/again"] = file["bert"]
with write("root-cycle.h5") as file:
    file["bert/again"] = file["/"]
with write("two-names.h5", without=(BIAS,)) as file:
    file[path_of(BIAS)] = file[path_of("encoder.layer.0.attention.self.key.bias")]
with write("external-storage.h5", without=(BIAS,)) as file:
    size = weights[BIAS].size
    file.create_dataset(path_of(BIAS), (size,), "<f4", external=[(str(outside), 0, 4 * size)])
with write("virtual.h5", without=(BIAS,)) as file:
    layout = h5py.VirtualLayout(weights[BIAS].shape, "<f4")
    layout[:] = h5py.VirtualSource(str(outside), "stolen", shape=weights[BIAS].shape)
    file.create_virtual_dataset(path_of(BIAS), layout)

for name, options in (("gzip", {"compression": "gzip"}), ("shuffle", {"shuffle": True, "chunks": True}), ("chunked", {"chunks": True})):
    with write(f"{name}.h5", without=(BIAS,)) as file:
        file.create_dataset(path_of(BIAS), data=weights[BIAS], **options)
with write("unknown-filter.h5", without=(BIAS,)) as file:
    made = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    made.set_chunk(weights[BIAS].shape)
    made.set_filter(32015, h5py.h5z.FLAG_OPTIONAL, ())
    names = h5py.h5p.create(h5py.h5p.LINK_CREATE)
    h5py.h5d.create(file.id, path_of(BIAS).encode(), h5py.h5t.IEEE_F32LE, h5py.h5s.create_simple(weights[BIAS].shape), made, lcpl=names)
for name, dtype in (("integers", "<i4"), ("big-endian", ">f4"), ("complex", "<c8"), ("text", h5py.string_dtype()), ("reference", h5py.ref_dtype)):
    with write(f"{name}.h5", without=(BIAS,)) as file:
        file.create_dataset(path_of(BIAS), weights[BIAS].shape, dtype)
with write("named-type.h5") as file:
    file["bert/type"] = numpy.dtype("<f4")
with write("absurd.h5", without=(BIAS,)) as file:
    file.create_dataset(path_of(BIAS), (1 << 31, 1 << 29), "<f4")
with write("empty.h5", without=(BIAS,)) as file:
    file.create_dataset(path_of(BIAS), data=h5py.Empty("<f4"))
with write("deep.h5") as file:
    file.create_group("/".join(["bert", *"abcdefghijklmnopqrstuvwxyz"]))
with write("many.h5") as file:
    for number in range(8_000):
        file["bert"].create_group(str(number))
with write("name.h5") as file:
    file.create_group("bert/\x1b[2Jcleared")
write("user-block.h5", userblock_size=512).close()

honest = (folder / "honest.h5").read_bytes()
(folder / "truncated.h5").write_bytes(honest[: len(honest) * 2 // 3])
(folder / "words.h5").write_bytes(b"not an HDF5 file at all")
(folder / "broken.h5").write_bytes(honest[:8] + b"\xff" * 200 + honest[208:])
# A layout (version 3, contiguous) whose place was never given points to where the first array lies: three of one size overlap.
count = 100_000
with h5py.File(folder / "overlap.h5", "w") as file:
    place = file.create_dataset("bert/first", data=numpy.ones(count, "<f4")).id.get_offset()
    for name in ("second", "third"):
        file.create_dataset(f"bert/{name}", (count,), "<f4")
unplaced = b"\x03\x01" + b"\xff" * 8 + struct.pack("<Q", 4 * count)
bytes_of = (folder / "overlap.h5").read_bytes()
assert bytes_of.count(unplaced) == 2
(folder / "overlap.h5").write_bytes(bytes_of.replace(unplaced, b"\x03\x01" + struct.pack("<QQ", place, 4 * count)))


def parts(name: str, count: int = 3) -> tuple[Path, dict[str, str]]:
    """The folder, and which part the index names for which array."""
    place, names = folder / name, {}
    place.mkdir()
    for number in range(count):
        file = f"tf_model-{number + 1:05d}-of-{count:05d}.h5"
        with h5py.File(place / file, "w") as part:
            part.attrs["layer_names"] = ["any"]
            for tensor in list(weights)[number::count]:
                path, turned = keras_path(tensor, "tf_bert_model")
                part[path.split("/", 1)[1]] = weights[tensor].T if turned else weights[tensor]
                names[path] = file
    return place, names


def index(place: Path, names: object, text: str | None = None) -> None:
    (place / "tf_model.h5.index.json").write_text(text or json.dumps({"metadata": {"total_size": 1}, "weight_map": names}))


QUERY = f"tf_bert_model/{path_of(BIAS).split('/', 2)[2]}"
FIRST = "tf_model-00001-of-00003.h5"
index(*parts("parts"))
place, names = parts("part-missing")
(place / names[QUERY]).unlink()
index(place, names)
place, names = parts("part-outside")
shutil.copy(place / names[QUERY], folder / "outside.bin")
index(place, {**names, QUERY: "../outside.bin"})
place, names = parts("part-elsewhere")
index(place, {**names, QUERY: next(file for file in names.values() if file != names[QUERY])})
place, names = parts("part-unnamed")
index(place, {name: file for name, file in names.items() if name != QUERY})
place, names = parts("part-doubled")
index(place, {**names, QUERY.replace("tf_bert_model", "another"): FIRST})
place, names = parts("part-linked")
with h5py.File(place / FIRST, "a") as part:
    part["bert/stolen"] = h5py.ExternalLink(str(outside), "/stolen")
index(place, {**names, "tf_bert_model/bert/stolen": FIRST})
place, names = parts("part-cut")
(place / FIRST).write_bytes((place / FIRST).read_bytes()[:-600])
index(place, names)
for name, text in (("index-twice", '{"weight_map": {"a": "b", "a": "c"}}'), ("index-deep", "[" * 100_000), ("index-list", '{"weight_map": ["a"]}')):
    index(parts(name)[0], None, text)

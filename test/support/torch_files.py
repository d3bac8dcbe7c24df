"""Torch files, honest and hostile, into the folder argv[1]; a hostile one that is ever opened creates argv[2]. argv[3]: honest weights."""

import io
import os
import pickle
import pickletools
import runpy
import struct
import sys
import tarfile
import zipfile
from collections import OrderedDict
from pathlib import Path

import torch
from safetensors.torch import load_file

folder, touched, weights = Path(sys.argv[1]), sys.argv[2], load_file(sys.argv[3])


class System:
    def __reduce__(self):
        return os.system, (f"touch {touched}",)


class Runpy:
    def __reduce__(self):
        return runpy._run_code, (f"open({touched!r}, 'w')", {})


def saved(value: object, name: str, **more: object) -> bytes:
    torch.save(value, folder / name, **more)
    return (folder / name).read_bytes()


honest = saved(weights, "honest.bin")
saved(dict(weights), "legacy.bin", _use_new_zipfile_serialization=False)
saved({"a": weights["embeddings.LayerNorm.weight"], "b": weights["embeddings.LayerNorm.weight"]}, "tied.bin")
saved({"a": torch.ones(1).expand(10**6, 10**6)}, "expanded.bin")
saved({"model": dict(weights)}, "nested.bin")
saved([weights], "list.bin")
saved({"a": torch.ones(2).to_sparse()}, "sparse.bin")

# What a model of 2019 left: a state dict with its modules' versions, one storage for two tensors, numbers of many kinds.
described = OrderedDict({**weights, "tied": weights["embeddings.LayerNorm.weight"], "ids": torch.arange(512).expand((1, -1)), "half": torch.ones(3).half()})
described._metadata = OrderedDict({"": {"version": 1}, "embeddings": {"version": 1}})
old_form = saved(described, "described-legacy.bin", _use_new_zipfile_serialization=False)
saved(described, "described.bin")
saved({"a": torch.nn.Parameter(torch.ones(2))}, "parameter-legacy.bin", _use_new_zipfile_serialization=False)
saved(torch.nn.Linear(2, 2), "module-legacy.bin", _use_new_zipfile_serialization=False)
saved({"a": Runpy(), **weights}, "runpy-legacy.bin", _use_new_zipfile_serialization=False)
saved({"model": dict(weights), "optimizer": {"lr": 1}}, "nested-legacy.bin", _use_new_zipfile_serialization=False)
(folder / "behind-legacy.bin").write_bytes(old_form + pickle.dumps(System(), protocol=2))
(folder / "short-legacy.bin").write_bytes(old_form[:-4])
# torch leaves the memory of a storage as it found it that the file does not list.
two = saved({"a": torch.ones(2), "b": torch.zeros(3)}, "two-legacy.bin", _use_new_zipfile_serialization=False)
stream = io.BytesIO(two)
for _ in range(4):
    list(pickletools.genops(stream))
before, first = two[: stream.tell()], pickle.loads(two[stream.tell() :])[:1]
(folder / "unlisted-legacy.bin").write_bytes(before + pickle.dumps(first, protocol=2) + two[-(8 + 12) - (8 + 8) :][: 8 + 8])
more = two.replace(struct.pack("<q", 3), struct.pack("<q", 2))
assert more != two
(folder / "lying-legacy.bin").write_bytes(more)

saved({"a": System()}, "system-zip.bin")
saved({"a": Runpy()}, "runpy-zip.bin")
saved(System(), "system-legacy.bin", _use_new_zipfile_serialization=False)
(folder / "system-raw.bin").write_bytes(pickle.dumps(System(), protocol=2))
(folder / "protocol-0.bin").write_bytes(pickle.dumps(System(), protocol=0))


def rezipped(name: str, change: dict[str, bytes | None], more: list[tuple[str, bytes]] = (), method: int = zipfile.ZIP_STORED) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(honest)) as archive, zipfile.ZipFile(target, "w", method) as out:
        for info in archive.infolist():
            content = change.get(info.filename.split("/", 1)[1], archive.read(info))
            if content is not None:
                out.writestr(info.filename, content)
        for path, content in more:
            out.writestr(path, content)
    (folder / name).write_bytes(target.getvalue())
    return target.getvalue()


# As PyTorch 1.6 wrote them: storages by their address, and nothing beside them but a version.
old = zipfile.ZipFile(io.BytesIO(saved({"a": torch.ones(2), "b": torch.zeros(3)}, "old.bin")))
addresses = {key: str(94033287498624 + 64 * int(key)).encode() for key in ("0", "1")}
pickled = old.read("old/data.pkl")
for key, address in addresses.items():
    pickled = pickled.replace(b"X\x01\0\0\0" + key.encode() + b"q", b"X\x0e\0\0\0" + address + b"q")
    assert address in pickled
with zipfile.ZipFile(folder / "old.bin", "w") as out:
    out.writestr("archive/data.pkl", pickled)
    for key, address in addresses.items():
        out.writestr(f"archive/data/{address.decode()}", old.read(f"old/data/{key}"))
    out.writestr("archive/version", b"3\n")

evil = pickle.dumps(System(), protocol=2)
plain = zipfile.ZipFile(io.BytesIO(honest)).read("honest/data.pkl")
rezipped("second-pickle.bin", {"data.pkl": plain + evil})
rezipped("broken-pickle.bin", {"data.pkl": evil[:-1]})
rezipped("other-pickle.bin", {}, [("honest/other.pkl", evil)])
rezipped("doubled.bin", {}, [("honest/data.pkl", evil)])
rezipped("two-tops.bin", {}, [("other/data.pkl", evil)])
rezipped("up.bin", {}, [("../data.pkl", evil)])
rezipped("absolute.bin", {}, [("/honest/data.pkl", evil)])
rezipped("torchscript.bin", {}, [("honest/code/__torch__.py", b"")])
rezipped("nested-zip.bin", {}, [("honest/inner.zip", honest)])
rezipped("compressed.bin", {}, method=zipfile.ZIP_DEFLATED)
rezipped("no-pickle.bin", {"data.pkl": None})
rezipped("big-endian.bin", {"byteorder": b"big"})
bad = bytearray(rezipped("bad-crc.bin", {"data.pkl": evil}))
at = bad.index(b"PK\x01\x02")
bad[at + 16 : at + 20] = struct.pack("<I", 1)
(folder / "bad-crc.bin").write_bytes(bad)
encrypted = bytearray(rezipped("encrypted.bin", {}))
encrypted[encrypted.index(b"PK\x01\x02") + 8] |= 1
(folder / "encrypted.bin").write_bytes(encrypted)
(folder / "behind.bin").write_bytes(honest + evil)
(folder / "before.bin").write_bytes(evil + honest)
(folder / "truncated.bin").write_bytes(honest[: len(honest) // 2])
(folder / "empty.bin").write_bytes(b"")
(folder / "text.bin").write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
with tarfile.open(folder / "tar.bin", "w") as tar:
    member = tarfile.TarInfo("pickle")
    member.size = len(evil)
    tar.addfile(member, io.BytesIO(evil))

"""Where the arrays of an HDF5 file lie, found by h5py without reading one: names, shapes and places of plain, contiguous floats.

HDF5 can point to other files (external links, external storage, virtual datasets), load plugins to decode, and hold itself as a
part. Keras writes groups and contiguous arrays, nothing else: whatever it does not write is refused before the library follows it.
"""

import os
from pathlib import Path
from typing import Any

from .failure import ConvertError, unsafe
from .stored_array import StoredArray, bytes_of

SIGNATURE = b"\x89HDF\r\n\x1a\n"
# transformers' TensorFlow encoders have some thousand arrays and groups at most, eight deep.
MAX_OBJECTS, MAX_DEPTH, MAX_NAME_LENGTH, MAX_RANK = 8_000, 16, 200, 4
# What Keras keeps beside the weights, in integers too: the optimiser's state and the seeds of dropout. It is not opened.
NOT_OPENED, SEEDS = "optimizer", "seed_generator"
# No plugin is ever looked for (HDF5's word for it), and nothing is locked in a folder that is only read.
ENVIRONMENT = {"HDF5_PLUGIN_PRELOAD": "::", "HDF5_USE_FILE_LOCKING": "FALSE"}


def read_hdf5(path: Path) -> tuple[dict[str, StoredArray], str]:
    """The arrays by their paths ('/' between groups), and h5py's version. Throws UnsafeModel for what Keras does not write."""
    with path.open("rb") as file:
        if file.read(len(SIGNATURE)) != SIGNATURE:
            raise unsafe(f"{path.name} does not begin as an HDF5 file: Keras did not write it")
    os.environ.update(ENVIRONMENT)
    import h5py  # after the environment: it is read once

    try:
        file = h5py.h5f.open(os.fsencode(path), h5py.h5f.ACC_RDONLY)
        try:
            if h5py.h5a.exists(file, b"model_config"):
                raise unsafe(f"{path.name} is a whole Keras model (model_config), whose layers may be code: only weights are read (save_weights)")
            return _Walk(h5py, path).arrays(h5py.h5g.open(file, b"/")), h5py.__version__
        finally:
            file.close()
    except (ConvertError, MemoryError):
        raise
    except Exception as error:  # OSError, RuntimeError, KeyError, ValueError, TypeError: h5py's words for what HDF5 finds broken
        raise unsafe(f"{path.name} is no sound HDF5 file: {str(error)[:200]}") from error


class _Walk:
    def __init__(self, h5py: Any, path: Path) -> None:
        self.h5py, self.file, self.file_bytes = h5py, path.name, path.stat().st_size
        self.seen: dict[int, str] = {}
        self.stored_bytes = 0

    def arrays(self, root: Any) -> dict[str, StoredArray]:
        found: dict[str, StoredArray] = {}
        self._count(root, b".", "/")
        pending = [(root, "", 0)]
        while pending:
            group, above, depth = pending.pop()
            for name in self._hard_links(group, above):
                path = f"{above}{name}"
                if path == NOT_OPENED or name == SEEDS:
                    continue
                kind = self._count(group, name.encode(), path)
                if kind == self.h5py.h5o.TYPE_GROUP:
                    if depth == MAX_DEPTH:
                        raise unsafe(f"group {path} of {self.file} lies more than {MAX_DEPTH} groups deep")
                    pending.append((self.h5py.h5g.open(group, name.encode()), f"{path}/", depth + 1))
                elif kind == self.h5py.h5o.TYPE_DATASET:
                    found[path] = self._array(self.h5py.h5d.open(group, name.encode()), path)
                else:
                    raise unsafe(f"{path} of {self.file} is neither a group nor an array")
        return found

    def _hard_links(self, group: Any, above: str) -> list[str]:
        """Names of what lies in this very file; the kind of each link is asked for before it is followed."""
        links: list[tuple[bytes, int]] = []

        def look(raw: bytes, link: Any) -> bool | None:
            # Nothing may be thrown from here: HDF5 calls it.
            links.append((bytes(raw), link.type))
            return True if len(self.seen) + len(links) > MAX_OBJECTS else None

        group.links.iterate(look, info=True)
        if len(self.seen) + len(links) > MAX_OBJECTS:
            raise unsafe(f"{self.file} has more than {MAX_OBJECTS} groups and arrays")
        return [self._name(raw, kind, above) for raw, kind in links]

    def _name(self, raw: bytes, kind: int, above: str) -> str:
        name = raw.decode("utf-8", "replace")
        shown = f"{above}{name}"
        if not 0 < len(name) <= MAX_NAME_LENGTH or not name.isprintable() or name.encode() != raw or name in (".", "..") or "/" in name:
            raise unsafe(f"{self.file} has the name {shown[:80]!r}, which no array or group of Keras has")
        if kind != self.h5py.h5l.TYPE_HARD:
            kinds = {self.h5py.h5l.TYPE_SOFT: "a soft link", self.h5py.h5l.TYPE_EXTERNAL: "a link to another file"}
            raise unsafe(f"{shown} of {self.file} is {kinds.get(kind, 'a link of an unknown kind')}, which Keras never writes")
        return name

    def _count(self, group: Any, name: bytes, path: str) -> int:
        """The object's kind. Each may be reached in one way only: a group in itself would have no end."""
        info = self.h5py.h5o.get_info(group, name)
        first = self.seen.setdefault(info.addr, path)
        if first != path:
            raise unsafe(f"{path} of {self.file} is {first} once more: a group in itself, or an array under two names")
        return info.type

    def _array(self, array: Any, path: str) -> StoredArray:
        made, where = array.get_create_plist(), f"{path} of {self.file}"
        if made.get_layout() == self.h5py.h5d.VIRTUAL:
            raise unsafe(f"{where} is virtual: its values lie in other files")
        if made.get_nfilters() != 0:
            raise unsafe(f"{where} is stored through filter {made.get_filter(0)[0]}, which Keras never uses for weights")
        if made.get_external_count() != 0:
            raise unsafe(f"the values of {where} lie in another file ({made.get_external(0)[0]!r})")
        if made.get_layout() != self.h5py.h5d.CONTIGUOUS:
            raise unsafe(f"{where} is not stored in one piece, as Keras does")
        kind = array.get_type()
        dtypes = {"<f2": self.h5py.h5t.IEEE_F16LE, "<f4": self.h5py.h5t.IEEE_F32LE, "<f8": self.h5py.h5t.IEEE_F64LE}
        dtype = next((name for name, known in dtypes.items() if kind.get_class() == self.h5py.h5t.FLOAT and kind.equal(known)), None)
        if dtype is None:
            raise unsafe(f"{where} does not hold little-endian floats of 16, 32 or 64 bits")
        return self._placed(array, dtype, where)

    def _placed(self, array: Any, dtype: str, where: str) -> StoredArray:
        space, offset = array.get_space(), array.get_offset()
        if space.get_simple_extent_type() == self.h5py.h5s.NULL or space.get_simple_extent_ndims() > MAX_RANK:
            raise unsafe(f"{where} has no shape that weights have")
        shape, size = tuple(space.get_simple_extent_dims()), bytes_of(dtype)
        for length in shape:
            size *= length
        self.stored_bytes += size
        # Python's numbers have no end: a product cannot wrap around.
        if size == 0 or offset is None or offset + size > self.file_bytes or size != array.get_storage_size():
            raise unsafe(f"{where} would have {size} bytes at {offset}, which are not in its {self.file_bytes}")
        if self.stored_bytes > self.file_bytes:
            raise unsafe(f"the arrays of {self.file} overlap")
        return StoredArray(dtype, shape, offset, size, self.file)

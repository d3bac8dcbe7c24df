"""Where the arrays of a TensorFlow checkpoint lie: its index (X.index), read by our own code without TensorFlow.

The index is a table (sstable.py) of tensors' names and BundleEntryProto messages, and under the empty name a BundleHeaderProto
(tensorflow/core/protobuf/tensor_bundle.proto). Values lie raw in X.data-NNNNN-of-NNNNN. Nothing in it is followed to other files:
shards are counted, and their names are ours to give.
"""

from dataclasses import dataclass
from math import prod
from pathlib import Path

from .failure import ConvertError, unsafe
from .object_graph import OBJECT_GRAPH
from .protobuf import BYTES, VARINT, read_fields
from .sstable import read_table
from .stored_array import StoredArray

MAX_INDEX_BYTES, MAX_SHARDS, MAX_RANK, MAX_LENGTH = 16 << 20, 1_000, 8, 1 << 40
LITTLE_ENDIAN = 0
# tensorflow/core/framework/types.proto: what has a fixed size, and numpy's name where weights may be of it.
SIZES = {1: 4, 2: 8, 3: 4, 4: 1, 5: 2, 6: 1, 8: 8, 9: 8, 10: 1, 14: 2, 17: 2, 18: 16, 19: 2, 22: 4, 23: 8}
FLOATS = {1: "<f4", 2: "<f8", 19: "<f2"}
TEXT = 7
OTHERS = {TEXT: "text (DT_STRING)", 20: "a resource (DT_RESOURCE)", 21: "a variant (DT_VARIANT)"}
# Texts of TensorFlow 2: how its objects hold each other, and what Keras 2.0 to 2.3 said of its layers beside them, which is never read.
TEXTS = (OBJECT_GRAPH, "/.ATTRIBUTES/OBJECT_CONFIG_JSON", "/.ATTRIBUTES/OBJECT_METADATA_JSON")


@dataclass(frozen=True)
class Bundle:
    arrays: dict[str, StoredArray]
    """By their names or, of a checkpoint of objects, keys."""
    objects: StoredArray | None
    """Where TensorFlow 2 says what its keys are."""


def read_bundle(index: Path, shards: list[Path]) -> Bundle:
    """Throws UnsafeModel for what TensorFlow does not write, BadModel when files of it are missing."""
    file = index.name
    if index.stat().st_size > MAX_INDEX_BYTES:
        raise unsafe(f"{file} has {index.stat().st_size} bytes, more than {MAX_INDEX_BYTES}")
    entries = read_table(index.read_bytes(), file)
    if not entries or entries[0][0] != b"":
        raise unsafe(f"{file} has no header: it is no index of a checkpoint")
    expected = _shard_names(file, _shard_count(entries[0][1], file))
    if [shard.name for shard in shards] != expected:
        raise ConvertError("BadModel", f"{file} is of {len(expected)} files with weights, {expected[0]} …, and there are {len(shards)}", ALL_PARTS)
    stored: dict[str, StoredArray] = {}
    for key, value in entries[1:]:
        name = _name(key, file)
        stored[name] = _array(value, shards, f"{name} of {file}", name.endswith(TEXTS))
    _require_apart(stored, {shard.name: shard.stat().st_size for shard in shards})
    return Bundle({name: array for name, array in stored.items() if array.dtype != OTHERS[TEXT]}, stored.get(OBJECT_GRAPH))


ALL_PARTS = "put the whole checkpoint into the folder: its .index and every one of its .data-… files"


def _shard_names(file: str, count: int) -> list[str]:
    prefix = file.removesuffix(".index")
    return [f"{prefix}.data-{number:05d}-of-{count:05d}" for number in range(count)]


def _shard_count(header: bytes, file: str) -> int:
    count, endianness = 0, LITTLE_ENDIAN
    for field, kind, value in read_fields(header, f"the header of {file}"):
        match field, kind:
            case 1, 0:
                count = value
            case 2, 0:
                endianness = value
            case 3, 2:
                pass  # the version: which TensorFlow wrote it
            case _:
                raise unsafe(f"the header of {file} has field {field} of kind {kind}, which TensorFlow's has not")
    if endianness != LITTLE_ENDIAN:
        raise unsafe(f"{file} was not written on a little-endian machine")
    if not 0 < count <= MAX_SHARDS:
        raise unsafe(f"{file} would have its weights in {count} files, not in 1 to {MAX_SHARDS}")
    return count


def _name(key: bytes, file: str) -> str:
    name = key.decode("ascii", "replace")
    if not name.isprintable() or not name.isascii():
        raise unsafe(f"{file} has the name {key[:80]!r}, which no variable of TensorFlow has")
    return name


def _array(entry: bytes, shards: list[Path], where: str, is_text: bool) -> StoredArray:
    dtype = shard = offset = size = 0
    crc, shape = None, ()  # what equals protobuf's default is not written
    for field, kind, value in read_fields(entry, where):
        match field, kind:
            case 1, 0:
                dtype = value
            case 2, 2:
                shape = _shape(value, where)
            case 3, 0:
                shard = value
            case 4, 0:
                offset = value
            case 5, 0:
                size = value
            case 6, 5:
                crc = value
            case 7, 2:
                raise unsafe(f"{where} is stored in slices, as a partitioned variable, which is not put together")
            case _:
                raise unsafe(f"{where} has field {field} of kind {kind}, which a tensor's entry has not")
    if dtype not in (*SIZES, TEXT) or is_text != (dtype == TEXT):
        raise unsafe(f"{where} holds {OTHERS.get(dtype, f'values of type {dtype}')}, not {'text' if is_text else 'numbers'}")
    if shard >= len(shards):
        raise unsafe(f"{where} would lie in file {shard} of {len(shards)}")
    if crc is None:
        raise unsafe(f"{where} has no checksum")
    if dtype == TEXT:  # of any length; the checksum is of its parts (object_graph.py)
        if shape != ():
            raise unsafe(f"{where} holds more than one text")
        return StoredArray(OTHERS[TEXT], shape, offset, size, shards[shard].name, crc)
    if size != prod(shape) * SIZES[dtype]:
        raise unsafe(f"{where} would have {size} bytes, its shape {list(shape)} has {prod(shape) * SIZES[dtype]}")
    return StoredArray(FLOATS.get(dtype, f"type {dtype}"), shape, offset, size, shards[shard].name, crc)


def _shape(message: bytes, where: str) -> tuple[int, ...]:
    lengths = []
    for field, kind, value in read_fields(message, f"the shape of {where}", (2,)):
        if (field, kind) != (2, BYTES):
            raise unsafe(f"the shape of {where} is unknown")
        length = 0
        for part, part_kind, given in read_fields(value, f"the shape of {where}"):
            if (part, part_kind) == (1, VARINT):
                length = given
            elif (part, part_kind) != (2, BYTES):  # a dimension may have a name
                raise unsafe(f"the shape of {where} has field {part} of kind {part_kind}, which a dimension has not")
        if length > MAX_LENGTH:  # a negative one, too
            raise unsafe(f"the shape of {where} has a length of {length}, more than {MAX_LENGTH}")
        lengths.append(length)
        if len(lengths) > MAX_RANK:
            raise unsafe(f"{where} has more than {MAX_RANK} dimensions")
    return tuple(lengths)


def _require_apart(arrays: dict[str, StoredArray], sizes: dict[str, int]) -> None:
    """Throws UnsafeModel unless each array lies in its file, by itself."""
    ends: dict[str, tuple[int, str]] = {}
    for name, array in sorted(arrays.items(), key=lambda item: (item[1].offset, item[1].offset + item[1].size_bytes)):
        end, before = ends.get(array.file, (0, ""))
        if array.offset < end:
            raise unsafe(f"{name} and {before} overlap in {array.file}, at {array.offset}")
        if array.offset + array.size_bytes > sizes[array.file]:
            raise unsafe(f"{name} would have {array.size_bytes} bytes at {array.offset} of {array.file}, which are not in its {sizes[array.file]}")
        ends[array.file] = (array.offset + array.size_bytes, name)

"""What TensorFlow 2 says of the variables in a checkpoint of objects: for each key in the index, the variable's own name.

It stands in the checkpoint as one text under _CHECKPOINTABLE_OBJECT_GRAPH, a TrackableObjectGraph message
(tensorflow/core/protobuf/trackable_object_graph.proto): nodes, how they hold each other, and what each has saved. Of that only names are
read; how objects hold each other is not followed, and nothing is built of it.
"""

from pathlib import Path

from .crc32c import masked_crc32c
from .failure import unsafe
from .protobuf import BYTES, read_fields
from .sstable import Cursor
from .stored_array import StoredArray

OBJECT_GRAPH = "_CHECKPOINTABLE_OBJECT_GRAPH"
# A BERT-large with its optimiser, saved whole, has some 10,000 objects in 1 MB. Who reads our answer takes names as long
# (weights-conversion.ts).
MAX_GRAPH_BYTES, MAX_OBJECTS, MAX_NAME_BYTES = 32 << 20, 200_000, 500
NODES, CHILDREN, ATTRIBUTES, SLOTS, SAVER, HAS_VALUES = 1, 1, 2, 3, 4, 5
FULL_NAME, KEY = 2, 3
ATTRIBUTE_FIELDS = {1, FULL_NAME, KEY, 4}


def read_variable_names(text: StoredArray, folder: Path, index: str) -> dict[str, str]:
    """By key of the index. Throws UnsafeModel for what TensorFlow does not write."""
    what = f"{OBJECT_GRAPH} of {index}"
    names: dict[str, str] = {}
    for count, (field, kind, node) in enumerate(read_fields(_text(text, folder, what), what, (NODES,))):
        if (field, kind) != (NODES, BYTES):
            raise unsafe(f"{what} has field {field} of kind {kind}, which TensorFlow's has not")
        if count == MAX_OBJECTS:
            raise unsafe(f"{what} has more than {MAX_OBJECTS} objects")
        for part, part_kind, value in read_fields(node, what, (CHILDREN, ATTRIBUTES, SLOTS)):
            if part_kind != BYTES or part not in (CHILDREN, ATTRIBUTES, SLOTS, SAVER, HAS_VALUES):
                raise unsafe(f"{what} has an object with field {part} of kind {part_kind}, which TensorFlow's has not")
            if part != ATTRIBUTES:
                continue
            key, name = _attribute(value, what)
            if names.setdefault(key, name) != name:
                raise unsafe(f"{what} calls {key} both {names[key]} and {name}")
    return names


def _attribute(message: bytes, what: str) -> tuple[str, str]:
    given = {FULL_NAME: "", KEY: ""}
    for field, kind, value in read_fields(message, what):
        if field not in ATTRIBUTE_FIELDS:
            raise unsafe(f"{what} has an attribute with field {field} of kind {kind}, which TensorFlow's has not")
        if field not in given:
            continue
        if kind != BYTES or len(value) > MAX_NAME_BYTES or not value.isascii() or not value.decode().isprintable():
            raise unsafe(f"{what} has the name {str(value)[:80]}, which no variable of TensorFlow has")
        given[field] = value.decode()
    return given[KEY], given[FULL_NAME]


def _text(text: StoredArray, folder: Path, what: str) -> bytes:
    """One text is its length, the length's checksum, and its bytes (tensor_bundle.cc); the checksum is of all three, the length as four bytes."""
    if text.size_bytes > MAX_GRAPH_BYTES:
        raise unsafe(f"{what} has {text.size_bytes} bytes, more than {MAX_GRAPH_BYTES}")
    with (folder / text.file).open("rb") as file:
        file.seek(text.offset)
        cursor = Cursor(file.read(text.size_bytes), what)
    length = cursor.varint()
    given = cursor.take(4)
    content = cursor.take(length)
    counted = length.to_bytes(4, "little")
    if cursor or masked_crc32c(counted) != int.from_bytes(given, "little") or masked_crc32c(counted + given + content) != text.crc32c:
        raise unsafe(f"{what} has another length or checksum than is kept of it: the file is damaged")
    return content

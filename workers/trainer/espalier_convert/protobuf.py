"""The fields of a protobuf message, by its wire format: no schema, no class of a stranger's."""

from collections.abc import Iterator

from .failure import unsafe
from .sstable import Cursor

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5


def read_fields(message: bytes, what: str, repeated: tuple[int, ...] = ()) -> Iterator[tuple[int, int, int | bytes]]:
    """Number, wire type (VARINT, BYTES, …) and value of each. `repeated`: the fields that may be there more than once."""
    cursor, seen = Cursor(message, what), set()
    while cursor:
        tag = cursor.varint()
        field, kind = tag >> 3, tag & 7
        if kind == VARINT:
            value: int | bytes = cursor.varint()
        elif kind == BYTES:
            value = cursor.take(cursor.varint())
        elif kind in (FIXED32, FIXED64):
            value = int.from_bytes(cursor.take(4 if kind == FIXED32 else 8), "little")
        else:
            raise unsafe(f"{what} has field {field} of kind {kind}, which protobuf does not write")
        # Readers disagree about what is there twice.
        if field in seen and field not in repeated:
            raise unsafe(f"{what} has field {field} twice")
        seen.add(field)
        yield field, kind, value

"""The table of a checkpoint's index (X.index): LevelDB's format, as TensorFlow writes it.

Blocks of sorted keys and their values, an index block of where they lie, and a footer (leveldb/doc/table_format.md). A table that
TensorFlow wrote is its blocks one after the other and nothing else, uncompressed; whatever is laid out otherwise is refused, so that no
block can hold itself, overlap another or be skipped.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from .crc32c import masked_crc32c
from .failure import unsafe

MAGIC = bytes.fromhex("57fb808b247547db")
FOOTER_BYTES, TRAILER_BYTES, HANDLES_BYTES = 48, 5, 40
UNCOMPRESSED = 0
COMPRESSIONS = {1: "Snappy", 2: "Zstandard"}
# BERT-large with its optimiser's slots has some 1,200 keys of 80 bytes.
MAX_ENTRIES, MAX_KEY_BYTES, MAX_VALUE_BYTES = 20_000, 300, 4_096
MAX_VARINT_BYTES = 10
Entry = tuple[bytes, bytes]


@dataclass(frozen=True)
class _Handle:
    offset: int
    size: int

    @property
    def end(self) -> int:
        return self.offset + self.size + TRAILER_BYTES


class Cursor:
    """Reads on in a part of a file; throws UnsafeModel, naming `what` it is, at its end."""

    def __init__(self, data: bytes, what: str) -> None:
        self.data, self.what, self.at = data, what, 0

    def __bool__(self) -> bool:
        return self.at < len(self.data)

    def take(self, count: int) -> bytes:
        if count > len(self.data) - self.at:
            raise unsafe(f"{self.what} ends in the middle: {count} bytes more at {self.at}, of {len(self.data)}")
        self.at += count
        return self.data[self.at - count : self.at]

    def varint(self) -> int:
        """Below 2 ** 64, in as few bytes as it takes: the same number is never written in two ways."""
        value = 0
        for place in range(MAX_VARINT_BYTES):
            byte = self.take(1)[0]
            value |= (byte & 0x7F) << 7 * place
            if byte < 0x80:
                if value >= 1 << 64 or (byte == 0 and place > 0):
                    break
                return value
        raise unsafe(f"{self.what} has a number of more than 64 bits, or longer than it need be, before {self.at}")


def read_table(data: bytes, file: str) -> list[Entry]:
    """Keys and values, in the order of the keys. Throws UnsafeModel unless `data` is a table, every checksum right."""
    if len(data) < FOOTER_BYTES or data[-len(MAGIC) :] != MAGIC:
        raise unsafe(f"{file} does not end as the index of a TensorFlow checkpoint")
    footer = Cursor(data[-FOOTER_BYTES:][:HANDLES_BYTES], f"the footer of {file}")
    others, index = _handle(footer), _handle(footer)
    if any(footer.take(HANDLES_BYTES - footer.at)):
        raise unsafe(f"the footer of {file} holds more than two places")
    entries: list[Entry] = []
    end = 0
    for last, place in _entries(_block(data, index, file, "the index block"), f"the index block of {file}"):
        handle = _only_handle(place, f"a place in the index block of {file}")
        _require_place(handle, end, file, f"the block at {handle.offset}")
        end = handle.end
        for entry in _entries(_block(data, handle, file, f"the block at {handle.offset}"), f"the block at {handle.offset} of {file}"):
            if entries and entry[0] <= entries[-1][0]:
                raise unsafe(f"the keys of {file} are not in order: {entry[0]!r} comes after {entries[-1][0]!r}")
            entries.append(entry)
            if len(entries) > MAX_ENTRIES:
                raise unsafe(f"{file} has more than {MAX_ENTRIES} entries")
        if not entries or entries[-1][0] > last:
            raise unsafe(f"the block at {handle.offset} of {file} does not end where its index says")
    _require_place(others, end, file, "the block of other blocks")
    if any(_entries(_block(data, others, file, "the block of other blocks"), f"the block of other blocks of {file}")):
        raise unsafe(f"{file} names blocks beside those of its keys, which TensorFlow never writes")
    _require_place(index, others.end, file, "the index block")
    if index.end != len(data) - FOOTER_BYTES:
        raise unsafe(f"{file} has bytes between its index block and its footer")
    return entries


def _handle(cursor: Cursor) -> _Handle:
    return _Handle(cursor.varint(), cursor.varint())


def _only_handle(data: bytes, what: str) -> _Handle:
    cursor = Cursor(data, what)
    handle = _handle(cursor)
    if cursor:
        raise unsafe(f"{what} goes on after its end")
    return handle


def _require_place(handle: _Handle, start: int, file: str, what: str) -> None:
    if handle.offset != start:
        raise unsafe(f"{what} of {file} lies at {handle.offset}, not at {start} where the one before it ends")


def _block(data: bytes, handle: _Handle, file: str, what: str) -> bytes:
    # Python's numbers have no end: a sum cannot wrap around.
    if handle.end > len(data) - FOOTER_BYTES:
        raise unsafe(f"{what} of {file} would have {handle.size} bytes at {handle.offset}, which are not in its {len(data)}")
    content = data[handle.offset : handle.offset + handle.size]
    trailer = data[handle.offset + handle.size : handle.end]
    if trailer[0] != UNCOMPRESSED:
        kind = COMPRESSIONS.get(trailer[0], f"kind {trailer[0]}")
        raise unsafe(f"{what} of {file} is compressed ({kind}), which TensorFlow's index never is")
    if masked_crc32c(content + trailer[:1]) != int.from_bytes(trailer[1:], "little"):
        raise unsafe(f"{what} of {file} has another checksum than is kept with it: the file is damaged")
    return content


def _entries(block: bytes, what: str) -> Iterator[Entry]:
    """A key is what it shares with the one before it, and the rest. Where keys share nothing (restarts) stands at the end, for a search."""
    if len(block) < 4:
        raise unsafe(f"{what} has {len(block)} bytes, too few for a block")
    end = len(block) - 4 - 4 * int.from_bytes(block[-4:], "little")
    if end < 0:
        raise unsafe(f"{what} has more restarts than bytes")
    cursor, key = Cursor(block[:end], what), b""
    while cursor:
        shared, own, length = cursor.varint(), cursor.varint(), cursor.varint()
        if shared > len(key) or shared + own > MAX_KEY_BYTES or length > MAX_VALUE_BYTES:
            raise unsafe(f"{what} has a key of {shared} shared and {own} own bytes with {length} of a value, which no tensor's entry has")
        key = key[:shared] + cursor.take(own)
        yield key, cursor.take(length)

"""Writes what TensorFlow keeps a checkpoint in: a table of entries (X.index) and the values' bytes. Its own writing and checksums: nothing of the code that it tries."""

import struct

import numpy

FLOAT, INT32, STRING, INT64, VARIANT, FOOTER = 1, 3, 7, 9, 21, bytes.fromhex("57fb808b247547db")
DTYPES = {"float32": FLOAT, "int32": INT32, "int64": INT64}
TABLE = []
for number in range(256):
    for _ in range(8):
        number = number >> 1 ^ (0x82F63B78 if number & 1 else 0)
    TABLE.append(number)


def masked(data: bytes) -> int:
    register = 0xFFFFFFFF
    for byte in data:
        register = TABLE[(register ^ byte) & 255] ^ register >> 8
    crc = register ^ 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def varint(value: int) -> bytes:
    value &= (1 << 64) - 1
    written = bytearray()
    while value > 127:
        written.append(value & 127 | 128)
        value >>= 7
    return bytes([*written, value])


def number(field: int, value: int) -> bytes:
    return varint(field << 3) + varint(value)


def message(field: int, content: bytes) -> bytes:
    return varint(field << 3 | 2) + varint(len(content)) + content


def fixed(field: int, value: int) -> bytes:
    return varint(field << 3 | 5) + struct.pack("<I", value)


def entry(dtype: int, shape: tuple[int, ...], offset: int, size: int, crc: int | None, shard: int = 0, more: bytes = b"") -> bytes:
    lengths = b"".join(message(2, number(1, length) if length else b"") for length in shape)
    place = (number(3, shard) if shard else b"") + (number(4, offset) if offset else b"") + number(5, size)
    return number(1, dtype) + message(2, lengths) + place + (b"" if crc is None else fixed(6, crc)) + more


def header(shards: int = 1, endianness: int = 0) -> bytes:
    return number(1, shards) + (number(2, endianness) if endianness else b"") + message(3, number(1, 1))


def block(entries: list[tuple[bytes, bytes]]) -> bytes:
    """Keys share their beginnings, but for every sixteenth."""
    written, restarts, before = bytearray(), [], b""
    for place, (key, value) in enumerate(entries):
        shared = 0
        if place % 16 == 0:
            restarts.append(len(written))
        else:
            while shared < min(len(key), len(before)) and key[shared] == before[shared]:
                shared += 1
        written += varint(shared) + varint(len(key) - shared) + varint(len(value)) + key[shared:] + value
        before = key
    return bytes(written) + struct.pack(f"<{len(restarts) + 1}I", *restarts, len(restarts)) if restarts else struct.pack("<2I", 0, 1)


def sealed(content: bytes, kind: int = 0) -> bytes:
    return content + bytes([kind]) + struct.pack("<I", masked(content + bytes([kind])))


def table(blocks: list[tuple[bytes, bytes]], places: dict[int, tuple[int, int]] | None = None, foot: tuple[int, ...] | None = None, others: bytes | None = None) -> bytes:
    """Of sealed blocks by their last keys. `places`: where the index says that some of them lie, instead of where they do; `foot`:
    likewise the places in the footer."""
    written, handles = b"", []
    for number, (last, content) in enumerate(blocks):
        handles.append((last, b"".join(map(varint, (places or {}).get(number, (len(written), len(content) - 5))))))
        written += content
    meta, index = others or sealed(block([])), sealed(block(handles))
    ends = foot or (len(written), len(meta) - 5, len(written) + len(meta), len(index) - 5)
    return written + meta + index + b"".join(map(varint, ends)).ljust(40, b"\0") + FOOTER


def in_blocks(entries: dict[bytes, bytes], count: int = 20) -> list[tuple[bytes, bytes]]:
    items = list(entries.items())
    parts = [items[start : start + count] for start in range(0, len(items), count)]
    return [(part[-1][0], sealed(block(part))) for part in parts]


def lay(values: dict[str, numpy.ndarray], shards: int = 1) -> tuple[dict[bytes, bytes], list[bytes]]:
    """Entries in the order of their names, and the shards' bytes."""
    entries, data = {b"": header(shards)}, [b""] * shards
    for place, (name, array) in enumerate(sorted(values.items())):
        shard, raw = place % shards, array.tobytes()
        entries[name.encode()] = entry(DTYPES[str(array.dtype)], array.shape, len(data[shard]), len(raw), masked(raw), shard)
        data[shard] += raw
    return entries, data

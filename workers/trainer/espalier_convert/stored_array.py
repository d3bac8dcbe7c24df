"""Where an array lies in a file of weights, before one value of it is read."""

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class StoredArray:
    dtype: str  # numpy's, little-endian
    shape: tuple[int, ...]
    offset: int
    """From the first byte of its file."""
    size_bytes: int
    file: str
    """By its name: weights may be spread over several."""
    crc32c: int | None = None
    """Of its bytes, masked (crc32c.py), where the format keeps one."""


def bytes_of(dtype: str) -> int:
    return int(dtype[-1])


def without_row(array: StoredArray) -> StoredArray:
    """A matrix of one row as the vector that it is."""
    return replace(array, shape=array.shape[1:]) if len(array.shape) == 2 and array.shape[0] == 1 else array

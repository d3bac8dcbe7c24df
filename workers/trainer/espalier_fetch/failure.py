"""The one error that crosses to Node; its kinds are those of artifacts/errors.ts."""

import errno

DISK_FULL = (errno.ENOSPC, errno.EDQUOT)


class FetchError(Exception):
    def __init__(self, kind: str, message: str, fix: str | None = None) -> None:
        super().__init__(message)
        self.kind = kind
        self.fix = fix

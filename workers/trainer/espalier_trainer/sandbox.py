"""What the process may do to this machine: read its inputs and not change them, and hold no more than a training needs.

Its inputs are mounted over themselves, read-only, in a mount namespace of its own: that binds native code, too. Where the
kernel gives us none, an audit hook refuses what Python would change; the hook is there in both cases, for its message.
"""

import ctypes
import os
import resource
import sys
from pathlib import Path

# Linux's constants (sched.h, mount.h, prctl.h, capability.h).
CLONE_NEWNS, CLONE_NEWUSER = 0x00020000, 0x10000000
MS_RDONLY, MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = 1, 32, 4096, 16384, 1 << 18
# statvfs's flags that a remount must repeat, as mount(2) has them: the kernel locks them in a user namespace.
KEPT_FLAGS = {os.ST_NOSUID: 2, os.ST_NODEV: 4, os.ST_NOEXEC: 8, os.ST_NOATIME: 1024, os.ST_NODIRATIME: 2048, os.ST_RELATIME: 1 << 21}
PR_SET_NO_NEW_PRIVS, CAP_SYS_ADMIN, CAPABILITY_VERSION_3 = 38, 21, 0x20080522

INPUTS = ("model", "base", "train", "validation", "texts", "prompts", "rows")
OUTPUTS = ("out", "checkpoints")

# No limit on address space: CUDA and torch reserve far more than they use. None on processes: Linux counts them per
# user. None on file sizes: a checkpoint is as large as its model.
LIMITS = {
    resource.RLIMIT_CORE: 0,  # a dump of this process's memory would hold rows and weights
    resource.RLIMIT_NOFILE: 4096,  # data loading opens files one by one
}
# The kernel, out of memory, takes the training and not the worker that can resume it.
OOM_SCORE_ADJUSTMENT = 500
CHANGES = ("os.remove", "os.rename", "os.rmdir", "os.mkdir", "os.truncate", "os.chmod", "os.chown", "os.link", "os.symlink", "os.utime", "os.setxattr")
WRITING = os.O_WRONLY | os.O_RDWR | os.O_TRUNC | os.O_CREAT | os.O_APPEND


class InputsAreReadOnly(PermissionError):
    """Something in this process tried to change an input."""


class Sandbox:
    """`enter` before there is a second thread; `protect` once the job is known."""

    def __init__(self) -> None:
        self.namespace = False

    def enter(self) -> None:
        limit_resources()
        if sys.platform != "linux":
            return
        libc = ctypes.CDLL(None, use_errno=True)
        libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        user, group = os.geteuid(), os.getegid()
        entered = libc.unshare(CLONE_NEWNS) == 0 or (libc.unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0 and map_to_ourselves(user, group))
        # What is mounted from here on is ours alone.
        self.namespace = entered and libc.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None) == 0

    def protect(self, job: dict) -> bool:
        """True: the kernel holds the inputs read-only. False: the hook alone does."""
        inputs = input_paths(job)
        held = self.namespace and all(mount_read_only(path) for path in inputs)
        if self.namespace:
            drop_mounting()
        refuse_changes(inputs)
        return held


def input_paths(job: dict) -> list[Path]:
    """Folders and files that are only read; a file stands for its folder, unless something is written into that."""
    outputs = [Path(task[name]).resolve() for task in job["tasks"] for name in OUTPUTS if task.get(name)]
    named = [Path(task[name]).resolve() for task in job["tasks"] for name in INPUTS if task.get(name)]
    folders = [path if path.is_dir() else path.parent for path in named]
    return sorted({path if any(out.is_relative_to(folder) for out in outputs) else folder for path, folder in zip(named, folders, strict=True)})


def mount_read_only(path: Path) -> bool:
    libc, name, flags = ctypes.CDLL(None, use_errno=True), os.fsencode(path), os.statvfs(path).f_flag
    kept = sum(mount_flag for flag, mount_flag in KEPT_FLAGS.items() if flags & flag)
    if libc.mount(name, name, None, MS_BIND, None) != 0:
        return False
    return libc.mount(None, name, None, MS_BIND | MS_REMOUNT | MS_RDONLY | kept, None) == 0


def map_to_ourselves(user: int, group: int) -> bool:
    """In the new user namespace we are who we were."""
    try:
        for name, text in (("setgroups", "deny"), ("uid_map", f"{user} {user} 1"), ("gid_map", f"{group} {group} 1")):
            Path("/proc/self", name).write_text(text)
    except OSError:
        return False
    return True


def drop_mounting() -> None:
    """The right to mount, which would be the right to undo it. The other rights of a root user stay: files may need them."""
    libc = ctypes.CDLL(None, use_errno=True)
    header, sets = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0), (ctypes.c_uint32 * 6)()
    if libc.capget(header, sets) != 0:
        return
    for word in range(3):  # effective, permitted, inheritable: the low words
        sets[word] &= ~(1 << CAP_SYS_ADMIN)
    libc.capset(header, sets)


def limit_resources() -> None:
    for limit, wanted in LIMITS.items():
        _, hard = resource.getrlimit(limit)
        wanted = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(limit, (wanted, wanted))
    try:
        Path("/proc/self/oom_score_adj").write_text(str(OOM_SCORE_ADJUSTMENT))
    except OSError:
        pass  # not Linux, or a container that sets it itself


def refuse_changes(inputs: list[Path]) -> None:
    """For good, as audit hooks are."""

    def is_input(name: object) -> bool:
        if not isinstance(name, (str, bytes, os.PathLike)):
            return False
        path = Path(os.path.abspath(os.fsdecode(name)))
        return any(path.is_relative_to(folder) for folder in inputs)

    def refuse(event: str, arguments: tuple) -> None:
        if event == "open":
            mode, flags = arguments[1], arguments[2]
            writes = any(letter in mode for letter in "wax+") if isinstance(mode, str) else bool(flags & WRITING)
            names = arguments[:1] if writes else ()
        else:
            names = arguments[:2] if event in CHANGES else ()
        for name in names:
            if is_input(name):
                raise InputsAreReadOnly(f"the inputs of a training are read-only: {event} of {name!r} refused")

    sys.addaudithook(refuse)

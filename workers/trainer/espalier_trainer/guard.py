"""What the process must never do: reach the network, outlive its parent, or miss a request to stop."""

import ctypes
import os
import select
import signal
import socket
import sys
import threading

from .events import ORPHANED, supervised

NETWORK_EVENTS = ("socket.connect", "socket.bind", "socket.sendto", "socket.sendmsg")
LOOKUP_EVENTS = ("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr", "socket.getnameinfo")
PR_SET_PDEATHSIG = 1
STOP_POLL_SECONDS = 0.1


class NetworkRefused(PermissionError):
    """Something in this process tried to reach a host."""


def forbid_network() -> None:
    """Refuses, for good, every socket but local (AF_UNIX) ones. The kernel's network namespace, where the parent can
    make one, is the wall behind this: an audit hook sees what Python does, not what a native library does."""

    def refuse(event: str, arguments: tuple) -> None:
        if event in LOOKUP_EVENTS:
            raise NetworkRefused(f"the training process has no network: {event} of {arguments[0]!r} refused")
        if event in NETWORK_EVENTS and arguments[0].family != socket.AF_UNIX:
            raise NetworkRefused(f"the training process has no network: {event} to {arguments[1]!r} refused")

    sys.addaudithook(refuse)


def die_with_parent() -> None:
    """Ends this process at once when its parent is gone, by the kernel, on Linux; `watch_parent` does it anywhere."""
    if supervised() and sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def watch_parent() -> None:
    """Ends this process when standard input ends: it is the parent's end of a leash."""
    if not supervised():
        return

    def watch() -> None:
        # os.read and not sys.stdin.buffer: the latter's lock, held by a daemon thread, aborts the interpreter's exit.
        try:
            while os.read(0, 4096):
                pass
        except OSError:
            pass
        os._exit(ORPHANED)

    threading.Thread(target=watch, name="parent-watch", daemon=True).start()


def read_order(stop: "StopFlag") -> str | None:
    """One line of standard input, byte by byte: what comes after it stays for the parent's watch. None when stopped."""
    line = b""
    while not line.endswith(b"\n"):
        if stop:
            return None
        if not select.select([0], [], [], STOP_POLL_SECONDS)[0]:
            continue
        byte = os.read(0, 1)
        if not byte:
            os._exit(ORPHANED)
        line += byte
    return line.decode().strip()


class StopFlag:
    """Set by SIGTERM and SIGINT; every loop of ours polls it at a point where it can leave."""

    def __init__(self) -> None:
        self.reason: str | None = None

    def install(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._set)

    def _set(self, number: int, _frame: object) -> None:
        self.reason = signal.Signals(number).name

    def __bool__(self) -> bool:
        return self.reason is not None

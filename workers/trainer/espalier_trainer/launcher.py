"""Starts the processes of one training on this machine, hands signals on, and ends them together."""

import fcntl
import os
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time

from .events import EVENT_DESCRIPTOR, STOPPED, supervised
from .guard import StopFlag

RENDEZVOUS = "ESPALIER_RENDEZVOUS"
SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 1


def launch(arguments: list[str], processes: int, stop: StopFlag) -> int:
    """The exit code of the first process that failed, 0 when all are done. torchrun may be used instead: the processes
    read its environment."""
    raise_loopback()
    with tempfile.TemporaryDirectory(prefix="espalier-rendezvous-") as folder:
        common = {**os.environ, "WORLD_SIZE": str(processes), RENDEZVOUS: os.path.join(folder, "store"), "GLOO_SOCKET_IFNAME": "lo"}
        children = [
            subprocess.Popen(
                [sys.executable, "-m", "espalier_trainer", *arguments],
                env={**common, "RANK": str(rank), "LOCAL_RANK": str(rank)},
                stdin=subprocess.PIPE,  # the leash: it ends with us
                pass_fds=(EVENT_DESCRIPTOR,) if supervised() else (),
            )
            for rank in range(processes)
        ]
        told = False
        while True:
            codes = [child.poll() for child in children]
            # Who is stopped in order may go before the first process has written its checkpoint.
            failed = next((code for code in codes if code not in (None, 0, STOPPED)), None)
            if failed is not None or None not in codes:
                for child in children:
                    child.kill()
                    child.wait()
                code = failed if failed is not None else max(code or 0 for code in codes)
                return code if code >= 0 else 128 - code
            if stop and not told:
                told = True
                for child in children:
                    child.send_signal(signal.SIGTERM)
            time.sleep(0.05)


def raise_loopback() -> None:
    """A network namespace of our own begins with its loopback down, and processes meet there. Without the right to
    raise it (it may be up) the processes themselves say what is missing."""
    if sys.platform != "linux":
        return
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        try:
            answer = fcntl.ioctl(control, SIOCGIFFLAGS, struct.pack("16sh14x", b"lo", 0))
            flags = struct.unpack("16sh14x", answer)[1]
            fcntl.ioctl(control, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", flags | IFF_UP))
        except OSError:
            pass

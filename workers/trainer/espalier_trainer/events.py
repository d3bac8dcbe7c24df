"""JSON-lines events on file descriptor 3, and the failures that end the process with a code of their own.

No heavy import here: events flow before torch is loaded.
"""

import errno
import json
import os
import stat
import sys
import threading
import time

DONE, BAD_JOB, BAD_DATA, INCOMPATIBLE, DIVERGED = 0, 64, 65, 66, 67
INTERNAL, OUT_OF_MEMORY, STOPPED, ORPHANED = 70, 71, 75, 76

EVENT_DESCRIPTOR = 3
SAY_EVERY_SECONDS = 1


class TrainerError(Exception):
    """Ends the process with `code`. `problems` are all findings, each naming its field or line; `kind` narrows the code
    for the reader of the event (`BadModel`, `UnsafeModel`, `DiskFull`); `details` are further fields of the event."""

    def __init__(
        self, code: int, message: str, fix: str | None = None, problems: list[str] | None = None, kind: str | None = None, details: dict | None = None
    ):
        super().__init__(message)
        self.code, self.message, self.fix, self.problems, self.kind = code, message, fix, problems or [], kind
        self.details = details or {}


class Stopped(Exception):
    """SIGTERM was honoured: `checkpoint` is the folder written last, None when nothing was begun."""

    def __init__(self, step: int = 0, checkpoint: str | None = None):
        super().__init__(f"stopped after step {step}")
        self.step, self.checkpoint = step, checkpoint


def supervised() -> bool:
    """True when a parent reads our events: descriptor 3 is a pipe or a socket."""
    try:
        mode = os.fstat(EVENT_DESCRIPTOR).st_mode
    except OSError:
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)


class Events:
    """One writer for all threads. Without a parent (run by hand) the events go to standard output. Of several processes
    of one training all but the first are `silent`."""

    def __init__(self, descriptor: int | None = None, silent: bool = False):
        if descriptor is None:
            descriptor = EVENT_DESCRIPTOR if supervised() else sys.stdout.fileno()
        self._descriptor, self.silent = descriptor, silent
        self._lock = threading.Lock()
        self._sequence = 0
        self.phase = "starting"

    def emit(self, type: str, **fields: object) -> None:
        if self.silent:
            return
        with self._lock:
            self._sequence += 1
            event = {"v": 1, "seq": self._sequence, "t": round(time.time(), 3), "type": type, **fields}
            line = memoryview(json.dumps(event, allow_nan=False).encode() + b"\n")
            try:
                while line:
                    line = line[os.write(self._descriptor, line) :]
            except OSError as error:
                if error.errno in (errno.EPIPE, errno.ECONNRESET, errno.EBADF):
                    os._exit(ORPHANED)  # nobody listens: whatever we would compute is lost
                raise

    def start_heart(self) -> None:
        """`alive` once a second from a thread: it proves that the interpreter runs, not that training moves. How long all threads
        have computed tells a process that hangs from one that waits for a core."""

        def beat() -> None:
            while True:
                time.sleep(1)
                self.emit("alive", phase=self.phase, cpuSeconds=round(time.process_time(), 3))

        threading.Thread(target=beat, name="heart", daemon=True).start()


class Told:
    """Says how far it is, once a second."""

    def __init__(self, events: Events) -> None:
        self._events, self._last = events, time.monotonic()

    def say(self, phase: str, done: int, rows: int) -> None:
        if time.monotonic() - self._last >= SAY_EVERY_SECONDS:
            self._last = time.monotonic()
            self._events.phase = phase
            self._events.emit("eval", split=phase, epoch=0, step=0, done=done, rows=rows)

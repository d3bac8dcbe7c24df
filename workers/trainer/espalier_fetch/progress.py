"""Lines for the parent process, and the progress of a download seen from outside: by the bytes that have arrived."""

import json
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

# The stream that belongs to the protocol; whatever a library prints goes to stderr.
_LINES = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
sys.stdout = sys.stderr
_LOCK = threading.Lock()


def emit(line: dict) -> None:
    with _LOCK:
        _LINES.write(json.dumps(line) + "\n")
        _LINES.flush()


@contextmanager
def watch(arrived: Callable[[], int], total: int | None) -> Iterator[None]:
    """Reports once a second how many bytes have arrived."""
    ended = threading.Event()

    def report() -> None:
        while not ended.wait(1.0):
            emit({"progress": {"done": arrived(), "total": total}})

    thread = threading.Thread(target=report, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def bytes_in(folder: Path) -> int:
    total = 0
    for root, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(os.path.join(root, name)).st_size
            except FileNotFoundError:
                pass
    return total

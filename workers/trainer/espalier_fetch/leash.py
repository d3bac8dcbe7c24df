"""A fetching process that nobody waits for any more must not go on: it would hold a part of the hub's cache that others wait for."""

import os
import signal
import threading

ORPHANED = 76


def hold() -> None:
    """Ends this process, and the pip below it, when standard input ends: it is the parent's end of a leash."""

    def watch() -> None:
        # os.read and not sys.stdin.buffer: the latter's lock, held by a daemon thread, aborts the interpreter's exit.
        try:
            while os.read(0, 4096):
                pass
        except OSError:
            pass
        # The parent gave us a group of our own; run by hand, we are in somebody else's.
        if os.getpgrp() == os.getpid():
            os.killpg(os.getpgrp(), signal.SIGKILL)
        os._exit(ORPHANED)

    threading.Thread(target=watch, name="leash", daemon=True).start()

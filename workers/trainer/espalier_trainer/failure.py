"""Which failure an exception is: what the machine lacked, or a bug. No heavy import."""

import errno

from .events import INTERNAL, OUT_OF_MEMORY, TrainerError

FULL_DISK = {errno.ENOSPC, errno.EDQUOT}
# PyTorch tells of failed allocations by RuntimeErrors with these words (c10/core/impl/alloc_cpu.cpp, CUDA's own, oneDNN's).
NO_MEMORY = ("DefaultCPUAllocator: can't allocate memory", "DefaultCPUAllocator: not enough memory", "CUDA out of memory", "could not create a memory object", "std::bad_alloc")


def is_out_of_memory(error: BaseException) -> bool:
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    no_memory = isinstance(error, OSError) and error.errno == errno.ENOMEM
    return no_memory or (isinstance(error, RuntimeError) and any(words in str(error) for words in NO_MEMORY))


def is_full_disk(error: BaseException) -> bool:
    # safetensors wraps the system's error in one of its own, as text
    return (isinstance(error, OSError) and error.errno in FULL_DISK) or "No space left on device" in str(error)


def failure_of(error: Exception, details: dict) -> TrainerError | None:
    """The failure with a name of its own; None for anything else: a bug. `details` go into the event."""
    message = " ".join(f"{type(error).__name__}: {error}".split())[:500]
    if is_out_of_memory(error):
        rows = f" with micro-batches of {details['microBatch']} rows" if "microBatch" in details else ""
        fix = "use a higher microBatchDivisor: smaller micro-batches, the same effective batch"
        return TrainerError(OUT_OF_MEMORY, f"out of memory{rows}: {message}", fix, details=details)
    if is_full_disk(error):
        fix = "free some space, or give the worker's folder a larger disk"
        return TrainerError(INTERNAL, f"the disk is full: {message}", fix, kind="DiskFull", details=details)
    return None

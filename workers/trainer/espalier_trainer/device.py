"""The device, its determinism, and what the record has to say where bytes cannot be promised."""

import os
import warnings

import torch

from .events import BAD_JOB, TrainerError

MEGABYTE = 1024 * 1024


def pick_device(wanted: str, local_rank: int = 0) -> torch.device:
    available = torch.cuda.is_available()
    if wanted == "cuda" and not available:
        raise TrainerError(BAD_JOB, "the job wants a CUDA device, but torch sees none", "use device 'auto' or 'cpu'")
    return torch.device("cuda", local_rank % torch.cuda.device_count()) if available and wanted != "cpu" else torch.device("cpu")


def make_deterministic(threads: int, device: torch.device) -> None:
    torch.set_num_threads(threads)
    # An operation without a deterministic kernel warns, and the record says which (NondeterministicKernels).
    torch.use_deterministic_algorithms(True, warn_only=device.type == "cuda")
    if device.type == "cuda":
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS is deterministic only with a fixed workspace
        # The fused attention kernels have no deterministic backward pass.
        torch.backends.cuda.enable_flash_sdp(False)
        torch.backends.cuda.enable_mem_efficient_sdp(False)
        torch.backends.cuda.enable_cudnn_sdp(False)
        torch.backends.cudnn.benchmark = False
        torch.cuda.set_device(device)


class NondeterministicKernels:
    """Collects what torch warns of: operations on CUDA that have no deterministic kernel."""

    def __init__(self) -> None:
        self.found: list[str] = []

    def listen(self) -> None:
        usual = warnings.showwarning

        def hear(message, category, filename, lineno, file=None, line=None):
            text = str(message)
            if "does not have a deterministic implementation" in text:
                name = text.split(" does not have")[0]
                if name not in self.found:
                    self.found.append(name)
            usual(message, category, filename, lineno, file, line)

        warnings.showwarning = hear
        warnings.filterwarnings("always", message=".*does not have a deterministic implementation")

    def reasons(self) -> list[str]:
        return [f"{name} has no deterministic kernel on this device" for name in self.found]


def device_figures(device: torch.device) -> dict:
    """Memory held and utilisation for a `step` event; empty without a GPU. Utilisation needs NVIDIA's management library."""
    if device.type != "cuda":
        return {}
    figures: dict = {"gpuMemoryMb": round(torch.cuda.memory_allocated(device) / MEGABYTE, 1)}
    try:
        figures["gpuUtilisation"] = torch.cuda.utilization(device) / 100  # 0–1
    except Exception:  # no pynvml, no permission, no such counter: a figure less, not a failure
        pass
    return figures

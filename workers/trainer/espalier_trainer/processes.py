"""One training in several processes of one machine: who we are and what is summed between us."""

import os

import torch
from torch import distributed

from .launcher import RENDEZVOUS


class Processes:
    """Rank and world size as torchrun's environment states them; alone without it. Every sum goes through `add`, in an
    order that depends on the world size only."""

    def __init__(self, device_type: str) -> None:
        self.rank, self.world = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
        if self.world > 1 and not distributed.is_initialized():
            meeting = os.environ.get(RENDEZVOUS)
            where = f"file://{meeting}" if meeting else "env://"
            backend = "nccl" if device_type == "cuda" else "gloo"
            distributed.init_process_group(backend, init_method=where, rank=self.rank, world_size=self.world)

    @property
    def first(self) -> bool:
        return self.rank == 0

    def add(self, tensor: torch.Tensor) -> torch.Tensor:
        """The sum over all processes, in place."""
        if self.world > 1:
            distributed.all_reduce(tensor)
        return tensor

    def any(self, flag: object, device: torch.device) -> bool:
        """True for all when it is true for one: they leave a loop together or not at all."""
        return bool(flag) if self.world == 1 else bool(self.add(torch.tensor(float(bool(flag)), device=device)).item())

    def add_gradients(self, parameters: list[torch.Tensor]) -> None:
        """Sums gradients in one piece. A parameter without one anywhere keeps none: the optimizer must pass it over."""
        if self.world == 1:
            return
        zeros = [parameter.grad if parameter.grad is not None else torch.zeros_like(parameter) for parameter in parameters]
        present = torch.tensor([float(parameter.grad is not None) for parameter in parameters], device=parameters[0].device)
        flat = self.add(torch.cat([*(gradient.reshape(-1) for gradient in zeros), present]))
        held, start = flat[-len(parameters) :].tolist(), 0
        for parameter, held_by in zip(parameters, held, strict=True):
            piece = flat[start : start + parameter.numel()].view_as(parameter)
            parameter.grad = piece.clone() if held_by else None
            start += parameter.numel()

    def average(self, tensors: list[torch.Tensor]) -> None:
        """In place; for running statistics, of which each process has seen other rows."""
        for tensor in tensors:
            if self.world > 1 and tensor.is_floating_point():
                tensor.copy_(self.add(tensor.clone()) / self.world)
            elif self.world > 1:
                distributed.broadcast(tensor, 0)

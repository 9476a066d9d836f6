"""Several processes that train one net together, as `torchrun` starts them; one process is the plain case.

Every process sees the same order of images and takes its share of each batch, so that a step's images are those of a
single process with the same seed.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import torch
import torch.distributed as dist

from striate.errors import ArgumentError, TrainingError

T = TypeVar("T")


@dataclass(frozen=True)
class Processes:
    """The processes of a run and which of them this is; the first one reads first, writes and talks."""

    rank: int = 0
    count: int = 1

    @property
    def first(self) -> bool:
        """Whether this is the process that writes."""
        return self.rank == 0

    def sum(self, *values: float) -> list[float]:
        """Return the sums of values over all processes."""
        if self.count == 1:
            return list(values)
        total = torch.tensor(values, dtype=torch.float64, device=_device())
        dist.all_reduce(total)
        return total.tolist()

    def from_first(self, value: T) -> T:
        """Return what the first process gives."""
        if self.count == 1:
            return value
        box = [value]
        dist.broadcast_object_list(box, src=0)
        return box[0]

    @contextmanager
    def first_goes_first(self) -> Iterator[None]:
        """Let the first process do a `with` block before the others, which then find its work in the cache."""
        if self.count > 1 and not self.first:
            dist.barrier()
        yield
        if self.count > 1 and self.first:
            dist.barrier()


ALONE = Processes()


def is_first() -> bool:
    """Whether this process is the one that talks, told by what `torchrun` sets."""
    return int(os.environ.get("RANK", "0")) == 0


def process_count() -> int:
    """Return how many processes `torchrun` started; 1 without it."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def own_device(device: torch.device) -> torch.device:
    """Return this process's device: of several GPUs the one with the number that `torchrun` gave the process.

    Raises:
        ArgumentError: this machine has fewer GPUs than processes.
    """
    if device.type != "cuda" or process_count() == 1:
        return device
    local, count = int(os.environ.get("LOCAL_RANK", "0")), torch.cuda.device_count()
    if local >= count:
        raise ArgumentError(
            f"every process must have a GPU of its own; process {local} of this machine has none, there are {count}. "
            f"Start torchrun with --nproc-per-node {count}, or train on --device cpu"
        )
    return torch.device("cuda", local)


@contextmanager
def joined(device: torch.device) -> Iterator[Processes]:
    """Join the processes that `torchrun` started, for the time of a `with` block: over nccl on GPUs, else over gloo.

    Arguments:
        device: this process's own.

    Raises:
        TrainingError: another process ended, so that this one cannot go on; the last checkpoint stands.
    """
    if process_count() == 1:
        yield ALONE
        return
    if device.type == "cuda":
        torch.cuda.set_device(device)
        dist.init_process_group("nccl", device_id=device)
    else:
        dist.init_process_group("gloo")
    try:
        yield Processes(dist.get_rank(), dist.get_world_size())
    except RuntimeError as error:
        if not any(word in str(error) for word in ("gloo", "NCCL", "Connection", "peer")):
            raise
        raise TrainingError(
            "another process of this run ended, so this one stops too. Go on from the last checkpoint with --resume"
        ) from error
    finally:
        dist.destroy_process_group()


def _device() -> torch.device | None:
    return torch.device("cuda") if dist.get_backend() == "nccl" else None

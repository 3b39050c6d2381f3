"""How gradients travel between data-parallel workers: through memory that they share, or torch's collectives.

Workers of one machine need no network between them: through its loopback gradients are copied several times,
by threads that take their cores from the training itself.
"""

import os
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

import torch
import torch.distributed as dist
from torch import Tensor

MEMORY = Path("/dev/shm")


class Exchange(Protocol):
    """Carries gradients to all workers, which send the same tensors in the same order."""

    def send(self, gradients: Sequence[Tensor]) -> None:
        """Send gradients of this step that will not change any more."""

    def finish(self) -> None:
        """Write the means over the workers into what was sent in this step."""


class Collective:
    """By torch's process group, between any machines and devices, while the backward pass goes on."""

    def __init__(self, count: int) -> None:
        """Take part in the process group of so many workers."""
        self._count = count
        self._sent: list[tuple[Sequence[Tensor], Tensor, Any]] = []

    def send(self, gradients: Sequence[Tensor]) -> None:
        """Begin to sum the gradients."""
        joined = torch.cat([gradient.flatten() for gradient in gradients])
        self._sent.append((gradients, joined, dist.all_reduce(joined, async_op=True)))

    def finish(self) -> None:
        """Wait for the sums, and write the means."""
        for gradients, joined, work in self._sent:
            work.wait()
            _write(joined.div_(self._count), gradients)
        self._sent.clear()


class SharedMemory:
    """By memory that all workers of one machine map; each writes into its own part and reads all.

    A step's gradients stay while others still read them: two steps take turns.
    """

    def __init__(self, rank: int, parts: Sequence[Tensor]) -> None:
        """Take the parts of all workers, `(2, N)` each, by rank."""
        self._rank, self._parts = rank, parts
        self._sent: list[tuple[Sequence[Tensor], slice]] = []
        self._turn = self._end = 0

    @classmethod
    def between(cls, rank: int, numbers: int) -> "SharedMemory | None":
        """Return memory for so many float32 numbers a step; None where the workers have none in common."""
        own = _reserve(8 * numbers)
        try:
            paths: list[Path | None] = [None] * dist.get_world_size()
            dist.all_gather_object(paths, own)
            found = [path for path in paths if path is not None and path.is_file()]
            everywhere = torch.tensor(len(found) == len(paths))
            dist.all_reduce(everywhere, dist.ReduceOp.MIN)
            if not everywhere:
                return None
            parts = [torch.from_file(str(path), shared=True, size=2 * numbers) for path in found]
            dist.barrier()
        finally:
            if own is not None:
                own.unlink()
        return cls(rank, [part.view(2, numbers) for part in parts])

    def send(self, gradients: Sequence[Tensor]) -> None:
        """Write the gradients where the others will read them."""
        begin, self._end = self._end, self._end + sum(gradient.numel() for gradient in gradients)
        place = slice(begin, self._end)
        torch.cat(
            [gradient.flatten() for gradient in gradients], out=self._parts[self._rank][self._turn, place]
        )
        self._sent.append((gradients, place))

    def finish(self) -> None:
        """Wait until all have written, and write the means."""
        dist.barrier()
        for gradients, place in self._sent:
            first, *others = (part[self._turn, place] for part in self._parts)
            total = first.clone()
            for other in others:
                total += other
            _write(total.div_(len(self._parts)), gradients)
        self._sent.clear()
        self._turn, self._end = 1 - self._turn, 0


def _reserve(size: int) -> Path | None:
    """Return a new file in memory of so many bytes, which are there; None where they are not."""
    if not MEMORY.is_dir():
        return None
    with suppress(OSError):
        handle, name = tempfile.mkstemp(prefix="neckline-gradients-", dir=MEMORY)
        try:
            os.posix_fallocate(handle, 0, size)
        except OSError:
            Path(name).unlink()
            raise
        finally:
            os.close(handle)
        return Path(name)
    return None


def _write(joined: Tensor, gradients: Sequence[Tensor]) -> None:
    parts = joined.split([gradient.numel() for gradient in gradients])
    for gradient, part in zip(gradients, parts, strict=True):
        gradient.copy_(part.view_as(gradient))

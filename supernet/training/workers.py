"""Data-parallel workers: each sees its own images, all take the same step.

The architectures of a step are a function of seed and step, so all workers draw the same ones and hold
gradients for the same tensors. Batch norms see the worker's own images; scores re-estimate them anyway.
"""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
import torch.distributed as dist
from torch import Tensor, nn

from supernet.training.exchange import Collective, Exchange, SharedMemory

_log = logging.getLogger(__name__)
BUCKET_BYTES = 1 << 18
"""Gradients that are sent together while a backward pass goes on."""


@dataclass(frozen=True)
class Workers:
    """This process among those that train together.

    Attributes:
        rank: 0 writes checkpoints and results.
        count: how many there are.
    """

    rank: int = 0
    count: int = 1

    @classmethod
    def joined(cls) -> "Workers":
        """Return this process's place in torch's process group; one worker where there is none."""
        if not (dist.is_available() and dist.is_initialized()):
            return cls()
        return cls(dist.get_rank(), dist.get_world_size())

    def wait(self) -> None:
        """Wait until all workers are here."""
        if self.count > 1:
            dist.barrier()


class GradientMean:
    """Replaces each gradient by its mean over the workers; those that are ready travel while others are made.

    All workers send the same tensors in the same order, whatever order their gradients come in. (torch's own
    `DistributedDataParallel` wants one backward pass a step, and the same parameters in each: here every draw
    has a pass and parameters of its own.)
    """

    def __init__(self, workers: Workers, every: Iterable[nn.Parameter], last: Iterable[nn.Parameter]) -> None:
        """Watch the `last` of all parameters: their gradients come in one backward pass that ends a step."""
        trained = [p for p in every if p.requires_grad]
        self._exchange = _exchange(workers, trained) if workers.count > 1 and trained else None
        self._buckets = _buckets([p for p in last if p.requires_grad]) if self._exchange else []
        self._restart()
        for position, bucket in enumerate(self._buckets):
            for parameter in bucket:
                parameter.register_post_accumulate_grad_hook(partial(self._arrived, position))

    def send(self, parameters: Iterable[nn.Parameter]) -> None:
        """Send those gradients of a step that are there and will not change any more."""
        gradients = [p.grad for p in parameters if p.grad is not None]
        if self._exchange and gradients:
            self._exchange.send(gradients)

    def finish(self) -> None:
        """Send what the last backward pass did not reach in full, and wait for all means of the step."""
        for bucket in self._buckets[self._next :]:
            self.send(bucket)
        self._restart()
        if self._exchange:
            self._exchange.finish()

    def _restart(self) -> None:
        self._next, self._missing = 0, [len(bucket) for bucket in self._buckets]

    def _arrived(self, position: int, _parameter: Tensor) -> None:
        """Note a gradient of that bucket, and send the buckets that are complete, in order."""
        self._missing[position] -= 1
        while self._next < len(self._buckets) and not self._missing[self._next]:
            self.send(self._buckets[self._next])
            self._next += 1


def _exchange(workers: Workers, trained: Sequence[nn.Parameter]) -> Exchange:
    """Return memory that all workers share where there is such, else the process group."""
    shared = None
    if all(p.device.type == "cpu" and p.dtype == torch.float32 for p in trained):
        shared = SharedMemory.between(workers.rank, sum(p.numel() for p in trained))
        if shared is None:
            _log.warning("the workers share no memory: gradients go through torch's process group, slower")
    return shared or Collective(workers.count)


def _buckets(parameters: Sequence[nn.Parameter]) -> list[list[nn.Parameter]]:
    """Return the parameters from last to first, which is about how their gradients come, in parts."""
    buckets: list[list[nn.Parameter]] = []
    room = 0
    for parameter in reversed(parameters):
        if room <= 0:
            buckets.append([])
            room = BUCKET_BYTES
        buckets[-1].append(parameter)
        room -= parameter.numel() * parameter.element_size()
    return buckets

"""`SuperNet`: shared elastic weights that run any architecture they cover."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import torch
from torch import Tensor, nn

from search_space.architecture import Architecture
from supernet import graph
from supernet.subnet import Subnet
from supernet.weights import SharedWeights

if TYPE_CHECKING:
    from search_space.space import Space

Statistics = Mapping[str, Mapping[str, Tensor]]
"""By path of a norm: `running_mean` and `running_var`, each `(C,)`, re-estimated for one architecture."""

_EMPTY: Mapping[str, Tensor] = {}


@dataclass(frozen=True, slots=True)
class _View:
    tensors: Mapping[str, Mapping[str, Tensor]]

    def of(self, path: str) -> Mapping[str, Tensor]:
        return self.tensors.get(path, _EMPTY)


class SuperNet(nn.Module):
    """Weights shared by a whole space. No subnet is active: the architecture is an argument of each call."""

    def __init__(self, cover: Iterable[Architecture]) -> None:
        """Hold the largest size of every tensor that an architecture of `cover` needs."""
        super().__init__()
        self.weights = SharedWeights(cover)

    @classmethod
    def over(cls, space: "Space") -> Self:
        """Return a supernet of every architecture of `space`."""
        return cls(space.cover())

    def forward(
        self,
        features: Mapping[int, Tensor],
        architecture: Architecture,
        *,
        statistics: Statistics | None = None,
        momentum: float | None = None,
    ) -> dict[int, Tensor]:
        """Return `(B, C_l, H / 2**l, W / 2**l)` by output level.

        Args:
            features: by input level.
            architecture: any that the weights cover.
            statistics: norm statistics to use instead of the shared running ones (see `calibrate`).
            momentum: of the norms' running statistics in training.

        Raises:
            UnknownWeights: the weights do not cover the architecture.
            FeatureMismatch: a level is missing or has other channels.
        """
        view = _View(_overlay(self.weights.view(architecture), statistics))
        nodes = graph.plan(architecture)
        return graph.run(architecture, nodes, features, view, training=self.training, momentum=momentum)

    @torch.no_grad()
    def calibrate(self, architecture: Architecture, batches: Iterable[Mapping[int, Tensor]]) -> Statistics:
        """Return the norm statistics of `architecture`: the mean over the given batches of features.

        The shared running statistics stay as they are.
        """
        view = self.weights.view(architecture)
        fresh = {
            path: fresh_statistics(tensors) for path, tensors in view.items() if "running_mean" in tensors
        }
        overlaid, nodes = _View(_overlay(view, fresh)), graph.plan(architecture)
        for index, features in enumerate(batches):
            graph.run(architecture, nodes, features, overlaid, training=True, momentum=1 / (index + 1))
        return fresh

    def extract(self, architecture: Architecture, *, statistics: Statistics | None = None) -> Subnet:
        """Return a `Subnet` in evaluation mode with its own weights; bit-equal to the supernet's output."""
        view = _overlay(self.weights.view(architecture), statistics)
        subnet = Subnet(architecture)
        with torch.no_grad():
            for path, tensors in view.items():
                for name, target in subnet.of(path).items():
                    target.copy_(tensors[name])
        return subnet.eval()


def _overlay(
    view: Mapping[str, Mapping[str, Tensor]], statistics: Statistics | None
) -> Mapping[str, Mapping[str, Tensor]]:
    if not statistics:
        return view
    return {path: {**tensors, **statistics.get(path, {})} for path, tensors in view.items()}


def fresh_statistics(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the running statistics that a norm with these tensors begins with."""
    mean, var = tensors["running_mean"], tensors["running_var"]
    return {"running_mean": torch.zeros_like(mean), "running_var": torch.ones_like(var)}

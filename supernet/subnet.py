"""`Subnet`: a finished neck, an ordinary module that shares nothing."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from search_space.architecture import Architecture
from supernet import graph
from supernet.ops import runner
from supernet.weights import Need, needs

_EMPTY: Mapping[str, Tensor] = {}


class Subnet(nn.Module):
    """A neck that runs one `Architecture`.

    Its tensors are called `<node>.<operation>.<tensor>`, those on an edge
    `<node>.from_<source>.<operation>.<tensor>`; tied operations are stored once, under the first user.
    """

    def __init__(self, architecture: Architecture) -> None:
        """Build and initialise every tensor by torch's global random state."""
        super().__init__()
        self.architecture = architecture
        self._plan = graph.plan(architecture)
        self._slots: dict[str, str] = {}
        first: dict[str, str] = {}
        for need in needs(architecture):
            path = first.setdefault(need.share, need.path)
            self._slots[need.path] = path
            if path == need.path:
                _hold(_slot(self, path), need)

    def of(self, path: str) -> Mapping[str, Tensor]:
        """Return the tensors of the operation at `path`, by name."""
        slot = self._slots.get(path)
        if slot is None:
            return _EMPTY
        module = self.get_submodule(slot)
        return {**module._parameters, **module._buffers}  # type: ignore[dict-item]

    def forward(self, features: Mapping[int, Tensor]) -> dict[int, Tensor]:
        """Return `(B, C_l, H / 2**l, W / 2**l)` by output level.

        Raises:
            FeatureMismatch: a level is missing or has other channels than the architecture's input.
        """
        return graph.run(self.architecture, self._plan, features, self, training=self.training)


def _hold(slot: nn.Module, need: Need) -> None:
    tensor = torch.empty(need.shape)
    with torch.no_grad():
        runner(need.op.kind).initialise(need.op, need.name, tensor)
    if need.learned:
        slot.register_parameter(need.name, nn.Parameter(tensor))
    else:
        slot.register_buffer(need.name, tensor)


def _slot(root: nn.Module, path: str) -> nn.Module:
    for name in path.split("."):
        if name not in root._modules:
            root.add_module(name, nn.Module())
        root = root.get_submodule(name)
    return root

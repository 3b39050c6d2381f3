"""Feature extractors: the built-in `plain` one, and any model that timm offers with `features_only`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from search_space.errors import near
from supernet.errors import UnknownRule, WeightMismatch
from supernet.pretrained import load_pretrained

PLAIN_WIDTHS = (16, 32, 64, 96, 128)
PLAIN_LEVELS = (3, 4, 5)


@dataclass(frozen=True)
class BackboneSpec:
    """Which backbone, and how it is used.

    Attributes:
        name: `plain`, or the name of a timm model.
        pretrained_file: weights on this machine, .safetensors or a state dict of torch; None is random.
        frozen: whether its weights and statistics stay as they are; by default if there is a file.
    """

    name: str = "plain"
    pretrained_file: str | None = None
    frozen: bool | None = None

    def __post_init__(self) -> None:
        if self.frozen is None:
            object.__setattr__(self, "frozen", self.pretrained_file is not None)


class Backbone(nn.Module):
    """Images to features by level; normalises its input itself.

    Attributes:
        channels: by level (level l has stride 2**l), lowest first.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, spec: BackboneSpec, levels: Sequence[int]) -> None:
        """Build the backbone and load its pretrained file.

        Raises:
            UnknownRule: no such backbone (near matches are named), or it offers none of the levels.
            WeightMismatch: the file lacks weights or has them in other shapes (all are listed).
        """
        super().__init__()
        self.spec = spec
        if spec.frozen and spec.pretrained_file is None:
            raise WeightMismatch(
                f"backbone '{spec.name}' is frozen but has no pretrained file; give one, or train it"
            )
        self.model, self._taken, mean, std = (
            _plain(levels) if spec.name == "plain" else _timm(spec.name, levels)
        )
        self.channels = {level: channels for level, (_, channels) in self._taken.items()}
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(1, 3, 1, 1), persistent=False)
        if spec.pretrained_file is not None:
            load_pretrained(self.model, Path(spec.pretrained_file))
        self.requires_grad_(not spec.frozen)

    def forward(self, images: Tensor) -> dict[int, Tensor]:
        """Return `(B, C_l, H / 2**l, W / 2**l)` by level l for images `(B, 3, H, W)` in 0..1."""
        maps = self.model((images - self.mean) / self.std)
        return {level: maps[position] for level, (position, _) in self._taken.items()}

    def train(self, mode: bool = True) -> "Backbone":
        """Switch to training; a frozen backbone stays in evaluation mode."""
        super().train(mode and not self.spec.frozen)
        return self


class Plain(nn.Module):
    """Five 3 x 3 convolutions of stride 2, with a residual block at strides 8, 16, 32; 0.7 M parameters."""

    def __init__(self) -> None:
        """Build it with random weights."""
        super().__init__()
        widths = (3, *PLAIN_WIDTHS)
        self.down = nn.ModuleList(_unit(a, b, stride=2) for a, b in pairwise(widths))
        self.residual = nn.ModuleList(_Residual(PLAIN_WIDTHS[level - 1]) for level in PLAIN_LEVELS)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Return the features at strides 8, 16 and 32."""
        found: list[Tensor] = []
        for level, down in enumerate(self.down, start=1):
            x = down(x)
            if level in PLAIN_LEVELS:
                x = self.residual[PLAIN_LEVELS.index(level)](x)
                found.append(x)
        return found


class _Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(x + self.body(x))


def _unit(inputs: int, outputs: int, *, stride: int) -> nn.Sequential:
    conv = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True))


Taken = Mapping[int, tuple[int, int]]
"""By level: position among the model's outputs, and channels."""
Built = tuple[nn.Module, Taken, tuple[float, ...], tuple[float, ...]]


def _plain(levels: Sequence[int]) -> Built:
    taken = {
        level: (PLAIN_LEVELS.index(level), PLAIN_WIDTHS[level - 1])
        for level in PLAIN_LEVELS
        if level in levels
    }
    _require_levels("plain", PLAIN_LEVELS, taken, levels)
    return Plain(), taken, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)


def _timm(name: str, levels: Sequence[int]) -> Built:
    import timm  # takes seconds, and the built-in backbone does without
    from timm.data.config import resolve_data_config

    if not timm.is_model(name):
        raise UnknownRule(
            f"backbone '{name}' is neither 'plain' nor known to timm{near(name, timm.list_models())}"
        )
    try:
        model = timm.create_model(name, features_only=True, pretrained=False)
    except (RuntimeError, AssertionError, AttributeError, NotImplementedError) as error:
        raise UnknownRule(
            f"backbone '{name}' offers no feature maps (timm features_only): {error}"
        ) from error
    info: Any = model.feature_info
    reductions, channels = info.reduction(), info.channels()
    offered = {
        int(r).bit_length() - 1: (i, c) for i, (r, c) in enumerate(zip(reductions, channels, strict=True))
    }
    taken = {level: offered[level] for level in sorted(offered) if level in levels}
    _require_levels(name, sorted(offered), taken, levels)
    config: dict[str, Any] = resolve_data_config({}, model=model)
    return model, taken, tuple(config["mean"]), tuple(config["std"])


def _require_levels(name: str, offered: Sequence[int], taken: Taken, levels: Sequence[int]) -> None:
    """Levels above the backbone's last belong to the neck; those below its first cannot be had."""
    missing = [level for level in levels if level not in taken and level < max(offered)]
    if missing or not taken:
        raise UnknownRule(f"backbone '{name}' has levels {list(offered)}, not {missing or list(levels)}")

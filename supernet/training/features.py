"""Where a training step takes backbone features from: the backbone itself, or copies kept in memory."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from supernet.backbone import Backbone
from supernet.data.augmentation import Augmentation
from supernet.data.loader import Batch, Letterbox, Loader, Targets

CACHE_BYTES = 3 << 29
"""1.5 GiB: beyond it a frozen backbone runs every step."""


@dataclass(frozen=True, eq=False)
class FeatureBatch:
    """Features by level, `(B, C_l, H / 2**l, W / 2**l)`, and what is to be found in each image."""

    maps: Mapping[int, Tensor]
    targets: Sequence[Targets]


class FeatureSource(Protocol):
    """Gives the features of a step; a function of the step alone."""

    loader: Loader

    def batch(self, step: int) -> FeatureBatch:
        """Return the features of that step's images."""


class LiveFeatures:
    """Runs the backbone on each step's images."""

    def __init__(self, backbone: Backbone, loader: Loader, device: torch.device) -> None:
        """Take the images from `loader`."""
        self.loader = loader
        self._backbone, self._device = backbone, device

    def batch(self, step: int) -> FeatureBatch:
        """Return the features, with a graph back to the backbone where it is trained."""
        batch = self.loader.batch(step)
        with torch.set_grad_enabled(not self._backbone.spec.frozen):
            return FeatureBatch(_run(self._backbone, batch, self._device), batch.targets)


class CachedFeatures:
    """Features of a frozen backbone, computed once for several augmentations of each image, as halves."""

    def __init__(self, backbone: Backbone, loader: Loader, copies: int, device: torch.device) -> None:
        """Run the backbone over `copies` augmentations of every image."""
        self.loader = loader
        self._copies = copies
        self._maps: list[Mapping[int, Tensor]] = []
        self._targets: list[tuple[Targets, ...]] = []
        for copy in range(copies):
            maps, targets = _copy(backbone, loader, copy, device)
            self._maps.append(maps)
            self._targets.append(targets)

    def batch(self, step: int) -> FeatureBatch:
        """Return features of a copy drawn for that step and image."""
        indices = self.loader.indices(step)
        drawn = np.random.default_rng([self.loader.seed, 13, step]).integers(self._copies, size=len(indices))
        picks = list(zip(drawn.tolist(), indices, strict=True))
        levels = self._maps[0]
        maps = {level: torch.stack([self._maps[c][level][i] for c, i in picks]).float() for level in levels}
        channels_last = {level: x.permute(0, 3, 1, 2) for level, x in maps.items()}
        return FeatureBatch(channels_last, [self._targets[c][i] for c, i in picks])


class JoinedFeatures:
    """Several steps' features of another source in each step."""

    def __init__(self, source: FeatureSource, batches: int) -> None:
        """Join `batches` steps of `source`."""
        self.loader = source.loader
        self._source, self._batches = source, batches

    def batch(self, step: int) -> FeatureBatch:
        """Return the features of these steps' images, one behind the other."""
        if self._batches == 1:
            return self._source.batch(step)
        parts = [self._source.batch(step * self._batches + part) for part in range(self._batches)]
        maps = {level: torch.cat([part.maps[level] for part in parts]) for level in parts[0].maps}
        return FeatureBatch(maps, [targets for part in parts for targets in part.targets])


def feature_bytes(backbone: Backbone, size: tuple[int, int], images: int) -> int:
    """Return the bytes that half-precision features of that many images take."""
    pixels = {level: -(-size[0] // 2**level) * -(-size[1] // 2**level) for level in backbone.channels}
    return images * sum(2 * backbone.channels[level] * count for level, count in pixels.items())


@torch.no_grad()
def _copy(
    backbone: Backbone, loader: Loader, copy: int, device: torch.device
) -> tuple[Mapping[int, Tensor], tuple[Targets, ...]]:
    """Return features `(images, H_l, W_l, C_l)` and targets of one augmentation of every image, in order."""
    changed = loader.augmentation if copy else Augmentation(brightness=0, permute_channels=False)
    source = _InOrder(loader.source, loader.batch_size, loader.seed + 1000 * copy, changed)
    parts = [source.batch(step) for step in range(source.steps)]
    maps = [_run(backbone, part, device) for part in parts]
    joined = {
        level: torch.cat([part[level].half().permute(0, 2, 3, 1) for part in maps]).contiguous()
        for level in backbone.channels
    }
    return joined, tuple(target for part in parts for target in part.targets)


@dataclass(frozen=True, eq=False)
class _InOrder(Loader):
    """Every image once, in order, augmented."""

    @property
    def steps(self) -> int:
        return -(-len(self.source) // self.batch_size)

    def indices(self, step: int) -> tuple[int, ...]:
        return tuple(range(len(self.source)))[step * self.batch_size : (step + 1) * self.batch_size]


def _run(backbone: Backbone, batch: Batch, device: torch.device) -> dict[int, Tensor]:
    images = batch.images.to(device, memory_format=torch.channels_last)
    found: dict[int, Tensor] = backbone(images)
    return found


def feature_source(
    backbone: Backbone, source: Letterbox, loader: Loader, copies: int, device: torch.device
) -> FeatureSource:
    """Return cached features where the backbone is frozen and its copies fit into memory, else live ones."""
    wanted = feature_bytes(backbone, source.size, len(source) * copies)
    if backbone.spec.frozen and copies and wanted <= CACHE_BYTES:
        return CachedFeatures(backbone.eval(), loader, copies, device)
    return LiveFeatures(backbone, loader, device)

"""Adapters of a written neck to the detectors of torchvision, timm, mmdetection, detectron2.

Needs torch alone; lies beside `neck.py`:

    from adapters import BackboneWithNeck, DictNeck, ListNeck
    from neck import Neck

    neck = Neck.from_safetensors("neck.safetensors")
    backbone = BackboneWithNeck(body, neck, levels=(3, 4, 5))  # torchvision, timm
    neck = ListNeck(neck, levels=(3, 4, 5))  # mmdetection: list in, tuple out
    backbone = DictNeck(neck, {"res3": 3, "res4": 4, "res5": 5}, bottom_up)  # detectron2: dicts
"""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from torch import Tensor, nn


class BackboneWithNeck(nn.Module):
    """A backbone for torchvision's FCOS, RetinaNet and Faster R-CNN.

    `body` makes one feature map a level: a dict, as torchvision's feature extractors, or a
    list, as timm's `features_only` models. The maps come out as "0", "1", ... by level.
    """

    def __init__(self, body: nn.Module, neck: nn.Module, levels: Sequence[int]) -> None:
        """Join them; `levels` are those of the body's maps, in its order."""
        super().__init__()
        self.body, self.neck, self.levels = body, neck, tuple(levels)
        widths = output_widths(neck)
        if len(set(widths.values())) > 1:
            raise ValueError(f"torchvision wants one width at all levels, got {widths}")
        self.out_levels = tuple(widths)
        self.out_channels = next(iter(widths.values()))

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Return `(B, out_channels, H / 2**level, W / 2**level)` by position."""
        maps = self.body(images)
        maps = list(maps.values()) if isinstance(maps, Mapping) else list(maps)
        features = self.neck(dict(zip(self.levels, maps, strict=True)))
        ordered = [features[level] for level in sorted(features)]
        return OrderedDict((str(index), x) for index, x in enumerate(ordered))


class ListNeck(nn.Module):
    """A neck in the style of mmdetection: a list of maps in, a tuple of maps out."""

    def __init__(self, neck: nn.Module, levels: Sequence[int]) -> None:
        """Wrap the neck; `levels` are those of the maps in the list, in its order."""
        super().__init__()
        self.neck, self.levels = neck, tuple(levels)

    def forward(self, inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Return the neck's maps, the finest first."""
        features = self.neck(dict(zip(self.levels, inputs, strict=True)))
        return tuple(features[level] for level in sorted(features))


class ShapeSpec(NamedTuple):
    """What a map is like, in the fields of detectron2's own `ShapeSpec`."""

    channels: int
    height: int | None
    width: int | None
    stride: int


class DictNeck(nn.Module):
    """A neck in the style of detectron2: maps by name in ("res3"), maps "p3", "p4" out.

    With the backbone below it, `bottom_up`, it takes images and is a backbone itself.
    """

    def __init__(
        self, neck: nn.Module, levels: Mapping[str, int], bottom_up: nn.Module | None = None
    ) -> None:
        """Wrap the neck; `levels` gives the level of each map by its name."""
        super().__init__()
        self.bottom_up, self.neck, self.levels = bottom_up, neck, dict(levels)
        self.out_channels = {f"p{k}": width for k, width in output_widths(neck).items()}
        self.out_strides = {name: 2 ** int(name[1:]) for name in self.out_channels}

    @property
    def size_divisibility(self) -> int:
        """Return 0: any image size will do."""
        return 0

    @property
    def padding_constraints(self) -> dict[str, int]:
        """Return {}: images need no padding."""
        return {}

    def output_shape(self) -> dict[str, ShapeSpec]:
        """Return the channels and the stride of each map."""
        return {
            name: ShapeSpec(width, None, None, self.out_strides[name])
            for name, width in self.out_channels.items()
        }

    def forward(self, maps: Any) -> dict[str, Tensor]:
        """Return the neck's maps as "p3", "p4", ..., from images where there is a `bottom_up`."""
        if self.bottom_up is not None:
            maps = self.bottom_up(maps)
        features = self.neck({level: maps[name] for name, level in self.levels.items()})
        return {f"p{level}": features[level] for level in sorted(features)}


def output_widths(neck: Any) -> dict[int, int]:
    """Return the channels of each output level of a written neck."""
    return dict(sorted(neck.channels_out.items()))

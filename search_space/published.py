"""Published reference numbers of necks: the neck alone, as its authors' code counts it.

Parameters are exact. GMACs are those of convolutions only: the sampling of deformable convolutions, matrix
products of attention, norms, activations and resampling are left out.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from search_space.architecture import Architecture
from search_space.op import Size
from search_space.reference import build

_CONVOLUTIONS = frozenset({"conv", "deform_conv", "deconv"})
RESNET50 = {2: 256, 3: 512, 4: 1024, 5: 2048}
"""Channels of ResNet-50 by level."""
_C35 = {level: RESNET50[level] for level in (3, 4, 5)}
_EVEN = {level: 256 for level in (3, 4, 5, 6, 7)}


@dataclass(frozen=True, kw_only=True)
class Published:
    """One row: what is built, and the numbers it must have.

    Attributes:
        label: how the row is called.
        name: of the neck.
        channels: of the backbone by level.
        options: of the neck.
        image_size: height and width, pixels.
        parameters: learnable numbers.
        gmacs: 1e9 multiply-accumulates of convolutions.
    """

    label: str
    name: str
    channels: Mapping[int, int]
    options: Mapping[str, object] = field(default_factory=dict)
    image_size: Size = (640, 640)
    parameters: int
    gmacs: float

    def build(self) -> Architecture:
        """Return the architecture of the row."""
        return build(self.name, self.channels, **self.options)


def convolution_macs(architecture: Architecture, image_size: Size) -> int:
    """Return the multiply-accumulates of convolutions only, for one image."""
    steps = architecture.steps(image_size)
    return sum(step.op.macs(step.inputs, step.output) for step in steps if step.op.kind in _CONVOLUTIONS)


@dataclass(frozen=True, slots=True)
class Comparison:
    """A row beside what we build."""

    row: Published
    parameters: int
    gmacs: float

    @property
    def agrees(self) -> bool:
        """Whether parameters are equal and GMACs within 0.5 %."""
        return self.parameters == self.row.parameters and abs(self.gmacs / self.row.gmacs - 1) <= 0.005


def compare(row: Published) -> Comparison:
    """Return the row's numbers as we count them."""
    made = row.build()
    return Comparison(row, made.parameters(), convolution_macs(made, row.image_size) / 1e9)


def _three(low: int, mid: int, high: int) -> dict[int, int]:
    return {3: low, 4: mid, 5: high}


def _bifpn(size: str, channels: Mapping[int, int], side: int, parameters: int, gmacs: float) -> Published:
    return Published(
        label=f"bifpn {size.upper()}",
        name=f"bifpn@{size}",
        channels=channels,
        options={"padding": "same"},
        image_size=(side, side),
        parameters=parameters,
        gmacs=gmacs,
    )


ROWS: tuple[Published, ...] = (
    Published(
        label="fpn C2-5 + pool", name="fpn@pool", channels=RESNET50, parameters=3_344_384, gmacs=23.200
    ),
    Published(label="fpn C3-7 on C5", name="fpn@retinanet", channels=_C35, parameters=7_997_440, gmacs=6.909),
    Published(label="fpn C3-7 on P5", name="fpn@fcos", channels=_C35, parameters=3_868_672, gmacs=6.496),
    Published(label="pafpn C2-5", name="pafpn", channels=RESNET50, parameters=6_884_864, gmacs=33.109),
    Published(label="nas_fpn@mmdet x7", name="nas_fpn", channels=_C35, parameters=29_990_144, gmacs=49.911),
    Published(
        label="fpg 9 @128 C2-5",
        name="fpg",
        channels=RESNET50,
        options={"width": 128},
        parameters=10_666_624,
        gmacs=47.133,
    ),
    Published(
        label="bfp non-local",
        name="bfp@non_local",
        channels={level: 256 for level in (2, 3, 4, 5, 6)},
        options={"after": "inputs"},
        parameters=263_168,
        gmacs=0.419,
    ),
    Published(
        label="hrfpn w18",
        name="hrfpn",
        channels={2: 18, 3: 36, 4: 72, 5: 144},
        parameters=3_019_776,
        gmacs=21.882,
    ),
    Published(
        label="dense_fpn x5 C3-5", name="dense_fpn", channels=_C35, parameters=12_800_530, gmacs=19.699
    ),
    Published(
        label="rep_gfpn T deployed",
        name="rep_gfpn@t",
        channels=_three(96, 192, 384),
        options={"deployed": True},
        parameters=5_712_704,
        gmacs=4.101,
    ),
    Published(
        label="rep_gfpn S deployed",
        name="rep_gfpn@s",
        channels=_three(128, 256, 512),
        options={"deployed": True},
        parameters=11_519_184,
        gmacs=8.743,
    ),
    Published(
        label="yolox_pafpn s",
        name="yolox_pafpn@s",
        channels=_three(128, 256, 512),
        parameters=2_950_144,
        gmacs=2.857,
    ),
    Published(
        label="yolox_pafpn l",
        name="yolox_pafpn@l",
        channels=_three(256, 512, 1024),
        parameters=19_983_360,
        gmacs=19.818,
    ),
    Published(
        label="cspnext_pafpn s",
        name="cspnext_pafpn@s",
        channels=_three(128, 256, 512),
        parameters=3_883_200,
        gmacs=4.348,
    ),
    Published(
        label="cspnext_pafpn l",
        name="cspnext_pafpn@l",
        channels=_three(256, 512, 1024),
        parameters=23_746_688,
        gmacs=25.828,
    ),
    Published(
        label="ssd300",
        name="ssd",
        channels={3: 512, 4: 1024},
        options={"valid": 2},
        image_size=(300, 300),
        parameters=2_460_032,
        gmacs=0.231,
    ),
    Published(label="opa_fpn 112", name="opa_fpn", channels=RESNET50, parameters=5_033_874, gmacs=39.6),
    Published(
        label="rev_fp + csn, deformable",
        name="rcnet",
        channels=_C35,
        parameters=7_665_346,
        gmacs=10.309,
    ),
    Published(
        label="sepc lite",
        name="sepc@lite",
        channels=_EVEN,
        options={"width": None},
        parameters=8_347_172,
        gmacs=40.4,
    ),
    _bifpn("d0", _three(40, 112, 320), 512, 196_281, 0.136),
    _bifpn("d1", _three(40, 112, 320), 640, 390_972, 0.451),
    _bifpn("d2", _three(48, 120, 352), 768, 708_159, 1.216),
    _bifpn("d3", _three(48, 136, 384), 896, 1_559_474, 3.756),
    _bifpn("d4", _three(56, 160, 448), 1024, 3_349_829, 10.745),
    Published(
        label="bifpn D0 without redundant bias",
        name="bifpn@d0",
        channels=_three(40, 112, 320),
        image_size=(512, 512),
        parameters=194_361,
        gmacs=0.136,
    ),
)

"""Parameters and MACs of convolutions at options that no published table has, by formulas written by hand.

Each formula walks the structure that the neck's own publication gives; it shares nothing with the builders.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import pytest

from search_space.published import convolution_macs
from search_space.reference import build

HEIGHT, WIDTH = 384, 640
C3 = {3: 24, 4: 40, 5: 72}
C2 = {2: 16, **C3}


@dataclass
class Tally:
    """Parameters and MACs so far; `at` is the level that a convolution writes."""

    parameters: int = 0
    macs: int = 0
    size: tuple[int, int] = field(default=(HEIGHT, WIDTH))

    def pixels(self, level: int) -> int:
        rows, columns = (-(-extent >> level) for extent in self.size)
        return rows * columns

    def conv(
        self, inputs: int, outputs: int, kernel: int, at: int, *, end: str = "norm", groups: int = 1
    ) -> None:
        """Add a convolution; `end` is norm (no bias), bias, both or none."""
        weights = inputs // groups * outputs * kernel**2
        self.macs += weights * self.pixels(at)
        self.parameters += weights + {"norm": 2, "bias": 1, "both": 3, "none": 0}[end] * outputs

    def norm(self, channels: int) -> None:
        self.parameters += 2 * channels

    def extra(self, parameters: int, macs: int = 0) -> None:
        self.parameters += parameters
        self.macs += macs


Formula = Callable[[Tally, Mapping[int, int]], None]


def fpn(width: int, *, extra: str = "pool", more: int = 0, paths: int = 1, end: str = "bias") -> Formula:
    def count(t: Tally, c: Mapping[int, int]) -> None:
        top = max(c)
        for level in c:
            t.conv(c[level], width, 1, level, end=end)
            t.conv(width, width, 3, level, end=end)
        for level in range(min(c) + 1, top + 1) if paths == 2 else ():
            t.conv(width, width, 3, level, end=end)  # stride 2
            t.conv(width, width, 3, level, end=end)
        for step in range(more if extra != "pool" else 0):
            t.conv(c[top] if extra == "c5" and not step else width, width, 3, top + 1 + step, end=end)

    return count


def nas_fpn(width: int, repeats: int) -> Formula:
    def count(t: Tally, c: Mapping[int, int]) -> None:
        low, top = min(c), max(c)
        for level in c:
            t.conv(c[level], width, 1, level)
        for level in range(top, low + 4):
            t.conv(width, width, 1, level)  # before the pool
        for offset in (1, 1, 0, 1, 2, 4, 3) * repeats:
            t.conv(width, width, 3, low + offset, end="both")

    return count


def nas_fcos(width: int, more: int) -> Formula:
    def count(t: Tally, c: Mapping[int, int]) -> None:
        low, mid, top = sorted(c)
        for level in c:
            t.conv(c[level], width, 1, level)
        at = [low, mid, top]
        for first, second in ((2, 2), (2, 2), (3, None), (0, None), (4, 2), (3, 6), (6, 1)):
            t.conv(width, width, 3, at[first], end="both")
            if second is not None:
                t.conv(width, width, 3, at[second], end="both")
            at.append(min(at[first], at[2 if second is None else second]))
            t.norm(2 * width)
            t.conv(2 * width, width, 1, at[-1], end="none", groups=width)
        for step in range(more):
            t.conv(width, width, 3, top + 1 + step, end="bias")

    return count


def fpg(width: int, repeats: int, more: int, *, conv: bool = False) -> Formula:
    def count(t: Tally, c: Mapping[int, int]) -> None:
        low, top = min(c), max(c) + more
        for level in c:
            t.conv(c[level], width, 1, level, end="bias")
        for level in range(max(c) + 1, top + 1) if conv else ():
            t.conv(width, width, 3, level, end="bias")
        for path in range(repeats):
            for level in range(low, top + 1):
                if path >= top - level:
                    t.conv(width, width, 1, level)  # across
                    t.conv(width, width, 1, level)  # skip
                    for _ in range((level > low) + (level < top)):  # from below, from above
                        t.conv(width, width, 3, level)
        for level in range(low, top + 1):
            t.conv(width, width, 3, level, end="bias")

    return count


def dilated_encoder(width: int, inner: int, blocks: int) -> Formula:
    def count(t: Tally, c: Mapping[int, int]) -> None:
        top = max(c)
        t.conv(c[top], width, 1, top, end="both")
        t.conv(width, width, 3, top, end="both")
        for _ in range(blocks):
            t.conv(width, inner, 1, top)
            t.conv(inner, inner, 3, top)
            t.conv(inner, width, 1, top)

    return count


def yolo_v3(width: int) -> Formula:
    def count(t: Tally, c: Mapping[int, int]) -> None:
        above = 0
        for index, level in enumerate(sorted(c, reverse=True)):
            out = width >> index
            if above:
                t.conv(above, out, 1, level + 1)
            t.conv(c[level] + (out if above else 0), out, 1, level)
            for _ in range(2):
                t.conv(out, 2 * out, 3, level)
                t.conv(2 * out, out, 1, level)
            above = out

    return count


def ct_resnet(widths: tuple[int, ...], *, deform: bool = False) -> Formula:
    def count(t: Tally, c: Mapping[int, int]) -> None:
        level = max(c)
        given = c[level]
        for width in widths:
            t.conv(given, width, 3, level)
            if deform:
                t.conv(given, 27, 3, level, end="bias")
            t.conv(width, width, 4, level)  # each pixel of the coarse map writes 4 x 4
            given, level = width, level - 1

    return count


def csp(t: Tally, inputs: int, outputs: int, level: int, blocks: int, *, large: bool) -> None:
    inner = outputs // 2
    for _ in range(2):
        t.conv(inputs, inner, 1, level)
    for _ in range(blocks):
        if large:
            t.conv(inner, inner, 3, level)
            t.conv(inner, inner, 5, level, groups=inner)
            t.conv(inner, inner, 1, level)
        else:
            t.conv(inner, inner, 1, level)
            t.conv(inner, inner, 3, level)
    t.conv(2 * inner, outputs, 1, level)


def csp_pafpn(width: int, blocks: int, *, large: bool) -> Formula:
    def count(t: Tally, c: Mapping[int, int]) -> None:
        levels = sorted(c)
        for level in levels[1:]:
            t.conv(c[level], c[level - 1], 1, level)  # reduce
            csp(t, 2 * c[level - 1], c[level - 1], level - 1, blocks, large=large)
            t.conv(c[level - 1], c[level - 1], 3, level)  # stride 2
            csp(t, 2 * c[level - 1], c[level], level, blocks, large=large)
        for level in levels:
            t.conv(c[level], width, 3 if large else 1, level)

    return count


def carafe(width: int, inner: int, more: int) -> Formula:
    def count(t: Tally, c: Mapping[int, int]) -> None:
        top = max(c)
        for level in range(min(c), top + 1 + more):
            above = level > top
            given = c[min(level, top)] if level <= top + 1 else width
            t.conv(given, width, 3 if above else 1, level, end="bias")
            t.conv(width, width, 3, level, end="bias")
        kernels = width * inner + inner + 100 * (9 * inner + 1)
        t.extra((len(c) - 1 + more) * kernels)  # their MACs count as CARAFE's, not as convolutions'

    return count


def hrnet(t: Tally, c: Mapping[int, int]) -> None:
    for level in c:
        for source in c:
            if source > level:
                t.conv(c[source], c[level], 1, source)
            for step in range(source + 1, level + 1):
                t.conv(c[source], c[level] if step == level else c[source], 3, step)


def hrfpn(width: int, more: int) -> Formula:
    def count(t: Tally, c: Mapping[int, int]) -> None:
        t.conv(sum(c.values()), width, 1, min(c), end="bias")
        for level in range(min(c), max(c) + 1 + more):
            t.conv(width, width, 3, level, end="bias")

    return count


def ddrnet(t: Tally, c: Mapping[int, int]) -> None:
    fine, coarse = sorted(c)
    t.conv(c[coarse], c[fine], 1, coarse)
    given = c[fine]
    for level in range(fine + 1, coarse + 1):
        made = c[coarse] if level == coarse else 2 * given
        t.conv(given, made, 3, level)
        given = made


def sepc(width: int, repeats: int, *, norms: bool, heads_moved: bool, moved: bool) -> Formula:
    def one(t: Tally, levels: list[int], reads: Callable[[int], int | None], *, moved: bool) -> None:
        weights = 9 * width * width
        t.extra(weights + width + (9 * width * 18 + 18 if moved else 0))
        for level in levels:
            at = reads(level)
            if at is not None:
                offsets = 9 * width * 18 if moved and level > levels[0] else 0
                t.extra(0, (weights + offsets) * t.pixels(at))

    def count(t: Tally, c: Mapping[int, int]) -> None:
        levels = sorted(c)
        for _ in range(repeats):
            one(t, levels, lambda level: level, moved=moved)
            one(t, levels, lambda level: level if level > levels[0] else None, moved=moved)
            one(t, levels, lambda level: level + 1 if level < levels[-1] else None, moved=moved)
        for _ in range(2):
            one(t, levels, lambda level: level, moved=heads_moved)
        t.extra(2 * width * (repeats + 2) if norms else 0)

    return count


def rep_gfpn(widths: tuple[int, int, int], hidden: float, depth: float, *, deployed: bool) -> Formula:
    blocks = round(3 * depth)

    def stage(t: Tally, inputs: int, outputs: int, level: int) -> None:
        first = outputs // 2
        mid = outputs - first
        t.conv(inputs, first, 1, level)
        t.conv(inputs, mid, 1, level)
        inner = int(mid * hidden)
        for _ in range(blocks):
            t.conv(mid, inner, 3, level, end="bias" if deployed else "norm")
            if not deployed:
                t.conv(mid, inner, 1, level)
            t.conv(inner, mid, 3, level)
        t.conv(mid * blocks + first, outputs, 1, level)

    def count(t: Tally, c: Mapping[int, int]) -> None:
        (p3, p4, p5), (w3, w4, w5) = (c[level] for level in sorted(c)), widths
        low, mid, high = sorted(c)
        for width, level in ((p4, high), (p3, mid), (w3, mid), (p4, high), (w4, high)):
            t.conv(width, width, 3, level)  # stride 2
        stage(t, p4 + p5, p5, high)
        stage(t, p3 + p4 + p5, p4, mid)
        stage(t, p4 + p3, w3, low)
        stage(t, w3 + p4, w4, mid)
        stage(t, p4 + w4 + p5, w5, high)

    return count


def channel_mapper(width: int, kernel: int, more: int) -> Formula:
    def count(t: Tally, c: Mapping[int, int]) -> None:
        for level in c:
            t.conv(c[level], width, kernel, level, end="bias")
        for step in range(more):
            t.conv(width if step else c[max(c)], width, 3, max(c) + 1 + step, end="bias")

    return count


EVEN = {level: 32 for level in (3, 4, 5, 6)}
Case = tuple[str, Mapping[int, int], dict[str, object], Formula]
CASES: list[Case] = [
    ("fpn", C2, {"width": 48, "more": 2, "extra": "c5"}, fpn(48, extra="c5", more=2)),
    (
        "fpn",
        C3,
        {"width": 48, "more": 3, "extra": "t5", "norm": "batch"},
        fpn(48, extra="t5", more=3, end="norm"),
    ),
    ("pafpn", C2, {"width": 40, "more": 1, "extra": "p5"}, fpn(40, extra="p5", more=1, paths=2)),
    ("pafpn@paper", C3, {"width": 40}, fpn(40, paths=2)),
    ("nas_fpn", C3, {"width": 40, "repeats": 2}, nas_fpn(40, 2)),
    ("nas_fpn", C2, {"width": 24, "repeats": 5}, nas_fpn(24, 5)),
    ("nas_fcos@plain", C3, {"width": 40}, nas_fcos(40, 2)),
    ("nas_fcos@plain", C3, {"width": 24, "levels": (3, 8)}, nas_fcos(24, 3)),
    ("fpg", C2, {"width": 32, "repeats": 9}, fpg(32, 9, 1)),
    ("fpg", C2, {"width": 40, "repeats": 3}, fpg(40, 3, 1)),
    ("fpg", C3, {"width": 24, "repeats": 7, "more": 2, "extra": "conv"}, fpg(24, 7, 2, conv=True)),
    ("dilated_encoder", {5: 72}, {"width": 64}, dilated_encoder(64, 16, 4)),
    ("dilated_encoder", {4: 40}, {"width": 48, "inner": 20, "dilations": (1, 2)}, dilated_encoder(48, 20, 2)),
    ("yolo_v3", C3, {"width": 64}, yolo_v3(64)),
    ("yolo_v3", C2, {"width": 80}, yolo_v3(80)),
    ("ct_resnet", {5: 72}, {"widths": (40, 24, 16)}, ct_resnet((40, 24, 16))),
    ("ct_resnet@dcn", {5: 72}, {"widths": (48, 24)}, ct_resnet((48, 24), deform=True)),
    ("yolox_pafpn@m", C3, {"width": 48}, csp_pafpn(48, 2, large=False)),
    ("yolox_pafpn", C2, {"width": 40, "repeats": 4}, csp_pafpn(40, 4, large=False)),
    ("cspnext_pafpn@m", C3, {"width": 48}, csp_pafpn(48, 2, large=True)),
    ("cspnext_pafpn", C2, {"width": 40, "repeats": 4}, csp_pafpn(40, 4, large=True)),
    ("fpn_carafe", C2, {"width": 32, "inner": 12}, carafe(32, 12, 0)),
    ("fpn_carafe", C3, {"width": 40, "inner": 20, "more": 2}, carafe(40, 20, 2)),
    ("hrnet_fuse", C2, {}, hrnet),
    ("hrnet_fuse", C3, {}, hrnet),
    ("hrfpn", C2, {"width": 40, "more": 2}, hrfpn(40, 2)),
    ("ddrnet", {3: 24, 4: 48}, {}, ddrnet),
    ("ddrnet", {3: 24, 6: 96}, {}, ddrnet),
    ("sepc@pconv", EVEN, {"width": None}, sepc(32, 4, norms=False, heads_moved=False, moved=False)),
    (
        "sepc@ibn",
        EVEN,
        {"width": None, "repeats": 2},
        sepc(32, 2, norms=True, heads_moved=False, moved=False),
    ),
    (
        "sepc@lite",
        EVEN,
        {"width": None, "repeats": 3},
        sepc(32, 3, norms=True, heads_moved=True, moved=False),
    ),
    ("sepc@full", EVEN, {"width": None}, sepc(32, 4, norms=True, heads_moved=True, moved=True)),
    ("rep_gfpn@m", C3, {"widths": (32, 48, 64)}, rep_gfpn((32, 48, 64), 1.0, 1.5, deployed=False)),
    (
        "rep_gfpn@s",
        {3: 9, 4: 15, 5: 22},
        {"widths": (7, 13, 18)},
        rep_gfpn((7, 13, 18), 0.75, 1, deployed=False),
    ),
    ("rep_gfpn@t", C3, {"deployed": True, "widths": 40}, rep_gfpn((40, 40, 40), 1.0, 1, deployed=True)),
    ("channel_mapper", C3, {"width": 40, "kernel": 1, "more": 2}, channel_mapper(40, 1, 2)),
]


@pytest.mark.parametrize(
    ("name", "channels", "options", "formula"), CASES, ids=[f"{case[0]} {case[2]}" for case in CASES]
)
def test_structure_at_other_options(
    name: str, channels: Mapping[int, int], options: dict[str, object], formula: Formula
) -> None:
    tally = Tally()
    formula(tally, channels)
    made = build(name, channels, **options)
    assert (made.parameters(), convolution_macs(made, (HEIGHT, WIDTH))) == (tally.parameters, tally.macs)


@pytest.mark.parametrize(
    ("options", "side", "sides"),
    [
        ({"valid": 2}, 300, (38, 19, 10, 5, 3, 1)),
        ({"widths": (512, 256, 256, 256, 256), "last_kernel": 4}, 512, (64, 32, 16, 8, 4, 2, 1)),
    ],
)
def test_ssds_maps(options: dict[str, object], side: int, sides: tuple[int, ...]) -> None:
    """SSD300 ends with two convolutions without a border, SSD512 with a 4x4 one."""
    made = build("ssd", {3: 512, 4: 1024}, **options)
    assert tuple(shape.height for shape in made.output_shapes((side, side)).values()) == sides
    widths = (1024, 512, 256, 256, 256, 256)[: len(sides) - 1]
    kernels = (3, 3, 3, 3, 4)
    expected = 512
    for given, width, kernel in zip(widths, widths[1:], kernels, strict=False):
        expected += given * width // 2 + width // 2 + width // 2 * width * kernel**2 + width
    assert made.parameters() == expected


def test_what_stands_where_no_count_shows() -> None:
    """Activations that neither parameters nor MACs tell."""
    refine = next(node for node in build("bfp@conv", C3).nodes if node.id == "refine")
    assert [op.kind for op in refine.ops] == ["conv", "act"]
    above = [node for node in build("nas_fcos", C3).nodes if node.id in ("p6", "p7")]
    assert [[op.kind for op in node.ops] for node in above] == [["conv"], ["act", "conv"]]
    acts = {op.form for node in build("rep_gfpn@m", C3).nodes for op in node.ops if op.kind == "act"}  # type: ignore[attr-defined]
    assert acts == {"silu"}

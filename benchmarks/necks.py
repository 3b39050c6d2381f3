"""Published necks: their numbers, their outputs against other implementations, any image size.

`--quick` takes about a minute: narrower necks and fewer sizes, the same checks.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import torch

from benchmarks import form
from benchmarks.form import Figure, Target
from benchmarks.neck_oracles import (
    BIFPN_METHODS,
    BIFPN_SIZES,
    FPN_EXTRAS,
    FPN_NORMS,
    PADDINGS,
    bifpn_difference,
    features,
    fpn_difference,
)
from evaluators.cost import count
from search_space import reference
from search_space.architecture import Architecture
from search_space.op import Size
from search_space.published import ROWS, Comparison, compare
from supernet.subnet import Subnet

TARGETS = {
    "rows_parameters_wrong": Target("<=", 0.0),
    "rows_gmacs_off_percent": Target("<=", 0.5),
    "fpn_torchvision_difference": Target("<=", 1e-6),
    "bifpn_effdet_difference": Target("<=", 1e-6),
    "size_faults": Target("<=", 0.0),
    "cost_faults": Target("<=", 0.0),
}
SEEDS = (0,)
_CHANNELS = {3: 16, 4: 24, 5: 32}
_SIZES: tuple[Size, ...] = ((128, 128), (97, 131), (17, 40), (333, 211))
_REFUSED = {("d7x", (97, 131))}
"""Where the oracle has no right size itself: a level of one row and two columns above one of one pixel."""


def measure(*, quick: bool) -> list[Figure]:
    """Return the figures of all necks."""
    torch.set_num_threads(1)
    return [
        *_rows([compare(row) for row in ROWS]),
        _fpn(quick=quick),
        _bifpn(quick=quick),
        *_runs(3 if quick else 20),
    ]


def _rows(found: Sequence[Comparison]) -> Iterator[Figure]:
    wrong = [entry.row.label for entry in found if entry.parameters != entry.row.parameters]
    detail = ", ".join(wrong) or f"{len(found)} rows, to the last parameter"
    yield Figure("rows_parameters_wrong", float(len(wrong)), "rows", detail=detail)
    off = {entry.row.label: 100 * abs(entry.gmacs / entry.row.gmacs - 1) for entry in found}
    worst = max(off, key=lambda label: off[label])
    yield Figure("rows_gmacs_off_percent", off[worst], "%", detail=f"of {len(found)} rows, {worst}")


def _fpn(*, quick: bool) -> Figure:
    width = 12 if quick else 256
    cases = [(extra, norm, low) for extra in FPN_EXTRAS for norm in FPN_NORMS for low in (2, 3)]
    worst = max(fpn_difference(*case, _SIZES, width=width) for case in cases)
    detail = f"{len(cases)} variants of width {width} at {len(_SIZES)} sizes, double precision"
    return Figure("fpn_torchvision_difference", worst, "relative", detail=detail)


def _bifpn(*, quick: bool) -> Figure:
    width = 16 if quick else None
    cases = [
        (size, padding, fusion) for size in BIFPN_SIZES for padding in PADDINGS for fusion in BIFPN_METHODS
    ]
    worst = max(bifpn_difference(*case, (128, 128), width=width) for case in cases)
    odd = (_SIZES[1], _SIZES[3])
    taken = [(case, size) for case in cases for size in odd if (case[0], size) not in _REFUSED]
    worst = max(worst, *(bifpn_difference(*case, size, width=16) for case, size in taken))
    own = "their own width" if width is None else f"width {width}"
    detail = f"{len(cases)} variants of {own} at 128 x 128, of width 16 at {odd[0]} and {odd[1]} pixels"
    return Figure("bifpn_effdet_difference", worst, "relative", detail=detail)


def _runs(sizes: int) -> Iterator[Figure]:
    rng = np.random.default_rng(SEEDS[0])
    wrong_sizes, wrong_costs = [], []
    necks = {reference.build(name, _CHANNELS, **_narrow(name)).key: name for name in reference.names()}
    for name in necks.values():
        architecture = reference.build(name, _CHANNELS, **_narrow(name))
        subnet = Subnet(architecture).eval()
        for _ in range(sizes):
            height, width = (int(side) for side in rng.integers(17, 334, 2))
            if not _right_sizes(architecture, subnet, (height, width)):
                wrong_sizes.append(f"{name} at {height} x {width}")
        cost = count(subnet, _inputs((75, 141)))
        if (cost.params, cost.macs) != (architecture.parameters(), architecture.macs((75, 141))):
            wrong_costs.append(name)
    told = f"{len(necks)} necks at {sizes} random sizes each, 17 to 333 px a side"
    yield Figure("size_faults", float(len(wrong_sizes)), "runs", detail=", ".join(wrong_sizes) or told)
    told = f"{len(necks)} necks, structural counts against fvcore's"
    yield Figure("cost_faults", float(len(wrong_costs)), "necks", detail=", ".join(wrong_costs) or told)


def _narrow(name: str) -> dict[str, object]:
    options = {"width": 16, "repeats": 1, "inner": 8, "widths": (16, 8, 8)}
    known = {option.name for option in reference.options(name)}
    return {key: value for key, value in options.items() if key in known}


def _inputs(size: Size) -> dict[int, torch.Tensor]:
    return {level: x[:1].float() for level, x in features(_CHANNELS, size, 0).items()}


@torch.no_grad()
def _right_sizes(architecture: Architecture, subnet: Subnet, size: Size) -> bool:
    made = {level: tuple(x.shape[1:]) for level, x in subnet(_inputs(size)).items()}
    return made == architecture.output_shapes(size)


if __name__ == "__main__":
    form.main("necks", measure)

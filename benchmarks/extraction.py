"""Is a subnet taken out of a supernet bit-equal to it, and may threads share a supernet?

For 500 architectures drawn uniformly from the shipped spaces, `extract(a)(x)` is compared with
`supernet(x, a)` bit by bit; then 8 threads run all of them on one supernet, and each output is compared with
a sequential run's.
"""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from torch import Tensor

from benchmarks import form
from benchmarks.form import Figure, Target
from search_space.architecture import Architecture
from search_space.space import Space
from supernet.supernet import SuperNet

SPACES = ("fusion_grid", "merging_cells", "path_aggregation")
CHANNELS = {"3": 8, "4": 12, "5": 16}
WIDTHS = [8, 16, 24]
ARCHITECTURES = 500
THREADS = 8
SIZES = {3: (13, 9), 4: (7, 5), 5: (4, 3)}
"""Odd sizes, as of an image of 100 x 68 pixels."""
SEEDS = (0,)
TARGETS = {
    "extracted_bit_equal": Target(">=", ARCHITECTURES),
    "threads_bit_equal": Target(">=", ARCHITECTURES),
}


def measure(*, quick: bool) -> list[Figure]:
    """Compare outputs over all spaces; quick: a tenth of the architectures."""
    torch.set_num_threads(1)
    torch.manual_seed(SEEDS[0])
    count = ARCHITECTURES // (10 if quick else 1)
    shares = np.diff(np.linspace(0, count, len(SPACES) + 1).round().astype(int)).tolist()
    made = [_compared(name, share) for name, share in zip(SPACES, shares, strict=True)]
    extracted, threaded = (sum(column) for column in zip(*made, strict=True))
    detail = ", ".join(f"{share} of {name}" for name, share in zip(SPACES, shares, strict=True))
    return [
        Figure("extracted_bit_equal", extracted, "architectures", detail=detail),
        Figure("threads_bit_equal", threaded, "architectures", detail=f"{THREADS} threads on one supernet"),
    ]


def _compared(name: str, count: int) -> tuple[int, int]:
    """Return how many architectures are extracted, and run by threads, bit-equal."""
    space = Space.load({"space": name, "channels": CHANNELS, "widths": WIDTHS})
    supernet, rng = SuperNet.over(space).eval(), np.random.default_rng(SEEDS[0])
    drawn = [space.architecture(space.sample(rng)) for _ in range(count)]
    features = {level: torch.randn(2, CHANNELS[str(level)], *size) for level, size in SIZES.items()}
    with torch.no_grad():
        expected = [supernet(features, architecture) for architecture in drawn]
        extracted = [supernet.extract(architecture)(features) for architecture in drawn]
    with ThreadPoolExecutor(THREADS) as pool:
        threaded = list(pool.map(lambda a: _run(supernet, features, a), drawn))
    pairs = [[_equal(a, b) for a, b in zip(expected, other, strict=True)] for other in (extracted, threaded)]
    return sum(pairs[0]), sum(pairs[1])


def _run(supernet: SuperNet, features: Mapping[int, Tensor], architecture: Architecture) -> dict[int, Tensor]:
    with torch.no_grad():
        found: dict[int, Tensor] = supernet(features, architecture)
        return found


def _equal(one: Mapping[int, Tensor], other: Mapping[int, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[level], other[level]) for level in one)


if __name__ == "__main__":
    form.main("extraction", measure)

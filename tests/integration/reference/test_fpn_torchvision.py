"""FPN against torchvision's `FeaturePyramidNetwork`, with its weights."""

from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torchvision.ops import FeaturePyramidNetwork
from torchvision.ops.feature_pyramid_network import LastLevelMaxPool, LastLevelP6P7

from search_space.reference import build
from tests.integration.reference.oracle import carry, difference, features, randomise

WIDTH = 12
SIZES = [(128, 128), (97, 131), (17, 40), (333, 211)]
EXTRAS: dict[str, tuple[Any, int, dict[str, object]]] = {
    "none": (lambda top: None, 0, {}),
    "pool": (lambda top: LastLevelMaxPool(), 1, {"extra": "pool"}),
    "c5": (
        lambda top: LastLevelP6P7(top, WIDTH),
        2,
        {"extra": "c5", "extra_relu": True, "extra_norm": False},
    ),
    "p5": (
        lambda top: LastLevelP6P7(WIDTH, WIDTH),
        2,
        {"extra": "p5", "extra_relu": True, "extra_norm": False},
    ),
}
NORMS: dict[str, Any] = {
    "none": None,
    "batch": nn.BatchNorm2d,
    "group:4": partial(nn.GroupNorm, 4),
}


def renamed(tensors: dict[str, Tensor], levels: list[int]) -> dict[str, Tensor]:
    part = {"0": "conv", "1": "norm"}
    found: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        pieces = name.split(".")
        if pieces[-1] == "num_batches_tracked":
            continue
        if pieces[0] == "extra_blocks":
            found[f"{pieces[1]}.conv.{pieces[2]}"] = tensor
            continue
        block = {"inner_blocks": "lateral", "layer_blocks": "p"}[pieces[0]]
        found[f"{block}{levels[int(pieces[1])]}.{part[pieces[2]]}.{pieces[3]}"] = tensor
    return found


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("extra", EXTRAS)
@pytest.mark.parametrize("lowest", [2, 3])
def test_equals_torchvision(extra: str, norm: str, lowest: int) -> None:
    widths = {2: 6, 3: 10, 4: 14, 5: WIDTH if extra == "p5" else 9}
    channels = {level: width for level, width in widths.items() if level >= lowest}
    block, more, options = EXTRAS[extra]
    oracle = FeaturePyramidNetwork(
        list(channels.values()), WIDTH, extra_blocks=block(channels[5]), norm_layer=NORMS[norm]
    )
    oracle = oracle.double().eval()
    randomise(oracle, seed=lowest)
    architecture = build("fpn", channels, width=WIDTH, more=more, norm=norm, **options)
    subnet = carry(architecture, renamed(oracle.state_dict(), list(channels)))
    for seed, size in enumerate(SIZES):
        inputs = features(channels, size, seed)
        with torch.no_grad():
            theirs = list(oracle({str(level): x for level, x in inputs.items()}).values())
            ours = subnet(inputs)
        assert list(ours) == list(range(lowest, 6 + more))
        assert max(map(difference, ours.values(), theirs)) <= 1e-12

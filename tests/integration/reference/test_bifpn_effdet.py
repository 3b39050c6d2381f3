"""BiFPN against effdet's, with its weights: every size, both paddings, every way to weigh."""

from typing import Any

import pytest
import torch
from torch import Tensor

from search_space.architecture import Architecture
from search_space.reference import build
from search_space.reference.bifpn import VARIANTS
from tests.integration.reference.oracle import carry, difference, features, randomise

SIZES = ("d0", "d1", "d2", "d3", "d4", "d5", "d6", "d7", "d7x")
METHODS = {"fast": "bifpn_fa", "softmax": "bifpn_attn", "sum": "bifpn_sum"}
PADDINGS = ("same", "symmetric")
CHANNELS = {3: 20, 4: 28, 5: 36}


def bifpn(size: str, padding: str, method: str, image_size: tuple[int, int], width: int | None) -> Any:
    """effdet offers D4 and above with TensorFlow's padding only, so padding and bias are set here."""
    from effdet.config import get_efficientdet_config
    from effdet.efficientdet import BiFpn

    config = get_efficientdet_config(f"tf_efficientdet_{size}")
    config.image_size = image_size
    config.fpn_name = METHODS[method]
    config.fpn_channels = width or config.fpn_channels
    if padding == "symmetric":
        plain = get_efficientdet_config("efficientdet_d0")
        config.pad_type, config.redundant_bias = plain.pad_type, plain.redundant_bias
    backbone = [{"num_chs": channels, "reduction": 2**level} for level, channels in CHANNELS.items()]
    return BiFpn(config, backbone).double().eval()


def names_of_nodes(levels: int) -> list[tuple[str, int]]:
    """Our node of each of a cell's nodes, in effdet's order: top-down, then bottom-up."""
    top = 3 + levels - 1
    down = [("td", level) for level in range(top - 1, 3, -1)]
    return [*down, ("out", 3), *(("out", level) for level in range(4, top + 1))]


def renamed(oracle: Any, architecture: Architecture) -> dict[str, Tensor]:
    """Our name of each tensor; an edge's lateral is known by the backbone level it reads."""
    found: dict[str, Tensor] = {}
    order = names_of_nodes(len(architecture.outputs))
    for name, tensor in oracle.state_dict().items():
        pieces = name.replace("conv_dw", "conv").replace("conv_pw", "conv_2").replace("bn", "norm").split(".")
        if pieces[-1] == "num_batches_tracked":
            continue
        tail = ".".join(pieces[-2:])
        if pieces[0] == "resample":
            found[f"in{3 + int(pieces[1])}.{tail}"] = tensor
            continue
        kind, level = order[int(pieces[3])]
        node = f"cell{pieces[1]}_{kind}{level}"
        if pieces[5] == "edge_weights":
            found[f"{node}.weighted_sum.weight"] = tensor
        elif pieces[5] == "resample":
            found[f"{node}.from_c{3 + int(pieces[6])}.{tail}"] = tensor
        else:
            found[f"{node}.{tail}"] = tensor
    return found


def widest_difference(
    size: str, padding: str, fusion: str, image_size: tuple[int, int], width: int | None = None
) -> float:
    oracle = bifpn(size, padding, fusion, image_size, width)
    randomise(oracle, seed=7)
    options = {} if width is None else {"width": width}
    architecture = build(f"bifpn@{size}", CHANNELS, padding=padding, fusion=fusion, **options)
    subnet = carry(architecture, renamed(oracle, architecture))
    inputs = features(CHANNELS, image_size, seed=3)
    with torch.no_grad():
        theirs, ours = oracle(list(inputs.values())), subnet(inputs)
    return max(map(difference, ours.values(), theirs))


@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("fusion", METHODS)
@pytest.mark.parametrize("size", SIZES)
def test_equals_effdet_in_every_form(size: str, fusion: str, padding: str) -> None:
    assert widest_difference(size, padding, fusion, (128, 128), width=16) <= 1e-10


@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("image_size", [(97, 131), (333, 205), (130, 66)])
def test_equals_effdet_at_odd_sizes(padding: str, image_size: tuple[int, int]) -> None:
    assert widest_difference("d1", padding, "fast", image_size) <= 1e-10


@pytest.mark.parametrize("size", SIZES)
def test_variant_has_effdets_settings(size: str) -> None:
    oracle = bifpn(size, "same", "fast", (128, 128), None)
    preset = {"fusion": "fast", "more": 2, **VARIANTS[size]}
    nodes = oracle.cell[0].fnode
    assert len(oracle.cell) == preset["repeats"]
    assert nodes[0].after_combine.conv.conv_dw.in_channels == preset["width"]
    assert len(nodes) == 2 * (3 + int(str(preset["more"])) - 1)

"""ASPP and LR-ASPP against torchvision's heads, with their weights."""

import pytest
import torch
from torch import Tensor, nn
from torchvision.models.segmentation.deeplabv3 import ASPP
from torchvision.models.segmentation.lraspp import LRASPPHead

from benchmarks.neck_oracles import carry, difference, features, randomise
from search_space.reference import build

SIZES = [(256, 256), (97, 131), (333, 205)]


def moved(tensors: dict[str, Tensor], names: dict[str, str]) -> dict[str, Tensor]:
    found = {}
    for name, tensor in tensors.items():
        head, _, tail = name.rpartition(".")
        if tail != "num_batches_tracked":
            found[f"{names[head]}.{tail}"] = tensor
    return found


def conv_and_norm(oracle: str, ours: str, first: int = 0) -> dict[str, str]:
    return {f"{oracle}.{first}": f"{ours}.conv", f"{oracle}.{first + 1}": f"{ours}.norm"}


@pytest.mark.parametrize("size", SIZES)
def test_aspp(size: tuple[int, int]) -> None:
    oracle = ASPP(12, [3, 5, 7], 8).double().eval()
    randomise(oracle, seed=1)
    names = conv_and_norm("convs.0", "point") | conv_and_norm("project", "aspp")
    names |= conv_and_norm("convs.4", "whole.from_c4", first=1)
    for index, dilation in enumerate((3, 5, 7), start=1):
        names |= conv_and_norm(f"convs.{index}", f"dilated{dilation}")
    subnet = carry(build("aspp", {4: 12}, width=8, dilations=(3, 5, 7)), moved(oracle.state_dict(), names))
    inputs = features({4: 12}, size, seed=2)
    with torch.no_grad():
        assert difference(subnet(inputs)[4], oracle(inputs[4])) <= 1e-12


@pytest.mark.parametrize("size", SIZES)
def test_lr_aspp(size: tuple[int, int]) -> None:
    channels = {3: 10, 4: 12}
    oracle: nn.Module = LRASPPHead(10, 12, 5, 8).double().eval()
    randomise(oracle, seed=1)
    names = conv_and_norm("cbr", "context") | {"scale.1": "gated.from_c4.conv"}
    names |= {"low_classifier": "joined.from_c3.conv", "high_classifier": "joined.from_gated.conv"}
    subnet = carry(build("lr_aspp", channels, width=5, inner=8), moved(oracle.state_dict(), names))
    inputs = features(channels, size, seed=2)
    with torch.no_grad():
        theirs = oracle({"low": inputs[3], "high": inputs[4]})
        assert difference(subnet(inputs)[3], theirs) <= 1e-12

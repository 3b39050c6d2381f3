"""Other implementations of necks as oracles: their weights carried over, the outputs compared."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from search_space.architecture import Architecture
from search_space.op import Size
from search_space.reference import build
from supernet.subnet import Subnet

BIFPN_SIZES = ("d0", "d1", "d2", "d3", "d4", "d5", "d6", "d7", "d7x")
BIFPN_METHODS = {"fast": "bifpn_fa", "softmax": "bifpn_attn", "sum": "bifpn_sum"}
BIFPN_CHANNELS = {3: 20, 4: 28, 5: 36}
PADDINGS = ("same", "symmetric")
FPN_EXTRAS = ("none", "pool", "c5", "p5")
FPN_NORMS: dict[str, Any] = {
    "none": None,
    "batch": nn.BatchNorm2d,
    "group:4": partial(nn.GroupNorm, 4),
}
_TORCHVISION: dict[str, object] = {"extra_relu": True, "extra_norm": False, "more": 2}


def randomise(module: nn.Module, seed: int) -> None:
    """Fill every tensor with random values: positive ones where a variance stands."""
    generator = torch.Generator().manual_seed(seed)
    for name, tensor in module.state_dict().items():
        if tensor.is_floating_point():
            values = torch.randn(tensor.shape, generator=generator, dtype=tensor.dtype)
            scale = 0.2 if tensor.dim() > 1 else 0.5
            tensor.copy_(values.abs() + 0.3 if name.endswith("running_var") else values * scale)


def carry(architecture: Architecture, tensors: Mapping[str, Tensor]) -> Subnet:
    """Return a subnet with exactly these tensors, in double precision and evaluation mode."""
    subnet = Subnet(architecture).double()
    subnet.load_state_dict(dict(tensors), strict=True)
    return subnet.eval()


def features(channels: Mapping[int, int], size: Size, seed: int) -> dict[int, Tensor]:
    """Return random features `(2, C, ceil(H / 2**l), ceil(W / 2**l))` by level l, double precision."""
    generator = torch.Generator().manual_seed(seed)
    return {
        level: torch.randn(
            2, width, *(-(-extent // 2**level) for extent in size), generator=generator, dtype=torch.float64
        )
        for level, width in channels.items()
    }


def difference(ours: Tensor, theirs: Tensor) -> float:
    """Return the largest difference relative to the largest value."""
    assert ours.shape == theirs.shape, (ours.shape, theirs.shape)
    return float((ours - theirs).abs().max() / theirs.abs().max())


def widest(ours: Sequence[Tensor], theirs: Sequence[Tensor]) -> float:
    """Return the largest difference of tensors in pairs."""
    return max(difference(mine, other) for mine, other in zip(ours, theirs, strict=True))


def fpn_difference(extra: str, norm: str, lowest: int, sizes: Sequence[Size], *, width: int = 12) -> float:
    """Return how far our FPN is from torchvision's, at most, over image sizes.

    Args:
        extra: levels above: none, pool, or two convolutions reading c5 or p5.
        norm: of `FPN_NORMS`.
        lowest: level of the finest output.
        sizes: of the images, pixels.
        width: channels of every output.
    """
    from torchvision.ops import FeaturePyramidNetwork
    from torchvision.ops.feature_pyramid_network import LastLevelMaxPool, LastLevelP6P7

    widths = {2: 6, 3: 10, 4: 14, 5: width if extra == "p5" else 9}
    channels = {level: count for level, count in widths.items() if level >= lowest}
    blocks = {"pool": LastLevelMaxPool, "c5": partial(LastLevelP6P7, channels[5], width)}
    blocks["p5"] = partial(LastLevelP6P7, width, width)
    block = blocks[extra]() if extra in blocks else None
    oracle = FeaturePyramidNetwork(
        list(channels.values()), width, extra_blocks=block, norm_layer=FPN_NORMS[norm]
    )
    oracle = oracle.double().eval()
    randomise(oracle, seed=lowest)
    options = {"none": {}, "pool": {"more": 1}}.get(extra, {**_TORCHVISION, "extra": extra})
    architecture = build("fpn", channels, width=width, norm=norm, **options)
    subnet = carry(architecture, _from_torchvision(oracle.state_dict(), list(channels)))
    worst = 0.0
    for seed, size in enumerate(sizes):
        inputs = features(channels, size, seed)
        with torch.no_grad():
            theirs = list(oracle({str(level): x for level, x in inputs.items()}).values())
            ours = list(subnet(inputs).values())
        worst = max(worst, widest(ours, theirs))
    return worst


def _from_torchvision(tensors: Mapping[str, Tensor], levels: list[int]) -> dict[str, Tensor]:
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


def effdet_bifpn(size: str, padding: str, method: str, image_size: Size, width: int | None = None) -> Any:
    """Return effdet's BiFPN; from D4 on it offers `same` padding only, so padding and bias are set here."""
    from effdet.config import get_efficientdet_config
    from effdet.efficientdet import BiFpn

    config = get_efficientdet_config(f"tf_efficientdet_{size}")
    config.image_size = image_size
    config.fpn_name = BIFPN_METHODS[method]
    config.fpn_channels = width or config.fpn_channels
    if padding == "symmetric":
        plain = get_efficientdet_config("efficientdet_d0")
        config.pad_type, config.redundant_bias = plain.pad_type, plain.redundant_bias
    backbone = [{"num_chs": count, "reduction": 2**level} for level, count in BIFPN_CHANNELS.items()]
    return BiFpn(config, backbone).double().eval()


def bifpn_difference(
    size: str, padding: str, fusion: str, image_size: Size, *, width: int | None = None
) -> float:
    """Return how far our BiFPN is from effdet's, at most; `width` None is the size's own."""
    oracle = effdet_bifpn(size, padding, fusion, image_size, width)
    randomise(oracle, seed=7)
    options = {} if width is None else {"width": width}
    architecture = build(f"bifpn@{size}", BIFPN_CHANNELS, padding=padding, fusion=fusion, **options)
    subnet = carry(architecture, _from_effdet(oracle, len(architecture.outputs)))
    inputs = features(BIFPN_CHANNELS, image_size, seed=3)
    with torch.no_grad():
        theirs, ours = oracle(list(inputs.values())), subnet(inputs)
    return widest(list(ours.values()), theirs)


def _from_effdet(oracle: Any, levels: int) -> dict[str, Tensor]:
    """Return our names of the tensors; an edge's lateral is known by the backbone level it reads."""
    top = 3 + levels - 1
    order = [("td", level) for level in range(top - 1, 3, -1)]
    order += [("out", level) for level in range(3, top + 1)]
    found: dict[str, Tensor] = {}
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

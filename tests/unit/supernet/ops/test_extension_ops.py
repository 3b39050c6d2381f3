"""What each extension operation computes, against cases done by hand or another implementation."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from search_space import ops
from search_space.architecture import Architecture, Edge, Input, Node
from search_space.errors import InvalidArchitecture, WidthMismatch
from search_space.op import Op, Shape
from search_space.ops.attention_pool import AttentionPool
from search_space.ops.carafe import Carafe
from search_space.ops.coordinate import CoordinateAttention
from search_space.ops.deconv import Deconv
from search_space.ops.deform_conv import DeformConv
from search_space.ops.dot_attention import DotAttention
from search_space.ops.eca import EfficientChannelAttention
from search_space.ops.ela import EfficientLocalAttention
from search_space.ops.gap_mix import GapMix
from search_space.ops.guide import Guide
from search_space.ops.l2_norm import L2Norm
from search_space.ops.pixel_shuffle import PixelShuffle
from search_space.ops.scale_context import ScaleContext
from search_space.ops.scse import SpatialChannelExcite
from search_space.ops.se import SqueezeExcite
from search_space.ops.selective import Selective
from search_space.ops.set_norm import SetNorm
from search_space.ops.slice import Slice
from search_space.ops.spatial_context import SpatialContext
from supernet.ops import Context, runner

EVALUATION = Context(size=None, training=False)


def tensors(op: Op, inputs: list[Tensor], *, seed: int = 0) -> dict[str, Tensor]:
    """Return random tensors of the operation, variances positive."""
    shapes = [Shape(*x.shape[1:]) for x in inputs]
    generator = torch.Generator().manual_seed(seed)
    found = {}
    for name, shape in {**op.weights(shapes), **op.buffers(shapes)}.items():
        values = torch.randn(shape, generator=generator, dtype=torch.float64)
        found[name] = values.abs() + 0.5 if name.endswith("running_var") else values
    return found


def apply(
    op: Op, inputs: list[Tensor], weights: dict[str, Tensor] | None = None, context: Context = EVALUATION
) -> Tensor:
    return runner(op.kind).run(op, inputs, tensors(op, inputs) if weights is None else weights, context)


def image(channels: int = 8, height: int = 5, width: int = 7, *, seed: int = 1) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(2, channels, height, width, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize(
    ("op", "parameters"),
    [
        (SqueezeExcite(), 8_464),
        (SpatialChannelExcite(), 8_721),
        (EfficientChannelAttention(), 5),
        (EfficientLocalAttention(), 4_608),
        (CoordinateAttention(), 6_160),
    ],
    ids=lambda value: getattr(value, "kind", ""),
)
def test_attention_at_256_channels_has_the_published_parameters(op: Op, parameters: int) -> None:
    assert op.parameters([Shape(256, 9, 9)]) == parameters


@pytest.mark.parametrize("kind", ["se", "scse", "eca", "ela", "coordinate"])
def test_attention_of_zero_weights_is_a_constant_factor(kind: str) -> None:
    op, x = ops.op_class(kind)(), image(32)
    weights = {name: torch.zeros_like(value) for name, value in tensors(op, [x]).items()}
    weights |= {name: torch.ones_like(value) for name, value in weights.items() if name == "running_var"}
    factor = {"se": 0.5, "scse": 1.0, "eca": 0.5, "ela": 0.25, "coordinate": 0.25}[kind]
    torch.testing.assert_close(apply(op, [x], weights), x * factor)


def test_se_is_torchvisions() -> None:
    from torchvision.ops import SqueezeExcitation

    oracle, x = SqueezeExcitation(32, 2).double(), image(32)
    names = {"squeeze": oracle.fc1, "excite": oracle.fc2}
    weights = {f"{name}_weight": conv.weight.detach() for name, conv in names.items()}
    weights |= {f"{name}_bias": conv.bias.detach() for name, conv in names.items()}
    torch.testing.assert_close(apply(SqueezeExcite(), [x], weights), oracle(x))


def named(oracle: torch.nn.Module, names: dict[str, str]) -> dict[str, Tensor]:
    """Our names of an oracle's random tensors."""
    found = {}
    for name, tensor in oracle.state_dict().items():
        if not name.endswith("num_batches_tracked"):
            tensor.copy_(torch.randn(tensor.shape, dtype=tensor.dtype).abs() + 0.1)
            head, _, tail = name.rpartition(".")
            found[f"{names[head]}{tail}"] = tensor
    return found


def test_coordinate_attention_is_timms() -> None:
    from timm.layers.coord_attn import CoordAttn

    oracle = CoordAttn(64, rd_ratio=1 / 32, rd_divisor=8).double().eval()
    names = {"conv1": "squeeze_", "bn1": "norm_", "conv_h": "height_", "conv_w": "width_"}
    weights = {name.replace("norm_running", "running"): value for name, value in named(oracle, names).items()}
    x = image(64)
    torch.testing.assert_close(apply(CoordinateAttention(), [x], weights), oracle(x))


def test_eca_is_timms() -> None:
    from timm.layers.eca import EcaModule

    oracle, x = EcaModule(64).double().eval(), image(64)
    op = EfficientChannelAttention(kernel=oracle.conv.kernel_size[0])
    torch.testing.assert_close(apply(op, [x], named(oracle, {"conv": ""})), oracle(x))


def test_eca_sees_neighbouring_channels() -> None:
    x = image(8)
    weight = torch.tensor([[[0.0, 0.0, 1.0]]], dtype=torch.float64)
    gates = F.pad(x.mean((2, 3))[:, 1:], (0, 1)).sigmoid()[:, :, None, None]
    torch.testing.assert_close(apply(EfficientChannelAttention(kernel=3), [x], {"weight": weight}), x * gates)


@pytest.mark.parametrize("kind", ["ela", "coordinate"])
def test_row_and_column_gates_do_not_depend_on_one_another(kind: str) -> None:
    """The gain of a pixel is a product of one number of its row and one of its column."""
    x = image(32).abs() + 0.5
    gain = (apply(ops.op_class(kind)(), [x]) / x)[0, 3]
    torch.testing.assert_close(gain[0, 0] * gain[2, 4], gain[0, 4] * gain[2, 0])


def test_deformable_convolution_without_offsets_is_a_convolution() -> None:
    x = image()
    op = DeformConv(width=6, bias=True)
    weights = tensors(op, [x])
    still = {name: torch.zeros_like(t) if name.startswith("offset") else t for name, t in weights.items()}
    plain = F.conv2d(x, weights["weight"], weights["bias"], padding=1)
    torch.testing.assert_close(apply(op, [x], still), plain)
    torch.testing.assert_close(apply(replace(op, deform=False), [x], weights), plain)
    modulated = replace(op, modulated=True, groups=2)
    offsets = tensors(modulated, [x])
    still = {name: torch.zeros_like(t) if name.startswith("offset") else t for name, t in offsets.items()}
    half = F.conv2d(x, offsets["weight"], padding=1) / 2 + offsets["bias"][:, None, None]
    torch.testing.assert_close(apply(modulated, [x], still), half)


def test_deformable_convolution_moves_its_taps() -> None:
    x = image()
    op = DeformConv(width=8, kernel=1)
    weights = {"weight": torch.eye(8, dtype=torch.float64)[:, :, None, None]}
    weights |= {"offset_weight": torch.zeros(2, 8, 1, 1, dtype=torch.float64)}
    weights |= {"offset_bias": torch.tensor([1.0, 2.0], dtype=torch.float64)}  # down, right
    torch.testing.assert_close(apply(op, [x], weights)[:, :, :-1, :-2], x[:, :, 1:, 2:])


def test_carafe_is_its_definition() -> None:
    x = image(3, 4, 3)
    op = Carafe(kernel=3, inner=2)
    weights = tensors(op, [x])
    made = apply(op, [x], weights, Context(size=(7, 6), training=False))
    assert made.shape == (2, 3, 7, 6)
    inner = F.conv2d(x, weights["compress_weight"], weights["compress_bias"])
    logits = F.conv2d(inner, weights["encode_weight"], weights["encode_bias"], padding=1)
    padded = F.pad(x, [1] * 4)
    for row, column in [(0, 0), (3, 5), (6, 2)]:
        source, corner = (row // 2, column // 2), 2 * (row % 2) + column % 2
        shares = logits[:, corner::4, *source].softmax(dim=1)  # (B, 9)
        window = padded[:, :, source[0] : source[0] + 3, source[1] : source[1] + 3].flatten(2)
        torch.testing.assert_close(made[:, :, row, column], (window * shares[:, None]).sum(2))


def test_carafe_makes_the_next_finer_level_only() -> None:
    with pytest.raises(InvalidArchitecture, match="doubles 4 x 3 pixels, that is not 15 x 12"):
        Carafe().infer([Shape(3, 4, 3)], (15, 12))


def test_deconvolution_is_torchs_cut_to_the_level() -> None:
    x, op = image(), Deconv(width=6)
    weights = tensors(op, [x])
    whole = F.conv_transpose2d(x, weights["weight"], stride=2, padding=1)
    torch.testing.assert_close(apply(op, [x], weights), whole)
    torch.testing.assert_close(
        apply(op, [x], weights, Context(size=(9, 13), training=False)), whole[:, :, :9, :13]
    )
    assert op.infer([Shape(8, 5, 7)], (9, 13)) == (6, 9, 13)
    with pytest.raises(InvalidArchitecture, match="makes 10 x 14 pixels, the level has 20 x 28"):
        op.infer([Shape(8, 5, 7)], (20, 28))


def test_pixel_shuffle_lays_channels_out() -> None:
    x = torch.arange(4.0).view(1, 4, 1, 1)
    assert apply(PixelShuffle(), [x])[0, 0].tolist() == [[0.0, 1.0], [2.0, 3.0]]
    assert PixelShuffle().infer([Shape(8, 5, 7)], None) == (2, 10, 14)
    with pytest.raises(InvalidArchitecture, match="6 channels are no multiple of 4"):
        PixelShuffle().infer([Shape(6, 5, 7)], None)


def test_slice_takes_channels() -> None:
    x = image()
    assert torch.equal(apply(Slice(start=2, width=3), [x]), x[:, 2:5])
    with pytest.raises(InvalidArchitecture, match="channels 6 to 9 are not all among 8"):
        Slice(start=6, width=3).infer([Shape(8, 5, 7)], None)


def test_set_norm_uses_the_pixels_of_all() -> None:
    inputs, op = [image(), image(8, 3, 4, seed=2), image(8, 2, 2, seed=3)], SetNorm(momentum=1.0)
    weights = tensors(op, inputs)
    pixels = torch.cat([x.movedim(1, 0).flatten(1) for x in inputs], dim=1)
    mean, var = pixels.mean(1)[:, None, None], pixels.var(1, unbiased=False)[:, None, None]
    expected = (inputs[0] - mean) / (var + op.eps).sqrt()
    expected = expected * weights["weight"][:, None, None] + weights["bias"][:, None, None]
    training = Context(size=None, training=True)
    before = {name: tensor.clone() for name, tensor in weights.items()}
    torch.testing.assert_close(apply(replace(op, updates=False), inputs, weights, training), expected)
    assert all(torch.equal(before[name], weights[name]) for name in weights)
    torch.testing.assert_close(apply(op, inputs, weights, training), expected)
    torch.testing.assert_close(weights["running_mean"], pixels.mean(1))
    torch.testing.assert_close(weights["running_var"], pixels.var(1))
    evaluated = apply(op, inputs, weights)
    torch.testing.assert_close(evaluated, apply(op, inputs[:1], weights))


def test_dot_attention_is_torchs() -> None:
    queries, keys, values = image(4), image(4, 3, 2, seed=2), image(6, 3, 2, seed=3)
    made = apply(DotAttention(scaled=True), [queries, keys, values])
    lines = [x.flatten(2).transpose(1, 2) for x in (queries, keys, values)]
    expected = F.scaled_dot_product_attention(*lines).transpose(1, 2).view(2, 6, 5, 7)
    torch.testing.assert_close(made, expected)
    with pytest.raises(WidthMismatch, match="queries have 4 channels, keys 6"):
        DotAttention().infer([Shape(4, 2, 2), Shape(6, 2, 2), Shape(6, 2, 2)], None)


def test_spatial_context_is_its_formula() -> None:
    x, op = image(), SpatialContext(reduction=2)
    weights = tensors(op, [x])

    def conv(name: str, y: Tensor) -> Tensor:
        return F.conv2d(y, weights[f"{name}_weight"], weights[f"{name}_bias"])

    keys = conv("key", x).flatten(2).softmax(dim=2).view(2, 1, 5, 7)
    pooled = (conv("value", x) * keys).sum((2, 3), keepdim=True)
    torch.testing.assert_close(apply(op, [x], weights), x + conv("mix", pooled) * conv("gate", x).sigmoid())


def test_attention_pool_of_even_shares_is_the_mean_pixel() -> None:
    x, op = image(), AttentionPool()
    weights = tensors(op, [x])
    even = {**weights, "key_weight": torch.zeros_like(weights["key_weight"])}
    mean = F.conv2d(x.mean((2, 3), keepdim=True), weights["value_weight"], weights["value_bias"])
    torch.testing.assert_close(apply(op, [x], even), mean)
    shares = F.conv2d(x, weights["key_weight"]).flatten(2).softmax(dim=2).view(2, 1, 5, 7)
    gathered = (x * shares).sum((2, 3), keepdim=True)
    value = F.conv2d(gathered, weights["value_weight"], weights["value_bias"])
    torch.testing.assert_close(apply(op, [x], weights), value)


def test_scale_context_of_equal_levels_is_their_value() -> None:
    x, op = image(), ScaleContext()
    weights = tensors(op, [x, x, x])
    value = F.conv2d(x, weights["value_weight"], weights["value_bias"])
    torch.testing.assert_close(apply(op, [x, x, x], weights), value)
    other = image(seed=2)
    weights["key_weight"] = torch.zeros_like(weights["key_weight"])
    mean = F.conv2d((x + other) / 2, weights["value_weight"], weights["value_bias"])
    torch.testing.assert_close(apply(op, [x, other], weights), mean)


def test_selective_fusion_of_equal_branches_is_the_branch() -> None:
    x, op = image(), Selective()
    weights = tensors(op, [x, x])
    weights["branch_weight"] = weights["branch_weight"][:8].repeat(2, 1, 1, 1)
    torch.testing.assert_close(apply(op, [x, x], weights), x)
    assert op.parameters([Shape(64, 2, 2)] * 3) == 64 * 8 + 1 + 3 * 64 * 8


def test_selective_fusion_follows_its_weights() -> None:
    first, second, op = image().abs(), image(seed=2).abs(), Selective(least=1, reduction=8)
    weights = {
        "squeeze_weight": torch.full((1, 8, 1, 1), 1.0, dtype=torch.float64),
        "slope": torch.full((1,), 0.25, dtype=torch.float64),
        "branch_weight": torch.cat([torch.full((8, 1, 1, 1), 1e3), torch.zeros(8, 1, 1, 1)]).double(),
    }
    torch.testing.assert_close(apply(op, [first, second], weights), first)


def test_l2_norm_makes_vectors_of_the_scale() -> None:
    x, op = image(), L2Norm(scale=20.0)
    weight = torch.empty(8, dtype=torch.float64)
    runner(op.kind).initialise(op, "weight", weight)
    lengths = apply(op, [x], {"weight": weight}).norm(dim=1)
    torch.testing.assert_close(lengths, torch.full_like(lengths, 20.0))


def test_gap_mix_is_between_its_inputs() -> None:
    first, second = image(), image(seed=2)
    for op in (GapMix(), GapMix(per="map")):
        weights = tensors(op, [first, second])
        pooled = torch.cat([first.mean((2, 3)), second.mean((2, 3))], dim=1)
        share = (pooled @ weights["weight"].flatten(1).T + weights["bias"]).sigmoid()[:, :, None, None]
        torch.testing.assert_close(apply(op, [first, second], weights), second + share * (first - second))
    with pytest.raises(InvalidArchitecture, match="takes two inputs, got 3"):
        GapMix().infer([Shape(8, 2, 2)] * 3, None)


def test_guide_of_a_constant_map_changes_nothing() -> None:
    first, second, op = image(), image(seed=2), Guide()
    weights = tensors(op, [first, second])
    still = {**weights, "weight": torch.zeros_like(weights["weight"])}
    torch.testing.assert_close(apply(op, [first, second], still), second)
    gain = apply(op, [first, second], weights) / second
    torch.testing.assert_close(gain[:, :1].expand_as(gain), gain)
    torch.testing.assert_close(gain.mean((2, 3)), torch.ones(2, 8, dtype=torch.float64))
    still = {**weights, "temperature": torch.zeros_like(weights["temperature"])}
    torch.testing.assert_close(apply(op, [first, second], still), second)


ONE_INPUT: list[Op] = [
    SqueezeExcite(reduction=4),
    SpatialChannelExcite(reduction=4),
    EfficientChannelAttention(),
    EfficientLocalAttention(groups=4),
    CoordinateAttention(),
    DeformConv(width=6, modulated=True, groups=2, stride=2),
    DeformConv(width=6, bias=True, deform=False),
    Deconv(width=6, bias=True),
    PixelShuffle(),
    Slice(start=1, width=3),
    SpatialContext(reduction=2),
    AttentionPool(),
    L2Norm(),
    Carafe(kernel=3, inner=5),
]
MANY_INPUTS: list[tuple[Op, int]] = [
    (GapMix(), 2),
    (Guide(), 2),
    (Selective(bias=True), 3),
    (SetNorm(), 3),
    (ScaleContext(), 3),
    (DotAttention(), 3),
]


@pytest.mark.parametrize("op", ONE_INPUT, ids=lambda op: op.signature)
def test_cost_and_shape_of_one_input(op: Op) -> None:
    width = op.infer([Shape(8, 9, 14)], None).channels
    _check_cost(Architecture((Input("x", 3, 8),), (Node("y", 2, width, (Edge("x", (op,)),)),), ((2, "y"),)))


@pytest.mark.parametrize(("op", "count"), MANY_INPUTS, ids=lambda value: getattr(value, "kind", None))
def test_cost_and_shape_of_many_inputs(op: Op, count: int) -> None:
    node = Node("y", 3, 8, tuple(Edge("x") for _ in range(count)), fusion=op)
    _check_cost(Architecture((Input("x", 3, 8),), (node,), ((3, "y"),)))


def _check_cost(architecture: Architecture) -> None:
    from evaluators.cost import count
    from supernet.subnet import Subnet

    subnet, x = Subnet(architecture), torch.randn(1, 8, 9, 14)
    cost = count(subnet, {3: x})
    assert (cost.params, cost.macs) == (architecture.parameters(), architecture.macs((72, 112)))
    for level, made in subnet.train()({3: x.repeat(2, 1, 1, 1).requires_grad_()}).items():
        assert made.shape[1:] == architecture.output_shapes((72, 112))[level]
        assert torch.isfinite(made).all()
        made.sum().backward()
    assert architecture == Architecture.from_json(architecture.to_json())

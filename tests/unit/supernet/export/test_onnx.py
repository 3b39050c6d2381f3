"""The ONNX graph computes what the subnet computes, at sizes that nobody chose when it was written."""

from typing import Literal, get_args

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from search_space import ops
from search_space.architecture import Architecture, Edge, Input, Node
from search_space.op import Op, Size
from search_space.ops.act import Act
from search_space.ops.adaptive_pool import AdaptivePool
from search_space.ops.attention_pool import AttentionPool
from search_space.ops.concat import Concat
from search_space.ops.conv import Conv
from search_space.ops.coordinate import CoordinateAttention
from search_space.ops.deconv import Deconv
from search_space.ops.dot_attention import DotAttention
from search_space.ops.eca import EfficientChannelAttention
from search_space.ops.ela import EfficientLocalAttention
from search_space.ops.gap_mix import GapMix
from search_space.ops.gate import Gate
from search_space.ops.guide import Guide
from search_space.ops.l2_norm import L2Norm
from search_space.ops.mean import Mean
from search_space.ops.norm import Norm
from search_space.ops.pixel_shuffle import PixelShuffle
from search_space.ops.pool import Pool
from search_space.ops.product import Product
from search_space.ops.resize import Resize
from search_space.ops.scse import SpatialChannelExcite
from search_space.ops.se import SqueezeExcite
from search_space.ops.selective import Selective
from search_space.ops.set_norm import SetNorm
from search_space.ops.slice import Slice
from search_space.ops.spatial_context import SpatialContext
from search_space.ops.sum import Sum
from search_space.ops.weighted_sum import WeightedSum
from supernet.errors import ExportError
from supernet.export import onnx as exporting
from supernet.export.onnx_ops import names
from supernet.subnet import Subnet

SIZES: tuple[Size, ...] = ((64, 64), (97, 61), (130, 75))
WIDTH = 8
Form = Literal["relu", "relu6", "silu", "sigmoid", "hard_swish", "hard_sigmoid", "leaky_relu", "gelu"]


def one_op(op: Op) -> Architecture:
    """Return a node at level 4 that applies one operation to the input of that level."""
    return Architecture(
        (Input("c4", 4, WIDTH),), (Node("out", 4, WIDTH, (Edge("c4"),), None, (op,)),), ((4, "out"),)
    )


def resampled(*edge_ops: Op, source: str) -> Architecture:
    inputs = tuple(Input(f"c{level}", level, WIDTH) for level in (3, 4, 5, 6))
    return Architecture(inputs, (Node("out", 4, WIDTH, (Edge(source, edge_ops),)),), ((4, "out"),))


def fused(fusion: Op, width: int = WIDTH, count: int = 2, ops: tuple[Op, ...] = ()) -> Architecture:
    inputs = tuple(Input(f"c{index}", index, WIDTH) for index in range(4, 4 + count))
    edges = (Edge("c4"), *(Edge(entry.id, (Resize(),)) for entry in inputs[1:]))
    return Architecture(inputs, (Node("out", 4, width, edges, fusion, ops),), ((4, "out"),))


def downwards(op: Op) -> Architecture:
    """Return a node at a level without an input, whose size comes from the operation."""
    return Architecture((Input("c4", 4, WIDTH),), (Node("p5", 5, WIDTH, (Edge("c4", (op,)),)),), ((5, "p5"),))


CASES: dict[str, Architecture] = {
    **{f"act {form}": one_op(Act(form=form)) for form in get_args(Form)},
    **{
        f"conv {padding}": one_op(Conv(width=WIDTH, padding=padding))
        for padding in ("zeros", "same", "replicate")
    },
    "conv none": downwards(Conv(width=WIDTH, kernel=2, stride=2, padding="none")),
    "conv same, stride 2": downwards(Conv(width=WIDTH, stride=2, padding="same")),
    "conv depthwise": one_op(Conv(width=WIDTH, groups=0, bias=False)),
    "conv grouped, dilated": one_op(Conv(width=WIDTH, groups=2, dilation=2)),
    "norm batch": one_op(Norm(eps=1e-3)),
    "norm group": one_op(Norm(form="group", groups=4)),
    **{
        f"pool {form} {padding}": downwards(Pool(form=form, padding=padding))
        for form in ("max", "avg")
        for padding in ("none", "neg_inf", "zeros", "same", "same_zeros")
        if (form, padding) != ("avg", "neg_inf")
    },
    "adaptive max": resampled(AdaptivePool(), source="c3"),
    "adaptive avg": resampled(AdaptivePool(form="avg"), source="c3"),
    "adaptive max, upwards": resampled(AdaptivePool(), source="c6"),
    "resize nearest": resampled(Resize(), source="c6"),
    "resize nearest, downwards": resampled(Resize(), source="c3"),
    "resize bilinear": resampled(Resize(mode="bilinear"), source="c6"),
    "resize bilinear, corners": resampled(Resize(mode="bilinear", align_corners=True), source="c6"),
    "sum of three": fused(Sum(), count=3),
    "mean": fused(Mean()),
    "product": fused(Product()),
    "concat": fused(Concat(), width=2 * WIDTH),
    "weighted sum, fast": fused(WeightedSum(), count=3),
    "weighted sum, softmax": fused(WeightedSum(form="softmax"), count=3),
    "gate max": fused(Gate()),
    "gate avg": fused(Gate(form="avg")),
    "deconv": resampled(Deconv(width=WIDTH), source="c5"),
    "deconv to a new level": downwards(Deconv(width=WIDTH)),
    "deconv depthwise, bias": resampled(Deconv(width=WIDTH, groups=0, bias=True), source="c5"),
    "pixel shuffle": resampled(Conv(width=4 * WIDTH), PixelShuffle(), source="c5"),
    "se": one_op(SqueezeExcite(reduction=2)),
    "se, hard": one_op(SqueezeExcite(reduction=2, gate="hard_sigmoid")),
    "scse": one_op(SpatialChannelExcite(reduction=2)),
    "eca": one_op(EfficientChannelAttention()),
    "ela": one_op(EfficientLocalAttention(groups=4)),
    "coordinate": one_op(CoordinateAttention()),
    "l2 norm": one_op(L2Norm()),
    "spatial context": one_op(SpatialContext(reduction=2)),
    "attention pool": Architecture(
        (Input("c4", 4, WIDTH),),
        (Node("out", 4, WIDTH, (Edge("c4"), Edge("c4", (AttentionPool(),))), Sum()),),
        ((4, "out"),),
    ),
    "slice": fused(Sum(), ops=(Conv(width=12), Slice(start=2, width=WIDTH))),
    "gap mix": fused(GapMix()),
    "gap mix, one weight": fused(GapMix(per="map")),
    "guide": fused(Guide()),
    "selective": fused(Selective(bias=True), count=3),
    "set norm": fused(SetNorm()),
    "attention": fused(DotAttention(), count=3),
    "attention, scaled": fused(DotAttention(scaled=True), count=3),
    "global pool and broadcast": Architecture(
        (Input("c4", 4, WIDTH),),
        (Node("out", 4, WIDTH, (Edge("c4"), Edge("c4", (AdaptivePool(form="avg", to="pixel"),))), Sum()),),
        ((4, "out"),),
    ),
}


def randomised(architecture: Architecture) -> Subnet:
    torch.manual_seed(0)
    subnet = Subnet(architecture).eval()
    for tensor in subnet.state_dict().values():
        tensor.copy_(torch.randn_like(tensor).abs() + 0.1)
    return subnet


def compare(subnet: Subnet, size: Size, batch: int, *, fixed: bool = False) -> None:
    features = exporting.image_inputs(subnet.architecture, size, batch)
    options = onnxruntime.SessionOptions()
    if fixed:  # the runtime then folds the sizes, which brings other fusions
        for entry in subnet.architecture.inputs:
            extents = zip(("batch", f"height_{entry.level}", f"width_{entry.level}"), (0, 2, 3), strict=True)
            for name, axis in extents:
                options.add_free_dimension_override_by_name(name, features[entry.id].shape[axis])
    model = exporting.export(subnet)
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    got = dict(zip([value.name for value in session.get_outputs()], session.run(None, features), strict=True))
    levels = {entry.level: torch.from_numpy(features[entry.id]) for entry in subnet.architecture.inputs}
    with torch.no_grad():
        wanted = subnet(levels)
    assert got.keys() == {f"p{level}" for level in wanted}
    for level, tensor in wanted.items():
        np.testing.assert_allclose(got[f"p{level}"], tensor.numpy(), rtol=2e-4, atol=2e-5)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("case", CASES)
def test_onnx_runtime_computes_what_the_subnet_computes(case: str, size: Size) -> None:
    compare(randomised(CASES[case]), size, batch=2)


@pytest.mark.parametrize("case", CASES)
def test_it_does_so_with_sizes_fixed_before_loading(case: str) -> None:
    compare(randomised(CASES[case]), (97, 61), batch=1, fixed=True)


def test_the_model_is_valid_onnx() -> None:
    for architecture in CASES.values():
        onnx.checker.check_model(
            onnx.load_from_string(exporting.export(Subnet(architecture))), full_check=True
        )


def test_every_operation_that_says_it_exports_is_written() -> None:
    safe = {kind for kind in ops.names() if ops.op_class(kind).export_safe}
    assert safe <= set(names())


def test_tied_operations_store_one_tensor() -> None:
    conv = Conv(width=WIDTH, share="tied")
    nodes = (
        Node("a", 4, WIDTH, (Edge("c4"),), None, (conv,)),
        Node("b", 4, WIDTH, (Edge("a"),), None, (conv,)),
    )
    subnet = randomised(Architecture((Input("c4", 4, WIDTH),), nodes, ((4, "b"),)))
    model = onnx.load_from_string(exporting.export(subnet))
    assert [tensor.name for tensor in model.graph.initializer] == ["a.conv.weight", "a.conv.bias"]
    compare(subnet, (64, 64), batch=1)


def test_an_unknown_operation_is_named() -> None:
    class Strange(Act):
        kind = "strange"

    with pytest.raises(ExportError, match=r"out\.strange.*level 4.*'strange'"):
        exporting.write(one_op(Strange()), exporting.random_tensors())


def test_missing_and_misshapen_tensors_are_named() -> None:
    architecture = one_op(Conv(width=WIDTH, bias=False))
    with pytest.raises(ExportError, match=r"out\.conv\.weight.*\(8, 8, 3, 3\).*nothing"):
        exporting.write(architecture, exporting.stored_tensors({}))
    with pytest.raises(ExportError, match=r"shape \(1,\)"):
        exporting.write(architecture, exporting.stored_tensors({"out.conv.weight": np.zeros(1)}))


def test_random_tensors_repeat_by_seed() -> None:
    architecture = CASES["conv zeros"]
    same, again, other = (exporting.write(architecture, exporting.random_tensors(seed)) for seed in (1, 1, 2))
    assert same == again != other

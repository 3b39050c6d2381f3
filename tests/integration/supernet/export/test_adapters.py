"""Written necks in torchvision's detectors, over timm's extractors, and in other conventions."""

from collections.abc import Callable
from typing import Any

import pytest
import timm
import torch
from torch import Tensor, nn
from torchvision.models.detection import FCOS, FasterRCNN, RetinaNet
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.feature_extraction import create_feature_extractor
from torchvision.models.resnet import resnet18
from torchvision.ops import MultiScaleRoIAlign

from search_space import reference
from supernet.export import source
from supernet.export.adapters import BackboneWithNeck, DictNeck, ListNeck
from tests.unit.supernet.export.necks import trained

RESNET18 = {3: 128, 4: 256, 5: 512}
Written = Callable[..., nn.Module]


def written(name: str, channels: dict[int, int], **options: Any) -> nn.Module:
    subnet = trained(reference.build(name, channels, **options))
    names: dict[str, Any] = {}
    exec(compile(source.generate(subnet.architecture), "neck.py", "exec"), names)
    neck: nn.Module = names["Neck"]()
    neck.load_state_dict(source.renamed(subnet, subnet.architecture))
    return neck.eval()


@pytest.fixture(scope="module")
def backbone() -> BackboneWithNeck:
    layers = {"layer2": "c3", "layer3": "c4", "layer4": "c5"}
    body = create_feature_extractor(resnet18(weights=None), layers)
    return BackboneWithNeck(body, written("bifpn", RESNET18, width=32, repeats=1), levels=(3, 4, 5))


def anchors(backbone: BackboneWithNeck, ratios: tuple[float, ...]) -> AnchorGenerator:
    sizes = tuple((2.0 ** (level + 2),) for level in backbone.out_levels)
    return AnchorGenerator(sizes, (ratios,) * len(sizes))


def make_fcos(backbone: BackboneWithNeck) -> nn.Module:
    return FCOS(backbone, 3, anchor_generator=anchors(backbone, (1.0,)), min_size=96, max_size=128)


def make_retinanet(backbone: BackboneWithNeck) -> nn.Module:
    generator = anchors(backbone, (0.5, 1.0, 2.0))
    return RetinaNet(backbone, 3, anchor_generator=generator, min_size=96, max_size=128)


def make_faster_rcnn(backbone: BackboneWithNeck) -> nn.Module:
    names = [str(position) for position in range(len(backbone.out_levels))]
    pool = MultiScaleRoIAlign(names, output_size=7, sampling_ratio=2)
    generator = anchors(backbone, (0.5, 1.0, 2.0))
    return FasterRCNN(
        backbone, 3, rpn_anchor_generator=generator, box_roi_pool=pool, min_size=96, max_size=128
    )


@pytest.mark.parametrize("make", [make_fcos, make_retinanet, make_faster_rcnn])
def test_torchvisions_detectors_train_and_infer(
    make: Callable[[BackboneWithNeck], nn.Module], backbone: BackboneWithNeck
) -> None:
    torch.manual_seed(0)
    detector = make(backbone)
    images = [torch.rand(3, 90, 117), torch.rand(3, 96, 101)]
    targets = [{"boxes": torch.tensor([[10.0, 12.0, 60.0, 55.0]]), "labels": torch.tensor([1])}] * 2
    losses = detector.train()(images, targets)
    total: Tensor = sum(losses.values())
    total.backward()
    assert torch.isfinite(total)
    assert all(p.grad is not None for p in backbone.neck.parameters())
    found = detector.eval()(images)
    assert {"boxes", "scores", "labels"} <= set(found[0])
    backbone.zero_grad(set_to_none=True)


def test_torchvisions_own_backbone_has_the_same_interface(backbone: BackboneWithNeck) -> None:
    maps = backbone.eval()(torch.rand(1, 3, 70, 90))
    assert list(maps) == ["0", "1", "2", "3", "4"]
    assert {x.shape[1] for x in maps.values()} == {backbone.out_channels}


@pytest.mark.parametrize(
    ("name", "image"),
    [
        ("resnet10t", (101, 75)),
        ("mobilenetv3_small_050", (101, 75)),
        ("convnext_atto", (128, 96)),  # rounds sizes down, so multiples of 32 only
    ],
)
def test_timms_extractors_feed_it(name: str, image: tuple[int, int]) -> None:
    body = timm.create_model(name, features_only=True, pretrained=False, out_indices=(-3, -2, -1))
    channels = dict(zip((3, 4, 5), body.feature_info.channels(), strict=True))
    assert body.feature_info.reduction() == [8, 16, 32]
    backbone = BackboneWithNeck(body.eval(), written("pafpn", channels, width=16), levels=(3, 4, 5))
    maps = backbone(torch.rand(1, 3, *image))
    sizes = [tuple(-(-extent // stride) for extent in image) for stride in (8, 16, 32)]
    assert [tuple(x.shape[1:]) for x in maps.values()] == [(16, *size) for size in sizes]


@pytest.fixture
def maps() -> dict[int, Tensor]:
    return {level: torch.randn(1, width, 64 // 2 ** (level - 3), 9) for level, width in RESNET18.items()}


def test_a_list_goes_in_and_a_tuple_comes_out(maps: dict[int, Tensor]) -> None:
    maps = {level: x[..., : -(-9 // 2 ** (level - 3))] for level, x in maps.items()}
    neck = written("fpn", RESNET18, width=16)
    wanted = neck(maps)
    made = ListNeck(neck, levels=(3, 4, 5))(list(maps.values()))
    assert isinstance(made, tuple)
    assert all(torch.equal(x, wanted[level]) for x, level in zip(made, wanted, strict=True))
    with pytest.raises(ValueError, match="zip"):
        ListNeck(neck, levels=(3, 4, 5))(list(maps.values())[:2])


def test_a_dict_goes_in_and_a_dict_comes_out(maps: dict[int, Tensor]) -> None:
    maps = {level: x[..., : -(-9 // 2 ** (level - 3))] for level, x in maps.items()}
    neck = written("fpn", RESNET18, width=16)
    wrapped = DictNeck(neck, {"res3": 3, "res4": 4, "res5": 5})
    made = wrapped({f"res{level}": x for level, x in maps.items()})
    assert list(made) == [f"p{level}" for level in neck(maps)]
    assert {name: x.shape[1] for name, x in made.items()} == wrapped.out_channels
    assert wrapped.out_strides["p4"] == 16


def test_with_the_backbone_below_it_a_dict_neck_takes_images() -> None:
    class BottomUp(nn.Module):
        def forward(self, images: Tensor) -> dict[str, Tensor]:
            return {
                f"res{k}": images[:, :1, :: 2**k, :: 2**k].expand(-1, c, -1, -1) for k, c in RESNET18.items()
            }

    images, bottom_up, neck = torch.rand(1, 3, 64, 48), BottomUp(), written("fpn", RESNET18, width=16)
    levels = {f"res{level}": level for level in RESNET18}
    backbone = DictNeck(neck, levels, bottom_up)
    wanted = DictNeck(neck, levels)(bottom_up(images))
    made = backbone(images)
    assert all(torch.equal(made[name], x) for name, x in wanted.items())
    shapes = backbone.output_shape()
    assert list(shapes) == list(made)
    assert shapes["p4"] == (16, None, None, 16)
    assert backbone.size_divisibility == 0


def test_unequal_widths_are_refused_by_level() -> None:
    neck = written("channel_mapper", RESNET18)
    neck.channels_out = {3: 16, 4: 24, 5: 32}  # type: ignore[assignment]
    with pytest.raises(ValueError, match=r"one width at all levels, got \{3: 16, 4: 24, 5: 32\}"):
        BackboneWithNeck(nn.Identity(), neck, levels=(3, 4, 5))

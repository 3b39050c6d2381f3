"""Puts a downloaded neck into detectron2's RetinaNet, trains one step and detects.

    python neck_in_detectron2.py FOLDER

The folder is an unpacked bundle, for a backbone with the channels that the neck was found for: here a
ResNet-18 of detectron2. Needs detectron2 and what lies in the folder, nothing of Neckline.
Takes 7 s on one core of a 2.8 GHz Xeon, nearly all of it importing detectron2.
"""

import sys
from pathlib import Path

import torch
from detectron2.config import get_cfg
from detectron2.layers import ShapeSpec
from detectron2.modeling.anchor_generator import DefaultAnchorGenerator
from detectron2.modeling.backbone import build_resnet_backbone
from detectron2.modeling.box_regression import Box2BoxTransform
from detectron2.modeling.matcher import Matcher
from detectron2.modeling.meta_arch.retinanet import RetinaNet, RetinaNetHead
from detectron2.structures import Boxes, Instances
from detectron2.utils.events import EventStorage

CLASSES = 3
SIZES = (2 ** (1 / 3), 1.0, 2 ** (2 / 3))


def resnet18() -> torch.nn.Module:
    """Return detectron2's ResNet-18 with random weights and maps at strides 8, 16 and 32."""
    config = get_cfg()
    config.MODEL.RESNETS.DEPTH = 18
    config.MODEL.RESNETS.RES2_OUT_CHANNELS = 64
    config.MODEL.RESNETS.NORM = "BN"
    config.MODEL.RESNETS.OUT_FEATURES = ["res3", "res4", "res5"]
    config.MODEL.BACKBONE.FREEZE_AT = 0
    return build_resnet_backbone(config, ShapeSpec(channels=3))


def detector(backbone: torch.nn.Module) -> RetinaNet:
    """Return a RetinaNet over the backbone's maps, whatever levels and widths they have."""
    shapes = backbone.output_shape()
    scales = [[4.0 * shape.stride * size for size in SIZES] for shape in shapes.values()]
    anchors = DefaultAnchorGenerator(
        sizes=scales, aspect_ratios=[[0.5, 1.0, 2.0]], strides=[shape.stride for shape in shapes.values()]
    )
    head = RetinaNetHead(
        input_shape=[ShapeSpec(channels=shape.channels) for shape in shapes.values()],
        num_classes=CLASSES,
        num_anchors=anchors.num_cell_anchors[0],
        conv_dims=[next(iter(shapes.values())).channels] * 2,
    )
    return RetinaNet(
        backbone=backbone,
        head=head,
        head_in_features=list(shapes),
        anchor_generator=anchors,
        box2box_transform=Box2BoxTransform((1.0, 1.0, 1.0, 1.0)),
        anchor_matcher=Matcher([0.4, 0.5], [0, -1, 1], allow_low_quality_matches=True),
        num_classes=CLASSES,
        pixel_mean=[103.5, 116.3, 123.7],
        pixel_std=[1.0, 1.0, 1.0],
    )


def main() -> None:
    """Build, train one step, detect."""
    folder = Path(sys.argv[1]).resolve()
    sys.path.insert(0, str(folder))
    from adapters import DictNeck  # these two lie in the folder
    from neck import Neck

    neck = Neck.from_safetensors(folder / "neck.safetensors")
    model = detector(DictNeck(neck, {"res3": 3, "res4": 4, "res5": 5}, resnet18()))
    model.to("cpu")
    target = Instances((96, 117))
    target.gt_boxes = Boxes(torch.tensor([[10.0, 12.0, 60.0, 55.0]]))
    target.gt_classes = torch.tensor([1])
    images = 255 * torch.rand(2, 3, 96, 117)
    with EventStorage():
        losses = model.train()([{"image": image, "instances": target} for image in images])
    total = sum(losses.values())
    total.backward()
    assert torch.isfinite(total) and all(p.grad is not None for p in neck.parameters())
    (found,) = model.eval()([{"image": images[0], "height": 192, "width": 234}])
    named = ", ".join(f"{name} {float(loss):.3f}" for name, loss in losses.items())
    print(f"trained a step ({named}) and found {len(found['instances'])} boxes")


if __name__ == "__main__":
    main()

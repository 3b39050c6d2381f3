"""Puts a downloaded neck into mmdetection's RetinaNet, trains one step and detects.

    python neck_in_mmdetection.py FOLDER

The folder is an unpacked bundle, for a backbone with the channels that the neck was found for: here a
ResNet-18 of mmdetection. Needs mmdet with mmcv and what lies in the folder, nothing of Neckline.
Takes 7 s on one core of a 2.8 GHz Xeon, nearly all of it importing mmdetection.
"""

import sys
from pathlib import Path
from typing import Any

import torch
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmdet.utils import register_all_modules
from mmengine.config import ConfigDict
from mmengine.structures import InstanceData

CLASSES = 3


def register(folder: Path) -> type[torch.nn.Module]:
    """Make the neck known to mmdetection, so that configuration files can name it."""
    sys.path.insert(0, str(folder))
    from adapters import ListNeck  # these two lie in the folder
    from neck import Neck

    @MODELS.register_module()
    class FoundNeck(ListNeck):  # type: ignore[misc]
        def __init__(self, file: str) -> None:
            super().__init__(Neck.from_safetensors(file), levels=(3, 4, 5))

    return Neck


def configuration(file: Path, neck: Any) -> dict[str, Any]:
    """Return the configuration of a RetinaNet with that neck."""
    levels = sorted(neck.channels_out)
    width = neck.channels_out[levels[0]]
    strides = [2**level for level in levels]
    return {
        "type": "RetinaNet",
        "data_preprocessor": {"type": "DetDataPreprocessor", "pad_size_divisor": 1},
        "backbone": {"type": "ResNet", "depth": 18, "out_indices": (1, 2, 3), "norm_eval": False},
        "neck": {"type": "FoundNeck", "file": str(file)},
        "bbox_head": {
            "type": "RetinaHead",
            "num_classes": CLASSES,
            "in_channels": width,
            "feat_channels": width,
            "stacked_convs": 2,
            "anchor_generator": {
                "type": "AnchorGenerator",
                "octave_base_scale": 4,
                "scales_per_octave": 3,
                "ratios": [0.5, 1.0, 2.0],
                "strides": strides,
            },
            "loss_cls": {"type": "FocalLoss", "use_sigmoid": True},
            "loss_bbox": {"type": "L1Loss"},
        },
        "train_cfg": {
            "assigner": {"type": "MaxIoUAssigner", "pos_iou_thr": 0.5, "neg_iou_thr": 0.4, "min_pos_iou": 0},
            "sampler": {"type": "PseudoSampler"},
            "allowed_border": -1,
            "pos_weight": -1,
        },
        "test_cfg": {
            "nms_pre": 100,
            "min_bbox_size": 0,
            "score_thr": 0.001,
            "nms": {"type": "nms", "iou_threshold": 0.5},
            "max_per_img": 20,
        },
    }


def sample() -> DetDataSample:
    """Return one image's annotation: a box of class 1."""
    truth = InstanceData(bboxes=torch.tensor([[10.0, 12.0, 60.0, 55.0]]), labels=torch.tensor([1]))
    shape = (96, 117)
    meta = {"img_shape": shape, "ori_shape": shape, "batch_input_shape": shape, "scale_factor": (1.0, 1.0)}
    return DetDataSample(gt_instances=truth, metainfo=meta)


def main() -> None:
    """Build, train one step, detect."""
    folder = Path(sys.argv[1]).resolve()
    register_all_modules()
    neck = register(folder)
    model = MODELS.build(ConfigDict(configuration(folder / "neck.safetensors", neck)))
    model.init_weights()  # the neck keeps the weights that it has
    data = {
        "inputs": [torch.randint(0, 256, (3, 96, 117), dtype=torch.uint8) for _ in range(2)],
        "data_samples": [sample(), sample()],
    }
    model.train()
    given = model.data_preprocessor(data, training=True)
    total, logged = model.parse_losses(model(**given, mode="loss"))
    total.backward()
    assert torch.isfinite(total) and all(p.grad is not None for p in model.neck.parameters())
    with torch.no_grad():
        found = model.eval().test_step(data)
    named = ", ".join(f"{name} {float(loss):.3f}" for name, loss in logged.items())
    print(f"trained a step ({named}) and found {len(found[0].pred_instances)} boxes")


if __name__ == "__main__":
    main()

"""A supernet begun from an earlier one computes what that one did, wherever both have the architecture."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch

from search_space.architecture import Architecture
from supernet.backbone import BackboneSpec
from supernet.data.coco import Category
from supernet.detector import Detector
from supernet.errors import WeightMismatch
from supernet.training.run import write_detector
from supernet.training.spec import TrainingSpec
from supernet.training.warm import take_over

FEW: Mapping[str, object] = {
    "space": "fusion_grid",
    "widths": [4, 8],
    "stages": [1],
    "fusions": ["concat", "fast"],
}
MORE: Mapping[str, object] = {"space": "fusion_grid", "widths": [4, 8, 12], "stages": [1, 2]}


def detector(space: Mapping[str, object], seed: int, names: str = "ab", backbone: str = "plain") -> Detector:
    torch.manual_seed(seed)
    spec = TrainingSpec(dataset="none", backbone=BackboneSpec(backbone), space=space)
    made = Detector(spec, tuple(Category(i, name) for i, name in enumerate(names)), (64, 64))
    with torch.no_grad():
        for tensor in made.parameters():
            tensor.add_(0.1 * torch.randn(tensor.shape))
    return made.eval()


def stored(folder: Path, made: Detector) -> Path:
    write_detector(folder, made)
    return folder


def outputs(made: Detector, graph: Architecture) -> torch.Tensor:
    images = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        found: torch.Tensor = made(made.backbone(images), graph)
    return found


@pytest.mark.parametrize(("before", "after"), [(FEW, MORE), (MORE, FEW)])
def test_a_larger_and_a_smaller_space_go_on_where_the_first_one_was(
    before: Mapping[str, object], after: Mapping[str, object], tmp_path: Path
) -> None:
    first, second = detector(before, 0), detector(after, 1)
    small = detector(FEW, 2).space
    rng = np.random.default_rng(0)
    graphs = [small.architecture(small.sample(rng)) for _ in range(6)]
    assert not torch.equal(outputs(first, graphs[0]), outputs(second, graphs[0]))
    taken = take_over(second, stored(tmp_path, first))
    assert 0 < taken.taken <= taken.total
    for graph in graphs:
        assert torch.equal(outputs(first, graph), outputs(second, graph)), graph.key


def test_other_classes_keep_their_own_head(tmp_path: Path) -> None:
    first, second = detector(FEW, 0), detector(FEW, 1, names="xyz")
    before = {name: x.clone() for name, x in second.head.state_dict().items()}
    take_over(second, stored(tmp_path, first))
    assert all(torch.equal(x, before[name]) for name, x in second.head.state_dict().items())
    assert all(
        torch.equal(a, b) for a, b in zip(first.neck.parameters(), second.neck.parameters(), strict=True)
    )


def test_another_kind_of_space_is_refused(tmp_path: Path) -> None:
    other = {"space": "merging_cells"}
    with pytest.raises(WeightMismatch, match="space is a merging_cells"):
        take_over(detector(FEW, 0), stored(tmp_path, detector(other, 1)))


def test_another_backbone_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightMismatch, match="backbone is resnet10t"):
        take_over(detector(FEW, 0), stored(tmp_path, detector(FEW, 1, backbone="resnet10t")))


def test_no_supernet_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightMismatch, match="holds no trained supernet"):
        take_over(detector(FEW, 0), tmp_path)

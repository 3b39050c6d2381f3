"""Costs against hand-computed numbers."""

import pytest
import torch
from torch import Tensor, nn

from evaluators.cost import Cost, count
from evaluators.errors import UnsupportedOperator


def test_a_convolution_costs_one_product_for_each_tap_and_output_pixel() -> None:
    module = nn.Sequential(nn.Conv2d(3, 8, 3, stride=2, padding=1), nn.BatchNorm2d(8), nn.ReLU())
    cost = count(module, (torch.zeros(1, 3, 9, 9),))
    assert cost == Cost(params=3 * 8 * 9 + 8 + 16, macs=25 * 8 * 3 * 9, activations=25 * 8)


def test_a_module_of_features_by_level_is_counted() -> None:
    class Neck(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(4, 4, 1, bias=False)

        def forward(self, features: dict[int, Tensor]) -> dict[int, Tensor]:
            return {level: self.conv(x) for level, x in features.items()}

    neck = Neck().eval()
    cost = count(neck, {3: torch.zeros(1, 4, 4, 4), 4: torch.zeros(1, 4, 2, 2)})
    assert cost == Cost(params=16, macs=16 * (16 + 4), activations=4 * (16 + 4))
    assert not neck.training


def test_an_operator_of_unknown_cost_raises_and_is_named() -> None:
    class Sorting(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.sort(dim=-1).values

    with pytest.raises(UnsupportedOperator, match="aten::sort"):
        count(Sorting(), (torch.zeros(1, 2, 3, 3),))


def test_counting_leaves_the_training_mode_alone() -> None:
    module = nn.Conv2d(1, 1, 1).train()
    count(module, (torch.zeros(1, 1, 2, 2),))
    assert module.training


def test_scores_are_exact() -> None:
    scores = {score.metric: score for score in Cost(1, 2, 3).scores()}
    assert scores["macs"].value == 2
    assert all(score.source == "counted" and score.stderr is None for score in scores.values())

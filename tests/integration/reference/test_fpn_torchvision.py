"""FPN against torchvision's `FeaturePyramidNetwork`, with its weights."""

import pytest

from benchmarks.neck_oracles import FPN_EXTRAS, FPN_NORMS, fpn_difference


@pytest.mark.parametrize("norm", FPN_NORMS)
@pytest.mark.parametrize("extra", FPN_EXTRAS)
@pytest.mark.parametrize("lowest", [2, 3])
def test_equals_torchvision(extra: str, norm: str, lowest: int) -> None:
    sizes = [(128, 128), (97, 131), (17, 40), (333, 211)]
    assert fpn_difference(extra, norm, lowest, sizes) <= 1e-12

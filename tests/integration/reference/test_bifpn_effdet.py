"""BiFPN against effdet's, with its weights: every size, both paddings, every way to weigh."""

import pytest

from benchmarks.neck_oracles import BIFPN_METHODS, BIFPN_SIZES, PADDINGS, bifpn_difference, effdet_bifpn
from search_space.reference.bifpn import VARIANTS


@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("fusion", BIFPN_METHODS)
@pytest.mark.parametrize("size", BIFPN_SIZES)
def test_equals_effdet_in_every_form(size: str, fusion: str, padding: str) -> None:
    assert bifpn_difference(size, padding, fusion, (200, 141), width=16) <= 1e-10


@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("image_size", [(128, 128), (97, 131), (333, 205)])
def test_equals_effdet_at_any_size(padding: str, image_size: tuple[int, int]) -> None:
    assert bifpn_difference("d1", padding, "fast", image_size) <= 1e-10


@pytest.mark.parametrize("size", BIFPN_SIZES)
def test_variant_has_effdets_settings(size: str) -> None:
    oracle = effdet_bifpn(size, "same", "fast", (128, 128))
    preset = {"fusion": "fast", "more": 2, **VARIANTS[size]}
    nodes = oracle.cell[0].fnode
    assert len(oracle.cell) == preset["repeats"]
    assert nodes[0].after_combine.conv.conv_dw.in_channels == preset["width"]
    assert len(nodes) == 2 * (3 + int(str(preset["more"])) - 1)

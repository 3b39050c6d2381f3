"""Fronts and hypervolumes against hand-computed cases and pymoo."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymoo.indicators.hv import HV
from pymoo.util.nds.non_dominated_sorting import NonDominatedSorting

from search.pareto import contribution, front, hypervolume, ranks, trace

grids = st.integers(1, 4).flatmap(
    lambda width: st.lists(
        st.tuples(*[st.integers(0, 6)] * width),
        min_size=1,
        max_size=25,
    )
)


def test_front_keeps_input_order_and_the_first_of_equals() -> None:
    points = [(3, 1), (1, 3), (1, 3), (2, 2), (3, 3), (2, 4)]
    assert front(points).tolist() == [0, 1, 3]


def test_area_of_a_staircase() -> None:
    # boxes below (4, 4): (1, 3) gives 3 x 1, (2, 1) adds 2 x 2
    assert hypervolume([(1, 3), (2, 1), (3, 3)], (4, 4)) == 7


def test_points_beyond_the_reference_add_nothing() -> None:
    assert hypervolume([(0, 5), (5, 0), (4, 4)], (4, 4)) == 0
    assert hypervolume([], (4, 4)) == 0
    assert contribution([(1, 1)], (5, 0), (4, 4)) == 0


@given(grids)
def test_front_agrees_with_pymoo(points: list[tuple[int, ...]]) -> None:
    array = np.unique(np.array(points, dtype=float), axis=0)
    fronts = NonDominatedSorting().do(array)
    assert front(array).tolist() == sorted(fronts[0])
    for rank, members in enumerate(fronts):
        assert set(np.flatnonzero(ranks(array) == rank)) == set(members)


@given(grids)
def test_hypervolume_agrees_with_pymoo(points: list[tuple[int, ...]]) -> None:
    reference = [5.5] * len(points[0])
    expected = HV(ref_point=np.array(reference))(np.array(points, dtype=float))
    assert hypervolume(points, reference) == pytest.approx(expected)


@pytest.mark.parametrize("objectives", [2, 3, 4])
def test_hypervolume_of_many_random_points_agrees_with_pymoo(objectives: int) -> None:
    points = np.random.default_rng(objectives).random((200, objectives))
    reference = np.full(objectives, 0.9)
    assert hypervolume(points, reference) == pytest.approx(HV(ref_point=reference)(points), rel=1e-12)


@given(grids)
def test_trace_is_the_hypervolume_of_every_prefix(points: list[tuple[int, ...]]) -> None:
    reference = [5.0] * len(points[0])
    prefixes = [hypervolume(points[: count + 1], reference) for count in range(len(points))]
    assert list(trace(points, reference)) == pytest.approx(prefixes)

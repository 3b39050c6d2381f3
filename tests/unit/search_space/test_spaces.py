"""What every space promises, by hypothesis, over every file under `search_space/spaces`."""

import json
from functools import cache
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search_space import spaces
from search_space.architecture import Architecture
from search_space.errors import InvalidSpace, NotInSpace, UnknownName
from search_space.space import Space
from search_space.stages.paths import PATHS

SEEDS = st.integers(0, 2**32 - 1)
EVERYTHING = {
    "attentions": ["none", "se", "scse", "eca", "ela", "coordinate"],
    "ops": ["conv", "dw"],
    "kernels": [1, 3, 5],
    "norm": "group",
    "act": "silu",
    "order": "conv_norm_act",
    "resize": "bilinear",
    "widths": [32, 48],
    "channels": {"2": 8, "3": 16, "4": 24, "5": 40},
    "levels": [3, 4, 5, 6, 7],
}
SPECS: dict[str, dict[str, object]] = {name: {"space": name} for name in spaces.names()} | {
    "fusion_grid, extended": {
        **EVERYTHING,
        "space": "fusion_grid",
        "paths": [*PATHS],
        "fusions": ["sum", "mean", "fast", "softmax", "gate", "concat"],
        "downs": ["pool2", "pool", "conv"],
        "extra": "pool",
        "ops": ["conv3", "dw", "deform"],
        "export_safe": False,
    },
    "merging_cells, extended": {
        **EVERYTHING,
        "space": "merging_cells",
        "version": "mmdet",
        "extra": "reduce",
        "merges": [1, 3],
        "ops": ["deform3"],
        "export_safe": False,
    },
    "path_aggregation, extended": {
        **EVERYTHING,
        "space": "path_aggregation",
        "deform": True,
        "export_safe": False,
        "extra": "conv_lateral",
        "nodes": [2, 3],
    },
    "fusion_grid, restricted": {"space": "fusion_grid", "stages": [1], "widths": [32], "kernels": [3]},
    "merging_cells, restricted": {"space": "merging_cells", "levels": [3, 4], "merges": [0], "stacks": [1]},
    "path_aggregation, restricted": {"space": "path_aggregation", "paths": ["top_down"], "nodes": [1, 2]},
}
every_space = pytest.mark.parametrize("name", SPECS)


@cache
def _space(name: str) -> Space:
    return Space.load(SPECS[name])


@every_space
class TestEverySpace:
    def test_spec_is_json_that_gives_the_space_back(self, name: str) -> None:
        space = _space(name)
        again = Space.load(json.loads(json.dumps(space.spec())))
        assert again == space
        assert hash(again) == hash(space)
        assert again.genes == space.genes

    @given(seed=SEEDS)
    def test_samples_are_canonical(self, name: str, seed: int) -> None:
        space = _space(name)
        genotype = space.sample(np.random.default_rng(seed))
        assert space.canonical(genotype) == genotype
        asleep = [g for g, active in zip(genotype, space.active(genotype), strict=True) if not active]
        assert not any(asleep)

    @given(seed=SEEDS)
    def test_decode_undoes_encode(self, name: str, seed: int) -> None:
        space = _space(name)
        genotype = space.sample(np.random.default_rng(seed))
        vector = space.encode(genotype)
        assert vector.dtype == np.float64
        assert space.decode(vector) == genotype

    @given(seed=SEEDS)
    def test_inactive_genes_do_not_show(self, name: str, seed: int) -> None:
        space, rng = _space(name), np.random.default_rng(seed)
        genotype = space.sample(rng)
        noise = [int(rng.integers(len(gene.choices))) for gene in space.genes]
        active = space.active(genotype)
        mixed = tuple(g if on else n for g, n, on in zip(genotype, noise, active, strict=True))
        assert space.canonical(mixed) == genotype
        assert np.array_equal(space.encode(mixed), space.encode(genotype))
        assert space.architecture(mixed).key == space.architecture(genotype).key

    @settings(max_examples=20)
    @given(seed=SEEDS)
    def test_many_genotypes_are_made_canonical_as_each_alone(self, name: str, seed: int) -> None:
        space, rng = _space(name), np.random.default_rng(seed)
        sizes = [len(gene.choices) for gene in space.genes]
        rows = rng.integers(0, sizes, size=(12, len(sizes)))
        alone = [space.canonical(row) for row in rows.tolist()]
        assert list(map(tuple, space.canonical_many(rows).tolist())) == alone
        active = [space.active(genotype) for genotype in alone]
        assert list(map(tuple, space.active_many(np.array(alone)).tolist())) == active

    def test_many_genotypes_are_refused_as_each_alone(self, name: str) -> None:
        space = _space(name)
        rows = np.array([space.smallest(), space.smallest()])
        beyond, short = rows.copy(), rows[:, :-1]
        beyond[1, 0] = len(space.genes[0].choices)
        for wrong in (beyond, -1 - rows, short):
            with pytest.raises(NotInSpace):
                space.canonical_many(wrong)

    @given(seed=SEEDS)
    def test_mutate_and_crossover_stay_inside(self, name: str, seed: int) -> None:
        space, rng = _space(name), np.random.default_rng(seed)
        a, b = space.sample(rng), space.sample(rng)
        mutant, child = space.mutate(a, rng), space.crossover(a, b, rng)
        assert mutant != a
        assert space.canonical(mutant) == mutant
        assert space.canonical(child) == child
        space.architecture(mutant)
        space.architecture(child)

    @settings(max_examples=10)
    @given(seed=SEEDS)
    def test_contains_its_architectures(self, name: str, seed: int) -> None:
        space = _space(name)
        architecture = space.architecture(space.sample(np.random.default_rng(seed)))
        assert space.contains(architecture)
        assert space.architecture(space.embed(architecture)).key == architecture.key

    @settings(max_examples=25)
    @given(seed=SEEDS)
    def test_architectures_are_valid_and_round_trip(self, name: str, seed: int) -> None:
        space = _space(name)
        architecture = space.architecture(space.sample(np.random.default_rng(seed)))
        again = Architecture.from_json(architecture.to_json())
        assert again == architecture
        assert again.key == architecture.key
        assert {shape.channels for shape in again.output_shapes().values()} <= set(space.genes[0].choices)

    def test_sampling_follows_the_seed(self, name: str) -> None:
        space = _space(name)
        draws = [[space.sample(np.random.default_rng(seed)) for seed in range(20)] for _ in range(2)]
        assert draws[0] == draws[1]
        assert len(set(draws[0])) > 1

    def test_corners_differ_in_size(self, name: str) -> None:
        space = _space(name)
        small, large = (space.architecture(genotype).macs((128, 128)) for genotype in space.corners())
        assert small < large

    def test_baselines_lie_inside(self, name: str) -> None:
        space = _space(name)
        assert space.baselines() or name not in spaces.names()
        for genotype in space.baselines().values():
            assert space.canonical(genotype) == genotype
            assert space.contains(space.architecture(genotype))

    def test_every_weight_has_a_share(self, name: str) -> None:
        space, rng = _space(name), np.random.default_rng(0)
        for _ in range(50):
            for step in space.architecture(space.sample(rng)).steps():
                if step.op.weights(step.inputs):
                    assert step.op.share, step.path
                    assert "." not in step.op.share

    def test_wrong_genotypes_are_refused(self, name: str) -> None:
        space = _space(name)
        with pytest.raises(NotInSpace, match="genes"):
            space.architecture((0,))
        with pytest.raises(NotInSpace, match=space.genes[0].name):
            space.architecture((99, *[0] * (len(space.genes) - 1)))
        with pytest.raises(NotInSpace, match="numbers"):
            space.decode(np.zeros(3))


def test_unknown_names_offer_near_ones() -> None:
    with pytest.raises(UnknownName, match="fusion_grid"):
        Space.load("fusion_gird")
    with pytest.raises(InvalidSpace, match="widths"):
        Space.load({"space": "fusion_grid", "width": [32]})
    with pytest.raises(InvalidSpace, match="'space'"):
        Space.load({"widths": [32]})


@pytest.mark.parametrize(
    "spec",
    [
        {"space": "merging_cells", "levels": [3, 4], "merges": [0, 1], "stacks": [1], "ops": ["conv3"]},
        {"space": "merging_cells", "levels": [3, 4, 5], "merges": [0], "stacks": [1], "fusions": ["sum"]},
        {"space": "path_aggregation", "nodes": [1, 2], "attentions": ["none", "eca"]},
        {"space": "path_aggregation", "nodes": [2], "paths": ["skip", "none", "bottom_up"]},
        {"space": "path_aggregation", "nodes": [1, 3], "paths": ["none", "scale_equalizing", "top_down"]},
        {"space": "merging_cells", "levels": [3, 4], "merges": [1], "stacks": [1, 3], "attentions": ["se"]},
        {
            "space": "fusion_grid",
            "stages": [1, 3],
            "paths": ["skip", "scale_equalizing", "top_down"],
            "fusions": ["fast"],
            "ops": ["conv1"],
            "attentions": ["none", "eca"],
            "downs": ["pool"],
        },
    ],
)
def test_size_is_the_number_of_canonical_genotypes(spec: dict[str, object]) -> None:
    space = Space.load({"widths": [32], **spec})
    raw = product(*(range(len(gene.choices)) for gene in space.genes))
    assert len({space.canonical(genotype) for genotype in raw}) == space.size()


def test_orders_of_independent_output_cells_are_mostly_one_genotype() -> None:
    space = Space.load({"space": "merging_cells", "levels": [3, 4, 5], "merges": [0], "stacks": [1]})
    genotypes = {space.sample(np.random.default_rng(seed)) for seed in range(300)}
    assert len({space.architecture(genotype).key for genotype in genotypes}) > 0.9 * len(genotypes)

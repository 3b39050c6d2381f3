"""Many necks at once have exactly the kernels that each has alone."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from evaluators.latency.errors import PredictorMismatch
from evaluators.latency.features import matrix, totals, vocabulary
from evaluators.latency.fingerprint import Fingerprint
from evaluators.latency.genotypes import GenotypePredictor
from evaluators.latency.intervals import Residuals
from evaluators.latency.lowering import Lowering
from evaluators.latency.predictor import Predictor
from search_space.errors import NotInSpace
from search_space.space import Space

LEVELS = {"channels": {"2": 24, "3": 40, "4": 64, "5": 96}, "levels": [2, 3, 4, 5, 6, 7]}
FUSIONS = ["sum", "mean", "fast", "softmax", "gate", "concat"]
EVERYTHING = {
    "attentions": ["none", "eca", "se", "scse"],
    "ops": ["conv1", "dw3", "conv3"],
    "widths": [16, 40],
}
SPACES: dict[str, dict[str, Any]] = {
    "grid": {"space": "fusion_grid"},
    "grid-everything": {
        "space": "fusion_grid",
        **EVERYTHING,
        **LEVELS,
        "extra": "pool",
        "fusions": FUSIONS,
        "downs": ["pool2", "pool", "conv"],
        "paths": ["skip", "top_down", "bottom_up", "reverse", "cross_scale", "scale_equalizing", "parallel"],
        "order": "conv_norm_act",
        "resize": "bilinear",
    },
    "grid-splitting": {
        "space": "fusion_grid",
        "paths": ["skip", "fusing_splitting", "top_down"],
        "stages": [2, 4],
        "skips": ["laterals", "previous"],
        "norm": "group",
        "act": "silu",
    },
    "cells": {"space": "merging_cells"},
    "cells-everything": {
        "space": "merging_cells",
        **EVERYTHING,
        **LEVELS,
        "extra": "reduce",
        "version": "mmdet",
        "stacks": [1, 2],
        "merges": [0, 3],
        "norm": "none",
        "act": "relu6",
    },
    "paths": {"space": "path_aggregation"},
    "paths-everything": {
        "space": "path_aggregation",
        **EVERYTHING,
        **LEVELS,
        "extra": "conv_lateral",
        "nodes": [1, 2, 4],
        "context": False,
        "deform": True,
        "export_safe": False,
    },
}
LOWERINGS = {
    "torch": Lowering("torch", threads=1),
    "accelerator": Lowering("torch"),
    "onnxruntime": Lowering("onnxruntime", 16),
    "rows": Lowering("onnxruntime"),
}
COUNT = 40


def predictor(lowering: Lowering, image: tuple[int, int], batch: int) -> Predictor:
    fingerprint = Fingerprint("device", "processor", lowering.runtime, "1", 1, "float32", batch, image)
    rates = {"conv_dense": (0.5, 0.25, 0.125), "add": (0.0, 1.0, 2.0)}
    return Predictor(fingerprint, lowering, 1.0, rates, (0.1, 0.2, 0.3), Residuals((), (), 0))


@pytest.mark.parametrize("runtime", LOWERINGS)
@pytest.mark.parametrize("name", SPACES)
def test_kernels_are_those_of_each_neck_alone(name: str, runtime: str) -> None:
    space, lowering = Space.load(SPACES[name]), LOWERINGS[runtime]
    image, batch = ((256, 256), 1) if "everything" not in name else ((250, 390), 2)
    rng = np.random.default_rng(3)
    genotypes = [*space.corners(), *(space.sample(rng) for _ in range(COUNT))]
    made = GenotypePredictor(predictor(lowering, image, batch), space).lowered(genotypes)
    alone = [totals(lowering.kernels(space.architecture(entry), image, batch)) for entry in genotypes]
    assert set(vocabulary(alone)) <= set(made.classes)
    wanted = matrix(alone, made.classes)
    np.testing.assert_allclose(made.amounts, wanted, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("runtime", ["torch", "onnxruntime"])
def test_predictions_are_those_of_the_architectures(runtime: str) -> None:
    space, rng = Space.load("fusion_grid"), np.random.default_rng(5)
    model = predictor(LOWERINGS[runtime], (256, 256), 1)
    many = GenotypePredictor(model, space)
    for _ in range(2):  # the second time from what the first has left
        genotypes = [space.sample(rng) for _ in range(20)]
        alone = [model.predict(space.architecture(entry)).value for entry in genotypes]
        np.testing.assert_allclose(many.predict(genotypes), alone, rtol=1e-12)


def test_chunks_and_order_make_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    space, rng = Space.load("merging_cells"), np.random.default_rng(7)
    model = predictor(LOWERINGS["onnxruntime"], (256, 256), 1)
    genotypes = [space.sample(rng) for _ in range(30)]
    whole = GenotypePredictor(model, space).predict(genotypes)
    monkeypatch.setattr("evaluators.latency.genotypes.CHUNK", 7)
    assert np.allclose(GenotypePredictor(model, space).predict(genotypes[::-1])[::-1], whole, rtol=1e-12)


def test_an_empty_batch_has_no_predictions() -> None:
    many = GenotypePredictor(predictor(LOWERINGS["torch"], (64, 64), 1), Space.load("fusion_grid"))
    assert many.predict([]).shape == (0,)


def test_what_cannot_be_laid_out_is_lowered_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    space, model = Space.load("fusion_grid"), predictor(LOWERINGS["onnxruntime"], (256, 256), 1)
    monkeypatch.setattr("evaluators.latency.piece_tables.MOST_INPUTS", 1)
    genotypes = space.corners()
    alone = [model.predict(space.architecture(entry)).value for entry in genotypes]
    np.testing.assert_allclose(GenotypePredictor(model, space).predict(genotypes), alone, rtol=1e-12)


def test_a_choice_that_the_space_does_not_have_is_refused() -> None:
    space = Space.load("fusion_grid")
    many = GenotypePredictor(predictor(LOWERINGS["torch"], (64, 64), 1), space)
    with pytest.raises(NotInSpace, match="'width' has choices 0 to 2; got 9"):
        many.predict([(9, *space.smallest()[1:])])


def test_coefficients_of_other_kernel_lists_are_refused() -> None:
    model = predictor(LOWERINGS["torch"], (64, 64), 1)
    old = replace(model, fingerprint=replace(model.fingerprint, lowering=1))
    space = Space.load("fusion_grid")
    with pytest.raises(PredictorMismatch, match="calibrate the device again"):
        GenotypePredictor(old, space).predict(space.corners())

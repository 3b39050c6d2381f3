"""How a search scores a subnet: accuracy by the supernet's weights where the work is done, costs before
it is.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection

from evaluators.score import Score
from search.problem import Many
from search_space.architecture import Architecture
from search_space.space import Space
from service import trained
from service.baselines import weights_of
from service.records import Device, Revisions, Search, Supernet
from service.settings import FEATURE_LIMIT_BYTES as DEFAULT_LIMIT_BYTES
from service.store import Store
from service.stores import datasets, devices, searches, supernets

if TYPE_CHECKING:
    from evaluators.accuracy import AccuracyEvaluator
    from evaluators.finetuning import Schedule
    from evaluators.latency.predictor import Predictor
    from evaluators.outsiders import AnyNeck

Scorer = Callable[[Architecture], tuple[Score, ...]]
EVALUATOR_VERSION = 2
"""Raised when the way of scoring changes, since old and new scores are then not comparable."""


@dataclass(frozen=True)
class ScorerFactory:
    """Makes a scorer in the process that evaluates; travels to Ray actors by value."""

    workdir: str
    dataset: str
    threads: int = 1
    weights: Mapping[str, Path] = field(default_factory=dict)
    """By architecture key: files with the weights of necks that were brought along."""
    limit_bytes: int = DEFAULT_LIMIT_BYTES
    """Of the cached validation features: a part of the images is scored where all take more."""

    def __call__(self) -> Scorer:
        """Return the scorer: the supernet's weights and the cached validation features live in it."""
        import torch

        torch.set_num_threads(self.threads)
        scorer = self.necks()
        _ = scorer.evaluator.validation  # the features are computed here, not with the first score
        return scorer

    def necks(self) -> AnyNeck:
        """Return the same before any validation feature is computed."""
        from evaluators.outsiders import AnyNeck

        return AnyNeck(self.evaluator(), self.weights)

    def evaluator(self) -> AccuracyEvaluator:
        """Return what scores the supernet's own architectures."""
        from evaluators.accuracy import AccuracyEvaluator

        return AccuracyEvaluator(self.workdir, self.dataset, limit_bytes=self.limit_bytes)


@dataclass(frozen=True)
class FinalistFactory:
    """Fine-tunes one finalist round by round in a process of Ray; travels there by value."""

    scorer: ScorerFactory
    schedule: Schedule
    rounds: int

    def __call__(self, architecture: Architecture) -> Iterator[tuple[Score, ...]]:
        """Yield the scores after each round."""
        import torch

        from evaluators.finetuning import FineTuning, in_rounds

        torch.set_num_threads(self.scorer.threads)
        yield from in_rounds(FineTuning(self.scorer.evaluator(), architecture, self.schedule), self.rounds)


@dataclass(frozen=True, eq=False)  # equal by identity, since strategies keep what they know by problem
class Costs:
    """Scores that cost next to nothing: counted ones, and latency where there is a predictor."""

    image_size: tuple[int, int]
    predictor: Predictor | None
    by_name: tuple[tuple[str, Predictor], ...] = ()
    """The predictors of every device, where a search has several."""

    def __call__(self, architecture: Architecture) -> tuple[Score, ...]:
        """Return parameters, MACs and the predicted latency, on the first device and on each by its name."""
        parameters = Score("parameters", float(architecture.parameters()), "parameters", "counted")
        macs = Score("macs", float(architecture.macs(self.image_size)), "MACs", "counted")
        predicted = () if self.predictor is None else (self.predictor.predict(architecture),)
        named = [on_device(model.predict(architecture), name) for name, model in self.by_name]
        return (*predicted, *named, parameters, macs)

    def many(self, space: Space) -> tuple[tuple[str, Many], ...]:
        """Return each predicted metric with the call that predicts it for many genotypes of a space."""
        from evaluators.latency.genotypes import GenotypePredictor

        models = [] if self.predictor is None else [(self.predictor.metric, self.predictor)]
        models += [(f"{model.metric}@{name}", model) for name, model in self.by_name]
        return tuple((metric, GenotypePredictor(model, space).predict) for metric, model in models)


def on_device(score: Score, name: str) -> Score:
    """Return a latency under the name that its search gives the device."""
    return replace(score, metric=f"{score.metric}@{name}")


@dataclass(frozen=True)
class Placed:
    """A device of a search that has several: its name there, and its calibration."""

    name: str
    device: Device
    predictor: Predictor | None
    revision: str


@dataclass(frozen=True)
class Bench:
    """Everything that a search's runner needs, read from the store."""

    search: Search
    space: Mapping[str, Any]
    image_size: tuple[int, int]
    factory: Callable[[], Scorer]
    costs: Scorer
    revisions: Revisions
    device: Device | None = None
    placed: tuple[Placed, ...] = ()
    """Every device, where the search names them."""
    many: Callable[[Space], tuple[tuple[str, Many], ...]] = lambda _: ()
    """See `Costs.many`."""


def open_bench(store: Store, search_id: str) -> Bench:
    """Return what the search needs, with the supernet's files in a local folder."""
    with store.database.read() as tx:
        search = searches.get(tx, search_id)
        assert search is not None, search_id
        supernet = supernets.get(tx, search.supernet_id)
        assert supernet is not None, search.supernet_id
        dataset = datasets.get(tx, supernet.dataset_id or "")
        predictor = devices.predictor(tx, search.predictor_id or "")
        device = devices.get(tx, search.device_id or "")
        placed = _placed(tx, search.spec)
    assert dataset is not None, supernet.dataset_id
    workdir = trained.fetch(store, supernet.id)
    card = json.loads((workdir / "supernet.json").read_text())
    model = _read(None if predictor is None else predictor.document)
    image_size = (card["image_size"][0], card["image_size"][1])
    limit_bytes = store.settings.feature_limit_bytes
    evaluator = f"{version('neckline')}-{EVALUATOR_VERSION}-{(supernet.revision or '')[:16]}"
    if limit_bytes != DEFAULT_LIMIT_BYTES:  # other images may be scored then
        evaluator += f"-{limit_bytes}"
    device_revision = "none" if predictor is None else predictor.revision or "none"
    if placed:
        device_revision = hashlib.sha256("".join(entry.revision for entry in placed).encode()).hexdigest()
    revisions = Revisions(device_revision, dataset.revision or "none", evaluator)
    by_name = tuple((entry.name, entry.predictor) for entry in placed if entry.predictor is not None)
    costs = Costs(image_size, model, by_name)
    return Bench(
        search,
        card["space"],
        image_size,
        ScorerFactory(
            str(workdir),
            dataset.folder,
            store.settings.torch_threads,
            weights_of(store, search.spec),
            limit_bytes,
        ),
        costs,
        revisions,
        device,
        placed,
        costs.many,
    )


def _placed(tx: Connection, spec: Mapping[str, Any]) -> tuple[Placed, ...]:
    """Return the search's devices, none where it has one that no metric names."""
    entries = spec.get("devices") or ()
    metrics = [*spec["objectives"], *(bound["metric"] for bound in spec["constraints"])]
    if len(entries) < 2 and not any("@" in metric for metric in metrics):
        return ()
    found = []
    for entry in entries:
        device, predictor = devices.get(tx, entry["device_id"]), devices.predictor(tx, entry["predictor_id"])
        assert device is not None and predictor is not None, entry
        revision = predictor.revision or "none"
        found.append(Placed(entry["name"], device, _read(predictor.document), revision))
    return tuple(found)


def _read(document: str | None) -> Predictor | None:
    """Return the predictor of that document; reading one loads scipy, which other searches do without."""
    if document is None:
        return None
    from evaluators.latency.predictor import Predictor

    return Predictor.from_json(document)


def dataset_folder(store: Store, supernet: Supernet) -> str:
    """Return the folder of the dataset that a supernet was trained on."""
    with store.database.read() as tx:
        dataset = datasets.get(tx, supernet.dataset_id or "")
    assert dataset is not None, supernet.dataset_id
    return dataset.folder

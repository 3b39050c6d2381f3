"""Files made of a stored subnet, each with what a user needs to trust it: scores, and a reference output."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from evaluators.score import Score
from search_space.architecture import Architecture
from service import trained
from service.records import StoredEvaluation, Supernet
from service.store import Store
from service.stores import evaluations, searches, supernets
from supernet.detector import Detector, DetectorStatistics
from supernet.export.card import Card
from supernet.subnet import Subnet


@dataclass(frozen=True)
class Made:
    """A finished file and how it is to be served."""

    path: Path
    filename: str
    media_type: str


@dataclass(frozen=True)
class Subject:
    """A stored subnet, ready to be exported."""

    evaluation: StoredEvaluation
    architecture: Architecture
    module: Subnet
    detector: Detector
    statistics: DetectorStatistics
    supernet: Supernet
    baselines: tuple[StoredEvaluation, ...]
    card: dict[str, Any]


def make(store: Store, evaluation_id: str, format: str, scratch: Path) -> Made:
    """Return the file of a format, made in the scratch folder.

    Raises:
        ExportError: the subnet has an operation that the format does not know.
    """
    return {"bundle": _bundle, "safetensors": _weights, "onnx": _onnx, "source": _source}[format](
        load(store, evaluation_id), scratch
    )


def load(store: Store, evaluation_id: str) -> Subject:
    """Return a stored subnet with the supernet's weights and its own statistics."""
    from evaluators.accuracy import AccuracyEvaluator
    from service.scoring import dataset_folder

    with store.database.read() as tx:
        evaluation = evaluations.get(tx, evaluation_id)
        assert evaluation is not None, evaluation_id
        document = evaluations.architecture(tx, evaluation.key)
        search = searches.get(tx, evaluation.search_id)
        assert document is not None and search is not None, evaluation_id
        supernet = supernets.get(tx, search.supernet_id)
        assert supernet is not None, search.supernet_id
        history = evaluations.history(tx, search.id)
    architecture = Architecture.from_json(document)
    folder = trained.fetch(store, supernet.id)
    evaluator = AccuracyEvaluator(folder, dataset_folder(store, supernet), images=1)
    statistics = evaluator.statistics(architecture)
    module = evaluator.detector.neck.extract(architecture, statistics=statistics.neck)
    baselines = tuple(e for e in history if e.state == "ok" and e.origin.startswith("baseline:"))
    card = json.loads((folder / "supernet.json").read_text())
    return Subject(
        evaluation, architecture, module, evaluator.detector, statistics, supernet, baselines, card
    )


def _bundle(subject: Subject, scratch: Path) -> Made:
    from search_space.drawing import draw
    from supernet.export.bundle import write_bundle
    from supernet.export.detector import detector_parts

    parts = detector_parts(subject.detector, subject.architecture, subject.statistics)
    made = write_bundle(
        scratch / "bundle",
        subject.module,
        card=_card(subject),
        topology_svg=draw(subject.architecture),
        detector=parts if subject.architecture.export_safe else None,
    )
    return Made(made.path, f"neck-{_short(subject)}.zip", "application/zip")


def _weights(subject: Subject, scratch: Path) -> Made:
    target = scratch / "neck.safetensors"
    _save(_renamed(subject), target)
    return Made(target, f"neck-{_short(subject)}.safetensors", "application/octet-stream")


def _onnx(subject: Subject, scratch: Path) -> Made:
    from supernet.export.onnx import export

    target = scratch / "neck.onnx"
    target.write_bytes(export(subject.module))
    return Made(target, f"neck-{_short(subject)}.onnx", "application/octet-stream")


def _source(subject: Subject, scratch: Path) -> Made:
    target = scratch / "neck.py"
    target.write_text(_source_text(subject))
    return Made(target, f"neck-{_short(subject)}.py", "text/x-python")


def _source_text(subject: Subject) -> str:
    from supernet.export.source import generate

    card = _card(subject)
    return generate(subject.architecture, title=card.title, notes=card.found, scores=card.scores)


def _card(subject: Subject) -> Card:
    evaluation, height_width = subject.evaluation, subject.card["image_size"]
    search = f"search {evaluation.search_id} in supernet {subject.supernet.id}"
    return Card(
        title=f"Neck {_short(subject)}.",
        dataset=f"revision {evaluation.dataset_revision}",
        device=f"revision {evaluation.device_revision}",
        image_size=(height_width[0], height_width[1]),
        scores=_scores(evaluation),
        baselines={entry.origin.removeprefix("baseline:"): _scores(entry) for entry in subject.baselines},
        found=[f"Found by {search}; scored by evaluator {evaluation.evaluator_revision}."],
    )


def _scores(evaluation: StoredEvaluation) -> list[Score]:
    return [Score.from_record(score) for score in json.loads(evaluation.scores)]


def _renamed(subject: Subject) -> dict[str, Tensor]:
    from supernet.export.source import renamed

    return renamed(subject.module, subject.architecture)


def _save(tensors: dict[str, Tensor], target: Path) -> None:
    from safetensors.torch import save_file

    save_file({name: tensor.contiguous().clone() for name, tensor in tensors.items()}, target)


def _short(subject: Subject) -> str:
    return subject.evaluation.key[:12]

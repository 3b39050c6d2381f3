"""Files made of a stored subnet, each with what a user needs to trust it: scores, and a reference output."""

from __future__ import annotations

import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from search_space.architecture import Architecture
from service import trained
from service.records import StoredEvaluation, Supernet
from service.store import Store
from service.stores import evaluations, searches, supernets

REFERENCE_SEED = 0
EPOCH = (1980, 1, 1, 0, 0, 0)
"""The time of every member of a bundle, so that equal contents are equal files."""


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
    module: torch.nn.Module
    supernet: Supernet
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
    architecture = Architecture.from_json(document)
    folder = trained.fetch(store, supernet.id)
    evaluator = AccuracyEvaluator(folder, dataset_folder(store, supernet), images=1)
    statistics = evaluator.statistics(architecture)
    module = evaluator.detector.neck.extract(architecture, statistics=statistics.neck).eval()
    card = json.loads((folder / "supernet.json").read_text())
    return Subject(evaluation, architecture, module, supernet, card)


def _bundle(subject: Subject, scratch: Path) -> Made:
    folder = scratch / "bundle"
    folder.mkdir()
    (folder / "neck.py").write_text(_source_text(subject))
    (folder / "architecture.json").write_text(subject.architecture.to_json())
    (folder / "card.json").write_text(json.dumps(_card(subject), indent=2, sort_keys=True))
    _save(_renamed(subject), folder / "neck.safetensors")
    _save(reference(subject), folder / "reference.safetensors")
    target = scratch / "bundle.zip"
    _zip(folder, target)
    return Made(target, f"neck-{_short(subject)}.zip", "application/zip")


def _weights(subject: Subject, scratch: Path) -> Made:
    target = scratch / "neck.safetensors"
    _save(_renamed(subject), target)
    return Made(target, f"neck-{_short(subject)}.safetensors", "application/octet-stream")


def _onnx(subject: Subject, scratch: Path) -> Made:
    from supernet.export.onnx import export
    from supernet.subnet import Subnet

    assert isinstance(subject.module, Subnet)
    target = scratch / "neck.onnx"
    target.write_bytes(export(subject.module))
    return Made(target, f"neck-{_short(subject)}.onnx", "application/octet-stream")


def _source(subject: Subject, scratch: Path) -> Made:
    target = scratch / "neck.py"
    target.write_text(_source_text(subject))
    return Made(target, f"neck-{_short(subject)}.py", "text/x-python")


def reference(subject: Subject) -> dict[str, Tensor]:
    """Return seeded inputs and the service's own outputs for them, as ``input.<level>`` and
    ``output.<level>``.
    """
    height, width = subject.card["image_size"]
    generator = torch.Generator().manual_seed(REFERENCE_SEED)
    sizes = subject.architecture.shapes((height, width))
    inputs = {}
    for entry in subject.architecture.inputs:
        shape = sizes[entry.id]
        inputs[entry.level] = torch.randn(1, entry.channels, shape.height, shape.width, generator=generator)
    with torch.no_grad():
        outputs = subject.module(inputs)
    named = {f"input.{level}": tensor for level, tensor in inputs.items()}
    return named | {f"output.{level}": tensor for level, tensor in outputs.items()}


def _source_text(subject: Subject) -> str:
    from evaluators.score import Score
    from supernet.export.source import generate

    scores = [Score.from_record(score) for score in json.loads(subject.evaluation.scores)]
    notes = [f"Found by search {subject.evaluation.search_id} in supernet {subject.supernet.id}."]
    return generate(subject.architecture, title=f"Neck {_short(subject)}.", notes=notes, scores=scores)


def _card(subject: Subject) -> dict[str, Any]:
    evaluation = subject.evaluation
    return {
        "schema_version": 1,
        "subnet": evaluation.id,
        "search": evaluation.search_id,
        "supernet": {"id": subject.supernet.id, "revision": subject.supernet.revision},
        "key": evaluation.key,
        "origin": evaluation.origin,
        "scores": json.loads(evaluation.scores),
        "revisions": {
            "device": evaluation.device_revision,
            "dataset": evaluation.dataset_revision,
            "evaluator": evaluation.evaluator_revision,
        },
        "image_size": subject.card["image_size"],
        "channels": subject.card["channels"],
    }


def _renamed(subject: Subject) -> dict[str, Tensor]:
    from supernet.export.source import renamed

    return renamed(subject.module, subject.architecture)


def _save(tensors: dict[str, Tensor], target: Path) -> None:
    from safetensors.torch import save_file

    save_file({name: tensor.contiguous().clone() for name, tensor in tensors.items()}, target)


def _zip(folder: Path, target: Path) -> None:
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.iterdir()):
            archive.writestr(zipfile.ZipInfo(path.name, EPOCH), path.read_bytes())


def _short(subject: Subject) -> str:
    return subject.evaluation.key[:12]

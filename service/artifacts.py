"""Files of a stored subnet, each with what a user needs to trust it: scores, and a reference output."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evaluators.calibration import statistics_of
from evaluators.score import Score
from search_space.architecture import Architecture
from service import trained
from service.records import Artifact, Dataset, Device, Search, StoredEvaluation, Supernet
from service.store import Store
from service.stores import datasets, devices, evaluations, jobs, searches, supernets
from supernet.detector import Detector, load_detector
from supernet.export import safetensors
from supernet.export.bare import BareProcess
from supernet.export.card import Card
from supernet.export.detector import parts_with
from supernet.export.formats import Extras, write
from supernet.export.offered import FORMATS
from supernet.export.verify import Check
from supernet.training.alone import Alone, inherited


@dataclass(frozen=True)
class Made:
    """A finished file, how it is to be served, and what was checked of it."""

    path: Path
    filename: str
    media_type: str
    checks: tuple[Check, ...]


@dataclass(frozen=True)
class Subject:
    """A stored subnet and everything that is known of it.

    Attributes:
        later: scores that came after the evaluation, by evaluation.
        baselines: scored in the same search.
    """

    evaluation: StoredEvaluation
    architecture: Architecture
    search: Search
    supernet: Supernet
    dataset: Dataset
    device: Device | None
    baselines: tuple[StoredEvaluation, ...]
    later: dict[str, list[dict[str, Any]]]

    @property
    def short(self) -> str:
        """The beginning of the architecture's key."""
        return self.evaluation.key[:12]


def make(store: Store, artifact: Artifact, scratch: Path, bare: BareProcess | None = None) -> Made:
    """Return an artifact's file, made in the scratch folder.

    Raises:
        ExportError: the subnet has an operation that the format does not know.
        FailedCheck: the file does not compute what the subnet does.
    """
    from search_space.drawing import draw

    subject = _subject(store, artifact.evaluation_id)
    folder = trained.fetch(store, subject.supernet.id)
    detector = load_detector(folder)
    tuned = artifact.options.get("finetuning_id")
    model = _model(store, detector, subject, tuned)
    extras = Extras(draw(subject.architecture), parts_with(detector, model.neck, model.head))
    deploy = bool(artifact.options.get("deploy"))
    card = _card(subject, detector.image_size, tuned)
    made = write(artifact.format, scratch / "made", model.neck, card, deploy=deploy, extras=extras, bare=bare)
    form = FORMATS[artifact.format]
    name = f"neck-{subject.short}{'-deploy' if deploy else ''}.{form.suffix}"
    return Made(made.path, name, form.media_type, made.checks)


def _subject(store: Store, evaluation_id: str) -> Subject:
    with store.database.read() as tx:
        evaluation = evaluations.get(tx, evaluation_id)
        assert evaluation is not None, evaluation_id
        document = evaluations.architecture(tx, evaluation.key)
        search = searches.get(tx, evaluation.search_id)
        assert document is not None and search is not None, evaluation_id
        supernet = supernets.get(tx, search.supernet_id)
        assert supernet is not None, search.supernet_id
        dataset = datasets.get(tx, supernet.dataset_id or "")
        assert dataset is not None, supernet.dataset_id
        history = evaluations.history(tx, search.id)
        baselines = tuple(e for e in history if e.state == "ok" and e.origin.startswith("baseline:"))
        later = evaluations.scores_after(tx, [evaluation.id, *(entry.id for entry in baselines)])
        device = devices.get(tx, search.device_id or "")
    graph = Architecture.from_json(document)
    return Subject(evaluation, graph, search, supernet, dataset, device, baselines, later)


def _model(store: Store, detector: Detector, subject: Subject, finetuning_id: str | None) -> Alone:
    """Return neck and head with the supernet's weights and their own statistics, or with fine-tuned ones."""
    if finetuning_id is None:
        statistics = statistics_of(detector, subject.dataset.folder, subject.architecture)
        return inherited(detector, subject.architecture, statistics).eval()
    model = inherited(detector, subject.architecture)
    with store.database.read() as tx:
        job = jobs.get(tx, finetuning_id)
    assert job is not None and job.result, finetuning_id
    with tempfile.NamedTemporaryFile(suffix=".safetensors") as copy:
        for block in store.files.read(job.result["files"]["weights"], 0, 2**62):
            copy.write(block)
        copy.flush()
        model.load_state_dict(safetensors.read(Path(copy.name)).tensors)
    return model.eval()


def _card(subject: Subject, image_size: tuple[int, int], finetuning_id: str | None) -> Card:
    evaluation, search, spec = subject.evaluation, subject.search, subject.search.spec
    found = [
        f"Found by search '{search.label}' ({search.id}): strategy {spec['strategy']}, seed {spec['seed']}, "
        f"{spec['budget']['evaluations']} evaluations, {subject.evaluation.origin}.",
        f"Weights of supernet '{subject.supernet.name}' ({subject.supernet.id}), revision "
        f"{(subject.supernet.revision or 'none')[:16]}; scored by evaluator {evaluation.evaluator_revision}.",
    ]
    if finetuning_id is not None:
        found.append(f"Fine-tuned from them by {finetuning_id}.")
    device = subject.device
    where = "none" if device is None else f"{device.name} ({device.kind} {_options(device)})"
    return Card(
        title=f"Neck {subject.short}.",
        dataset=f"{subject.dataset.name}, revision {evaluation.dataset_revision[:16]}",
        device=f"{where}, revision {evaluation.device_revision[:16]}",
        image_size=image_size,
        scores=_scores(subject, evaluation),
        baselines={
            entry.origin.removeprefix("baseline:"): _scores(subject, entry) for entry in subject.baselines
        },
        found=found,
    )


def _options(device: Device) -> str:
    return ", ".join(f"{name} {value}" for name, value in device.spec.items())


def _scores(subject: Subject, evaluation: StoredEvaluation) -> Sequence[Score]:
    records = [*json.loads(evaluation.scores), *subject.later[evaluation.id]]
    return [Score.from_record(record) for record in records]

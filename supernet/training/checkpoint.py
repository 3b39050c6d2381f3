"""Checkpoints that are whole or not there: written beside, synced, renamed.

All randomness of a training is a function of its seed and the step, and so is the position in the data: the
step is all that has to be kept of them.
"""

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from supernet.training.errors import CheckpointMismatch, InvalidTraining
from supernet.training.spec import TrainingSpec, spec_from_record, spec_to_record
from supernet.training.states import read_state, write_state

SCHEMA_VERSION = 2
NAME = "checkpoint.safetensors"
FREE = ("checkpoint_every", "event_every", "device", "dataset", "warm_start")
"""Options that may differ between a checkpoint and the training that takes it up."""


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` fill a file beside `path`, sync it and give it the name; a reader never sees a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}.draft")
    try:
        write(draft)
        with draft.open("rb") as file:
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def save_checkpoint(workdir: Path, spec: TrainingSpec, step: int, state: dict[str, Any]) -> None:
    """Keep `state`, reached after `step` steps."""
    content = {"schema_version": SCHEMA_VERSION, "spec": spec.to_json(), "step": step, "state": state}
    write_whole(workdir / NAME, lambda draft: write_state(draft, content))


def load_checkpoint(workdir: Path, spec: TrainingSpec) -> tuple[int, dict[str, Any]] | None:
    """Return the steps made and the state of the checkpoint, or None where there is none.

    Raises:
        CheckpointMismatch: it belongs to another training, or to a later version, or is damaged.
    """
    file = workdir / NAME
    if not file.exists():
        return None
    try:
        content = read_state(file)
    except ValueError as error:
        raise CheckpointMismatch(f"{error}; delete it, or train in another folder") from error
    if content["schema_version"] > SCHEMA_VERSION:
        newer = f"schema {content['schema_version']} is newer than {SCHEMA_VERSION}"
        raise CheckpointMismatch(f"{file}: {newer}; upgrade neckline, or train in another folder")
    stored, wanted = _completed(json.loads(content["spec"])), spec_to_record(spec)
    differing = [name for name in wanted if name not in FREE and stored.get(name) != wanted[name]]
    if differing:
        parts = [f"{name} was {stored.get(name)!r}, is {wanted[name]!r}" for name in differing]
        raise CheckpointMismatch(f"{file}: of another training: {'; '.join(parts)}; train in another folder")
    return content["step"], content["state"]


def _completed(record: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the record with options that came later at their defaults, which change nothing."""
    try:
        return spec_to_record(spec_from_record(record))
    except InvalidTraining:
        return record

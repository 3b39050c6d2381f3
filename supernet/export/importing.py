"""A finished neck from elsewhere: `architecture.json` and safetensors, checked before anything is loaded."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from search_space.architecture import Architecture
from search_space.errors import InvalidArchitecture
from supernet.errors import WeightMismatch
from supernet.export import safetensors, source_ops
from supernet.export.source import tensor_names
from supernet.subnet import Subnet

NAMES_KEY = "subnet_names"
"""Metadata of `neck.safetensors`: JSON, by the written neck's name of a tensor, `Subnet`'s."""
MAX_ARCHITECTURE_BYTES = 4 * 2**20
_SHOWN = 8


def import_neck(architecture_file: Path, weights_file: Path) -> Subnet:
    """Return the neck in evaluation mode.

    The tensors may be called as in `Subnet` or as in the `neck.py` that was written for it.

    Raises:
        InvalidArchitecture: the first file is no architecture.
        UnreadableWeights: the second file cannot be trusted.
        WeightMismatch: the tensors are those of another architecture; lists what is missing or misshapen.
    """
    return load_neck(read_architecture(architecture_file), weights_file)


def load_neck(architecture: Architecture, weights_file: Path) -> Subnet:
    """Return the neck of an architecture with the weights of a file, in evaluation mode; see `import_neck`.

    Raises:
        InvalidArchitecture: a node is called as an attribute that every module has.
        UnreadableWeights: the file cannot be trusted.
        WeightMismatch: the tensors are those of another architecture; lists what is missing or misshapen.
    """
    stored = safetensors.read(weights_file)
    try:
        subnet = Subnet(architecture)
    except KeyError as error:
        raise InvalidArchitecture(f"a node's name cannot be used: {error}") from error
    state = _renamed(subnet, stored)
    _check(subnet, state, str(weights_file))
    with torch.no_grad():
        for name, target in subnet.state_dict().items():
            target.copy_(state[name])
    return subnet.eval()


def read_architecture(path: Path) -> Architecture:
    """Return the architecture of a JSON file.

    Raises:
        InvalidArchitecture: no such file, too large, or no architecture.
    """
    if not path.is_file():
        raise InvalidArchitecture(f"{path}: there is no such file; give an architecture.json")
    if path.stat().st_size > MAX_ARCHITECTURE_BYTES:
        raise InvalidArchitecture(
            f"{path}: {path.stat().st_size:,} bytes; at most {MAX_ARCHITECTURE_BYTES:,} are read"
        )
    try:
        text = path.read_text(encoding="utf-8")
        return Architecture.from_json(text)
    except UnicodeDecodeError as error:
        raise InvalidArchitecture(f"{path}: not UTF-8 text: {error}") from error
    except RecursionError as error:
        raise InvalidArchitecture(f"{path}: nested too deeply to be an architecture") from error


def _renamed(subnet: Subnet, stored: safetensors.Stored) -> dict[str, Tensor]:
    tensors = {name: t for name, t in stored.tensors.items() if not name.endswith("num_batches_tracked")}
    if subnet.state_dict().keys() == tensors.keys():
        return tensors
    names = _stored_names(stored.metadata) or _written_names(subnet.architecture)
    return {names.get(name, name): tensor for name, tensor in tensors.items()}


def _stored_names(metadata: Mapping[str, str]) -> dict[str, str]:
    try:
        record = json.loads(metadata.get(NAMES_KEY, "{}"))
    except (json.JSONDecodeError, RecursionError):
        return {}
    plain = isinstance(record, dict) and all(isinstance(value, str) for value in record.values())
    return record if plain else {}


def _written_names(architecture: Architecture) -> dict[str, str]:
    if any(step.op.kind not in source_ops.names() for step in architecture.steps()):
        return {}
    return {theirs: ours for ours, theirs in tensor_names(architecture).items()}


def _check(subnet: Subnet, state: Mapping[str, Tensor], file: str) -> None:
    wanted = subnet.state_dict()
    misshapen = [
        f"{name} is {tuple(state[name].shape)}, not {tuple(tensor.shape)}"
        for name, tensor in wanted.items()
        if name in state and state[name].shape != tensor.shape
    ]
    broken = [name for name in wanted if name in state and not torch.isfinite(state[name].double()).all()]
    parts = [
        _listed("missing", [name for name in wanted if name not in state]),
        _listed("misshapen", misshapen),
        _listed("of another neck", [name for name in state if name not in wanted]),
        _listed("not finite", broken),
    ]
    if any(parts):
        problem = "; ".join(part for part in parts if part)
        raise WeightMismatch(
            f"{file}: does not fit the architecture: {problem}; were both files made together?"
        )


def _listed(what: str, names: Sequence[str]) -> str:
    if not names:
        return ""
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"{len(names)} {what}: {', '.join(names[:_SHOWN])}{more}"

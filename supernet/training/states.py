"""Nested states as a safetensors file: the tensors by path, all else as JSON in its header.

Nothing of such a file can run as code when it is read.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

KEY = "neckline"
TENSOR, MAPPING, LIST = "tensor", "mapping", "list"


def write_state(file: Path, content: Mapping[str, Any]) -> None:
    """Write nested mappings, lists, tensors and plain values; keys are texts or whole numbers."""
    tensors: dict[str, Tensor] = {}
    tree = _packed(content, "", tensors)
    save_file(tensors, file, metadata={KEY: json.dumps(tree)})


def read_state(file: Path) -> dict[str, Any]:
    """Return what `write_state` wrote, tensors on the CPU.

    Raises:
        ValueError: the file is not one of these.
    """
    try:
        with safe_open(file, framework="pt", device="cpu") as content:
            tree = json.loads((content.metadata() or {})[KEY])
            found: dict[str, Any] = _unpacked(tree, content)
            return found
    except (SafetensorError, KeyError, TypeError, OSError, json.JSONDecodeError) as error:
        raise ValueError(f"{file}: not a state that was written whole ({error})") from error


def _packed(value: Any, path: str, tensors: dict[str, Tensor]) -> Any:
    """Return `value` as JSON, tensors and containers marked by a list of their kind and content."""
    if isinstance(value, Tensor):
        tensors[path] = value.detach().to("cpu", copy=True, memory_format=torch.contiguous_format)
        return [TENSOR, path]
    if isinstance(value, Mapping):
        entries = [[key, _packed(item, f"{path}/{key}", tensors)] for key, item in value.items()]
        return [MAPPING, entries]
    if isinstance(value, list | tuple):
        return [LIST, [_packed(item, f"{path}/{index}", tensors) for index, item in enumerate(value)]]
    return value


def _unpacked(tree: Any, content: Any) -> Any:
    if not isinstance(tree, list):
        return tree
    kind, inside = tree
    if kind == TENSOR:
        return content.get_tensor(inside)
    if kind == MAPPING:
        return {key: _unpacked(item, content) for key, item in inside}
    return [_unpacked(item, content) for item in inside]

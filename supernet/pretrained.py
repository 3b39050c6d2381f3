"""Weights of a module from a file on this machine."""

import re
from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from supernet.errors import WeightMismatch

SHOWN = 12


def read_weights(file: Path) -> Mapping[str, Tensor]:
    """Return the tensors of a .safetensors file or of a state dict of torch, without running its code.

    Raises:
        WeightMismatch: there is no such file, or it holds no state dict.
    """
    if not file.is_file():
        raise WeightMismatch(
            f"{file}: pretrained file not found; give the path of a .safetensors or .pth file"
        )
    try:
        content: Mapping[str, object] = (
            load_file(file) if file.suffix == ".safetensors" else _load_torch(file)
        )
    except (SafetensorError, OSError, RuntimeError, EOFError, ValueError, KeyError) as error:
        raise WeightMismatch(f"{file}: cannot be read as weights ({error}); save a state dict") from error
    for wrapper in ("state_dict", "model"):
        inner = content.get(wrapper)
        if isinstance(inner, Mapping):
            content = inner
    return {name: value for name, value in content.items() if isinstance(value, Tensor)}


def _load_torch(file: Path) -> dict[str, object]:
    try:
        content: object = torch.load(file, map_location="cpu", weights_only=True)
    except UnpicklingError as error:
        raise ValueError(f"it holds more than tensors: {error}") from error
    if not isinstance(content, dict):
        raise ValueError(f"it holds a {type(content).__name__}, not a state dict")
    return content


def load_pretrained(module: nn.Module, file: Path) -> None:
    """Fill `module` from the file; tensors that the module does not have (a classifier) are left aside.

    Raises:
        WeightMismatch: tensors are missing or misshapen (all named).
    """
    stored = read_weights(file)
    wanted = module.state_dict()
    found = {name: stored[key] for name in wanted if (key := _key(name, stored)) is not None}
    optional = {name for name in wanted if name.endswith("num_batches_tracked")}
    missing = [name for name in wanted if name not in found and name not in optional]
    misshapen = [
        f"{name} is {tuple(found[name].shape)}, not {tuple(wanted[name].shape)}"
        for name in found
        if found[name].shape != wanted[name].shape
    ]
    if missing or misshapen:
        parts = [_listed("missing", missing), _listed("misshapen", misshapen)]
        raise WeightMismatch(f"{file}: does not fit the model; " + "; ".join(part for part in parts if part))
    module.load_state_dict({**wanted, **found})


def _key(name: str, stored: Mapping[str, Tensor]) -> str | None:
    """Return the file's name of a tensor; timm's `features_only` models call `stages.0` `stages_0`."""
    plain = re.sub(r"_(\d+)\.", r".\1.", name, count=1)
    candidates = [
        prefix + form for form in (name, plain) for prefix in ("", "backbone.", "module.", "model.")
    ]
    return next((candidate for candidate in candidates if candidate in stored), None)


def _listed(what: str, names: list[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"{what}: {', '.join(names[:SHOWN])}{more}" if names else ""

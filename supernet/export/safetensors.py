"""Safetensors files: the same bytes each time when written, checked before anything is loaded when read."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path

import torch
from torch import Tensor

from supernet.export.errors import UnreadableWeights

MAX_HEADER_BYTES = 8 * 2**20
MAX_TENSORS = 20_000
_TYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}
_NAMES = {dtype: name for name, dtype in _TYPES.items()}


@dataclass(frozen=True, slots=True)
class Entry:
    """One tensor as the header describes it; offsets are bytes from the end of the header."""

    dtype: torch.dtype
    shape: tuple[int, ...]
    begin: int
    end: int


@dataclass(frozen=True, slots=True)
class Stored:
    """What a file holds."""

    tensors: dict[str, Tensor]
    metadata: dict[str, str]


def dump(tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None) -> bytes:
    """Return the file's bytes: tensors sorted by name, so that equal tensors give equal bytes."""
    header: dict[str, object] = {"__metadata__": dict(sorted(metadata.items()))} if metadata else {}
    chunks: list[bytes] = []
    offset = 0
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        chunk = tensor.reshape(-1).view(torch.uint8).numpy().tobytes()
        place = [offset, offset + len(chunk)]
        header[name] = {"dtype": _NAMES[tensor.dtype], "shape": list(tensor.shape), "data_offsets": place}
        chunks.append(chunk)
        offset += len(chunk)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return b"".join([len(text).to_bytes(8, "little"), text, *chunks])


def read(path: Path) -> Stored:
    """Return the tensors of a file from elsewhere.

    Raises:
        UnreadableWeights: the header is too large, is not what the format says, or lies about its offsets.
    """
    if not path.is_file():
        raise UnreadableWeights(f"{path}: there is no such file; give a .safetensors file")
    try:
        entries, metadata, start = _header(path)
    except UnreadableWeights as error:
        raise UnreadableWeights(f"{path}: {error}") from error
    data = bytearray(path.read_bytes()[start:])
    return Stored({name: _tensor(data, entry) for name, entry in entries.items()}, metadata)


def _tensor(data: bytearray, entry: Entry) -> Tensor:
    if entry.begin == entry.end:
        return torch.empty(entry.shape, dtype=entry.dtype)
    part = data[entry.begin : entry.end]
    return torch.frombuffer(part, dtype=entry.dtype).reshape(entry.shape)


def _header(path: Path) -> tuple[dict[str, Entry], dict[str, str], int]:
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        _require(size >= 8, f"{size} bytes cannot be a safetensors file")
        _require(
            length <= MAX_HEADER_BYTES,
            f"its header claims {length:,} bytes; at most {MAX_HEADER_BYTES:,} are read",
        )
        _require(8 + length <= size, f"its header claims {length:,} bytes, but the file has {size:,}")
        text = file.read(length)
    try:
        record = json.loads(text, object_pairs_hook=_unrepeated)
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise UnreadableWeights(f"its header is not JSON: {error}") from error
    _require(isinstance(record, dict), "its header is not an object")
    metadata = record.pop("__metadata__", {})
    plain = isinstance(metadata, dict) and all(isinstance(value, str) for value in metadata.values())
    _require(plain, "its metadata is not a mapping of text to text")
    _require(
        len(record) <= MAX_TENSORS, f"it holds {len(record):,} tensors; at most {MAX_TENSORS:,} are read"
    )
    entries = {name: _entry(name, value) for name, value in record.items()}
    _check_offsets(entries, size - 8 - length)
    return entries, metadata, 8 + length


def _unrepeated(pairs: Sequence[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        repeated = next(name for name in names if names.count(name) > 1)
        raise UnreadableWeights(f"its header has '{repeated[:100]}' twice")
    return found


def _entry(name: str, value: object) -> Entry:
    shown = name[:100]
    _require(isinstance(value, dict), f"tensor '{shown}' is not an object")
    assert isinstance(value, dict)
    dtype, shape, offsets = value.get("dtype"), value.get("shape"), value.get("data_offsets")
    _require(
        dtype in _TYPES if isinstance(dtype, str) else False,
        f"tensor '{shown}' has unknown type {dtype!r:.40}",
    )
    _require(_counts(shape) and len(shape or ()) <= 16, f"tensor '{shown}' has a malformed shape")
    _require(_counts(offsets) and len(offsets or ()) == 2, f"tensor '{shown}' has malformed offsets")
    assert isinstance(dtype, str) and isinstance(shape, list) and isinstance(offsets, list)
    entry = Entry(_TYPES[dtype], tuple(shape), *offsets)
    wanted = prod(shape) * entry.dtype.itemsize
    _require(
        entry.end - entry.begin == wanted,
        f"tensor '{shown}' claims {entry.end - entry.begin:,} bytes, but its shape {shape} needs {wanted:,}",
    )
    return entry


def _counts(value: object) -> bool:
    return isinstance(value, list) and all(type(item) is int and item >= 0 for item in value)


def _check_offsets(entries: Mapping[str, Entry], size: int) -> None:
    """Refuse tensors that overlap, leave gaps or reach beyond the file."""
    position = 0
    for name, entry in sorted(entries.items(), key=lambda item: (item[1].begin, item[1].end)):
        _require(
            entry.begin == position,
            f"tensor '{name[:100]}' begins at byte {entry.begin:,}, but the last one ended at {position:,}",
        )
        position = entry.end
    _require(position == size, f"its tensors end at byte {position:,}, but the file holds {size:,}")


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise UnreadableWeights(message)

"""Weights that come in: safetensors only, and its header checked before anything is read from it."""

from __future__ import annotations

import json
import os
from pathlib import Path

from service.errors import Pointed, Unacceptable

HEADER_BYTES = 8 * 2**20
TENSORS = 20_000
TYPES = frozenset({"F64", "F32", "F16", "BF16", "I64", "I32", "I16", "I8", "U8", "BOOL"})
BYTES = {"F64": 8, "I64": 8, "F32": 4, "I32": 4, "F16": 2, "BF16": 2, "I16": 2, "I8": 1, "U8": 1, "BOOL": 1}


def check_safetensors(path: Path, *, pointer: str) -> None:
    """Refuse a file whose header is too large, is not sound, or does not describe the bytes behind it.

    Raises:
        Unacceptable: with what is wrong; the path is not named.
    """
    try:
        _check(path)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Unacceptable(Pointed(pointer, f"not a sound safetensors file: {error}")) from error


def _check(path: Path) -> None:
    with path.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        if not 2 <= length <= HEADER_BYTES:
            raise ValueError(f"its header has {length} bytes; at most {HEADER_BYTES} are read")
        header = json.loads(stream.read(length))
        size = os.fstat(stream.fileno()).st_size - 8 - length
    entries = {name: entry for name, entry in header.items() if name != "__metadata__"}
    if len(entries) > TENSORS:
        raise ValueError(f"it names {len(entries)} tensors; at most {TENSORS} are read")
    covered = 0
    for begin, end, name in sorted((*_span(name, entry), name) for name, entry in entries.items()):
        if begin != covered:
            raise ValueError(f"tensor {name!r} begins at {begin}, not at {covered}")
        covered = end
    if covered != size:
        raise ValueError(f"its tensors take {covered} bytes, the file holds {size}")


def _span(name: str, entry: dict[str, object]) -> tuple[int, int]:
    """Return where a tensor's bytes begin and end, checked against its type and shape."""
    kind, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if kind not in TYPES or not isinstance(shape, list) or not isinstance(offsets, list):
        raise ValueError(f"tensor {name!r} is of type {kind!r}")
    count = 1
    for extent in shape:
        if not isinstance(extent, int) or extent < 0:
            raise ValueError(f"tensor {name!r} has the shape {shape}")
        count *= extent
    begin, end = int(offsets[0]), int(offsets[1])
    if end - begin != count * BYTES[str(kind)]:
        raise ValueError(f"tensor {name!r} takes {end - begin} bytes, its shape {count * BYTES[str(kind)]}")
    return begin, end

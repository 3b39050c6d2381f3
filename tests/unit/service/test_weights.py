"""Headers of weights from outside: a sound one passes, each way of lying is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from service.errors import Unacceptable
from service.weights import HEADER_BYTES, TENSORS, check_safetensors

SOUND = {"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}


def write(path: Path, header: Any, body: bytes = b"\0" * 8, length: int | None = None) -> Path:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes((len(text) if length is None else length).to_bytes(8, "little") + text + body)
    return path


def test_what_the_library_writes_is_sound(tmp_path: Path) -> None:
    tensors = {"a": torch.zeros(3, 4), "b": torch.zeros(5, dtype=torch.int64), "c": torch.zeros(0)}
    save_file(tensors, tmp_path / "w.safetensors", metadata={"note": "x"})
    check_safetensors(tmp_path / "w.safetensors", pointer="/file")
    check_safetensors(write(tmp_path / "own", SOUND), pointer="/file")


LIES: dict[str, tuple[Any, bytes, int | None]] = {
    "an endless header": (SOUND, b"", HEADER_BYTES + 1),
    "no header": (b"", b"", 0),
    "a header behind the end": (SOUND, b"", 10_000),
    "not JSON": (b"{nonsense}", b"", None),
    "not an object": ([1, 2], b"", None),
    "an unknown type": ({"a": {**SOUND["a"], "dtype": "PICKLE"}}, b"\0" * 8, None),
    "a shape that does not fit": ({"a": {**SOUND["a"], "shape": [3]}}, b"\0" * 8, None),
    "a negative extent": ({"a": {**SOUND["a"], "shape": [-1, -2]}}, b"\0" * 8, None),
    "bytes before the file": ({"a": {**SOUND["a"], "data_offsets": [-8, 0]}}, b"\0" * 8, None),
    "bytes behind the file": (SOUND, b"\0" * 4, None),
    "bytes of nobody": (SOUND, b"\0" * 9, None),
    "shared bytes": ({"a": SOUND["a"], "b": SOUND["a"]}, b"\0" * 8, None),
    "a missing field": ({"a": {"dtype": "F32", "shape": [2]}}, b"\0" * 8, None),
    "too many tensors": (
        {str(i): {"dtype": "U8", "shape": [0], "data_offsets": [0, 0]} for i in range(TENSORS + 1)},
        b"",
        None,
    ),
}


@pytest.mark.parametrize(("header", "body", "length"), LIES.values(), ids=LIES)
def test_a_header_that_lies_is_refused(tmp_path: Path, header: Any, body: bytes, length: int | None) -> None:
    path = write(tmp_path / "w.safetensors", header, body, length)
    with pytest.raises(Unacceptable) as refused:
        check_safetensors(path, pointer="/file")
    assert refused.value.faults[0].pointer == "/file" and str(tmp_path) not in str(refused.value)

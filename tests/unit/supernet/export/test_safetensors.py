"""Safetensors: byte-equal each time, read by the library, and every lie of a header refused by name."""

import json
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from hypothesis import given
from hypothesis import strategies as st

from supernet.export import safetensors as ours
from supernet.export.errors import UnreadableWeights
from supernet.export.loading import read_safetensors

TENSORS = {
    "p3.conv.weight": torch.randn(4, 3, 3, 3),
    "p3.conv.bias": torch.randn(4),
    "scale": torch.tensor(2.5),
    "counts": torch.arange(5),
    "half": torch.randn(3).half(),
}


def file(tmp_path: Path, header: Any, body: bytes = b"", *, length: int | None = None) -> Path:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path = tmp_path / "weights.safetensors"
    path.write_bytes((len(text) if length is None else length).to_bytes(8, "little") + text + body)
    return path


def entry(shape: list[int], begin: int, end: int, dtype: str = "F32") -> dict[str, object]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def test_the_library_reads_what_is_written() -> None:
    content = ours.dump(TENSORS, {"format": "pt"})
    found = safetensors.torch.load(content)
    assert found.keys() == TENSORS.keys()
    assert all(torch.equal(found[name], tensor) for name, tensor in TENSORS.items())


def test_both_readers_read_what_the_library_writes(tmp_path: Path) -> None:
    path = tmp_path / "library.safetensors"
    safetensors.torch.save_file(TENSORS, path, {"made": "elsewhere"})
    stored = ours.read(path)
    assert stored.metadata == {"made": "elsewhere"}
    for found in (stored.tensors, read_safetensors(path)):
        assert found.keys() == TENSORS.keys()
        for name, tensor in TENSORS.items():
            assert found[name].dtype == tensor.dtype
            assert torch.equal(found[name], tensor)


def test_the_same_tensors_give_the_same_bytes() -> None:
    backwards = dict(reversed(TENSORS.items()))
    assert ours.dump(TENSORS, {"a": "1", "b": "2"}) == ours.dump(backwards, {"b": "2", "a": "1"})


def test_an_empty_tensor_survives(tmp_path: Path) -> None:
    path = tmp_path / "empty.safetensors"
    path.write_bytes(ours.dump({"none": torch.empty(0, 3), "one": torch.ones(1)}))
    assert ours.read(path).tensors["none"].shape == (0, 3)


@pytest.mark.parametrize(
    ("header", "body", "message"),
    [
        ({"a": entry([4], 0, 16)}, b"\0" * 12, "end at byte 16"),
        ({"a": entry([4], 0, 16)}, b"\0" * 20, "end at byte 16"),
        ({"a": entry([4], 4, 20)}, b"\0" * 20, "begins at byte 4"),
        ({"a": entry([2], 0, 8), "b": entry([2], 4, 12)}, b"\0" * 12, "begins at byte 4"),
        ({"a": entry([3], 0, 16)}, b"\0" * 16, "claims 16 bytes"),
        ({"a": entry([2**40, 2**40], 0, 16)}, b"\0" * 16, "needs"),
        ({"a": entry([-4], 0, 16)}, b"\0" * 16, "malformed shape"),
        ({"a": entry([True], 0, 4)}, b"\0" * 4, "malformed shape"),
        ({"a": entry([1] * 17, 0, 4)}, b"\0" * 4, "malformed shape"),
        ({"a": entry([4], -16, 0)}, b"\0" * 16, "malformed offsets"),
        ({"a": entry([4], 0, 16, "PICKLE")}, b"\0" * 16, "unknown type 'PICKLE'"),
        ({"a": [1, 2]}, b"", "not an object"),
        ({"a": entry([4], 0, 16), "__metadata__": {"x": 1}}, b"\0" * 16, "metadata"),
        ([1], b"", "not an object"),
        (b"{", b"", "not JSON"),
        (b"\xff\xfe", b"", "not JSON"),
        (b'{"a":{"dtype":"F32"},"a":{}}', b"", "'a' twice"),
        (b"[" * 100_000, b"", "not JSON"),
    ],
)
def test_a_header_that_lies_is_refused(tmp_path: Path, header: Any, body: bytes, message: str) -> None:
    path = file(tmp_path, header, body)
    with pytest.raises(UnreadableWeights, match=message) as caught:
        ours.read(path)
    assert str(path) in str(caught.value)


def test_a_large_header_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "large.safetensors"
    with path.open("wb") as target:
        target.write((ours.MAX_HEADER_BYTES + 1).to_bytes(8, "little"))
        target.truncate(ours.MAX_HEADER_BYTES + 9)
    with pytest.raises(UnreadableWeights, match="header claims 8,388,609 bytes"):
        ours.read(path)


def test_a_header_longer_than_the_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnreadableWeights, match="the file has"):
        ours.read(file(tmp_path, {}, length=1000))


def test_too_many_tensors_are_refused(tmp_path: Path) -> None:
    header = {f"t{index}": entry([0], 0, 0) for index in range(ours.MAX_TENSORS + 1)}
    with pytest.raises(UnreadableWeights, match="20,001 tensors"):
        ours.read(file(tmp_path, header))


def test_a_missing_or_tiny_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnreadableWeights, match="no such file"):
        ours.read(tmp_path / "none.safetensors")
    (tmp_path / "tiny.safetensors").write_bytes(b"abc")
    with pytest.raises(UnreadableWeights, match="3 bytes"):
        ours.read(tmp_path / "tiny.safetensors")


@given(content=st.binary(max_size=300), flips=st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255))))
def test_damaged_files_raise_and_nothing_else(tmp_path_factory: Any, content: bytes, flips: Any) -> None:
    damaged = bytearray(ours.dump({"a": torch.ones(3, 2), "b": torch.zeros(4)}) + content)
    for position, value in flips:
        damaged[position % len(damaged)] = value
    path = tmp_path_factory.mktemp("damaged") / "x.safetensors"
    path.write_bytes(damaged)
    try:
        stored = ours.read(path)
    except UnreadableWeights:
        return
    assert all(tensor.numel() >= 0 for tensor in stored.tensors.values())

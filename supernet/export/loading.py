"""The reader of safetensors files that a written neck carries: torch alone."""

import json
import math
from pathlib import Path

import torch
from torch import Tensor


def read_safetensors(path: str | Path) -> dict[str, Tensor]:
    """Return the tensors of a safetensors file by name."""
    data = bytearray(Path(path).read_bytes())
    start = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:start])
    types = {"F32": torch.float32, "F16": torch.float16, "I64": torch.int64}
    tensors: dict[str, Tensor] = {}
    for name, entry in header.items():
        if name != "__metadata__":
            shape, (begin, _) = entry["shape"], entry["data_offsets"]
            kind, count = types[entry["dtype"]], math.prod(shape)
            flat = torch.frombuffer(data, dtype=kind, count=count, offset=start + begin)
            tensors[name] = flat.reshape(shape)
    return tensors

"""What this machine's processor is called and can do."""

import platform
from functools import cache
from pathlib import Path


@cache
def processor() -> str:
    """Return the processor's own name."""
    return _field("model name") or platform.processor() or platform.machine()


@cache
def layout_block() -> int:
    """Return the channels of a block in ONNX Runtime's blocked layout here: 16, 8, or 0 where it has none."""
    if platform.machine().lower() not in ("x86_64", "amd64"):
        return 0
    return 16 if "avx512f" in _field("flags").split() else 8


def _field(name: str) -> str:
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    found = (line.partition(":")[2].strip() for line in lines if line.startswith(name))
    return next(found, "")

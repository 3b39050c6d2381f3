"""Where a benchmark ran: the machine and the versions that its numbers depend on."""

import os
import platform
import sys
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import Self

_STAT = Path("/proc/stat")
DEPENDENCIES = (
    "torch",
    "torchvision",
    "timm",
    "numpy",
    "scipy",
    "scikit-learn",
    "onnx",
    "onnxruntime",
    "optuna",
    "pymoo",
    "ray",
    "faster-coco-eval",
    "fastapi",
    "sqlalchemy",
)


@dataclass(frozen=True)
class Machine:
    """A machine as far as it matters to a number, with no name or address of it."""

    cpu: str
    cores: int  # logical, those this process may run on
    memory_gib: float
    load: float | None  # the 1-minute load average at the start; None where the system has none
    system: str
    accelerator: str | None = None

    @classmethod
    def here(cls) -> Self:
        """This machine, as loaded now."""
        return cls(
            cpu=_cpu_model(),
            cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
            memory_gib=_memory_gib(),
            load=round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
            system=f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
        )

    def with_accelerator(self) -> Self:
        """This machine with the name of its GPU, if the benchmark imported torch and torch sees one."""
        torch = sys.modules.get("torch")
        if torch is None or not torch.cuda.is_available():
            return self
        return replace(self, accelerator=str(torch.cuda.get_device_name(0)))

    def __str__(self) -> str:
        load = "unknown" if self.load is None else f"{self.load:.2f}"
        parts = [self.cpu, f"{self.cores} cores", f"{self.memory_gib:.0f} GiB", f"load {load}"]
        return ", ".join([*parts, self.accelerator] if self.accelerator else parts)


def stolen_s() -> float:
    """Return the seconds of processor time that the host of this virtual machine has kept for others, so far.

    0 where the system does not tell.
    """
    total = _STAT.read_text(encoding="ascii").splitlines()[0].split() if _STAT.is_file() else []
    return int(total[8]) / os.sysconf("SC_CLK_TCK") if len(total) > 8 else 0.0


def versions() -> dict[str, str]:
    """The installed version of each main dependency; those not installed are left out."""
    installed = {}
    for name in DEPENDENCIES:
        try:
            installed[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return installed


def _cpu_model() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.is_file() else []
    models = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(models, "") or platform.processor() or platform.machine()


def _memory_gib() -> float:
    """Physical memory in GiB; 0 where the system does not tell."""
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)
    except (AttributeError, ValueError, OSError):
        return 0.0

"""Whether an exported file computes what the subnet does, at image sizes that it was not made for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from search_space.architecture import Architecture
from search_space.op import Size
from supernet.export.bare import BareProcess
from supernet.export.errors import FailedCheck
from supernet.export.safetensors import dump
from supernet.subnet import Subnet

UNTRACED: tuple[Size, ...] = ((97, 131), (64, 160), (33, 65))
"""Image sizes (height, width) at which each export is compared; no export is made at any of them."""
ONNX_LIMIT = 1e-4
DEPLOY_LIMIT = 1e-4
_SEED = 20_26


@dataclass(frozen=True, slots=True)
class Check:
    """One comparison with the subnet.

    Attributes:
        case: what it was compared on, such as the size of the image.
        difference: the largest one, divided by the largest output; None where the shapes differ.
        limit: what is allowed; 0 means bit-equal.
    """

    what: str
    case: str
    difference: float | None
    limit: float

    @property
    def passed(self) -> bool:
        """Whether the difference is within the limit."""
        return self.difference is not None and self.difference <= self.limit

    def __str__(self) -> str:
        """Return the numbers, for an error or a card."""
        found = "other shapes" if self.difference is None else f"difference {self.difference:.2e}"
        return f"{self.what}, {self.case}: {found} (limit {self.limit:g})"


def require(checks: Sequence[Check]) -> None:
    """Return if every check passed.

    Raises:
        FailedCheck: one did not; the message has the numbers of all that failed.
    """
    failed = [str(check) for check in checks if not check.passed]
    if failed:
        raise FailedCheck("the export does not compute what the subnet does: " + "; ".join(failed))


def features(architecture: Architecture, image: Size, *, batch: int = 2) -> dict[int, Tensor]:
    """Return random feature maps `(B, C_l, H / 2**l, W / 2**l)` by level, the same each time."""
    generator = torch.Generator().manual_seed(_SEED)
    shapes = architecture.shapes(image)
    sizes = {entry.level: (batch, *shapes[entry.id]) for entry in architecture.inputs}
    return {level: torch.randn(size, generator=generator) for level, size in sizes.items()}


@torch.no_grad()
def reference(subnet: Subnet, image: Size, *, batch: int = 2) -> dict[str, Tensor]:
    """Return seeded inputs and the subnet's outputs as `input.<level>` and `output.<level>`."""
    given = features(subnet.architecture, image, batch=batch)
    made = subnet(given)
    found = {f"input.{level}": x for level, x in given.items()}
    return found | {f"output.{level}": x for level, x in made.items()}


def write_references(folder: Path, subnet: Subnet) -> list[Path]:
    """Write `reference_<height>x<width>.safetensors` for each untraced size; return the files."""
    made: list[Path] = []
    for height, width in UNTRACED:
        made.append(folder / f"reference_{height}x{width}.safetensors")
        made[-1].write_bytes(dump(reference(subnet, (height, width))))
    return made


def check_source(folders: Sequence[Path], *, also_blocked: Sequence[str] = ()) -> list[list[Check]]:
    """Return the checks of the `neck.py` in each folder, which must be bit-equal.

    One fresh process, which cannot import this project, loads `neck.py` and `neck.safetensors` of each folder
    and runs them on its `reference*.safetensors`.

    Raises:
        FailedCheck: a file cannot be loaded or run; the message has the process's last words.
    """
    with BareProcess(also_blocked) as bare:
        bare.send([("neck", folder) for folder in folders])
        return [exact("neck.py", answer) for answer in bare.answers()]


def exact(what: str, answer: Mapping[str, float | None]) -> list[Check]:
    """Return the answer of a bare process as checks that allow no difference."""
    return [Check(what, case, far, 0.0) for case, far in answer.items()]


def _case(image: Size) -> str:
    return f"{image[0]} x {image[1]}"


def check_onnx(model: bytes, subnet: Subnet, images: Sequence[Size] = UNTRACED) -> list[Check]:
    """Return the checks of an ONNX model in ONNX Runtime on the CPU."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    levels = {entry.id: entry.level for entry in subnet.architecture.inputs}
    checks: list[Check] = []
    for image in images:
        given = features(subnet.architecture, image)
        with torch.no_grad():
            wanted = subnet(given)
        feeds = {name: given[level].numpy() for name, level in levels.items()}
        made = dict(zip(wanted, session.run([f"p{level}" for level in wanted], feeds), strict=True))
        checks.append(Check("neck.onnx", _case(image), _relative(made, wanted), ONNX_LIMIT))
    return checks


def check_module(
    what: str, module: torch.nn.Module, subnet: Subnet, limit: float, *, images: Sequence[Size] = UNTRACED
) -> list[Check]:
    """Return the checks of another module with the subnet's interface."""
    checks: list[Check] = []
    for image in images:
        given = features(subnet.architecture, image)
        with torch.no_grad():
            made = {level: x.numpy() for level, x in module(given).items()}
            checks.append(Check(what, _case(image), _relative(made, subnet(given)), limit))
    return checks


def _relative(made: Mapping[int, np.ndarray], wanted: Mapping[int, Tensor]) -> float | None:
    """The largest difference at any level, divided by that level's largest value."""
    largest = 0.0
    for level, x in wanted.items():
        truth = x.numpy().astype(np.float64)
        if made[level].shape != truth.shape or not np.isfinite(made[level]).all():
            return None
        scale = max(float(np.abs(truth).max()), 1e-12)
        largest = max(largest, float(np.abs(made[level] - truth).max()) / scale)
    return largest

"""A neck as a `torch.export` program: dynamic batch, height and width, to be run or lowered further.

Only written, never read: a program from elsewhere is not loaded.
"""

import io
from collections.abc import Sequence

import torch
from torch.export import Dim, ExportedProgram

from search_space.architecture import Architecture
from search_space.op import Size
from supernet.errors import ExportError
from supernet.export import verify
from supernet.export.verify import Check
from supernet.subnet import Subnet

LIMIT = 1e-4


def export(subnet: Subnet) -> ExportedProgram:
    """Return the program; it takes features by level, as the subnet does.

    It holds for images whose top level has two rows and columns or more: torch specialises single pixels.

    Raises:
        ExportError: torch cannot trace the neck, or ties one of its sizes to the example's.
        FailedCheck: its outputs at untraced sizes are not the subnet's.
    """
    example = verify.features(subnet.architecture, _image(subnet.architecture, 3, 5))
    free = {level: {axis: Dim.AUTO for axis in (0, 2, 3)} for level in example}
    try:
        program = torch.export.export(
            subnet,
            (example,),
            dynamic_shapes=(free,),
            strict=False,
            prefer_deferred_runtime_asserts_over_guards=True,
        )
        verify.require(checks(program, subnet))
    except (RuntimeError, AssertionError, TypeError) as error:
        first = str(error).strip().partition("\n")[0]
        raise ExportError(f"torch.export cannot write this neck at every size: {first}") from error
    return program


def save(program: ExportedProgram) -> bytes:
    """Return the program as a `.pt2` file."""
    buffer = io.BytesIO()
    torch.export.save(program, buffer)
    return buffer.getvalue()


def checks(program: ExportedProgram, subnet: Subnet) -> list[Check]:
    """Return the comparisons with the subnet at three untraced sizes."""
    images = [_image(subnet.architecture, rows, columns) for rows, columns in ((2, 3), (4, 2), (3, 6))]
    return verify.check_module("torch.export", program.module(), subnet, LIMIT, images=images)


def _image(architecture: Architecture, rows: int, columns: int) -> Size:
    """Return an odd image size whose top level has that many rows and columns."""
    stride = 2 ** max(_levels(architecture))
    return rows * stride - 3, columns * stride - 5


def _levels(architecture: Architecture) -> Sequence[int]:
    return [entry.level for entry in architecture.inputs] + [node.level for node in architecture.live]

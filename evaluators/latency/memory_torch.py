"""What a torch module of a neck holds at once on a processor, counted operation by operation."""

from math import prod

from evaluators.latency.expansion import Program, Work
from evaluators.latency.kernels import FLOAT_BYTES
from evaluators.latency.lowering_torch import runs_itself
from search_space.op import Shape
from search_space.ops.conv import Conv

_BLOCK = 16
"""Channels of a block of oneDNN's layout."""
_INDICES = 2
"""Bytes of max-pooling's indices, which torch makes and throws away, over those of its output."""


def held_by_module(program: Program, batch: int = 1, threads: int = 1) -> int:
    """Return the peak in bytes of feature maps and of what single operations work in.

    A module holds every node's output to the end, and what arrives at a node until the node is done.
    """
    until = _held_until(program)
    works, peak = program.works, 0
    for index, work in enumerate(works):
        live = [w.output for at, w in enumerate(works[: index + 1]) if until[at] >= index]
        held = batch * FLOAT_BYTES * sum(prod(program.shapes[value]) for value in live)
        peak = max(peak, held + FLOAT_BYTES * _worked_in(program, work, batch, threads))
    return peak


def _held_until(program: Program) -> list[int]:
    """Return for each operation the last one during which its result is held."""
    works = program.works
    ends = {_node(work): index for index, work in enumerate(works)}
    lasts = {work.path: index for index, work in enumerate(works)}
    readers = {value: index for index, work in enumerate(works) for value in work.inputs}
    until = []
    for index, work in enumerate(works):
        reader, end = readers.get(work.output, index), ends[_node(work)]
        if index == end:
            until.append(len(works))
        elif _on_edge(work) and not _on_edge(works[reader]):
            until.append(end)
        else:
            until.append(lasts[work.path] if work.kind == "scale" and reader < len(works) else reader)
    return until


def _node(work: Work) -> str:
    return work.path.partition(".")[0]


def _on_edge(work: Work) -> bool:
    return ".from_" in work.path


def _worked_in(program: Program, work: Work, batch: int, threads: int) -> int:
    """Return how many numbers an operation needs besides its inputs and its output."""
    source, output = program.shapes[work.inputs[0]], program.shapes[work.output]
    if work.kind == "max_pool" or (work.kind == "adaptive_pool" and work.form == "max"):
        return _INDICES * batch * prod(output)
    if work.kind != "conv" or not isinstance(work.op, Conv):
        return 0
    if runs_itself(work.op, source, batch, threads):
        return batch * source.channels * output.pixels * work.op.kernel**2 if work.op.kernel > 1 else 0
    return batch * (_blocked(source) + _blocked(output)) + work.op.parameters([source])


def _blocked(shape: Shape) -> int:
    return -(-shape.channels // _BLOCK) * _BLOCK * shape.pixels

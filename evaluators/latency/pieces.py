"""Pieces: primitive operations that always run together, wherever the neck puts them.

What a runtime makes of an operation depends on its neighbours only through what they leave of the tensors in
between: in which layout they exist, whether a convolution made them, whether anything else reads them. So
every piece needs to be lowered only once for each such state of its inputs.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from evaluators.latency.expansion import Program, Work
from evaluators.latency.features import Totals
from search_space.op import Op, Shape

WITHOUT_WEIGHTS = frozenset({"act", "add", "mul", "max_pool", "avg_pool", "global_pool", "resize", "concat"})
"""Operations that give the same result whenever they read the same values."""
JOINING = frozenset({"norm", "scale", "act", "add"})
"""Operations that a runtime may make part of what made their input."""


class Held(NamedTuple):
    """What a piece leaves of a tensor.

    Attributes:
        blocked: exists in channel blocks.
        plain: exists in rows.
        foldable: made by a convolution that may take in a norm, a scale or an activation.
        joins: the class of that convolution, where it may take in an addition.
        open: made by an operation that an activation may join late.
    """

    blocked: bool = False
    plain: bool = False
    foldable: bool = False
    joins: str = ""
    open: bool = False

    @property
    def joinable(self) -> bool:
        """Whether a piece may join what made the tensor, where nothing else reads it."""
        return self.foldable or bool(self.joins) or self.open

    @property
    def alike(self) -> "Held":
        """What matters to pieces that cannot join: the layouts in which it exists."""
        return Held(self.blocked, self.plain)


class Arrival(NamedTuple):
    """What arrives at one input of a piece.

    Attributes:
        held: what is known of it.
        alone: whether nothing else reads it.
        first: the first input at which it arrives.
    """

    held: Held
    alone: bool
    first: int


class Ran(NamedTuple):
    """What running a piece did.

    Attributes:
        totals: of the kernels that it adds, and of those by which it makes another piece's kernel larger.
        inputs: what is then known of each input.
        output: what is known of what it made.
    """

    totals: Totals
    inputs: tuple[Held, ...]
    output: Held


class Job(NamedTuple):
    """One operation of a piece, on values numbered within it; see `Work`."""

    kind: str
    form: str
    op: Op
    inputs: tuple[int, ...]
    output: int


@dataclass(frozen=True)
class Piece:
    """Operations on numbered values, of which the first `arity` are made elsewhere.

    One without operations hands its input to whoever runs the neck.
    """

    jobs: tuple[Job, ...]
    shapes: tuple[Shape, ...]
    arity: int

    @cached_property
    def signature(self) -> tuple[object, ...]:
        """Equal for pieces of the same kernels; weights may differ."""
        jobs = ((job.kind, job.form, job.op.signature, job.inputs) for job in self.jobs)
        return (self.arity, self.shapes, *jobs)

    @property
    def output(self) -> int:
        """The number of the value that it makes."""
        return self.jobs[-1].output if self.jobs else 0

    @property
    def mergeable(self) -> bool:
        """Whether two of them that read the same values make the same value."""
        return len(self.jobs) == 1 and self.jobs[0].kind in WITHOUT_WEIGHTS and self.jobs[0].op.share is None

    @property
    def joins(self) -> bool:
        """Whether it may become part of what made one of its inputs."""
        return any(job.kind in JOINING and min(job.inputs) < self.arity for job in self.jobs)

    def program(self, first: Sequence[int]) -> Program:
        """Return the operations as a program of their own, to be rewritten; equal inputs become the first."""
        works = [
            Work("", job.kind, [_at(first, value) for value in job.inputs], job.output, job.op, job.form)
            for job in self.jobs
        ]
        return Program(works, list(self.shapes), list(range(self.arity)), [])


def _at(first: Sequence[int], value: int) -> int:
    return first[value] if value < len(first) else value


def cut(program: Program) -> Iterator[tuple[Piece, tuple[int, ...], int]]:
    """Yield the pieces of a program with the values that they read and make, in the order of execution.

    An operation belongs to the one before it where it alone reads its result, and nothing else could: no
    operation with weights runs twice for the same values, so what follows it is never merged.
    """
    readers = program.readers()
    works: list[Work] = []
    for work in program.works:
        follows = works and readers[works[-1].output] == 1 and works[-1].output in work.inputs
        if works and not (follows and any(entry.kind not in WITHOUT_WEIGHTS for entry in works)):
            yield _piece(program, works)
            works = []
        works.append(work)
    if works:
        yield _piece(program, works)


def _piece(program: Program, works: list[Work]) -> tuple[Piece, tuple[int, ...], int]:
    made = {work.output for work in works}
    reads = tuple(value for work in works for value in work.inputs if value not in made)
    shapes = [program.shapes[value] for value in (*reads, *(work.output for work in works))]
    numbers = {work.output: len(reads) + index for index, work in enumerate(works)}
    places = iter(range(len(reads)))
    jobs = tuple(
        Job(
            work.kind,
            work.form,
            work.op,
            tuple(numbers[value] if value in made else next(places) for value in work.inputs),
            numbers[work.output],
        )
        for work in works
    )
    return Piece(jobs, tuple(shapes), len(reads)), reads, works[-1].output

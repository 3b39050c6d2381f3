"""The one form of every benchmark: figures beside targets, measured in full, quickly, or checked.

A benchmark is a module of this folder:

    TARGETS = {"sample_us": Target("<=", 50.0)}
    SEEDS = (0,)

    def measure(*, quick: bool) -> list[Figure]:
        return [Figure("sample_us", value=31.2, unit="us", low=29.8, high=33.0)]

    if __name__ == "__main__":
        form.main("space", measure)

`python -m benchmarks.space` measures in full and writes `benchmarks/results/space.json`; `--quick`
measures again in about a minute and stores nothing; `--check` prints the stored figures beside
their targets and exits 1 where one falls short or is missing.
"""

import argparse
import json
import math
import os
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, NoReturn, Protocol, Self

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from benchmarks.machine import Machine, versions

SCHEMA_VERSION = 1
RESULTS = Path(__file__).parent / "results"


class ResultsError(ValueError):
    """Stored results are missing, or not in this form."""


@dataclass(frozen=True)
class Target:
    """The number that a figure must reach: `Target("<=", 12.0)`."""

    op: Literal["<=", ">="]
    number: float

    def __post_init__(self) -> None:
        if self.op not in ("<=", ">="):
            raise ValueError(f"a target's op is '<=' or '>=', not {self.op!r}")
        if not math.isfinite(self.number):
            raise ValueError(f"a target's number is finite, not {self.number}")

    def met(self, value: float) -> bool:
        """Whether the value reaches the number."""
        return value <= self.number if self.op == "<=" else value >= self.number

    def __str__(self) -> str:
        return f"{self.op} {_short(self.number)}"


@dataclass(frozen=True)
class Figure:
    """One measured number: its unit, the target it is held to, and the interval it is known to."""

    name: str
    value: float
    unit: str
    target: Target | None = None
    detail: str = ""
    low: float | None = None
    high: float | None = None

    def __post_init__(self) -> None:
        if not self.name:
            raise ValueError("a figure has a name")
        for part in ("value", "low", "high"):
            number = getattr(self, part)
            if number is not None and not math.isfinite(number):
                raise ValueError(f"{self.name}: {part} is {number}; a figure is a finite number")
        if (self.low is None) != (self.high is None):
            raise ValueError(f"{self.name}: an interval has both ends, got low={self.low} high={self.high}")
        if self.low is not None and self.high is not None and self.low > self.high:
            raise ValueError(f"{self.name}: low {self.low} is above high {self.high}")

    @property
    def met(self) -> bool | None:
        """Whether the target is reached; None where there is none."""
        return None if self.target is None else self.target.met(self.value)

    def aimed_at(self, targets: Mapping[str, Target]) -> Self:
        """This figure with the target that `targets` names for it, or its own where it names none."""
        target = targets.get(self.name, self.target)
        return type(self)(self.name, self.value, self.unit, target, self.detail, self.low, self.high)


@dataclass(frozen=True)
class Results:
    """What one run of a benchmark measured, and all that is needed to judge the numbers."""

    name: str
    figures: tuple[Figure, ...]
    quick: bool
    command: str
    date: str  # RFC 3339, UTC, when the run began
    seconds: float  # how long the run took
    seeds: tuple[int, ...] = ()
    machine: Machine = field(default_factory=Machine.here)
    versions: Mapping[str, str] = field(default_factory=versions)

    def __post_init__(self) -> None:
        names = [figure.name for figure in self.figures]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"{self.name}: figures named twice: {', '.join(twice)}")

    def to_json(self) -> str:
        """These results as indented JSON, the same bytes for the same results."""
        content = {"schema_version": SCHEMA_VERSION, **asdict(self)}
        return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Return what `to_json` wrote.

        Raises:
            ResultsError: the text is not JSON of this schema version.
        """
        try:
            content = json.loads(text)
            version = content.pop("schema_version")
            if version != SCHEMA_VERSION:
                raise ValueError(f"schema version {version}, and this reads {SCHEMA_VERSION}")
            figures = tuple(_figure(item) for item in content.pop("figures"))
            machine, seeds = Machine(**content.pop("machine")), tuple(content.pop("seeds"))
            return cls(figures=figures, machine=machine, seeds=seeds, **content)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ResultsError(f"not the results of a benchmark ({error}); measure again in full") from error


class Measure(Protocol):
    """A benchmark's function: the figures, measured in full or in about a minute."""

    def __call__(self, *, quick: bool) -> Sequence[Figure]:
        """Measure and return the figures."""
        ...


def read(name: str, directory: Path = RESULTS) -> Results:
    """Return the stored results of a benchmark.

    Raises:
        ResultsError: there are none, or they are not in this form.
    """
    path = directory / f"{name}.json"
    if not path.is_file():
        raise ResultsError(f"no results stored for {name}: run `{_command(name)}`")
    return Results.from_json(path.read_text(encoding="utf-8"))


def run(
    name: str, measure: Measure, *, quick: bool, targets: Mapping[str, Target], seeds: Sequence[int] = ()
) -> Results:
    """Measure now and return the results; the machine's load is noted before the work begins."""
    machine, began, start = Machine.here(), datetime.now(UTC), time.monotonic()
    figures = tuple(figure.aimed_at(targets) for figure in measure(quick=quick))
    return Results(
        name=name,
        figures=figures,
        quick=quick,
        command=_command(name) + (" --quick" if quick else ""),
        date=began.isoformat(timespec="seconds").replace("+00:00", "Z"),
        seconds=round(time.monotonic() - start, 3),
        seeds=tuple(seeds),
        machine=machine.with_accelerator(),
    )


def shortfalls(results: Results, targets: Mapping[str, Target]) -> list[str]:
    """Why stored results do not pass: a figure falls short or is missing, or the run was a quick one."""
    aimed = [figure.aimed_at(targets) for figure in results.figures]
    faults = [f"{f.name} is {_short(f.value)} {f.unit}, target {f.target}" for f in aimed if f.met is False]
    faults += [
        f"{name} has a target and no figure" for name in targets if name not in {f.name for f in aimed}
    ]
    if results.quick:
        faults.append("the stored results come from a quick run")
    return faults


def table(results: Results) -> Table:
    """The figures beside their targets."""
    shown = Table(title=f"{results.name}, {'quick' if results.quick else 'full'} run of {results.date}")
    for heading in ("figure", "value", "interval", "unit", "target", ""):
        shown.add_column(heading, justify="right" if heading in ("value", "interval", "target") else "left")
    shown.add_column("detail", overflow="fold")
    for figure in results.figures:
        shown.add_row(*map(escape, _row(figure)), style="red" if figure.met is False else None)
    return shown


def write(results: Results, path: Path) -> None:
    """Write the results as JSON; a reader sees the old file or the new one, never half of one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(results.to_json(), encoding="utf-8")
    temporary.replace(path)


def main(
    module_name: str,
    measure: Measure,
    *,
    targets: Mapping[str, Target] | None = None,
    seeds: Sequence[int] | None = None,
    argv: Sequence[str] | None = None,
    directory: Path = RESULTS,
) -> NoReturn:
    """Run a benchmark's command line and exit: 0, or 1 where `--check` finds a shortfall.

    `targets` and `seeds` are by default the `TARGETS` and `SEEDS` of the module that defines `measure`.
    """
    name = module_name.rpartition(".")[2]
    module = sys.modules[getattr(measure, "__module__", __name__)]
    targets = getattr(module, "TARGETS", {}) if targets is None else targets
    seeds = getattr(module, "SEEDS", ()) if seeds is None else seeds
    options = _parser(name, module.__doc__).parse_args(argv)
    if options.check:
        sys.exit(_check(name, targets, directory))
    results = run(name, measure, quick=options.quick, targets=targets, seeds=seeds)
    path = options.output or (None if options.quick else directory / f"{name}.json")
    if path is not None:
        write(results, path)
    _show(results)
    sys.exit(0)


def _check(name: str, targets: Mapping[str, Target], directory: Path) -> int:
    try:
        results = read(name, directory)
    except ResultsError as error:
        print(f"{name}: {error}", file=sys.stderr)
        return 1
    aimed = tuple(figure.aimed_at(targets) for figure in results.figures)
    _show(Results(**{**vars(results), "figures": aimed}))
    faults = shortfalls(results, targets)
    for fault in faults:
        print(f"{name}: {fault}", file=sys.stderr)
    return 1 if faults else 0


def _show(results: Results) -> None:
    console = Console(width=None if sys.stdout.isatty() else 160)
    console.print(table(results))
    console.print(
        f"{results.command}: {results.seconds:.1f} s on {results.machine}", markup=False, highlight=False
    )


def _row(figure: Figure) -> tuple[str, ...]:
    interval = (
        "" if figure.low is None or figure.high is None else f"{_short(figure.low)} .. {_short(figure.high)}"
    )
    verdict = {None: "", True: "met", False: "SHORT"}[figure.met]
    target = "" if figure.target is None else str(figure.target)
    return figure.name, _short(figure.value), interval, figure.unit, target, verdict, figure.detail


def _short(number: float) -> str:
    """The number in four significant digits; whole numbers in full."""
    return f"{int(number):,}" if number == int(number) and abs(number) < 1e15 else f"{number:,.4g}"


def _figure(item: dict[str, object]) -> Figure:
    target = item.pop("target")
    return Figure(**item, target=Target(**target) if isinstance(target, dict) else None)  # type: ignore[arg-type]


def _command(name: str) -> str:
    return f"python -m benchmarks.{name}"


def _parser(name: str, doc: str | None) -> argparse.ArgumentParser:
    first_line = (doc or "").strip().partition("\n")[0]
    parser = argparse.ArgumentParser(prog=_command(name), description=first_line)
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--quick", action="store_true", help="measure in about a minute and store nothing")
    mode.add_argument("--check", action="store_true", help="compare the stored results with their targets")
    parser.add_argument(
        "--output", type=Path, metavar="PATH", help="write the results there, not into the store"
    )
    return parser

"""The form of the benchmarks, and that each benchmark keeps it."""

import ast
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import form
from benchmarks.form import Figure, Results, ResultsError, Target
from benchmarks.machine import Machine

TARGETS = {"step_ms": Target("<=", 10.0), "tau": Target(">=", 0.8)}
SEEDS = (3, 5)
GOOD = [Figure("step_ms", 8.5, "ms", low=8.1, high=9.0, detail="width [32]"), Figure("tau", 0.85, "")]
numbers = st.floats(allow_nan=False, allow_infinity=False)
MODULES = [
    path
    for path in Path(form.__file__).parent.glob("*.py")
    if "\ndef measure(" in path.read_text(encoding="utf-8")
]


def returning(figures: list[Figure]):
    """A benchmark whose figures are known; it also tells how it was called."""
    calls: list[bool] = []

    def measure(*, quick: bool) -> list[Figure]:
        calls.append(quick)
        return figures

    measure.calls = calls  # type: ignore[attr-defined]
    return measure


def command(tmp_path: Path, *argv: str, figures: list[Figure] = GOOD, **options) -> int:
    with pytest.raises(SystemExit) as stopped:
        form.main("benchmarks.demo", returning(figures), argv=argv, directory=tmp_path, **options)
    return stopped.value.code


@pytest.mark.parametrize(
    ("op", "value", "met"), [("<=", 10, True), ("<=", 10.1, False), (">=", 10, True), (">=", 9, False)]
)
def test_a_target_is_met_at_its_number_and_beyond(op, value: float, met: bool) -> None:
    assert Target(op, 10).met(value) is met


@pytest.mark.parametrize(
    "make",
    [
        lambda: Target("<", 1),
        lambda: Target("<=", float("nan")),
        lambda: Figure("x", float("nan"), "ms"),
        lambda: Figure("x", 1, "ms", low=0),
        lambda: Figure("x", 1, "ms", low=2, high=1),
        lambda: Figure("", 1, "ms"),
        lambda: Results("demo", (Figure("x", 1, "ms"), Figure("x", 2, "ms")), False, "", "", 0),
    ],
)
def test_an_invalid_object_cannot_exist(make) -> None:
    with pytest.raises(ValueError):
        make()


@given(
    value=numbers,
    ends=st.none() | st.tuples(numbers, numbers).map(sorted),
    aim=st.none() | numbers,
    text=st.text(),
)
def test_results_round_trip_through_json(value, ends, aim, text) -> None:
    low, high = ends or (None, None)
    figure = Figure("x", value, "ms", None if aim is None else Target("<=", aim), text, low, high)
    machine = Machine("cpu", 4, 16.0, None, "system", None)
    results = Results(
        "demo", (figure,), False, "run", "2026-01-02T03:04:05Z", 1.5, (1, 2), machine, {"torch": "2"}
    )
    assert Results.from_json(results.to_json()) == results


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"schema_version": 99}', '{"schema_version": 1, "figures": 3}']
)
def test_other_json_is_refused(text: str) -> None:
    with pytest.raises(ResultsError, match="measure again"):
        Results.from_json(text)


def test_a_full_run_stores_all_that_judges_the_numbers(tmp_path: Path, capsys) -> None:
    assert command(tmp_path) == 0
    stored = json.loads((tmp_path / "demo.json").read_text())
    assert stored["command"] == "python -m benchmarks.demo"
    assert stored["seeds"] == [3, 5] and not stored["quick"] and stored["seconds"] >= 0
    assert stored["figures"][0]["target"] == {"op": "<=", "number": 10.0}
    assert (
        stored["machine"]["cpu"] and stored["machine"]["cores"] >= 1 and stored["machine"]["memory_gib"] > 0
    )
    assert stored["versions"]["numpy"] and stored["date"].endswith("Z")
    assert [path.name for path in tmp_path.iterdir()] == ["demo.json"]
    shown = capsys.readouterr().out
    assert "8.1 .. 9" in shown and "<= 10" in shown and "width [32]" in shown


def test_a_quick_run_leaves_the_stored_results(tmp_path: Path) -> None:
    (tmp_path / "demo.json").write_text("before")
    assert command(tmp_path, "--quick") == 0
    assert [path.read_text() for path in tmp_path.iterdir()] == ["before"]
    assert command(tmp_path, "--quick", "--output", str(tmp_path / "there" / "quick.json")) == 0
    assert Results.from_json((tmp_path / "there" / "quick.json").read_text()).quick


def test_measure_is_told_whether_to_be_quick(tmp_path: Path) -> None:
    measure = returning(GOOD)
    for argv in ([], ["--quick"], ["--check"]):
        with pytest.raises(SystemExit):
            form.main("demo", measure, argv=argv, directory=tmp_path)
    assert measure.calls == [False, True]


def test_check_passes_when_every_target_is_met(tmp_path: Path, capsys) -> None:
    command(tmp_path)
    capsys.readouterr()
    assert command(tmp_path, "--check") == 0
    assert capsys.readouterr().out.count("met") == 2


@pytest.mark.parametrize(
    ("figures", "argv", "said"),
    [
        ([Figure("step_ms", 11.0, "ms"), GOOD[1]], [], "step_ms is 11 ms, target <= 10"),
        (GOOD[:1], [], "tau has a target and no figure"),
        ([*GOOD, Figure("own", 1, "ms", Target(">=", 2))], [], "own is 1 ms, target >= 2"),
        (GOOD, ["--quick"], "quick run"),
    ],
)
def test_check_names_each_shortfall(tmp_path: Path, capsys, figures, argv, said: str) -> None:
    command(tmp_path, *argv, "--output", str(tmp_path / "demo.json"), figures=figures)
    assert command(tmp_path, "--check") == 1
    assert said in capsys.readouterr().err


def test_check_holds_stored_figures_to_the_targets_of_now(tmp_path: Path) -> None:
    command(tmp_path)
    assert command(tmp_path, "--check", targets={"step_ms": Target("<=", 8.0)}) == 1


def test_check_fails_without_results(tmp_path: Path, capsys) -> None:
    assert command(tmp_path, "--check") == 1
    assert "run `python -m benchmarks.demo`" in capsys.readouterr().err
    (tmp_path / "demo.json").write_text("{}")
    assert command(tmp_path, "--check") == 1


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_every_benchmark_keeps_the_form(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    targets = [node.targets for node in tree.body if isinstance(node, ast.Assign)]
    targets += [[node.target] for node in tree.body if isinstance(node, ast.AnnAssign)]
    assert "TARGETS" in {ast.unparse(target) for group in targets for target in group}
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    mains = [call for call in calls if call.args and ast.unparse(call.func) in ("form.main", "main")]
    assert [ast.literal_eval(call.args[0]) for call in mains] == [path.stem]

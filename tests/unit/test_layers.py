"""The shape of the code: one direction of imports, no cycles, no private reach, small and named files."""

import ast
import graphlib
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ORDER = ("search_space", "supernet", "evaluators", "search", "service")  # each may import those before it
OUTSIDE = {"tests", "benchmarks", "examples"}  # these import the packages, never the other way round
SERVICE_ONLY = {"fastapi", "starlette", "uvicorn", "sqlalchemy", "alembic", "psycopg"}
SEARCH_ONLY = {"ray", "optuna", "pymoo"}
FORBIDDEN: dict[str, set[str]] = {
    "search_space": {"torch", "torchvision", "timm"} | SEARCH_ONLY | SERVICE_ONLY,
    "supernet": SEARCH_ONLY | SERVICE_ONLY,
    "evaluators": SEARCH_ONLY | SERVICE_ONLY,
    "search": SERVICE_ONLY,
    "service": set(),
}
NAMELESS = {"util", "utils", "common", "helper", "helpers", "manager", "managers", "misc"}
MAX_LINES = 400


@dataclass(frozen=True)
class Import:
    """One import: where it stands, the module it names, the name taken from it, when it runs."""

    path: str
    line: int
    package: str
    module: str
    name: str | None = None
    at_import: bool = True

    @property
    def top(self) -> str:
        return self.module.split(".")[0]

    @property
    def place(self) -> str:
        return f"{self.path}:{self.line}"


def sources(root: Path) -> list[Path]:
    return sorted(path for package in ORDER for path in (root / package).rglob("*.py"))


def module_name(root: Path, path: Path) -> str:
    parts = path.relative_to(root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(root: Path, path: Path) -> Iterator[Import]:
    """Yield every import of a file: absolute, relative, inside functions, and by `import_module("...")`."""
    relative = path.relative_to(root)
    lazy = lazy_nodes(tree := ast.parse(path.read_text(encoding="utf-8"), filename=str(path)))

    def found(node: ast.AST, module: str, name: str | None = None) -> Import:
        line = getattr(node, "lineno", 0)
        return Import(str(relative), line, relative.parts[0], module, name, node not in lazy)

    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (found(node, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            # `from ..x import y` in a/b/c.py (or a/b/__init__.py) names a.x in both cases.
            base = relative.parts[: len(relative.parts) - node.level] if node.level else ()
            module = ".".join((*base, *([node.module] if node.module else ())))
            yield from (found(node, module, alias.name) for alias in node.names)
        elif isinstance(node, ast.Call) and (module := imported_by_call(node)):
            yield found(node, module)


def imported_by_call(node: ast.Call) -> str | None:
    """The module of `import_module("x")` and `__import__("x")`, when it is a literal."""
    called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    if called not in {"import_module", "__import__"} or not node.args:
        return None
    first = node.args[0]
    return first.value if isinstance(first, ast.Constant) and isinstance(first.value, str) else None


def lazy_nodes(tree: ast.Module) -> set[ast.AST]:
    """The nodes that do not run when the module is imported: function bodies and `if TYPE_CHECKING`."""
    lazy: set[ast.AST] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            lazy.update(ast.walk(node))
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            lazy.update(inner for statement in node.body for inner in ast.walk(statement))
    return lazy


def layer_faults(root: Path) -> list[str]:
    faults = []
    for found in (found for path in sources(root) for found in imports(root, path)):
        above = found.top in ORDER and ORDER.index(found.top) > ORDER.index(found.package)
        if above or found.top in OUTSIDE:
            faults.append(f"{found.place}: {found.package} imports {found.module}, against the arrow")
        elif found.top in FORBIDDEN[found.package]:
            faults.append(f"{found.place}: {found.package} may not import {found.top}")
    return faults


def private_faults(root: Path) -> list[str]:
    faults = []
    for found in (found for path in sources(root) for found in imports(root, path)):
        parts = [*found.module.split("."), found.name or ""]
        private = [part for part in parts if part.startswith("_") and not part.endswith("__")]
        if found.top in ORDER and found.top != found.package and private:
            faults.append(f"{found.place}: {private[0]} is private to {found.top}")
    return faults


def cycle(root: Path) -> list[str] | None:
    """The modules of one import cycle, counting imports that run when a module is imported."""
    names = {module_name(root, path): path for path in sources(root)}
    graph: dict[str, set[str]] = {name: set() for name in names}
    for name, path in names.items():
        for found in imports(root, path):
            deep = f"{found.module}.{found.name}"
            target = deep if deep in names else found.module
            if found.at_import and target in names and target != name:
                graph[name].add(target)
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        return [str(module) for module in reversed(error.args[1])]
    return None


def size_faults(root: Path) -> list[str]:
    sized = (
        (path.relative_to(root), len(path.read_text(encoding="utf-8").splitlines())) for path in sources(root)
    )
    # A migration is one step of the schema and is never edited once released, however long.
    return [
        f"{path}: {lines} lines, split it by idea"
        for path, lines in sized
        if lines > MAX_LINES and "versions" not in path.parts
    ]


def name_faults(root: Path) -> list[str]:
    """Modules and folders whose name says nothing of what they hold."""
    named = (path.relative_to(root) for path in sources(root))
    return [
        f"{path}: name the idea"
        for path in named
        if NAMELESS & {part.strip("_") for part in path.with_suffix("").parts}
    ]


@pytest.mark.parametrize("rule", [layer_faults, private_faults, size_faults, name_faults])
def test_packages_keep_the_rule(rule) -> None:
    assert {path.relative_to(ROOT).parts[0] for path in sources(ROOT)} == set(ORDER)
    assert not (faults := rule(ROOT)), "\n".join(faults)


def test_packages_have_no_import_cycle() -> None:
    found = cycle(ROOT)
    assert found is None, " -> ".join(found or [])


def test_search_space_and_package_roots_run_without_torch() -> None:
    modules = [
        module_name(ROOT, path) for path in sources(ROOT) if path.parts[len(ROOT.parts)] == "search_space"
    ]
    script = f"""
import importlib, sys
for name in {[*modules, *ORDER]!r}:
    importlib.import_module(name)
    assert "torch" not in sys.modules, f"importing {{name}} imports torch"
"""
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture
def tree(tmp_path: Path):
    """A function that plants files below a root which holds the five empty packages."""

    def plant(**files: str) -> Path:
        for package in ORDER:
            (tmp_path / package).mkdir()
            (tmp_path / package / "__init__.py").touch()
        for name, text in files.items():
            path = tmp_path.joinpath(*name.split("__")).with_suffix(".py")
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
        return tmp_path

    return plant


@pytest.mark.parametrize(
    "line",
    [
        "import search",
        "import search.pareto as pareto",
        "from service.store import Store",
        "from tests import conftest",
        "def f():\n    from search.loop import search",
        "import importlib\nimportlib.import_module('search.loop')",
        "import typing\nif typing.TYPE_CHECKING:\n    import service.app",
        "import ray",
        "from sqlalchemy.orm import Session",
        "from optuna import samplers",
    ],
)
def test_an_import_against_the_arrow_is_found(tree, line: str) -> None:
    assert len(layer_faults(tree(evaluators__score=line))) == 1


@pytest.mark.parametrize(
    "line",
    [
        "import torch",
        "from search_space.space import Space",
        "from . import cost",
        "from ..evaluators import cost",
    ],
)
def test_an_import_along_the_arrow_passes(tree, line: str) -> None:
    assert layer_faults(tree(evaluators__score=line)) == []


def test_search_space_may_not_import_torch(tree) -> None:
    assert len(layer_faults(tree(search_space__space="from torch import nn"))) == 1


@pytest.mark.parametrize(
    "line", ["from supernet import _cache", "import supernet._cache", "from supernet.a import _b"]
)
def test_a_private_name_of_another_package_is_found(tree, line: str) -> None:
    assert len(private_faults(tree(search__loop=line))) == 1


@pytest.mark.parametrize(
    "line", ["from search import _own", "from supernet import __version__", "import _thread"]
)
def test_an_own_or_foreign_private_name_passes(tree, line: str) -> None:
    assert private_faults(tree(search__loop=line)) == []


def test_a_cycle_is_found_and_a_lazy_import_is_none(tree) -> None:
    root = tree(search__a="from search import b", search__b="from search.a import x")
    assert set(cycle(root) or []) == {"search.a", "search.b"}
    (root / "search" / "b.py").write_text("def f():\n    from search.a import x\n")
    assert cycle(root) is None


def test_a_long_file_and_a_nameless_module_are_found(tree) -> None:
    root = tree(
        search__loop="x = 1\n" * (MAX_LINES + 1), search__utils="", search__fits="x = 1\n" * MAX_LINES
    )
    assert [fault.split(":")[0] for fault in size_faults(root)] == ["search/loop.py"]
    assert [fault.split(":")[0] for fault in name_faults(root)] == ["search/utils.py"]

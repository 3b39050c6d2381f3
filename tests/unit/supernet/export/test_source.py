"""Generated source: the same function, the same parameters, and code that reads well."""

import ast
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from search_space import ops, reference
from search_space.architecture import Architecture, Edge, Input, Node
from search_space.errors import SearchSpaceError
from search_space.ops.conv import Conv
from search_space.ops.norm import Norm
from search_space.ops.resize import Resize
from search_space.ops.sum import Sum
from supernet.errors import ExportError
from supernet.export import source, source_ops, verify
from supernet.subnet import Subnet
from tests.unit.supernet.export.necks import CHANNELS, neck_of, random_architectures, space_names, trained

IMAGES = ((97, 131), (33, 65), (128, 96))


def written(architecture: Architecture, text: str | None = None) -> nn.Module:
    """Return a fresh `Neck` of the generated source."""
    names: dict[str, Any] = {}
    exec(compile(text or source.generate(architecture), "neck.py", "exec"), names)
    return names["Neck"]()  # type: ignore[no-any-return]


def loaded(subnet: Subnet) -> nn.Module:
    neck = written(subnet.architecture)
    neck.load_state_dict(source.renamed(subnet, subnet.architecture))
    return neck.train(subnet.training)


def assert_equal(subnet: Subnet, neck: nn.Module, image: tuple[int, int]) -> None:
    given = verify.features(subnet.architecture, image)
    with torch.no_grad():
        wanted, made = subnet(given), neck(given)
    assert made.keys() == wanted.keys()
    for level, x in wanted.items():
        assert torch.equal(made[level], x), f"level {level} of {image}: {(made[level] - x).abs().max()}"


@pytest.mark.parametrize("kind", ops.names())
def test_every_operation_is_written_or_named_as_not_exportable(kind: str) -> None:
    architecture = neck_of(kind)
    if kind not in source_ops.names():
        with pytest.raises(ExportError, match=f"'{kind}'"):
            source.generate(architecture)
        return
    subnet = trained(architecture)
    neck = loaded(subnet)
    for image in IMAGES:
        assert_equal(subnet, neck, image)


@pytest.mark.parametrize(
    "name",
    ["fpn", "pafpn", "bifpn@lite", "nas_fpn@tf", "rep_gfpn", "yolox_pafpn", "sepc@pconv", "ssd", "rev_fp"],
)
def test_references_are_bit_equal(name: str) -> None:
    architecture = reference.build(name, CHANNELS)
    if any(step.op.kind not in source_ops.names() for step in architecture.steps()):
        with pytest.raises(ExportError):
            source.generate(architecture)
        return
    subnet = trained(architecture)
    neck = loaded(subnet)
    assert_equal(subnet, neck, IMAGES[0])


@pytest.mark.parametrize("space", space_names())
def test_random_architectures_are_bit_equal(space: str) -> None:
    for architecture in random_architectures(space, 12):
        subnet = trained(architecture)
        assert_equal(subnet, loaded(subnet), IMAGES[0])


def test_names_map_one_to_one() -> None:
    for architecture in random_architectures("fusion_grid", 12, seed=1):
        names = source.tensor_names(architecture)
        ours = Subnet(architecture).state_dict().keys()
        theirs = {name for name in written(architecture).state_dict() if "num_batches" not in name}
        assert names.keys() == ours
        assert set(names.values()) == theirs
        assert len(theirs) == len(names)


def test_it_has_as_many_parameters_as_the_architecture_says() -> None:
    for name in ("fpn", "bifpn", "pafpn"):
        architecture = reference.build(name, CHANNELS)
        made = sum(parameter.numel() for parameter in written(architecture).parameters())
        assert made == architecture.parameters()


def test_a_training_step_is_that_of_the_subnet() -> None:
    architecture = reference.build("bifpn", CHANNELS, width=16, repeats=2)
    subnet = trained(architecture).train()
    neck = loaded(subnet)
    given = verify.features(architecture, (96, 64))
    losses = [sum(x.square().mean() for x in module(given).values()) for module in (subnet, neck)]
    for loss in losses:
        assert isinstance(loss, Tensor)
        loss.backward()
    assert losses[0] == losses[1]
    names = source.tensor_names(architecture)
    theirs = dict(neck.named_parameters()) | dict(neck.named_buffers())
    for name, parameter in subnet.named_parameters():
        assert parameter.grad is not None
        assert torch.equal(parameter.grad, theirs[names[name]].grad), name
    for name, buffer in subnet.named_buffers():
        assert torch.equal(buffer, theirs[names[name]]), name


def test_fpn_is_short_and_has_no_interpreter() -> None:
    text = source.generate(reference.build("fpn", {3: 512, 4: 1024, 5: 2048}), title="FPN.")
    assert len(text.splitlines()) <= 120
    assert "self.lateral" in text
    for banned in ("ModuleDict", "getattr", "eval(", "exec(", "Architecture", "search_space", "for node"):
        assert banned not in text.replace(".eval()", "")


@pytest.mark.parametrize("name", ["fpn", "pafpn", "bifpn"])
def test_no_numbered_junk_names(name: str) -> None:
    text = source.generate(reference.build(name, CHANNELS))
    names = {node.attr for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Attribute)}
    assert not [found for found in names if re.fullmatch(r"(node|conv|layer|op|module|x|t)_?\d+", found)]


def test_repeated_cells_become_one_class() -> None:
    short = source.generate(reference.build("bifpn", CHANNELS, repeats=3))
    long = source.generate(reference.build("bifpn", CHANNELS, repeats=8))
    assert "class Cell(nn.Module)" in long
    body = [text[text.index("class Cell") :].splitlines() for text in (short, long)]
    assert len(body[1]) - len(body[0]) <= 2 * 5 * 3  # a constructor and a call a cell


def test_tied_nodes_are_one_module() -> None:
    tied = Conv(width=16, share="smooth")
    norm = Norm(share="own")  # tied between two of three nodes only
    nodes = (
        Node("p3", 3, 16, (Edge("c3"),), None, (tied, norm)),
        Node("p4", 4, 16, (Edge("c4"),), None, (tied, norm)),
        Node("q4", 4, 16, (Edge("p4"), Edge("p3", (Conv(width=16, stride=2),))), Sum(), (tied, Norm())),
    )
    inputs = (Input("c3", 3, 16), Input("c4", 4, 16))
    architecture = Architecture(inputs, nodes, ((3, "p3"), (4, "q4")))
    subnet = trained(architecture)
    neck = loaded(subnet)
    assert sum(p.numel() for p in neck.parameters()) == architecture.parameters()
    assert_equal(subnet, neck, IMAGES[0])


def test_a_stretch_with_tied_weights_is_called_twice() -> None:
    nodes: list[Node] = []
    shares = [Conv(width=16, share=f"tower{i}") for i in range(3)]
    norms = [Norm(form="group", groups=4, share=f"norm{i}") for i in range(3)]
    for level in (3, 4, 5):
        source_name = f"c{level}"
        for index in range(3):
            name = f"p{level}_step{index}"
            nodes.append(Node(name, level, 16, (Edge(source_name),), None, (shares[index], norms[index])))
            source_name = name
        nodes.append(Node(f"p{level}_out", level, 4, (Edge(source_name),), None, (Conv(width=4, share="o"),)))
    inputs = tuple(Input(f"c{level}", level, 16) for level in (3, 4, 5))
    architecture = Architecture(inputs, tuple(nodes), tuple((level, f"p{level}_out") for level in (3, 4, 5)))
    subnet = trained(architecture)
    neck = loaded(subnet)
    assert sum(p.numel() for p in neck.parameters()) == architecture.parameters()
    assert_equal(subnet, neck, IMAGES[0])


@pytest.mark.parametrize("name", ["self", "F", "resize", "torch", "lambda", "print", "features", "Neck"])
def test_a_node_may_have_any_name(name: str) -> None:
    if name == "lambda":
        name = "lambda_"
    nodes = (
        Node("top", 4, 16, (Edge("c4", (Conv(width=16, kernel=1),)),)),
        Node(name, 3, 16, (Edge("c3"), Edge("top", (Resize(),))), Sum(), (Conv(width=16),)),
    )
    inputs = (Input("c3", 3, 16), Input("c4", 4, 16))
    subnet = trained(Architecture(inputs, nodes, ((3, name), (4, "top"))))
    assert_equal(subnet, loaded(subnet), IMAGES[0])


def test_title_and_notes_cannot_leave_the_docstring() -> None:
    hostile = 'end"""\nimport os\nos.abort()\n"""\\'
    score = SimpleNamespace(metric='ap"""', value=0.5, unit="\\", source="measured", stderr=None)
    text = source.generate(neck_of("conv"), title=hostile, notes=[hostile], scores=[score])
    tree = ast.parse(text)
    assert "import os" in (ast.get_docstring(tree) or "")
    assert not [n for n in ast.walk(tree) if isinstance(n, ast.Import) and n.names[0].name == "os"]


def test_scores_stand_in_the_docstring_with_source_and_error() -> None:
    score = SimpleNamespace(metric="latency_ms", value=11.25, unit="ms", source="predicted", stderr=0.5)
    text = source.generate(neck_of("conv"), scores=[score])
    assert "latency_ms 11.25 +- 0.5 ms (predicted)" in text


def test_an_operation_of_unknown_form_is_never_pasted_into_code() -> None:
    text = neck_of("act").to_json().replace('"form":"relu"', '"form":"relu); import os; ("')
    with pytest.raises((SearchSpaceError, ExportError)):
        source.generate(Architecture.from_json(text))


@pytest.fixture
def ruff() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Return a function that runs ruff with its own defaults."""

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "ruff", *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    return run


def test_it_is_formatted_and_free_of_lint(tmp_path: Path, ruff: Callable[..., Any]) -> None:
    texts: Mapping[str, Architecture] = {
        **{name: reference.build(name, CHANNELS) for name in ("fpn", "pafpn", "bifpn")},
        **{f"grid{i}": a for i, a in enumerate(random_architectures("fusion_grid", 20, seed=2))},
    }
    for name, architecture in texts.items():
        (tmp_path / f"{name}.py").write_text(source.generate(architecture, title=name))
    formatted = ruff("format", "--isolated", "--diff", str(tmp_path))
    assert formatted.returncode == 0, formatted.stdout
    linted = ruff(
        "check", "--isolated", "--select", "E,F,I,UP,B,SIM,D101,D103", "--ignore", "E501", str(tmp_path)
    )
    assert linted.returncode == 0, linted.stdout

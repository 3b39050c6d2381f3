"""A neck as Python source that a person would have written: plain PyTorch without this project.

    text = generate(architecture, title="FPN", notes=["Found by ..."], scores=scores)
    names = tensor_names(architecture)      # Subnet's name of each tensor -> the written neck's
    state = renamed(subnet)                 # what `neck.load_state_dict` takes

The written module offers `Neck` (`(dict[level, Tensor]) -> dict[level, Tensor]`, as `Subnet`) and
`Neck.from_safetensors(path)`. On a CPU its outputs are bit-equal to the subnet's.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType

from torch import Tensor, nn

from search_space.architecture import Architecture
from supernet.errors import ExportError
from supernet.export import source_ops
from supernet.export.docstring import ScoreLike, docstring
from supernet.export.loading import read_safetensors
from supernet.export.printing import constructor, dictionary, helper_source, mentions, statements
from supernet.export.writing import Writer, Written


def generate(
    architecture: Architecture,
    *,
    title: str = "A feature-pyramid neck.",
    notes: Sequence[str] = (),
    scores: Sequence[ScoreLike] = (),
    name: str = "Neck",
) -> str:
    """Return the source of `neck.py`: the class `Neck` (or `name`) and `read_safetensors`.

    Raises:
        ExportError: an operation that cannot be written as source.
    """
    written = write(architecture)
    head = docstring(architecture, title=title, notes=notes, scores=scores, name=name)
    neck = "\n".join(_neck(architecture, written, name))
    code = "\n\n\n".join([*written.blocks, neck])
    helpers = _helpers(architecture, code)
    code = "\n\n\n".join([*helpers, code, helper_source(read_safetensors)])
    return "\n".join([*head, "", *_imports(code)]) + "\n\n\n" + code + "\n"


@lru_cache(maxsize=64)
def tensor_names(architecture: Architecture) -> Mapping[str, str]:
    """Return, by `Subnet`'s name of a tensor, its name in the written neck."""
    return MappingProxyType(write(architecture).names)


def renamed(subnet: nn.Module, architecture: Architecture) -> dict[str, Tensor]:
    """Return the subnet's tensors under the names of the written neck."""
    names = tensor_names(architecture)
    return {names[name]: tensor.detach() for name, tensor in subnet.state_dict().items()}


def check(architecture: Architecture) -> None:
    """Return if every operation can be written as source.

    Raises:
        ExportError: one cannot; the message names it and where it stands.
    """
    for step in architecture.steps():
        if step.op.kind not in source_ops.names():
            raise ExportError(
                f"'{step.path}' (level {step.node.level}): the operation '{step.op.kind}' cannot be "
                "written as plain PyTorch; choose a subnet without it, or search a space with export_safe"
            )


def write(architecture: Architecture) -> Written:
    """Return the neck in pieces.

    Raises:
        ExportError: an operation that cannot be written as source.
    """
    check(architecture)
    return _write(architecture)


@lru_cache(maxsize=16)
def _write(architecture: Architecture) -> Written:
    return Writer(architecture).write()


def _neck(architecture: Architecture, written: Written, name: str) -> list[str]:
    shapes = architecture.output_shapes()
    gives = {level: shape.channels for level, shape in shapes.items()}
    found = [f"class {name}(nn.Module):", '    """Features by level to features by level."""', ""]
    found += dictionary("channels_in = ", architecture.channels, indent=4)
    found += [*dictionary("channels_out = ", gives, indent=4), ""]
    found += [*constructor(written.body.members), ""]
    found += [*_LOADER.format(name=name, local=name.lower()).splitlines(), ""]
    return [*found, *_forward(written)]


_LOADER = '''\
    @classmethod
    def from_safetensors(cls, path: str | Path) -> "{name}":
        """Return the {local} in evaluation mode with the weights of a safetensors file."""
        {local} = cls()
        {local}.load_state_dict(read_safetensors(path))
        return {local}.eval()'''


def _forward(written: Written) -> list[str]:
    found = ["    def forward(self, features: dict[int, Tensor]) -> dict[int, Tensor]:"]
    found += ['        """Return `(B, C, H / 2**level, W / 2**level)` by level."""']
    found += [f"        {name} = features[{level}]" for level, name in written.inputs]
    found += statements(written.body.statements)
    return [*found, *dictionary("return ", dict(written.results), indent=8)]


def _helpers(architecture: Architecture, code: str) -> list[str]:
    """Return the helpers that the code uses, and those that they use, each once."""
    known = {h.__name__: h for step in architecture.steps() for h in source_ops.helpers(step.op.kind)}
    sources = {name: helper_source(helper) for name, helper in known.items()}
    wanted = {name for name in sources if mentions(code, name)}
    while more := {n for n in sources.keys() - wanted if any(mentions(sources[w], n) for w in wanted)}:
        wanted |= more
    return [source for name, source in sources.items() if name in wanted]


def _imports(code: str) -> list[str]:
    standard = [
        line
        for line, name in (("import json", "json"), ("import math", "math"), *_STANDARD_FROM)
        if mentions(code, name)
    ]
    torch = ["import torch"] if mentions(code, "torch") else []
    torch += ["from torch import Tensor, nn"]
    if mentions(code, "F"):
        torch.append("from torch.nn import functional as F")
    return [*standard, "", *torch]


_STANDARD_FROM = (
    ("from collections import OrderedDict", "OrderedDict"),
    ("from pathlib import Path", "Path"),
)

"""A neck in one of the forms of `offered.FORMATS`: written, checked, and only then handed out.

made = write("onnx", folder, subnet, card)    # or FailedCheck with the numbers
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from supernet.export import bundle, onnx, source, verify
from supernet.export.bare import BareProcess
from supernet.export.card import Card
from supernet.export.deploy import deploy as deployed
from supernet.export.importing import import_neck
from supernet.export.offered import FORMATS, require
from supernet.export.verify import Check
from supernet.subnet import Subnet

if TYPE_CHECKING:
    from supernet.export.detector import DetectorParts


@dataclass(frozen=True)
class Extras:
    """What goes into a bundle beside the neck.

    Attributes:
        topology_svg: a drawing of the architecture.
        detector: backbone and head around the neck.
    """

    topology_svg: str | None = None
    detector: "DetectorParts | None" = None


@dataclass(frozen=True)
class Written:
    """A finished file and what was checked of it."""

    path: Path
    checks: tuple[Check, ...]


@torch.no_grad()
def write(
    name: str,
    folder: Path,
    subnet: Subnet,
    card: Card,
    *,
    deploy: bool = False,
    extras: Extras | None = None,
    bare: BareProcess | None = None,
) -> Written:
    """Return a neck's file in one format, written into `folder` and compared at three untraced sizes.

    Args:
        name: of `FORMATS`.
        folder: gets the file, and for a bundle its members.
        subnet: in evaluation mode, on the CPU.
        card: what is known about it.
        deploy: the deploy form, for inference only.
        extras: of a bundle.
        bare: a process that was started ahead; it is used up.

    Raises:
        ExportError: the neck does not have the format.
        FailedCheck: the file does not compute what the subnet does; the message has the numbers.
    """
    require(subnet.architecture, name)
    folder.mkdir(parents=True, exist_ok=True)
    if name == "bundle":
        given = extras or Extras()
        made = bundle.write_bundle(
            folder,
            subnet,
            card=card,
            topology_svg=given.topology_svg,
            detector=given.detector,
            deploy=deploy,
            bare=bare,
        )
        return Written(made.path, made.checks)
    neck = deployed(subnet) if deploy else subnet
    checks = verify.check_module("deploy form", neck, subnet, verify.DEPLOY_LIMIT) if deploy else []
    target = folder / f"neck.{FORMATS[name].suffix}"
    if name == "source":
        checks += _source(target, neck, card, bare)
    else:
        checks += _WRITERS[name](target, neck)
    verify.require(checks)
    return Written(target, tuple(checks))


def _safetensors(target: Path, neck: Subnet) -> list[Check]:
    """Write the weights, read them back as a user's would be, and compare."""
    target.write_bytes(bundle.weights_file(neck))
    architecture = target.with_name("architecture.json")
    architecture.write_text(neck.architecture.to_json())
    return verify.check_module("neck.safetensors", import_neck(architecture, target), neck, 0.0)


def _onnx(target: Path, neck: Subnet) -> list[Check]:
    model = onnx.export(neck)
    target.write_bytes(model)
    return verify.check_onnx(model, neck)


def _program(target: Path, neck: Subnet) -> list[Check]:
    from supernet.export import program  # torch.export takes seconds to load

    made = program.export(neck)
    target.write_bytes(program.save(made))
    return program.checks(made, neck)


def _source(target: Path, neck: Subnet, card: Card, bare: BareProcess | None) -> list[Check]:
    with bare or BareProcess() as process:
        text = source.generate(neck.architecture, title=card.title, notes=card.found, scores=card.scores)
        target.write_text(text)
        (target.parent / "neck.safetensors").write_bytes(bundle.weights_file(neck))
        verify.write_references(target.parent, neck)
        process.send([("neck", target.parent)])
        (answer,) = process.answers()
    return verify.exact("neck.py", answer)


_WRITERS: Mapping[str, Callable[[Path, Subnet], list[Check]]] = {
    "safetensors": _safetensors,
    "onnx": _onnx,
    "torch_export": _program,
}

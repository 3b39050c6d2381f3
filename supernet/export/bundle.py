"""Everything a user takes home, checked before it is offered.

    card = Card(title="Neck 3f2a", dataset="digits, revision 1", device="cpu ...", image_size=(128, 128),
                scores=scores, baselines={"fpn": fpn_scores}, found=["Found by search 17."])
    made = write_bundle(folder, subnet, card=card, topology_svg=drawing_or_None,
                        detector=detector_parts(detector, architecture, statistics))   # or None
    made.path        # folder / "neck.zip": equal requests give equal bytes
    made.sha256, made.size, made.checks, made.files

The subnet is in evaluation mode on the CPU. An export that does not compute what the subnet does raises
`FailedCheck` with the numbers; an operation that cannot be exported raises `ExportError` before anything is
written.
"""

import hashlib
import inspect
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from search_space.op import Size
from supernet.export import adapters, onnx, safetensors, source, verify
from supernet.export import card as cards
from supernet.export.bare import BareProcess, Request
from supernet.export.card import Card
from supernet.export.deploy import deploy as deployed
from supernet.export.importing import NAMES_KEY
from supernet.export.verify import Check
from supernet.subnet import Subnet

if TYPE_CHECKING:
    from supernet.export.detector import DetectorParts

ARCHIVE = "neck.zip"
_REFERENCE_IMAGE: Size = (128, 128)
_EPOCH = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class Bundle:
    """A finished bundle.

    Attributes:
        path: of the zip.
        files: names of its members.
        checks: what was compared, all of it within its limits.
    """

    path: Path
    sha256: str
    size: int
    files: tuple[str, ...]
    checks: tuple[Check, ...]


def write_bundle(
    folder: Path,
    subnet: Subnet,
    *,
    card: Card,
    topology_svg: str | None = None,
    detector: "DetectorParts | None" = None,
    deploy: bool = False,
    bare: BareProcess | None = None,
) -> Bundle:
    """Return the bundle of a finished neck, written into `folder` (made where it is missing).

    Args:
        folder: gets the members as files and `neck.zip` of them.
        subnet: in evaluation mode, on the CPU.
        card: what is known about it.
        topology_svg: a drawing of the architecture.
        detector: backbone and head around this neck; its script and weights are added.
        deploy: export the deploy form, for inference only.
        bare: a process that was started ahead; it is used up.

    Raises:
        ExportError: an operation cannot be exported.
        FailedCheck: an export's outputs are not the subnet's; the message has the numbers.
    """
    exported = deployed(subnet) if deploy else subnet
    parts = None if detector is None else replace(detector, neck=exported)
    with bare or BareProcess() as process:
        members = neck_files(exported, card)
        if topology_svg is not None:
            members["topology.svg"] = topology_svg.encode()
        if parts is not None:
            members |= _detector_files(parts)
        folder.mkdir(parents=True, exist_ok=True)
        _write(folder, members)
        checks = verify.check_module("deploy form", exported, subnet, verify.DEPLOY_LIMIT) if deploy else []
        checks += _checks(folder, exported, members, parts, process)
    verify.require(checks)
    files = (*members, "card.md")
    members["card.md"] = cards.text(card, exported.architecture, files, checks).encode()
    _write(folder, {"card.md": members["card.md"]})
    return _zip(folder / ARCHIVE, members, tuple(checks))


def _write(folder: Path, members: Mapping[str, bytes]) -> None:
    for name, content in members.items():
        (folder / name).write_bytes(content)


def _detector_files(parts: "DetectorParts") -> dict[str, bytes]:
    from supernet.export.detector import detector_files

    return detector_files(parts)


def neck_files(subnet: Subnet, card: Card) -> dict[str, bytes]:
    """Return the neck's own files by name; the same subnet and card give the same bytes.

    Raises:
        ExportError: an operation cannot be exported; the message names it.
    """
    architecture = subnet.architecture
    text = source.generate(architecture, title=card.title, notes=card.found, scores=card.scores)
    files = {
        "neck.py": text.encode(),
        "adapters.py": inspect.getsource(adapters).encode(),
        "neck.safetensors": weights_file(subnet),
        "architecture.json": architecture.to_json().encode(),
        "reference.safetensors": safetensors.dump(verify.reference(subnet, _REFERENCE_IMAGE, batch=1)),
    }
    return files | ({"neck.onnx": onnx.export(subnet)} if architecture.export_safe else {})


def weights_file(subnet: Subnet) -> bytes:
    """Return `neck.safetensors`: tensors as `neck.py` calls them, and the subnet's names in its metadata."""
    names = source.tensor_names(subnet.architecture)
    ours = json.dumps({theirs: mine for mine, theirs in sorted(names.items())}, separators=(",", ":"))
    metadata = {"format": "pt", "architecture_key": subnet.architecture.key, NAMES_KEY: ours}
    return safetensors.dump(source.renamed(subnet, subnet.architecture), metadata)


def _checks(
    folder: Path,
    subnet: Subnet,
    members: Mapping[str, bytes],
    parts: "DetectorParts | None",
    process: BareProcess,
) -> list[Check]:
    """Return the checks of everything written; ONNX Runtime and the other process run side by side."""
    references = verify.write_references(folder, subnet)
    requests: list[Request] = [("neck", folder)]
    if parts is not None:
        from supernet.export.detector import write_reference

        references.append(write_reference(folder, parts))
        requests.append(("detector", folder))
    process.send(requests)
    model = members.get("neck.onnx")
    onnx_checks = [] if model is None else verify.check_onnx(model, subnet)
    neck, *detector = process.answers()
    for path in references:
        path.unlink()
    return [
        *verify.exact("neck.py", neck),
        *onnx_checks,
        *(check for answer in detector for check in verify.exact("detect.py", answer)),
    ]


def _zip(path: Path, members: Mapping[str, bytes], checks: tuple[Check, ...]) -> Bundle:
    with zipfile.ZipFile(path, "w") as archive:
        for name in sorted(members):
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, members[name])
    content = path.read_bytes()
    return Bundle(path, hashlib.sha256(content).hexdigest(), len(content), tuple(sorted(members)), checks)

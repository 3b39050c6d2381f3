"""Exports: source bit-equal in a process with torch alone, ONNX and the deploy form within their limits.

Subjects: every reference neck without an operation that needs an extension (32 channels wide where its width
is a free choice), and random architectures of each space, all with random weights and statistics, compared at
image sizes that no export was made at.
"""

import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from pkgutil import iter_modules
from statistics import median

import numpy as np
import torch

from benchmarks import form
from benchmarks.form import Figure, Target
from search_space import reference, spaces
from search_space.architecture import Architecture
from search_space.errors import SearchSpaceError
from search_space.space import Space
from supernet.errors import ExportError
from supernet.export import onnx, source, verify
from supernet.export.bundle import weights_file, write_bundle
from supernet.export.card import Card
from supernet.export.deploy import deploy
from supernet.export.verify import Check
from supernet.subnet import Subnet

TARGETS = {
    "source_not_bit_equal": Target("<=", 0),
    "onnx_largest_difference": Target("<=", 1e-4),
    "deploy_largest_difference": Target("<=", 1e-4),
    "refused_without_extension": Target("<=", 0),
    "fpn_lines": Target("<=", 120),
    "bundle_s": Target("<=", 20.0),
}
SEEDS = (0,)
CHANNELS = ({3: 64, 4: 96, 5: 128}, {2: 48, 3: 64, 4: 96, 5: 128})
RANDOM = 200
WIDTH = 32
QUICK_RANDOM = 4
QUICK_REFERENCES = ("fpn", "pafpn", "bifpn", "nas_fpn@tf", "rep_gfpn@t", "rev_fp", "sepc")
_BATCH = 76
_THREADS = 1
_PROCESSES = 3


@dataclass(frozen=True)
class Subject:
    """A neck to export."""

    name: str
    architecture: Architecture


@dataclass
class Found:
    """What the exports of all subjects were found to be."""

    source: list[Check]
    onnx: list[Check]
    deploy: list[Check]
    onnx_refused: list[str]


def measure(*, quick: bool) -> list[Figure]:
    """Export everything and compare."""
    torch.set_num_threads(_THREADS)
    necks, extension, refused = references(quick=quick)
    subjects = [*necks, *random_subjects(QUICK_RANDOM if quick else RANDOM)]
    found = compare(subjects)
    count = (
        f"{len(subjects)} necks: {len(necks)} references, {len(subjects) - len(necks)} random architectures"
    )
    unequal = [check for check in found.source if not check.passed]
    return [
        Figure("necks", len(subjects), "1", detail=count),
        Figure("source_not_bit_equal", len(unequal), "1", detail=f"of {len(found.source)} comparisons"),
        _largest("onnx_largest_difference", found.onnx, f"{len(found.onnx_refused)} not written"),
        _largest("deploy_largest_difference", found.deploy, ""),
        Figure(
            "refused_without_extension",
            len(refused) + len(found.onnx_refused),
            "1",
            detail=", ".join(refused),
        ),
        Figure("refused_with_extension", len(extension), "1", detail=", ".join(extension)),
        Figure("fpn_lines", _fpn_lines(), "lines"),
        _bundle_seconds(quick=quick),
    ]


def references(*, quick: bool) -> tuple[list[Subject], list[str], list[str]]:
    """Return the necks that export, those with an extension operation, and those refused without one."""
    subjects: list[Subject] = []
    extension: list[str] = []
    refused: list[str] = []
    for name in QUICK_REFERENCES if quick else reference.names():
        architecture = _build(name, narrow=True)
        try:
            source.check(architecture)
            subjects.append(Subject(name, architecture))
        except ExportError:
            (refused if architecture.export_safe else extension).append(name)
    return subjects, extension, refused


def _build(name: str, *, narrow: bool = False) -> Architecture:
    """Return a reference neck; `narrow` takes `WIDTH` where that is a free choice."""
    free = any(
        option.name == "width" and isinstance(option.default, int) for option in reference.options(name)
    )
    attempts = [(channels, {"width": WIDTH} if narrow and free else {}) for channels in CHANNELS]
    errors: list[str] = []
    for channels, chosen in [*attempts, *((channels, {}) for channels in CHANNELS)]:
        try:
            return reference.build(name, channels, **chosen)
        except SearchSpaceError as error:
            errors.append(str(error))
    raise ValueError(f"{name}: {errors}")


def random_subjects(count: int) -> Iterator[Subject]:
    """Yield architectures drawn from each space."""
    for module in sorted(iter_modules(spaces.__path__), key=lambda entry: entry.name):
        space, rng = Space.load(module.name), np.random.default_rng(SEEDS[0])
        for index in range(count):
            yield Subject(f"{module.name}-{index}", space.architecture(space.sample(rng)))


def compare(subjects: Sequence[Subject]) -> Found:
    """Return every check, by several processes; the source's in a further process a batch."""
    batches = [subjects[start : start + _BATCH] for start in range(0, len(subjects), _BATCH)]
    found = Found([], [], [], [])
    with ProcessPoolExecutor(_PROCESSES, mp_context=get_context("spawn")) as pool:
        for part in pool.map(compare_batch, batches):
            found.source += part.source
            found.onnx += part.onnx
            found.deploy += part.deploy
            found.onnx_refused += part.onnx_refused
    return found


def compare_batch(subjects: Sequence[Subject]) -> Found:
    """Return the checks of some subjects."""
    torch.set_num_threads(_THREADS)
    found = Found([], [], [], [])
    with tempfile.TemporaryDirectory() as folder:
        folders = [_export(subject, Path(folder), found) for subject in subjects]
        found.source += [check for checks in verify.check_source(folders) for check in checks]
    return found


def _export(subject: Subject, root: Path, found: Found) -> Path:
    subnet = trained(subject.architecture)
    folder = root / subject.name
    folder.mkdir()
    (folder / "neck.py").write_text(source.generate(subject.architecture, title=subject.name))
    (folder / "neck.safetensors").write_bytes(weights_file(subnet))
    verify.write_references(folder, subnet)
    try:
        found.onnx += verify.check_onnx(onnx.export(subnet), subnet)
    except ExportError:
        if subject.architecture.export_safe:
            found.onnx_refused.append(subject.name)
    found.deploy += verify.check_module("deploy form", deploy(subnet), subnet, verify.DEPLOY_LIMIT)
    return folder


def trained(architecture: Architecture) -> Subnet:
    """Return a subnet whose tensors, statistics included, are random numbers of a trained one's magnitude."""
    subnet = Subnet(architecture).eval()
    generator = torch.Generator().manual_seed(SEEDS[0])
    for name, tensor in subnet.state_dict().items():
        if name.endswith("running_var"):
            tensor.copy_(torch.rand(tensor.shape, generator=generator) + 0.5)
        else:
            fan_in = max(1, tensor[0].numel()) if tensor.dim() > 1 else 4
            tensor.copy_(torch.randn(tensor.shape, generator=generator) / fan_in**0.5)
    return subnet


def _largest(name: str, checks: list[Check], detail: str) -> Figure:
    differences = [float("1e9") if check.difference is None else check.difference for check in checks]
    numbers = f"median {median(differences):.1e} of {len(checks)}"
    return Figure(
        name, max(differences), "relative", detail=", ".join(part for part in (numbers, detail) if part)
    )


def _fpn_lines() -> int:
    fpn = reference.build("fpn", {3: 512, 4: 1024, 5: 2048})
    return len(source.generate(fpn, title="FPN.").splitlines())


def _bundle_seconds(*, quick: bool) -> Figure:
    """The slowest of some bundles, from a subnet in memory to a checked zip."""
    names = ("bifpn",) if quick else ("fpn", "bifpn@d2", "yolox_pafpn@l")
    seconds = {name: _bundle_s(name) for name in names}
    slowest = max(seconds, key=lambda name: seconds[name])
    return Figure("bundle_s", seconds[slowest], "s", detail=f"slowest of {', '.join(names)}: {slowest}")


def _bundle_s(name: str) -> float:
    subnet = trained(_build(name))
    with tempfile.TemporaryDirectory() as folder:
        start = time.monotonic()
        write_bundle(Path(folder), subnet, card=Card(title=name))
        return time.monotonic() - start


if __name__ == "__main__":
    form.main("export", measure)

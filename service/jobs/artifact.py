"""Makes a file of a subnet in one of its formats, checked before it is offered."""

from __future__ import annotations

import tempfile
from contextlib import nullcontext
from pathlib import Path

import torch

from service.artifacts import make
from service.stores import artifacts, jobs
from service.work import JobFailed, Outcome, Work
from supernet.errors import ExportError
from supernet.export.bare import BareProcess
from supernet.export.offered import FORMATS


def run(work: Work) -> Outcome:
    """Make the file, put it into the artifact store and say what it is."""
    torch.set_num_threads(1)  # the reference output is then the same on any machine of this kind
    with work.store.database.read() as tx:
        artifact = artifacts.get(tx, work.job.id)
    assert artifact is not None, work.job.id
    ahead = BareProcess() if FORMATS[artifact.format].bare else nullcontext()
    with tempfile.TemporaryDirectory(prefix="neckline-") as scratch, ahead as bare:
        try:
            made = make(work.store, artifact, Path(scratch), bare)
        except ExportError as error:
            raise JobFailed("The subnet cannot be exported", str(error), pointer="/format") from error
        work.check()
        digest, size = work.store.files.put(made.path)
    with work.write() as tx:
        named = {"media_type": made.media_type, "filename": made.filename}
        artifacts.finish(tx, artifact.id, sha256=digest, size=size, **named)
        jobs.progress(tx, work.hold.lease, {"step": 1, "total": 1})
    checks = [str(check) for check in made.checks]
    return Outcome(result={"sha256": digest, "size": size, "checks": checks})

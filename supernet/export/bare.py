"""A process without this project that runs written files, started ahead so that its imports cost no wait."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, Self

import torch

from supernet.export.errors import FailedCheck

NOT_TORCH = ("safetensors", "onnx", "onnxruntime", "timm", "torchvision")
"""Installed here, and blocked while `neck.py` is run."""
_SECONDS = 300.0
_SCRIPT = str(Path(__file__).with_name("fresh.py"))

Request = tuple[Literal["neck", "detector"], Path]
Answer = dict[str, float | None]
"""By reference file: the largest difference, 0 where bit-equal, None where the shapes differ."""


class BareProcess:
    """One process for one batch of requests: make it early, `send` when the files are there, `answers`."""

    def __init__(self, also_blocked: Sequence[str] = ()) -> None:
        """Start it; it loads torch by itself and waits."""
        blocked = ",".join([*NOT_TORCH, *also_blocked])
        self._last_words = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed by `__exit__`
        self._count = 0
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-B", "-W", "ignore", _SCRIPT, str(torch.get_num_threads()), blocked],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._last_words,
            text=True,
        )

    def send(self, requests: Sequence[Request]) -> None:
        """Hand over everything that is to be run: necks first, since a detector may import more."""
        self._count = len(requests)
        assert self._process.stdin is not None
        try:
            self._process.stdin.writelines(f"{kind} {folder}\n" for kind, folder in requests)
            self._process.stdin.flush()
        except BrokenPipeError:
            pass  # it died: `answers` says of what

    def answers(self) -> list[Answer]:
        """Return what each request came to.

        Raises:
            FailedCheck: a file cannot be loaded or run; the message has the process's last words.
        """
        try:
            output, _ = self._process.communicate(timeout=_SECONDS)
        except subprocess.TimeoutExpired as error:
            raise FailedCheck(f"the written files still run after {_SECONDS:g} s") from error
        lines = output.splitlines()
        if self._process.returncode or len(lines) != self._count:
            self._last_words.seek(0)
            words = self._last_words.read()[-2000:]
            raise FailedCheck(f"the written files do not run in a process with torch alone: {words}")
        return [json.loads(line) for line in lines]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """End the process if it still runs."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._last_words):
            if stream is not None and not stream.closed:
                stream.close()

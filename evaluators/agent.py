"""The measuring agent: one file that needs Python 3.9, onnxruntime and the standard library.

    python agent.py https://service.example --token TOKEN [--state agent.json]

It talks outwards only: it enrols once with a one-time token, asks for work, fetches ONNX models by their
SHA-256, measures them in a subprocess with limits on time and memory, and posts every raw time. It receives
data, never code. With `--command "bench {model} {runs}"` another program runs the models: it prints one time
in milliseconds a line; the first line warms up.
"""

from __future__ import annotations

import argparse
import gc
import hashlib
import json
import math
import os
import platform
import random
import shlex
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

PROTOCOL_VERSION = 1
RETRY_S = (1, 2, 5, 10, 30)
Run = Callable[[], "tuple[float, float | None]"]
"""One inference; returns milliseconds, and those of them in which other programs held the core (or None)."""
Times = Callable[[], "tuple[list[float], list[float]]"]
"""One visit; returns the times of its runs and their waits, both lists, the waits perhaps empty."""


class Refused(Exception):
    """The service refused for good: the agent is unknown, or its work belongs to another."""


class Service:
    """The service's side as seen from here: JSON and blobs over HTTP with a bearer token."""

    def __init__(self, url: str, secret: str = "", *, pause: Callable[[float], None] = time.sleep) -> None:
        self.url, self.secret, self.pause = url.rstrip("/"), secret, pause

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any] | None:
        """Return the answer as JSON, None where there is none; a busy or absent service is asked again."""
        answer = self._send("POST", path, json.dumps(body).encode())
        return json.loads(answer) if answer else None

    def blob(self, sha256: str) -> bytes:
        """Return a blob.

        Raises:
            ValueError: its content is not what its name says.
        """
        content = self._send("GET", f"/api/v1/agents/blobs/{sha256}", None)
        found = hashlib.sha256(content).hexdigest()
        if found != sha256:
            raise ValueError(f"blob {sha256}: the content's SHA-256 is {found}")
        return content

    def _send(self, method: str, path: str, body: bytes | None) -> bytes:
        headers = {"Content-Type": "application/json", "User-Agent": f"neckline-agent/{PROTOCOL_VERSION}"}
        if self.secret:
            headers["Authorization"] = f"Bearer {self.secret}"
        for wait_s in (*RETRY_S, None):
            request = urllib.request.Request(self.url + path, body, headers, method=method)
            try:
                with urllib.request.urlopen(request, timeout=90) as response:
                    return bytes(response.read())
            except urllib.error.HTTPError as error:
                if (error.code < 500 and error.code != 429) or wait_s is None:
                    detail = error.read(2000).decode("utf-8", "replace")
                    raise Refused(f"{method} {path}: {error.code}: {detail}") from error
            except (urllib.error.URLError, OSError) as error:
                if wait_s is None:
                    raise Refused(f"{method} {path}: the service does not answer: {error}") from error
            self.pause(wait_s)
        raise AssertionError("unreachable")


def describe(provider: str) -> dict[str, Any]:
    """Return what this machine is, as far as it says."""
    return {
        "protocol": PROTOCOL_VERSION,
        "machine": platform.machine(),
        "system": platform.system(),
        "processor": _cpuinfo("model name")
        or _cpuinfo("Hardware")
        or platform.processor()
        or platform.machine(),
        "flags": sorted(set(_cpuinfo("flags").split()) & {"avx2", "avx512f"}),
        "cores": os.cpu_count() or 1,
        "python": platform.python_version(),
        "runtime": "onnxruntime",
        "version": _onnxruntime_version(),
        "provider": provider,
    }


def _onnxruntime_version() -> str:
    try:
        import onnxruntime
    except ImportError:
        return ""
    return str(onnxruntime.__version__)


def _cpuinfo(name: str) -> str:
    path = Path("/proc/cpuinfo")
    lines = path.read_text(errors="replace").splitlines() if path.exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(name)), "")


def climate() -> dict[str, list[float]]:
    """Return temperatures in degrees Celsius and core frequencies in MHz, as far as the system tells."""
    zones = Path("/sys/class/thermal").glob("thermal_zone*/temp")
    cores = Path("/sys/devices/system/cpu").glob("cpu[0-9]*/cpufreq/scaling_cur_freq")
    return {
        "celsius": [value / 1000 for value in map(_number, sorted(zones)) if value is not None],
        "mhz": [value / 1000 for value in map(_number, sorted(cores)) if value is not None],
    }


def _number(path: Path) -> float | None:
    try:
        return float(path.read_text())
    except (OSError, ValueError):
        return None


def load_model(model: Path, inputs: dict[str, list[int]], request: dict[str, Any]) -> tuple[Run, str]:
    """Return one timed inference of an ONNX model, sizes fixed, and the provider that really runs it."""
    import numpy
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = int(request["threads"])
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    for name, extent in request.get("extents", {}).get(model.stem, {}).items():
        options.add_free_dimension_override_by_name(name, int(extent))
    wanted = request["provider"]
    session = onnxruntime.InferenceSession(str(model), options, providers=[wanted])
    rng = numpy.random.default_rng(0)
    features = {name: rng.standard_normal(shape, dtype=numpy.float32) for name, shape in inputs.items()}

    alone = int(request["threads"]) == 1

    def run() -> tuple[float, float | None]:
        held, begin = time.thread_time(), time.perf_counter()
        session.run(None, features)
        passed = time.perf_counter() - begin
        wait = min(max(0.0, passed - (time.thread_time() - held)), 0.999 * passed)
        return passed * 1e3, wait * 1e3 if alone else None

    return run, str(session.get_providers()[0])


def command_runner(command: str, model: Path, runs: int) -> Times:
    """Return a visit by another program: its output is one time in ms a line, the first a warm-up."""
    filled = [part.format(model=str(model), runs=runs + 1) for part in shlex.split(command)]

    def visit() -> tuple[list[float], list[float]]:
        done = subprocess.run(filled, capture_output=True, text=True, check=True, timeout=600)
        times = [float(line) for line in done.stdout.split()]
        return times[1 : runs + 1], []

    return visit


def measure(request: dict[str, Any], folder: Path, command: str | None = None) -> dict[str, Any]:
    """Return every raw time of a batch: visits in random order, the reference net just before each."""
    runs, rng = int(request["runs"]), random.Random(int(request["seed"]))
    visits_of: dict[int, Times] = {}
    providers = set()
    for entry in request["models"]:
        model = folder / f"{entry['sha256']}.onnx"
        if command:
            visits_of[entry["item"]] = command_runner(command, model, runs)
            providers.add(request["provider"])
            continue
        run, provider = load_model(model, entry["inputs"], request)
        visits_of[entry["item"]] = _visit(run, runs)
        providers.add(provider)
    before, start = climate(), time.perf_counter()
    visits = _rounds(visits_of, int(request["visits"]), rng, start)
    return {
        "visits": visits,
        "providers": sorted(providers),
        "climate": {"before": before, "after": climate()},
        "elapsed_s": time.perf_counter() - start,
        "load": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
    }


def _visit(run: Run, runs: int) -> Times:
    def visit() -> tuple[list[float], list[float]]:
        run()
        found = [run() for _ in range(runs)]
        waits = [wait for _, wait in found if wait is not None]
        return [time_ms for time_ms, _ in found], waits

    return visit


def _rounds(
    visits_of: dict[int, Times], count: int, rng: random.Random, start: float
) -> list[dict[str, Any]]:
    reference, items = visits_of.pop(REFERENCE), []
    gc.disable()
    for _ in range(count):
        order = sorted(visits_of)
        rng.shuffle(order)
        for item in order:
            beside, waited = reference()
            at_s = time.perf_counter() - start
            runs, waits = visits_of[item]()
            times = {"runs_ms": runs, "waits_ms": waits, "reference_ms": beside, "reference_waits_ms": waited}
            items.append({"item": item, "at_s": at_s, **times})
    gc.enable()
    return items


REFERENCE = -1000
"""Item of the reference net in a batch; sentinels are -1, -2 ..., necks 0, 1 ..."""


def _child(folder: Path, command: str | None, memory_bytes: int) -> int:
    """Measure the batch in `folder` inside this process, limited, and write `result.json`."""
    try:
        import resource

        if memory_bytes:
            resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    except (ImportError, ValueError, OSError):
        pass  # a system without such limits; the time limit still holds
    try:
        result = measure(json.loads((folder / "request.json").read_text()), folder, command)
    except Exception as error:  # noqa: BLE001 - whatever went wrong is the batch's answer
        result = {"error": type(error).__name__, "detail": str(error)[:2000]}
    (folder / "result.json").write_text(json.dumps(result))
    return 0


def isolated(folder: Path, seconds: float, memory_bytes: int, command: str | None) -> dict[str, Any]:
    """Return the result of measuring the batch in `folder` in a subprocess with limits."""
    call = [
        sys.executable,
        os.path.abspath(__file__),
        "--measure",
        str(folder),
        "--memory",
        str(memory_bytes),
    ]
    call += ["--command", command] if command else []
    try:
        done = subprocess.run(call, timeout=seconds, capture_output=True, text=True, check=False)
    except subprocess.TimeoutExpired:
        return {"error": "Timeout", "detail": f"the batch took more than {seconds:.0f} s"}
    result = folder / "result.json"
    if done.returncode or not result.exists():
        return {"error": "Crash", "detail": f"exit status {done.returncode}: {done.stderr[-1000:]}"}
    found: dict[str, Any] = json.loads(result.read_text())
    return found


class Agent:
    """Enrols once, then takes batches until it is told to stop."""

    def __init__(self, service: Service, state: Path, provider: str, command: str | None = None) -> None:
        self.service, self.state, self.provider, self.command = service, state, provider, command

    def enrol(self, token: str | None) -> None:
        """Become known to the service, by the stored secret or by a one-time token."""
        if self.state.exists():
            self.service.secret = json.loads(self.state.read_text())["secret"]
            return
        if not token:
            raise Refused(f"no agent is stored in {self.state}: give a one-time token with --token")
        answer = self.service.post(
            "/api/v1/agents/enrol", {"token": token, "description": describe(self.provider)}
        )
        assert answer is not None
        self.state.touch(mode=0o600)
        self.state.write_text(json.dumps(answer))
        self.service.secret = answer["secret"]

    def serve_once(self, wait_s: float) -> bool:
        """Ask for one batch, measure it, post the result; return whether there was one."""
        lease = self.service.post(
            "/api/v1/agents/lease", {"wait_s": wait_s, "description": describe(self.provider)}
        )
        if not lease:
            return False
        with tempfile.TemporaryDirectory(prefix="neckline-agent-") as name:
            result = self._measured(lease, Path(name))
        identity = {"batch": lease["batch"], "epoch": lease["epoch"], "description": describe(self.provider)}
        self.service.post("/api/v1/agents/result", {**identity, **result})
        return True

    def _measured(self, lease: dict[str, Any], folder: Path) -> dict[str, Any]:
        request = {**lease["request"], "provider": lease["request"].get("provider") or self.provider}
        try:
            for entry in request["models"]:
                (folder / f"{entry['sha256']}.onnx").write_bytes(self.service.blob(entry["sha256"]))
        except ValueError as error:
            return {"error": "HashMismatch", "detail": str(error)}
        (folder / "request.json").write_text(json.dumps(request))
        seconds, memory = float(request["seconds"]), int(request["memory_bytes"])
        return finite(isolated(folder, seconds, memory, self.command))


def finite(result: dict[str, Any]) -> dict[str, Any]:
    """Return the result, or an error where a time is no number, which JSON could not carry."""
    for visit in result.get("visits", ()):
        if not all(math.isfinite(time_ms) for time_ms in (*visit["runs_ms"], *visit["reference_ms"])):
            return {"error": "InvalidSample", "detail": f"item {visit['item']}: a time is not a number"}
    return result


def main(arguments: list[str] | None = None) -> int:
    """Run the agent until it is stopped."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("url", nargs="?", help="the service's address")
    parser.add_argument("--token", help="one-time token, needed at the first start")
    parser.add_argument(
        "--state", type=Path, default=Path("neckline-agent.json"), help="where the secret is kept"
    )
    parser.add_argument(
        "--provider", default="CPUExecutionProvider", help="ONNX Runtime's execution provider"
    )
    parser.add_argument("--command", help='another runner, such as "bench {model} {runs}"')
    parser.add_argument("--once", action="store_true", help="stop after one batch, or when there is none")
    parser.add_argument("--wait", type=float, default=25.0, help="seconds to wait for work in one request")
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--memory", type=int, default=0, help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.measure:
        return _child(given.measure, given.command, given.memory)
    if not given.url:
        parser.error("the service's address is missing")
    try:
        serve(Agent(Service(given.url), given.state, given.provider, given.command), given)
    except Refused as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def serve(agent: Agent, given: argparse.Namespace) -> None:
    """Enrol, then take batches, one or for ever."""
    agent.enrol(given.token)
    while True:
        try:
            busy = agent.serve_once(given.wait)
        except Refused as error:
            if given.once or "401" in str(error):
                raise
            sys.stderr.write(f"{error}\n")
            busy = False
            agent.service.pause(5)
        if given.once:
            return
        if not busy:
            agent.service.pause(1)


if __name__ == "__main__":
    sys.exit(main())

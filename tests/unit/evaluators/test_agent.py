"""The agent file alone: it runs without this package, limits what it runs, and says what went wrong."""

import ast
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from evaluators import agent
from evaluators.latency.leases import PROTOCOL_VERSION, REFERENCE
from search_space.reference import build
from supernet.export.onnx import random_tensors, write

FILE = Path(agent.__file__)
NECK = build("fpn", {3: 8, 4: 8, 5: 8}, width=8)


def batch(folder: Path, **changes: Any) -> dict[str, Any]:
    """Write a batch of one small neck, reference and sentinel included, and return its request."""
    models, extents = [], {}
    for item in (REFERENCE, -1, 0):
        content = write(NECK, random_tensors(abs(item)))
        name = sha256(content).hexdigest()
        (folder / f"{name}.onnx").write_bytes(content)
        shapes = NECK.shapes((64, 64))
        models.append(
            {"item": item, "sha256": name, "inputs": {e.id: [1, *shapes[e.id]] for e in NECK.inputs}}
        )
        extents[name] = {"batch": 1}
    request = {"models": models, "extents": extents, "threads": 1, "runs": 2, "visits": 3, "seed": 0}
    request |= {"provider": "CPUExecutionProvider", **changes}
    (folder / "request.json").write_text(json.dumps(request))
    return request


def test_it_imports_nothing_but_the_standard_library_and_onnxruntime() -> None:
    tree = ast.parse(FILE.read_text())
    names = {
        alias.name.split(".")[0] for n in ast.walk(tree) if isinstance(n, ast.Import) for alias in n.names
    }
    names |= {(n.module or "").split(".")[0] for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
    assert names - sys.stdlib_module_names <= {"onnxruntime", "numpy"}  # onnxruntime brings numpy along


def test_it_is_written_in_the_oldest_python_that_it_names() -> None:
    ast.parse(FILE.read_text(), feature_version=(3, 9))


def test_it_starts_outside_this_package(tmp_path: Path) -> None:
    copied = tmp_path / "agent.py"
    copied.write_bytes(FILE.read_bytes())
    call = [sys.executable, "-I", str(copied), "--help"]
    done = subprocess.run(call, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "--token" in done.stdout


def test_protocol_versions_agree() -> None:
    assert agent.PROTOCOL_VERSION == PROTOCOL_VERSION
    assert agent.REFERENCE == REFERENCE


def test_a_batch_is_measured_in_a_subprocess(tmp_path: Path) -> None:
    batch(tmp_path)
    result = agent.isolated(tmp_path, 60, 0, None)
    assert result["providers"] == ["CPUExecutionProvider"]
    assert sorted(visit["item"] for visit in result["visits"]) == [-1, -1, -1, 0, 0, 0]
    assert all(len(visit["runs_ms"]) == len(visit["reference_ms"]) == 2 for visit in result["visits"])
    assert set(result["climate"]) == {"before", "after"}


def test_another_program_can_run_the_models(tmp_path: Path) -> None:
    batch(tmp_path)
    bench = tmp_path / "bench.py"
    bench.write_text("import sys\nfor run in range(int(sys.argv[2])): print(100 if run == 0 else 2.5)\n")
    result = agent.isolated(tmp_path, 60, 0, f"{sys.executable} {bench} {{model}} {{runs}}")
    assert {time_ms for visit in result["visits"] for time_ms in visit["runs_ms"]} == {2.5}


def test_a_batch_that_takes_too_long_is_stopped(tmp_path: Path) -> None:
    batch(tmp_path)
    slow = f'{sys.executable} -c "import time; time.sleep(60)"'
    assert agent.isolated(tmp_path, 0.5, 0, slow)["error"] == "Timeout"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="no limit on memory elsewhere")
def test_a_batch_that_takes_too_much_memory_fails_alone(tmp_path: Path) -> None:
    batch(tmp_path)
    bench = tmp_path / "bench.py"
    bench.write_text("import mmap, sys\nmmap.mmap(-1, 3 * 10**9)\nprint(*[1.5] * int(sys.argv[1]))\n")
    hungry = f"{sys.executable} {bench} {{runs}}"
    assert "visits" in agent.isolated(tmp_path, 60, 0, hungry)
    assert "error" in agent.isolated(tmp_path, 60, 2 * 10**9, hungry)


def test_a_batch_that_breaks_says_how(tmp_path: Path) -> None:
    request = batch(tmp_path)
    (tmp_path / f"{request['models'][2]['sha256']}.onnx").write_bytes(b"no model")
    result = agent.isolated(tmp_path, 60, 0, None)
    assert "Invalid" in result["error"] or "Fail" in result["error"]
    assert result["detail"]


def test_a_crash_is_reported(tmp_path: Path) -> None:
    batch(tmp_path)
    (tmp_path / "result.json").mkdir()  # nothing can be written there
    assert agent.isolated(tmp_path, 60, 0, None)["error"] == "Crash"


def test_a_time_that_is_no_number_is_an_error_of_its_own() -> None:
    visit = {"item": 0, "runs_ms": [1.0, float("nan")], "reference_ms": [1.0]}
    assert agent.finite({"visits": [visit]})["error"] == "InvalidSample"
    assert agent.finite({"error": "Timeout"}) == {"error": "Timeout"}


class Handler(BaseHTTPRequestHandler):
    """Answers from a list of (status, body)."""

    answers: list[tuple[int, bytes]]
    seen: list[tuple[str, str | None]]

    def _answer(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        self.rfile.read(length)
        self.seen.append((self.path, self.headers.get("Authorization")))
        status, body = self.answers.pop(0)
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = _answer

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[type[Handler]]:
    """A server on this machine whose answers the test sets."""

    class Mine(Handler):
        answers: list[tuple[int, bytes]] = []  # noqa: RUF012
        seen: list[tuple[str, str | None]] = []  # noqa: RUF012

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Mine)
    thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    Mine.url = f"http://127.0.0.1:{listening.server_port}"  # type: ignore[attr-defined]
    yield Mine
    listening.shutdown()
    thread.join()
    listening.server_close()


def service(server: type[Handler], pauses: list[float]) -> agent.Service:
    return agent.Service(server.url, "secret", pause=pauses.append)  # type: ignore[attr-defined]


def test_a_blob_is_what_its_name_says(server: type[Handler]) -> None:
    server.answers = [(200, b"model"), (200, b"model")]
    name = sha256(b"model").hexdigest()
    assert service(server, []).blob(name) == b"model"
    with pytest.raises(ValueError, match="SHA-256"):
        service(server, []).blob("0" * 64)
    assert server.seen[0] == (f"/api/v1/agents/blobs/{name}", "Bearer secret")


def test_a_busy_service_is_asked_again_and_a_refusal_is_final(server: type[Handler]) -> None:
    pauses: list[float] = []
    server.answers = [(503, b""), (429, b""), (200, b'{"a": 1}')]
    assert service(server, pauses).post("/x", {}) == {"a": 1}
    assert pauses == [1, 2]
    server.answers = [(403, b"set aside")]
    with pytest.raises(agent.Refused, match="403: set aside"):
        service(server, pauses).post("/x", {})


def test_an_absent_service_is_given_up_at_last() -> None:
    pauses: list[float] = []
    with pytest.raises(agent.Refused, match="does not answer"):
        agent.Service("http://127.0.0.1:9", pause=pauses.append).post("/x", {})
    assert pauses == list(agent.RETRY_S)


def test_without_a_token_or_a_secret_it_ends_with_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert agent.main(["http://127.0.0.1:9", "--state", str(tmp_path / "none.json"), "--once"]) == 1
    assert "--token" in capsys.readouterr().err


def test_a_stored_secret_is_used_again(tmp_path: Path, server: type[Handler]) -> None:
    state = tmp_path / "agent.json"
    state.write_text(json.dumps({"id": "a", "secret": "kept"}))
    server.answers = [(204, b"")]
    url: str = server.url  # type: ignore[attr-defined]
    assert agent.main([url, "--state", str(state), "--once", "--wait", "0"]) == 0
    assert server.seen == [("/api/v1/agents/lease", "Bearer kept")]


def test_a_wrong_blob_is_reported_and_not_run(tmp_path: Path, server: type[Handler]) -> None:
    request = batch(tmp_path, seconds=10, memory_bytes=0)
    lease = {"batch": "b", "epoch": 1, "request": request}
    server.answers = [(200, json.dumps(lease).encode()), (200, b"another model"), (200, b"{}")]
    posted: list[dict[str, Any]] = []

    class Watched(agent.Service):
        def post(self, path: str, body: dict[str, Any]) -> dict[str, Any] | None:
            posted.append(body)
            return super().post(path, body)

    url: str = server.url  # type: ignore[attr-defined]
    found = agent.Agent(
        Watched(url, "secret", pause=lambda _: None), tmp_path / "x.json", "CPUExecutionProvider"
    )
    assert found.serve_once(0)
    assert posted[-1]["error"] == "HashMismatch" and posted[-1]["epoch"] == 1

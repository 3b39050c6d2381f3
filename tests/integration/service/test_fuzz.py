"""The API against its own description: generated requests, good and bad, alone and in linked sequences.

The short form runs with the other tests, the long one, of more than 10,000 cases, with the faults.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import schemathesis
from hypothesis import HealthCheck
from schemathesis.checks import CHECKS

from service import schema as migrations
from service.app import create_app
from service.settings import Settings
from service.states import State
from service.store import Store
from service.stores import workers
from service.wiring import open_store

from .conftest import issue
from .scenes import add, end, make_artifact, make_search

SHORT, LONG = 6, 200
"""Examples of each operation."""
EXAMPLES = [SHORT, pytest.param(LONG, marks=[pytest.mark.chaos, pytest.mark.timeout(3600)])]
TALLY: Counter[str] = Counter()


def settings_of(examples: int, **more: Any) -> hypothesis.settings:
    return hypothesis.settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
        **more,
    )


@pytest.fixture(scope="module", autouse=True)
def tally(request: pytest.FixtureRequest) -> Iterator[None]:
    """Say at the end how many cases there were, by the status of their answers."""
    TALLY.clear()
    yield
    found = ", ".join(f"{count} x {status}" for status, count in sorted(TALLY.items()))
    with request.config.pluginmanager.get_plugin("capturemanager").global_and_fixture_disabled():
        print(f"\n{TALLY.total()} cases: {found}")


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Store, str]]:
    """A store with something of every kind in it, and an admin's key."""
    folder: Path = tmp_path_factory.mktemp("fuzz")
    (folder / "datasets").mkdir()
    settings = Settings(
        data=folder,
        heartbeat_s=3600,
        low_water_bytes=0,
        requests_per_minute=10**9,
        max_active_jobs=10**6,
        event_wait_s=0.05,
    )
    store = open_store(settings)
    migrations.upgrade(store.database)
    scene = make_search(store)
    end(store, "dataset")
    end(store, "train")
    subnet = add(store, scene, [(0.5, 2.0), (0.6, 3.0)])[0]
    make_artifact(store, subnet, b"content", folder)
    end(store, "search", State.SUCCEEDED)
    with store.database.write() as tx:
        workers.seen(tx, "w", {})
    yield store, issue(store, "ada", "admin", "write", "read")
    store.close()


@pytest.fixture(scope="module")
def api(fuzzed: tuple[Store, str]) -> schemathesis.BaseSchema:
    store, secret = fuzzed
    app = create_app(store)
    headers = {"Authorization": f"Bearer {secret}", "Host": "localhost"}
    return schemathesis.openapi.from_asgi("/api/v1/openapi.json", app, headers=headers)


def operations() -> list[str]:
    """The ids of every operation, known before any store is made."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        store = open_store(Settings(data=Path(folder)))
        document = create_app(store).openapi()
        store.close()
    return sorted(entry["operationId"] for path in document["paths"].values() for entry in path.values())


def checks() -> list[object]:
    """Every check that holds for all answers of this API."""
    names = ("not_a_server_error", "status_code_conformance", "content_type_conformance")
    return CHECKS.get_by_names([*names, "response_schema_conformance", "response_headers_conformance"])


@pytest.mark.parametrize("examples", EXAMPLES)
@pytest.mark.parametrize("operation", operations())
def test_every_answer_is_described(
    api: schemathesis.BaseSchema, fuzzed: tuple[Store, str], operation: str, examples: int
) -> None:
    headers = {"Authorization": f"Bearer {fuzzed[1]}", "Host": "localhost"}
    target = api.find_operation_by_id(operation)

    @settings_of(examples)
    @hypothesis.given(case=target.as_strategy())
    def call(case: schemathesis.Case) -> None:
        answer = case.call_and_validate(headers=headers, checks=checks())
        TALLY[str(answer.status_code)] += 1

    call()


@pytest.mark.parametrize("examples", EXAMPLES)
def test_linked_sequences_are_described_too(
    api: schemathesis.BaseSchema, fuzzed: tuple[Store, str], examples: int
) -> None:
    headers = {"Authorization": f"Bearer {fuzzed[1]}", "Host": "localhost"}

    class Linked(api.as_state_machine()):  # type: ignore[misc]
        def get_call_kwargs(self, case: schemathesis.Case) -> dict[str, object]:
            return {"headers": headers}

        def validate_response(self, response: Any, case: schemathesis.Case, **options: object) -> None:
            case.validate_response(response, checks=checks())
            TALLY[f"linked {response.status_code}"] += 1

    Linked.run(settings=settings_of(examples // 2, stateful_step_count=8, phases=[hypothesis.Phase.generate]))

"""What any client may rely on: denial by default, problems, pages, idempotency, limits."""

from __future__ import annotations

from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from service.app import create_app
from service.callers import PUBLIC
from service.identifiers import new_id
from service.settings import Settings
from service.store import Store
from service.wiring import open_store

from .conftest import issue
from .scenes import add, make_search

API = "/api/v1"


def anonymous(store: Store) -> TestClient:
    return TestClient(create_app(store), base_url="http://localhost", raise_server_exceptions=False)


def test_every_route_but_the_health_ones_wants_a_key(store: Store) -> None:
    client = anonymous(store)
    document = create_app(store).openapi()
    walked = 0
    for path, operations in document["paths"].items():
        for method in operations:
            place = path.replace("{suffix}", "svg")
            while "{" in place:
                place = place[: place.index("{")] + new_id() + place[place.index("}") + 1 :]
            if path in PUBLIC or place == f"{API}/agents/enrol":
                continue
            place = place.replace("blobs/", "blobs/" + "0" * 28)
            answer = client.request(
                method.upper(), place, headers={"Content-Type": "application/json"}, content="{}"
            )
            assert answer.status_code == 401, (method, path, answer.status_code)
            assert answer.headers["www-authenticate"].startswith("Bearer")
            walked += 1
    assert walked > 25


def test_an_agent_enrols_with_its_token_only(store: Store) -> None:
    described = {
        "machine": "x86_64",
        "processor": "p",
        "runtime": "onnxruntime",
        "version": "1",
        "protocol": 1,
    }
    body = {"token": "wrong", "description": described}
    assert anonymous(store).post(f"{API}/agents/enrol", json=body).status_code == 401


def test_routes_outside_the_document_want_a_key_too(store: Store) -> None:
    client = anonymous(store)
    for path in ("/api/v1/openapi.json", "/", "/searches", f"/searches/{new_id()}", "/docs", "/redoc"):
        answer = client.get(path, follow_redirects=False)
        assert answer.status_code in (401, 303, 404), (path, answer.status_code)
        if answer.status_code == 303:
            assert "/signin" in answer.headers["location"]


@pytest.mark.parametrize("key", ["", "nk_wrong", "Basic abc", "ключ"])
def test_a_wrong_key_is_refused(store: Store, key: str) -> None:
    answer = anonymous(store).get(f"{API}/searches", headers={"Authorization": f"Bearer {key}".encode()})
    assert answer.status_code == 401
    assert answer.json()["type"] == "urn:neckline:problem:unauthorized"


def test_scopes_bound_what_a_key_may_do(store: Store, http: TestClient) -> None:
    reader = {"Authorization": f"Bearer {issue(store, 'ada', 'read')}"}
    writer = {"Authorization": f"Bearer {issue(store, 'ada', 'write')}"}
    assert http.get(f"{API}/searches", headers=reader).status_code == 200
    assert http.post(f"{API}/datasets", headers=reader, json={"builtin": "digits"}).status_code == 403
    assert http.post(f"{API}/datasets", headers=writer, json={"builtin": "digits"}).status_code == 201
    assert http.get(f"{API}/api-keys", headers=writer).status_code == 403
    assert http.get(f"{API}/api-keys").status_code == 200


def test_another_owners_things_do_not_exist(store: Store, http: TestClient) -> None:
    scene = make_search(store)
    (subnet,) = add(store, scene, [(0.5, 1.0)])
    bob = {"Authorization": f"Bearer {issue(store, 'bob', 'write')}"}
    for place in (
        f"datasets/{scene.dataset}",
        f"supernets/{scene.supernet}",
        f"searches/{scene.search}",
        f"searches/{scene.search}/events",
        f"searches/{scene.search}/subnets",
        f"searches/{scene.search}/pareto",
        f"subnets/{subnet}",
        f"subnets/{subnet}/graph.json",
        f"compare?subnet_ids={subnet}",
    ):
        assert http.get(f"{API}/{place}").status_code == 200, place
        assert http.get(f"{API}/{place}", headers=bob).status_code == 404, place
    for action in ("cancel", "pause", "resume"):
        assert http.post(f"{API}/searches/{scene.search}:{action}", headers=bob).status_code == 404
    assert http.get(f"{API}/searches", headers=bob).json()["items"] == []


def test_a_revoked_key_is_useless_at_once(store: Store, http: TestClient) -> None:
    made = http.post(f"{API}/api-keys", json={"name": "ci", "scopes": ["read"]}).json()
    header = {"Authorization": f"Bearer {made['secret']}"}
    assert http.get(f"{API}/searches", headers=header).status_code == 200
    assert http.delete(f"{API}/api-keys/{made['id']}").status_code == 204
    assert http.get(f"{API}/searches", headers=header).status_code == 401
    assert http.delete(f"{API}/api-keys/{made['id']}").status_code == 404


def test_secrets_are_stored_as_hashes_only(store: Store, http: TestClient, secret: str) -> None:
    listed = http.get(f"{API}/api-keys").text
    with store.database.read() as tx:
        rows = str(tx.exec_driver_sql("SELECT * FROM api_keys").all())
    assert secret not in listed and secret not in rows


def test_errors_are_problem_documents(http: TestClient) -> None:
    missing = http.get(f"{API}/searches/{new_id()}")
    problem = missing.json()
    assert missing.headers["content-type"] == "application/problem+json"
    assert (problem["status"], problem["type"]) == (404, "urn:neckline:problem:not-found")
    assert problem["request_id"] == missing.headers["x-request-id"]


def test_an_invalid_body_points_at_each_fault(http: TestClient) -> None:
    body = {"supernet_id": "x", "objectives": [], "budget": {"evaluations": 0}, "colour": 1}
    answer = http.post(f"{API}/searches", json=body)
    assert answer.status_code == 422
    pointers = {fault["pointer"] for fault in answer.json()["errors"]}
    assert {"/supernet_id", "/objectives", "/budget/evaluations", "/colour"} <= pointers


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        (b'{"builtin": "digits", "name": "a\\u0000b"}', "/name"),
        (b'{"builtin": "digits", "name": "\\ud800"}', "/name"),
        (b'{"builtin": NaN}', "/builtin"),
        (b'{"options": {"seed": 99999999999999999999}}', "/options/seed"),
        (b"{", "/"),
        (b"\xff", "/"),
        (b"[" * 40 + b"]" * 40, "/0" * 33),
    ],
)
def test_what_a_database_could_not_hold_is_refused(http: TestClient, body: bytes, pointer: str) -> None:
    answer = http.post(f"{API}/datasets", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == pointer


def test_only_json_is_read(http: TestClient) -> None:
    answer = http.post(f"{API}/datasets", content=b"<a/>", headers={"Content-Type": "application/xml"})
    assert answer.status_code == 415


def test_bodies_are_bounded_with_and_without_a_length(http: TestClient) -> None:
    large = b" " * (2**20 + 1)
    headers = {"Content-Type": "application/json"}
    assert http.post(f"{API}/datasets", content=large, headers=headers).status_code == 413
    pieces = (large[i : i + 65536] for i in range(0, len(large), 65536))
    assert http.post(f"{API}/datasets", content=pieces, headers=headers).status_code == 413


def test_unknown_hosts_are_not_answered(http: TestClient) -> None:
    answer = http.get(f"{API}/searches", headers={"Host": "evil.example"})
    assert (answer.status_code, answer.json()["type"]) == (400, "urn:neckline:problem:host")


def test_every_answer_carries_safe_headers(http: TestClient) -> None:
    for place in (f"{API}/searches", f"{API}/nothing", "/healthz"):
        headers = http.get(place).headers
        assert "unsafe-eval" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert "server" not in headers


def test_an_idempotency_key_replays_the_first_answer(http: TestClient) -> None:
    headers = {"Idempotency-Key": "once"}
    first = http.post(f"{API}/datasets", json={"builtin": "digits"}, headers=headers)
    again = http.post(f"{API}/datasets", json={"builtin": "digits"}, headers=headers)
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json() == again.json() and again.headers["idempotency-replayed"] == "true"
    assert first.headers["location"] == again.headers["location"]
    assert len(http.get(f"{API}/datasets").json()["items"]) == 1


def test_an_idempotency_key_belongs_to_one_request_of_one_owner(store: Store, http: TestClient) -> None:
    headers = {"Idempotency-Key": "once"}
    assert http.post(f"{API}/datasets", json={"builtin": "digits"}, headers=headers).status_code == 201
    other = http.post(f"{API}/datasets", json={"builtin": "digits", "name": "x"}, headers=headers)
    assert (other.status_code, other.json()["errors"][0]["pointer"]) == (422, "header/Idempotency-Key")
    bob = headers | {"Authorization": f"Bearer {issue(store, 'bob', 'write')}"}
    assert (
        http.post(f"{API}/datasets", json={"builtin": "digits", "name": "x"}, headers=bob).status_code == 201
    )


def test_a_request_in_flight_is_a_conflict_and_a_dead_one_is_taken_up(store: Store, http: TestClient) -> None:
    from sqlalchemy import update

    from service.tables import idempotency as table

    headers = {"Idempotency-Key": "once"}
    first = http.post(f"{API}/datasets", json={"builtin": "digits"}, headers=headers).json()
    with store.database.write() as tx:
        tx.execute(update(table).values(done=False))
    assert http.post(f"{API}/datasets", json={"builtin": "digits"}, headers=headers).status_code == 409
    with store.database.write() as tx:
        tx.execute(update(table).values(created_at=table.c.created_at - 1000))
    again = http.post(f"{API}/datasets", json={"builtin": "digits"}, headers=headers)
    assert again.status_code == 201 and again.json()["id"] == first["id"]
    assert len(http.get(f"{API}/datasets").json()["items"]) == 1


def test_a_refused_request_frees_its_key(http: TestClient) -> None:
    headers = {"Idempotency-Key": "once"}
    assert http.post(f"{API}/datasets", json={"path": "missing"}, headers=headers).status_code == 422
    assert http.post(f"{API}/datasets", json={"builtin": "digits"}, headers=headers).status_code == 201


def test_lists_are_cut_into_pages_that_hold_everything_once(http: TestClient) -> None:
    made = [http.post(f"{API}/datasets", json={"builtin": "digits"}).json()["id"] for _ in range(5)]
    seen: list[str] = []
    token = None
    for _ in range(3):
        page = http.get(
            f"{API}/datasets", params={"page_size": 2} | ({"page_token": token} if token else {})
        ).json()
        seen += [item["id"] for item in page["items"]]
        token = page["next_page_token"]
    assert token is None and seen == made[::-1]


@pytest.mark.parametrize("token", ["x", "AAAA", "bm90IGpzb24", "W10", "WzFd", "9" * 1000])
def test_a_foreign_page_token_is_refused(http: TestClient, token: str) -> None:
    answer = http.get(f"{API}/datasets", params={"page_token": token})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "query/page_token")


def test_a_page_token_is_bound_to_its_filters(store: Store, http: TestClient) -> None:
    for _ in range(2):
        make_search(store)
    token = http.get(f"{API}/searches", params={"page_size": 1, "state": "QUEUED"}).json()["next_page_token"]
    same = {"page_size": 1, "state": "QUEUED", "page_token": token}
    assert http.get(f"{API}/searches", params=same).status_code == 200
    assert http.get(f"{API}/searches", params={**same, "state": "FAILED"}).status_code == 422
    assert http.get(f"{API}/supernets", params={"page_token": token}).status_code == 422


def test_too_many_requests_are_told_when_to_come_back(settings: Settings) -> None:
    store = open_store(settings.model_copy(update={"requests_per_minute": 3}))
    client = anonymous(store)
    client.headers["Authorization"] = f"Bearer {issue(store, 'ada', 'read')}"
    answers = [client.get(f"{API}/searches") for _ in range(5)]
    store.close()
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429, 429]
    assert int(answers[-1].headers["retry-after"]) >= 1


def test_an_owner_has_a_most_of_unfinished_work(settings: Settings) -> None:
    store = open_store(settings.model_copy(update={"max_active_jobs": 2}))
    client = anonymous(store)
    client.headers["Authorization"] = f"Bearer {issue(store, 'ada', 'write')}"
    codes = [client.post(f"{API}/datasets", json={"builtin": "digits"}).status_code for _ in range(3)]
    store.close()
    assert codes == [201, 201, 429]


def test_below_the_low_water_mark_new_work_is_refused_and_readiness_says_why(settings: Settings) -> None:
    store = open_store(settings.model_copy(update={"low_water_bytes": 2**60}))
    client = anonymous(store)
    client.headers["Authorization"] = f"Bearer {issue(store, 'ada', 'write')}"
    refused = client.post(f"{API}/datasets", json={"builtin": "digits"})
    ready = client.get("/readyz")
    store.close()
    assert refused.status_code == 503 and "retry-after" in refused.headers
    assert ready.status_code == 503
    assert {check["name"] for check in ready.json()["checks"] if not check["ok"]} == {"disk", "workers"}


def test_health_needs_nothing_and_metrics_need_a_key(store: Store, http: TestClient) -> None:
    assert anonymous(store).get("/healthz").json() == {"alive": True}
    make_search(store)
    text = http.get(f"{API}/metrics").text
    assert 'neckline_jobs{kind="search",state="QUEUED"} 1.0' in text
    assert "neckline_free_disk_bytes" in text and "neckline_requests_total" in text


def test_a_browser_signs_in_with_the_printed_address(store: Store, secret: str) -> None:
    browser = anonymous(store)
    assert browser.get("/signin", params={"token": "wrong"}).status_code == 401
    answer = browser.get("/signin", params={"token": secret}, follow_redirects=False)
    cookie = answer.headers["set-cookie"]
    assert answer.status_code == 303
    assert "HttpOnly" in cookie and "SameSite=strict" in cookie and secret not in cookie
    assert browser.get(f"{API}/searches").status_code == 200


def test_a_cookie_changes_nothing_from_another_site(store: Store, secret: str) -> None:
    browser = anonymous(store)
    browser.get("/signin", params={"token": secret}, follow_redirects=False)
    body = {"builtin": "digits"}
    own = {"Origin": "http://localhost", "Sec-Fetch-Site": "same-origin"}
    other = {"Origin": "http://evil.example", "Sec-Fetch-Site": "cross-site"}
    assert browser.post(f"{API}/datasets", json=body, headers=other).status_code == 403
    assert browser.post(f"{API}/datasets", json=body).status_code == 403
    assert browser.post(f"{API}/datasets", json=body, headers=own).status_code == 201


CLIMBS = [
    "../secret",
    "a/../../secret",
    "/etc",
    "~root",
    "a//b",
    "a/./b",
    "%2e%2e/secret",
    "%252e%252e/secret",
    "..\\secret",
    "link/secret",
    "link",
]


@pytest.mark.parametrize("path", CLIMBS)
def test_no_path_leads_out_of_the_dataset_root(
    store: Store, http: TestClient, tmp_path: Path, path: str
) -> None:
    root = store.settings.resolved_dataset_root
    outside = tmp_path / "outside"
    (outside / "secret").mkdir(parents=True)
    (root / "link").symlink_to(outside)
    answer = http.post(f"{API}/datasets", json={"path": path})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/path")
    assert str(tmp_path) not in answer.text


@pytest.mark.parametrize("suffix", ["..%2f..%2fetc", "%2e%2e", "..%252f", "%00", "a%23b"])
def test_no_id_is_a_path(http: TestClient, suffix: str) -> None:
    for place in (f"artifacts/{suffix}/content", f"subnets/{suffix}", f"datasets/{suffix}"):
        assert http.get(f"{API}/{place}").status_code in (404, 422)

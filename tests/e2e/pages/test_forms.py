"""Forms and live pages in a real browser: checked as typed, faults beside their fields, work that ends."""

from __future__ import annotations

import json
import re
from typing import Any

import httpx
import pytest
from playwright.sync_api import expect
from sqlalchemy import select, update

from benchmarks.seeded import add_evaluations, add_search
from service.states import State
from service.stores import artifacts, jobs
from service.tables import predictors
from tests.e2e.pages.conftest import Site, Visitor

pytestmark = pytest.mark.chromium
CHECKED_MS = 60_000
"""The first check loads torch and timm."""


def open_form(visitor: Visitor) -> None:
    visitor.go("/searches/new")
    visitor.page.wait_for_selector("#form[data-ready=yes]")


def test_defaults_can_be_sent_at_once(visit: Visitor) -> None:
    open_form(visit)
    expect(visit.page.locator("#go")).to_be_enabled(timeout=CHECKED_MS)
    expect(visit.page.locator("#estimate")).to_contain_text("necks in the space")
    visit.page.locator("#go").click()
    visit.page.wait_for_url(re.compile(r"/searches/[0-9a-f-]{36}$"))
    expect(visit.page.locator("#stages-title")).to_be_visible()


def test_fault_stands_beside_its_field(visit: Visitor) -> None:
    open_form(visit)
    visit.page.get_by_label("Necks to score").fill("0")
    fault = visit.page.locator("[data-field='/budget/evaluations'] .fault")
    expect(fault).to_be_visible(timeout=CHECKED_MS)
    expect(visit.page.locator("#go")).to_be_disabled()
    visit.page.get_by_label("Necks to score").fill("12")
    expect(fault).to_be_hidden(timeout=CHECKED_MS)
    expect(visit.page.locator("#go")).to_be_enabled(timeout=CHECKED_MS)
    visit.troubles.clear()  # the browser reports the 422 itself


def test_unknown_backbone_is_named_with_near_matches(visit: Visitor) -> None:
    open_form(visit)
    visit.page.get_by_label("Train a new one first").check()
    visit.page.get_by_label("Backbone", exact=True).fill("resnet18x")
    expect(visit.page.locator("[data-field='/supernet/backbone/name'] .fault")).to_contain_text(
        "resnet18", timeout=CHECKED_MS
    )
    visit.shoot("new-fault")
    visit.troubles.clear()  # the browser reports the 422 itself


def test_without_a_device_latency_is_no_objective(visit: Visitor) -> None:
    open_form(visit)
    visit.page.get_by_label("Device", exact=True).select_option("")
    expect(visit.page.locator("input[name=objective][value=macs]")).to_be_checked()
    expect(visit.page.locator("#go")).to_be_enabled(timeout=CHECKED_MS)


def test_search_page_follows_its_events(visit: Visitor, site: Site) -> None:
    search_id = add_search(site.seeded, label="lively", state=State.RUNNING, number=10, budget=64)
    visit.go(f"/searches/{search_id}")
    visit.page.wait_for_selector("#search[data-ready=yes]")
    expect(visit.page.locator("#live")).to_have_text("Live")
    with site.seeded.store.database.write() as tx:
        add_evaluations(tx, search_id, 7, seed=9)
    expect(visit.page.locator("#front-title")).to_contain_text("of 20 scored", timeout=10_000)


def test_search_page_survives_a_dropped_connection_and_a_failed_update(visit: Visitor, site: Site) -> None:
    search_id = add_search(site.seeded, label="cut off", state=State.RUNNING, number=6, budget=64)
    visit.page.route("**/events*", lambda route: route.abort(), times=1)
    visit.go(f"/searches/{search_id}")
    visit.page.wait_for_selector("#search[data-ready=yes]")
    expect(visit.page.locator("#live")).to_have_text("Live", timeout=20_000)
    visit.page.route(f"**/searches/{search_id}", lambda route: route.abort(), times=1)
    with site.seeded.store.database.write() as tx:
        add_evaluations(tx, search_id, 4, seed=9)
    expect(visit.page.locator("#trouble")).to_contain_text("Could not update", timeout=20_000)
    expect(visit.page.locator("#front-title")).to_contain_text("of 9 scored")
    with site.seeded.store.database.write() as tx:
        add_evaluations(tx, search_id, 2, seed=10)
    expect(visit.page.locator("#front-title")).to_contain_text("of 15 scored", timeout=20_000)
    expect(visit.page.locator("#trouble")).to_be_hidden()
    visit.troubles.clear()  # the browser reports the aborted requests itself


def validated(site: Site, **request: object) -> dict[str, Any]:
    """Return what the API makes of a request."""
    headers = {"Authorization": f"Bearer {site.seeded.key}"}
    answer = httpx.post(f"{site.address}/api/v1/searches:validate", json=request, headers=headers, timeout=60)
    found: dict[str, Any] = answer.raise_for_status().json()["resolved"]
    return found


def ticked(visitor: Visitor) -> set[str | None]:
    return {box.get_attribute("value") for box in visitor.page.locator("[name=baseline]:checked").all()}


def test_the_form_shows_what_the_api_would_choose(visit: Visitor, site: Site) -> None:
    resolved = validated(site, supernet_id=site.seeded.supernet_id, devices=[site.seeded.device_id])
    open_form(visit)
    hint = lambda name: visit.page.locator(f"[name='{name}']").get_attribute("placeholder")  # noqa: E731
    assert (hint("/seed"), hint("/budget/parallel")) == ("0", str(resolved["budget"]["parallel"]))
    assert visit.page.locator("[name='/budget/evaluations']").input_value() == str(
        resolved["budget"]["evaluations"]
    )
    strategy = visit.page.locator("[name='/strategy']")
    assert strategy.input_value() == ""
    assert strategy.locator("option").first.text_content() == f"{resolved['strategy']}, the default"
    expect(visit.page.locator("#go")).to_be_enabled(timeout=CHECKED_MS)
    assert ticked(visit) == set(resolved["baselines"])


def sent(visitor: Visitor) -> dict[str, Any]:
    """Press the button and return the request that went out."""
    expect(visitor.page.locator("#go")).to_be_enabled(timeout=CHECKED_MS)
    with visitor.page.expect_request("**/api/v1/searches") as waiting:
        visitor.page.locator("#go").click()
    visitor.page.wait_for_url(re.compile(r"/searches/[0-9a-f-]{36}$"))
    found: dict[str, Any] = waiting.value.post_data_json
    return found


def test_what_nobody_touched_is_left_to_the_api(visit: Visitor, site: Site) -> None:
    open_form(visit)
    visit.page.get_by_label("Train a new one first").check()
    visit.page.locator("summary", has_text="More choices of the training").click()
    visit.page.locator("summary", has_text="More choices of the search").click()
    expect(visit.page.locator("#go")).to_be_enabled(timeout=CHECKED_MS)
    visit.shoot("new-untouched")
    request = sent(visit)
    assert request.pop("supernet").keys() == {"dataset_id"}
    assert request == {
        "devices": [site.seeded.device_id],
        "objectives": ["ap", "latency_ms"],
        "budget": {"evaluations": 64},
    }


def test_what_was_touched_is_sent(visit: Visitor) -> None:
    open_form(visit)
    visit.page.get_by_label("Train a new one first").check()
    visit.page.locator("summary", has_text="More choices of the training").click()
    visit.page.get_by_label("Training steps").fill("7")
    visit.page.get_by_label("Training rule").select_option("sorted")
    visit.page.get_by_label("Backbone's weights").select_option("no")
    visit.page.locator("summary", has_text="More choices of the search").click()
    expect(visit.page.locator("#go")).to_be_enabled(timeout=CHECKED_MS)
    visit.page.locator("[name=baseline][value=pafpn]").uncheck()
    request = sent(visit)
    own = {name: request["supernet"][name] for name in ("steps", "rule", "backbone")}
    assert own == {"steps": 7, "rule": "sorted", "backbone": {"frozen": False}}
    assert "fpn" in request["baselines"] and "pafpn" not in request["baselines"]


def test_the_published_necks_follow_the_space_until_somebody_chooses(visit: Visitor, site: Site) -> None:
    open_form(visit)
    visit.page.get_by_label("Train a new one first").check()
    expect(visit.page.locator("#go")).to_be_enabled(timeout=CHECKED_MS)
    dataset = visit.page.locator("[name='/supernet/dataset_id']").input_value()
    found = {}
    for space in ("fusion_grid", "path_aggregation"):
        wanted = set(validated(site, supernet={"dataset_id": dataset, "space": space})["baselines"])
        found[space] = wanted
        visit.page.locator("summary", has_text="More choices of the training").evaluate(
            "x => x.parentNode.open = true"
        )
        with visit.page.expect_response("**/searches:validate", timeout=CHECKED_MS):
            visit.page.get_by_label("Space of necks").select_option(space)
        expect(visit.page.locator("[name=baseline]:checked")).to_have_count(len(wanted), timeout=CHECKED_MS)
        assert ticked(visit) == wanted
    assert found["fusion_grid"] != found["path_aggregation"]


def test_pause_and_cancel(visit: Visitor, site: Site) -> None:
    search_id = add_search(site.seeded, label="to be stopped", state=State.QUEUED, number=0)
    visit.page.on("dialog", lambda dialog: dialog.accept())
    visit.go(f"/searches/{search_id}")
    visit.page.get_by_role("button", name="Pause").click()
    expect(visit.page.locator("[data-live=state]")).to_have_text("Paused")
    visit.page.get_by_role("button", name="Cancel").click()
    expect(visit.page.locator("[data-live=state]")).to_have_text("Cancelled")


def test_download_in_place(visit: Visitor, site: Site) -> None:
    search_id = add_search(site.seeded, label="with files", number=3)
    visit.go(f"/searches/{search_id}/pareto")
    visit.page.locator("#table tbody a").first.click()
    visit.page.wait_for_selector("#subnet")
    visit.page.get_by_role("button", name="Source").click()
    expect(visit.page.locator("[data-status=source]")).to_contain_text("Waiting for a worker")
    with visit.page.expect_download() as waiting:
        content = finish_artifact(site)
    assert waiting.value.path().read_bytes() == content
    expect(visit.page.locator("[data-status=source] a")).to_have_text("neck.py")


def finish_artifact(site: Site) -> bytes:
    """Do the worker's part: store a file and end the job."""
    store = site.seeded.store
    content = b"class Neck: ...\n"
    source = store.settings.data / "neck.py"
    source.write_bytes(content)
    with store.database.write() as tx:
        job = jobs.claim(tx, worker="test", kinds=("artifact",), lease_s=60)
        assert job is not None
        digest, size = store.files.put(source)
        artifacts.finish(tx, job.id, sha256=digest, size=size, media_type="text/x-python", filename="neck.py")
        jobs.end(tx, job.lease, State.SUCCEEDED)
    return content


def test_dataset_faults_and_progress(visit: Visitor) -> None:
    visit.go("/datasets")
    visit.page.wait_for_selector("body[data-ready=yes]")
    visit.page.get_by_label("Folder below the dataset root").fill("../etc")
    visit.page.get_by_role("button", name="Add", exact=True).click()
    expect(visit.page.locator("[data-field='/path'] .fault")).to_contain_text("..")
    visit.troubles.clear()  # the browser reports the 422 itself
    visit.page.get_by_label("Training images").fill("8")
    visit.page.get_by_role("button", name="Generate").click()
    expect(visit.page.locator("[data-live=datasets]")).to_contain_text("Waits for a worker")


def test_datasets_show_images_with_their_boxes(visit: Visitor) -> None:
    visit.go("/datasets")
    pictures = visit.page.locator(".pictures img")
    assert pictures.count() >= 6
    assert pictures.first.evaluate("image => image.decode().then(() => image.naturalWidth)") >= 96


def test_agent_enrolment_gives_the_command(visit: Visitor, site: Site) -> None:
    visit.go("/devices")
    visit.page.wait_for_selector("body[data-ready=yes]")
    visit.page.get_by_label("Name").fill("kitchen-pi")
    visit.page.get_by_role("button", name="Register and enrol").click()
    expect(visit.page.locator("#enrolment code")).to_have_text(
        re.compile(rf"^neckline agent {re.escape(site.address)} --token \S+$")
    )


def test_device_figures(visit: Visitor) -> None:
    visit.go("/devices")
    visit.page.wait_for_selector("body[data-ready=yes]")
    drawn = visit.page.evaluate("document.querySelector('[data-scatter]').data[1].x.length")
    bars = visit.page.evaluate("document.querySelector('[data-scatter]').data[1].error_y.array.length")
    assert drawn == bars == 48
    words = visit.page.locator("main").inner_text()
    assert "Median error" in words and "Inside the 90 % interval" in words
    shares = visit.page.locator("main table td:nth-child(3)").all_inner_texts()
    assert 95 <= sum(int(share.removesuffix(" %")) for share in shares) <= 103
    assert "dense convolution" in words


def test_device_of_an_earlier_version_asks_for_calibration(visit: Visitor, site: Site) -> None:
    store = site.seeded.store
    with store.database.write() as tx:
        fitted = (predictors.c.device_id == site.seeded.device_id) & predictors.c.document.is_not(None)
        (row,) = tx.execute(select(predictors).where(fitted)).all()
        document = json.loads(row.document)
        document["fingerprint"]["lowering"] -= 1
        tx.execute(update(predictors).values(document=json.dumps(document)).where(predictors.c.id == row.id))
    try:
        visit.go("/devices")
        device = visit.page.locator(f"#d{site.seeded.device_id}")
        expect(device.locator(".note.warn")).to_contain_text("Calibrate it again")
        expect(device.get_by_role("button", name="Calibrate")).to_be_visible()
    finally:
        with store.database.write() as tx:
            tx.execute(update(predictors).values(document=row.document).where(predictors.c.id == row.id))

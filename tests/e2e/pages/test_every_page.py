"""Every page: accessible, silent on the console, within the machine, in both themes and on a phone."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from benchmarks.seeded import add_search
from service.states import State
from tests.e2e.pages.conftest import Site, Visitor

pytestmark = pytest.mark.chromium
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
RULES: dict[str, Any] = {"runOnly": {"type": "tag", "values": TAGS}}
CONTRAST: dict[str, Any] = {"runOnly": {"type": "rule", "values": ["color-contrast"]}}
PHONE = {"width": 390, "height": 844}
PAGES = ("searches", "new", "search", "failed", "pareto", "empty", "subnet", "compare", "devices", "datasets")


@pytest.fixture(scope="module")
def addresses(site: Site) -> dict[str, str]:
    running = add_search(site.seeded, label="in the middle", state=State.RUNNING, number=30, budget=64)
    failed = add_search(site.seeded, label="went wrong", state=State.FAILED, number=5)
    queued = add_search(site.seeded, label="waits", state=State.QUEUED, number=0)
    headers = {"Authorization": f"Bearer {site.seeded.key}"}
    for _ in range(2):  # of one name
        made = httpx.post(f"{site.address}/api/v1/datasets", headers=headers, json={"builtin": "digits"})
        assert made.status_code == 201
    front = httpx.get(f"{site.address}/api/v1/searches/{running}/pareto", headers=headers).json()
    ids = [point["id"] for point in (*front["points"][:2], *front["baselines"][:2])]
    return {
        "searches": "/searches",
        "new": "/searches/new",
        "search": f"/searches/{running}",
        "failed": f"/searches/{failed}",
        "pareto": f"/searches/{running}/pareto",
        "empty": f"/searches/{queued}/pareto",
        "subnet": f"/subnets/{ids[0]}",
        "compare": f"/compare?subnet_ids={','.join(ids)}",
        "devices": "/devices",
        "datasets": "/datasets",
    }


def settle(visitor: Visitor, path: str) -> None:
    visitor.go(path)
    visitor.page.wait_for_selector("main h1")
    for selector in ("#pareto", "#search", "#form"):
        if visitor.page.locator(selector).count():
            visitor.page.wait_for_selector(f"{selector}[data-ready=yes]")


def violations(visitor: Visitor, rules: dict[str, Any]) -> list[str]:
    found = Axe().run(visitor.page, options=rules).response["violations"]
    return [
        f"{rule['id']}: {node['html'][:160]} {node['failureSummary'][:200]}"
        for rule in found
        for node in rule["nodes"]
    ]


@pytest.mark.parametrize("name", PAGES)
def test_page(visit: Visitor, addresses: dict[str, str], name: str) -> None:
    settle(visit, addresses[name])
    visit.shoot(name)
    assert violations(visit, RULES) == []
    visit.page.emulate_media(color_scheme="dark")
    visit.shoot(f"{name}-dark")
    assert violations(visit, CONTRAST) == []
    visit.page.emulate_media(color_scheme="light")
    visit.page.set_viewport_size(PHONE)
    visit.page.wait_for_function("width => document.documentElement.scrollWidth <= width", arg=PHONE["width"])
    visit.shoot(f"{name}-phone")


def test_no_page_runs_or_styles_what_stands_in_its_text(site: Site, addresses: dict[str, str]) -> None:
    headers = {"Authorization": f"Bearer {site.seeded.key}", "Accept": "text/html"}
    for path in addresses.values():
        answer = httpx.get(site.address + path, headers=headers)
        assert answer.status_code == 200
        assert "unsafe" not in answer.headers["content-security-policy"]
        assert not re.search(r"<style|\sstyle=|<script(?![^>]* src=)|\son\w+=", answer.text)


@pytest.mark.parametrize("path", ["/searches/01977b6e-3f60-7cc3-9d6c-5f9a3b1c2d4e", "/subnets/not-an-id"])
def test_missing_ids_get_a_page(visit: Visitor, path: str) -> None:
    visit.go(path)
    assert visit.page.locator("h1").inner_text() == "There is nothing here"
    visit.troubles.clear()  # the browser reports the 404 itself


def test_a_stranger_is_told_how_to_sign_in(site: Site) -> None:
    answer = httpx.get(f"{site.address}/searches", headers={"Accept": "text/html"})
    assert answer.status_code == 401 and "neckline serve" in answer.text
    assert httpx.get(f"{site.address}/searches").headers["content-type"] == "application/problem+json"


def test_comparison_marks_differences_in_one_drawing(visit: Visitor, addresses: dict[str, str]) -> None:
    visit.go(addresses["compare"])
    drawing = visit.page.locator("#differences .drawing svg")
    assert drawing.locator(":is(g.changed, g.added, g.removed) > title").count() > 0
    assert drawing.locator("text.state").count() > 3  # signs, so that no colour must be told apart
    visit.page.get_by_text("node by node").click()
    expect(visit.page.locator("#differences table")).to_be_visible()
    visit.page.locator("select[name=base]").select_option(index=2)
    visit.page.locator("select[name=other]").select_option(index=3)
    visit.page.get_by_role("button", name="Show").click()
    expect(visit.page.locator("#diff-title")).to_have_text("From FPN to PAFPN")
    assert drawing.locator("g.added > title").count() > 0
    assert drawing.locator("g.removed > title").count() == 0


def test_theme_is_remembered(visit: Visitor) -> None:
    visit.go("/searches")
    visit.page.locator("#theme").click()
    visit.go("/devices")
    assert visit.page.evaluate("document.documentElement.dataset.theme") == "dark"


def test_skip_link_is_the_first_stop_of_the_keyboard(visit: Visitor) -> None:
    visit.go("/searches")
    visit.page.keyboard.press("Tab")
    assert visit.page.evaluate("document.activeElement.className") == "skip"
    visit.page.keyboard.press("Enter")
    assert visit.page.evaluate("document.activeElement.id") == "main"

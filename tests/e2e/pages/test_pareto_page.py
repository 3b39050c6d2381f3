"""The Pareto page in a real browser: what is drawn equals the API, and the state survives."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest
from playwright.sync_api import expect

from benchmarks.seeded import add_evaluations, add_search
from service.states import State
from tests.e2e.pages.conftest import Site, Visitor

pytestmark = pytest.mark.chromium


@pytest.fixture(scope="module")
def finished(site: Site) -> str:
    return add_search(site.seeded, label="finished")


def read(site: Site, path: str, **headers: str) -> httpx.Response:
    known = {"Authorization": f"Bearer {site.seeded.key}", **headers}
    return httpx.get(site.address + path, headers=known).raise_for_status()


def api(site: Site, path: str, **headers: str) -> httpx.Response:
    return read(site, f"/api/v1{path}", **headers)


def open_front(visitor: Visitor, search_id: str, query: str = "") -> None:
    visitor.go(f"/searches/{search_id}/pareto{query}")
    visitor.page.wait_for_selector("#pareto[data-ready=yes]")


def drawn(visitor: Visitor, uid: str) -> list[str]:
    found: list[str] = visitor.page.evaluate(
        "uid => document.getElementById('chart').data.find(trace => trace.uid === uid).customdata", uid
    )
    return found


def drag(visitor: Visitor, left: float, top: float, right: float, bottom: float) -> None:
    """Drag across the plot; the corners are parts of its width and height."""
    box = visitor.page.locator("#chart .nsewdrag").first.bounding_box()
    assert box is not None
    place = lambda x, y: (box["x"] + x * box["width"], box["y"] + y * box["height"])  # noqa: E731
    visitor.page.mouse.move(*place(left, top))
    visitor.page.mouse.down()
    visitor.page.mouse.move(*place((left + right) / 2, (top + bottom) / 2), steps=3)
    visitor.page.mouse.move(*place(right, bottom), steps=3)
    visitor.page.mouse.up()


def test_front_equals_the_api(visit: Visitor, finished: str) -> None:
    open_front(visit, finished)
    front = api(visit.site, f"/searches/{finished}/pareto?objectives=latency_ms,ap").json()
    members = {point["id"] for point in front["points"]}
    baselines = {point["id"] for point in front["baselines"]}
    assert set(drawn(visit, "front")) == members - baselines
    assert set(drawn(visit, "baseline")) == baselines
    assert {
        row.get_attribute("data-id") for row in visit.page.locator("#table tbody tr").all()
    } == members | baselines
    visit.shoot("pareto")


def test_every_kind_has_its_own_shape(visit: Visitor, finished: str) -> None:
    open_front(visit, finished)
    shapes: list[str] = visit.page.evaluate(
        "() => ['front', 'dominated', 'infeasible', 'baseline']"
        ".map(uid => document.getElementById('chart').data.find(trace => trace.uid === uid).marker.symbol)"
    )
    assert len(set(shapes)) == 4


def test_table_without_a_script_holds_the_front(site: Site, finished: str) -> None:
    page = read(site, f"/searches/{finished}/pareto", Accept="text/html").text
    front: dict[str, Any] = api(site, f"/searches/{finished}/pareto?objectives=latency_ms,ap").json()
    assert all(f'href="/subnets/{point["id"]}"' in page for point in front["points"])


def test_rectangle_fills_table_and_address(visit: Visitor, finished: str) -> None:
    open_front(visit, finished)
    visit.page.get_by_role("button", name="Rectangle").click()
    drag(visit, 0.05, 0.05, 0.5, 0.95)
    expect(visit.page.locator("#pareto")).to_have_attribute("data-selected", re.compile(r"[1-9]\d*"))
    selected = int(visit.page.locator("#pareto").get_attribute("data-selected") or 0)
    assert f"({selected})" in visit.page.locator("#table-title").inner_text()
    expect(visit.page).to_have_url(re.compile("select=box:"))
    address = visit.page.url
    visit.page.goto(address)
    visit.page.wait_for_selector("#pareto[data-ready=yes]")
    assert visit.page.locator("#pareto").get_attribute("data-selected") == str(selected)


def test_budget_names_the_best_neck_within_it(visit: Visitor, finished: str) -> None:
    open_front(visit, finished, "?budget=2.2")
    front = api(
        visit.site, f"/searches/{finished}/pareto?objectives=ap,latency_ms&constraints=latency_ms<=2.2"
    ).json()
    best = max(front["points"], key=lambda point: point["values"]["ap"])
    link = visit.page.locator("#budget-answer a")
    assert link.get_attribute("href") == f"/subnets/{best['id']}"
    visit.page.locator("#budget").press("ArrowLeft")
    expect(visit.page).to_have_url(re.compile(r"budget=2\.(?!2$)"))


def test_zoom_and_selection_survive_new_points(visit: Visitor, site: Site) -> None:
    running = add_search(site.seeded, label="growing", state=State.RUNNING, number=25, budget=90)
    open_front(visit, running, "?zoom=0.5,4,0.3,0.8&select=box:0.5,3:0.3,0.75")
    before = int(visit.page.locator("#pareto").get_attribute("data-selected") or 0)
    with site.seeded.store.database.write() as tx:
        add_evaluations(tx, running, 40, seed=5)
    expect(visit.page.locator("#counts")).not_to_contain_text("28 evaluations", timeout=10_000)
    assert int(visit.page.locator("#pareto").get_attribute("data-selected") or 0) > before
    ranges = visit.page.evaluate("() => document.getElementById('chart')._fullLayout.xaxis.range")
    assert ranges == pytest.approx([0.5, 4])
    assert "zoom=0.5,4,0.3,0.8" in visit.page.url


def test_nothing_feasible_ranks_by_violation(visit: Visitor, site: Site) -> None:
    search_id = add_search(site.seeded, label="too tight", latency_ms=0.4, number=20)
    open_front(visit, search_id)
    assert visit.page.locator("#infeasible").is_visible()
    misses = [
        float(cell.split()[0].replace(",", ""))
        for cell in visit.page.locator("#table tbody tr td:last-child").all_inner_texts()
    ]
    assert misses == sorted(misses) and misses[0] > 0
    visit.shoot("pareto-infeasible")


def test_downloads_equal_the_api(visit: Visitor, finished: str) -> None:
    open_front(visit, finished)
    with visit.page.expect_download() as waiting:
        visit.page.locator("#csv").click()
    expected = api(
        visit.site, f"/searches/{finished}/pareto?objectives=latency_ms,ap", Accept="text/csv"
    ).content
    assert waiting.value.path().read_bytes() == expected
    for button, start in (("png", b"\x89PNG"), ("svg", b"<svg")):
        with visit.page.expect_download() as waiting:
            visit.page.locator(f"#{button}").click()
        assert waiting.value.path().read_bytes().startswith(start)


def test_pins_lead_to_the_comparison(visit: Visitor, finished: str) -> None:
    open_front(visit, finished)
    boxes = visit.page.locator("#table input[type=checkbox]")
    boxes.nth(0).focus()
    visit.page.keyboard.press("Space")
    boxes.nth(2).check()
    ids = [visit.page.locator("#table tbody tr").nth(index).get_attribute("data-id") for index in (0, 2)]
    assert visit.page.locator("#compare").get_attribute("href") == f"/compare?subnet_ids={ids[0]},{ids[1]}"
    assert f"pins={ids[0]},{ids[1]}" in visit.page.url


def test_dark_theme(visit_dark: Visitor, finished: str) -> None:
    open_front(visit_dark, finished, "?log=x")
    assert visit_dark.page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(16, 19, 23)"
    visit_dark.shoot("pareto-dark")


def test_phone_width_never_scrolls_sideways(visit_phone: Visitor, finished: str) -> None:
    open_front(visit_phone, finished)
    assert visit_phone.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    visit_phone.shoot("pareto-phone")


def test_error_keeps_the_page(visit: Visitor, finished: str) -> None:
    visit.page.route(
        "**/pareto/points*", lambda route: route.fulfill(status=503, json={"detail": "the database rests"})
    )
    visit.go(f"/searches/{finished}/pareto")
    visit.page.wait_for_selector("text=the database rests")
    assert visit.page.locator("#table tbody tr").count() > 3
    visit.page.unroute("**/pareto/points*")
    visit.page.get_by_role("button", name="Try again").click()
    visit.page.wait_for_selector("#veil", state="hidden")
    visit.troubles.clear()  # the browser reports the 503 itself


def test_row_in_focus_shows_its_topology_in_the_chart(visit: Visitor, finished: str) -> None:
    open_front(visit, finished)
    link = visit.page.locator("#table tbody a").first
    link.focus()
    expect(visit.page.locator("#card strong")).to_have_text(link.inner_text())
    drawing = visit.page.locator("#card img")
    expect(drawing).to_be_visible(timeout=15_000)
    assert drawing.evaluate("image => image.naturalWidth") > 100
    visit.page.keyboard.press("Escape")
    expect(visit.page.locator("#card")).to_be_hidden()


def test_log_axes_and_other_metrics_stand_in_the_address(visit: Visitor, finished: str) -> None:
    open_front(visit, finished)
    visit.page.locator("#x-metric").select_option("macs")
    expect(visit.page).to_have_url(re.compile("x=macs"))
    visit.page.locator("#x-log").check()
    expect(visit.page).to_have_url(re.compile("log=x"))
    address = visit.page.url
    visit.go("/devices")
    visit.page.goto(address)
    visit.page.wait_for_selector("#pareto[data-ready=yes]")
    kind = visit.page.evaluate("() => document.getElementById('chart')._fullLayout.xaxis.type")
    assert kind == "log" and visit.page.locator("#x-metric").input_value() == "macs"
    front = api(visit.site, f"/searches/{finished}/pareto?objectives=macs,ap").json()
    members = {point["id"] for point in front["points"]} - {point["id"] for point in front["baselines"]}
    assert set(drawn(visit, "front")) == members


def test_sorts_by_a_column(visit: Visitor, finished: str) -> None:
    open_front(visit, finished)
    visit.page.locator("#table th[data-metric=ap] button").click()
    visit.page.locator("#table th[data-metric=ap] button").click()
    column = [
        cell.split()[0] for cell in visit.page.locator("#table tbody td:nth-child(4)").all_inner_texts()
    ]
    assert column == sorted(column, key=float, reverse=True)
    assert visit.page.locator("#table th[data-metric=ap]").get_attribute("aria-sort") == "descending"


def test_survives_a_dropped_connection(visit: Visitor, site: Site) -> None:
    running = add_search(site.seeded, label="dropped", state=State.RUNNING, number=12, budget=90)
    visit.page.route("**/events*", lambda route: route.abort(), times=1)
    open_front(visit, running)
    expect(visit.page.locator("#live")).to_have_text("Live", timeout=20_000)
    with site.seeded.store.database.write() as tx:
        add_evaluations(tx, running, 5, seed=6)
    expect(visit.page.locator("#counts")).to_contain_text("20 evaluations", timeout=20_000)
    visit.troubles.clear()  # the browser reports the aborted request itself


def test_device_switch_moves_the_axis_to_another_device(visit: Visitor, site: Site) -> None:
    search_id = add_search(site.seeded, label="two devices", number=25, latency_ms=None, on=("pi", "server"))
    open_front(visit, search_id)
    assert visit.page.locator("#x-metric").input_value() == "latency_ms@pi"
    visit.page.get_by_label("Device").select_option("server")
    expect(visit.page).to_have_url(re.compile(r"x=latency_ms(@|%40)server"))
    expect(visit.page.locator("#x-metric")).to_have_value("latency_ms@server")
    expect(visit.page.locator("#chart .xtitle")).to_contain_text("Latency p10 on server (ms)")
    front = api(site, f"/searches/{search_id}/pareto?objectives=ap,latency_ms@server").json()
    shown = set(drawn(visit, "front")) | set(drawn(visit, "baseline"))
    assert {point["id"] for point in front["points"]} <= shown
    values = {point["id"]: point["values"]["latency_ms@server"] for point in front["points"]}
    at = visit.page.evaluate(
        "() => { const t = document.getElementById('chart').data.find(trace => trace.uid === 'front');"
        " return Object.fromEntries(t.customdata.map((id, index) => [id, t.x[index]])); }"
    )
    assert at == {identifier: values[identifier] for identifier in at}


def test_error_in_a_live_update_keeps_what_is_drawn(visit: Visitor, site: Site) -> None:
    running = add_search(site.seeded, label="flaky", state=State.RUNNING, number=12, budget=90)
    open_front(visit, running, "?zoom=0.5,4,0.3,0.8")
    before = drawn(visit, "dominated")
    visit.page.route("**/pareto/points*", lambda route: route.abort())
    with site.seeded.store.database.write() as tx:
        add_evaluations(tx, running, 3, seed=7)
    expect(visit.page.locator("#trouble")).to_contain_text("Could not update", timeout=20_000)
    assert drawn(visit, "dominated") == before
    assert visit.page.locator("#table tbody tr").count() > 3
    expect(visit.page.locator("#veil")).to_be_hidden()
    visit.page.unroute("**/pareto/points*")
    with site.seeded.store.database.write() as tx:
        add_evaluations(tx, running, 2, seed=8)
    expect(visit.page.locator("#counts")).to_contain_text("20 evaluations", timeout=20_000)
    expect(visit.page.locator("#trouble")).to_be_hidden()
    visit.troubles.clear()  # the browser reports the aborted requests itself


def test_every_figure_of_the_table_equals_the_api(visit: Visitor, finished: str) -> None:
    open_front(visit, finished)
    front = api(visit.site, f"/searches/{finished}/pareto?objectives=latency_ms,ap").json()
    points = {point["id"]: point for point in (*front["points"], *front["baselines"])}
    scale = {"MACs": 1e6, "parameters": 1e3}
    heads = visit.page.locator("#table thead th[data-metric]").all()
    metrics = [(head.get_attribute("data-metric") or "", head.inner_text()) for head in heads]
    for row in visit.page.locator("#table tbody tr").all():
        scores = points[row.get_attribute("data-id") or ""]["scores"]
        for (metric, head), cell in zip(metrics, row.locator("td.num").all_inner_texts(), strict=True):
            lines = cell.split("\n")
            wanted = [score for score in scores if score["metric"] == metric]
            assert len(lines) == len(wanted) > 0
            for line, score in zip(lines, wanted, strict=True):
                assert score["source"] in line + head
                assert score["unit"] in ("1", *scale) or score["unit"] in head
                numbers = [float(text) for text in re.findall(r"\d[\d,]*\.?\d*", line.replace(",", ""))]
                exact = [score["value"], *([score["stderr"]] if score["stderr"] else [])]
                divisor = scale.get(score["unit"], 1.0)
                assert numbers == pytest.approx([value / divisor for value in exact], rel=0.05, abs=0.006)

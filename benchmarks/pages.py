"""The web pages in a real Chromium on two cores: first loads, and a Pareto page of 50,000 evaluations.

`--quick` takes about a minute: one load of each page, a few brushes.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median

import httpx
from playwright.sync_api import Browser, Page

from benchmarks import form
from benchmarks.browsing import chromium, open_browser, serving
from benchmarks.form import Figure, Target
from benchmarks.seeded import Seeded, add_many, add_search, open_seeded
from service import wiring

CORES = 2
EVALUATIONS = 50_000
TARGETS = {
    "first_load_s": Target("<=", 2.0),
    "pareto_interactive_s": Target("<=", 1.0),
    "pareto_data_kb": Target("<=", 1000.0),
    "brush_ms": Target("<=", 100.0),
    "requests_outside": Target("<=", 0.0),
}
SEEDS = (0,)
MARK = "name => performance.getEntriesByName('neckline:' + name).at(-1).startTime"
ARRIVED = "() => performance.getEntriesByType('resource').find(e => e.name.includes('/points')).responseEnd"
MARKED = "name => performance.getEntriesByName('neckline:' + name).length > 0"
ARMED = """() => {
  performance.clearMarks();
  const released = () => performance.mark("neckline:released");
  addEventListener("mouseup", released, { once: true, capture: true });
}"""
ANSWERED = """() => new Promise(done => {
  const isAnswered = () => performance.getEntriesByName("neckline:answered").length > 0;
  const look = () => isAnswered() ? done() : requestAnimationFrame(look);
  look();
})"""
LOADED = "() => performance.getEntriesByType('navigation')[0].loadEventEnd"


def measure(*, quick: bool) -> list[Figure]:
    """Return the figures of every page.

    Raises:
        SystemExit: there is no Chromium on this machine.
    """
    path = chromium()
    if path is None:
        raise SystemExit("no Chromium on this machine: `make chromium` installs one where it can")
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])
    wiring.configure_logging("error")
    with tempfile.TemporaryDirectory() as folder:
        seeded = open_seeded(Path(folder))
        many, few = add_many(seeded, EVALUATIONS), add_search(seeded)
        with serving(seeded.store) as address, open_browser(path) as browser:
            look = _Look(browser, address, seeded)
            figures = look.loads(_addresses(address, seeded, few), 1 if quick else 5)
            figures += look.many(many, 5 if quick else 20)
        seeded.store.close()
    return figures


def _addresses(address: str, seeded: Seeded, search_id: str) -> list[str]:
    headers = {"Authorization": f"Bearer {seeded.key}"}
    front = httpx.get(f"{address}/api/v1/searches/{search_id}/pareto", headers=headers).json()["points"]
    ids = [point["id"] for point in front[:4]]
    search = f"/searches/{search_id}"
    pages = ["/searches", "/searches/new", search, f"{search}/pareto", f"/subnets/{ids[0]}"]
    return [*pages, f"/compare?subnet_ids={','.join(ids)}", "/devices", "/datasets"]


class _Look:
    """Visits of one browser."""

    def __init__(self, browser: Browser, address: str, seeded: Seeded) -> None:
        self._browser, self._address, self._seeded = browser, address, seeded
        self._outside = 0

    def loads(self, paths: Sequence[str], times: int) -> list[Figure]:
        """Return the slowest page's first load, each time with an empty cache."""
        found = {path: [self._load(path) for _ in range(times)] for path in paths}
        slowest = max(found, key=lambda path: median(found[path]))
        values = found[slowest]
        name = re.sub(r"[0-9a-f-]{36}", "{id}", slowest.partition("?")[0])
        detail = f"empty cache, charts drawn; slowest of {len(paths)} pages: {name}, median of {times}"
        worst = Figure("first_load_s", median(values), "s", detail=detail, low=min(values), high=max(values))
        return [worst, Figure("requests_outside", self._outside, "requests")]

    def many(self, search_id: str, brushes: int) -> list[Figure]:
        """Return how the Pareto page of very many evaluations answers."""
        page = self._open()
        path = f"/searches/{search_id}/pareto"
        page.goto(f"{self._address}{path}?drag=select")
        page.wait_for_function(MARKED, arg="drawn")
        drawn_s = (page.evaluate(MARK, "drawn") - page.evaluate(ARRIVED)) / 1000
        answers = [self._brush(page, 0.35 + 0.6 * turn / brushes) for turn in range(brushes)]
        page.context.close()
        headers = {"Authorization": f"Bearer {self._seeded.key}", "Accept-Encoding": "gzip"}
        with httpx.stream("GET", f"{self._address}{path}/points", headers=headers) as answer:
            size_kb = sum(len(block) for block in answer.iter_raw()) / 1000
        ordered = sorted(answers)
        detail = f"{EVALUATIONS:,} evaluations"
        return [
            Figure(
                "pareto_interactive_s",
                drawn_s,
                "s",
                detail=f"{detail}; from the data's arrival to the painted chart",
            ),
            Figure("pareto_data_kb", size_kb, "kB", detail=f"{detail}, compressed"),
            Figure("brush_ms", median(answers), "ms", detail=detail, low=ordered[0], high=ordered[-1]),
        ]

    def _open(self) -> Page:
        page = self._browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
        page.on("request", lambda request: self._count(request.url))
        page.goto(f"{self._address}/signin?token={self._seeded.key}")
        return page

    def _count(self, url: str) -> None:
        self._outside += not url.startswith((self._address, "data:", "blob:"))

    def _load(self, path: str) -> float:
        page = self._open()
        page.context.new_cdp_session(page).send("Network.clearBrowserCache")
        page.goto(self._address + path, wait_until="load")
        loaded_ms = float(page.evaluate(LOADED))
        if page.locator("#plotly").count():  # a page with charts has loaded when they can be seen
            page.wait_for_function(MARKED, arg="drawn")
            loaded_ms = max(loaded_ms, float(page.evaluate(MARK, "drawn")))
        page.context.close()
        return loaded_ms / 1000

    def _brush(self, page: Page, right: float) -> float:
        """Return the milliseconds from letting go of a rectangle to the painted table that answers it."""
        box = page.locator("#chart .nsewdrag").first.bounding_box()
        assert box is not None
        page.mouse.move(box["x"] + 0.1 * box["width"], box["y"] + 0.1 * box["height"])
        page.mouse.down()
        page.mouse.move(box["x"] + right * box["width"], box["y"] + 0.8 * box["height"], steps=4)
        page.evaluate(ARMED)
        page.mouse.up()
        page.evaluate(ANSWERED)
        return float(page.evaluate(MARK, "answered")) - float(page.evaluate(MARK, "released"))


if __name__ == "__main__":
    form.main("pages", measure)

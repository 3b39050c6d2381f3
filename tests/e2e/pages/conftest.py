"""A real application over a seeded database on a free port, and a real Chromium that looks at it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, StorageState

from benchmarks.browsing import chromium, open_browser, serving
from benchmarks.seeded import Seeded, open_seeded
from service import wiring

SCREENSHOTS = Path(__file__).parents[3] / "screenshots"


@dataclass(frozen=True)
class Site:
    """A running service."""

    seeded: Seeded
    address: str


@dataclass
class Visitor:
    """A signed-in browser page that remembers everything that went wrong."""

    page: Page
    site: Site
    troubles: list[str] = field(default_factory=list)
    outside: list[str] = field(default_factory=list)

    def go(self, path: str) -> None:
        """Open a page and wait for its script."""
        self.page.goto(self.site.address + path)
        self.page.wait_for_load_state("load")

    def shoot(self, name: str) -> None:
        """Keep a picture of the whole page."""
        SCREENSHOTS.mkdir(exist_ok=True)
        self.page.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=True, caret="initial")


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    wiring.configure_logging("error")
    seeded = open_seeded(tmp_path_factory.mktemp("service"))
    with serving(seeded.store) as address:
        yield Site(seeded, address)
    seeded.store.close()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    path = chromium()
    if path is None:
        pytest.skip("no Chromium on this machine: `make chromium` installs one where it can")
    with open_browser(path) as made:
        yield made


@pytest.fixture(scope="session")
def session(browser: Browser, site: Site) -> StorageState:
    """Sign in once; every visitor begins with this session's cookie and nothing else."""
    context = browser.new_context()
    context.new_page().goto(f"{site.address}/signin?token={site.seeded.key}")
    state = context.storage_state()
    context.close()
    return state


@pytest.fixture
def visit(browser: Browser, site: Site, session: StorageState) -> Iterator[Visitor]:
    yield from visiting(browser, site, session)


@pytest.fixture
def visit_dark(browser: Browser, site: Site, session: StorageState) -> Iterator[Visitor]:
    yield from visiting(browser, site, session, color_scheme="dark")


@pytest.fixture
def visit_phone(browser: Browser, site: Site, session: StorageState) -> Iterator[Visitor]:
    yield from visiting(browser, site, session, viewport={"width": 390, "height": 844}, has_touch=True)


def visiting(browser: Browser, site: Site, session: StorageState, **options: object) -> Iterator[Visitor]:
    """Yield a signed-in visitor; at the end nothing may have gone wrong, nor left the machine."""
    known = {"viewport": {"width": 1280, "height": 900}, "storage_state": session}
    context = browser.new_context(**{**known, **options})  # type: ignore[arg-type]
    visitor = Visitor(context.new_page(), site)
    visitor.page.on(
        "console",
        lambda message: (
            visitor.troubles.append(message.text) if message.type in ("error", "warning") else None
        ),
    )
    visitor.page.on("pageerror", lambda error: visitor.troubles.append(str(error)))
    visitor.page.on(
        "request",
        lambda request: visitor.outside.append(request.url) if not _is_own(request.url, site) else None,
    )
    yield visitor
    context.close()
    assert visitor.troubles == []
    assert visitor.outside == []


def _is_own(url: str, site: Site) -> bool:
    return url.startswith((site.address, "data:", "blob:"))

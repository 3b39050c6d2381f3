"""Static files: hashed addresses, strong ETags, nothing vendored."""

from importlib.resources import files

from starlette.testclient import TestClient

from service.ui import assets, plotly

FOUND = assets.load()


def client() -> TestClient:
    return TestClient(FOUND, base_url="http://testserver")


def test_hashed_address_is_cached_for_ever() -> None:
    answer = client().get(FOUND.url("neckline.css"))
    assert answer.status_code == 200
    assert "immutable" in answer.headers["cache-control"]
    again = client().get(FOUND.url("neckline.css"), headers={"If-None-Match": answer.headers["etag"]})
    assert again.status_code == 304 and not again.content


def test_old_address_is_checked_again() -> None:
    answer = client().get("/static/0000/neckline.css")
    assert answer.status_code == 200 and answer.headers["cache-control"] == "no-cache"


def test_plotly_comes_from_its_distribution() -> None:
    assert not (assets.FOLDER / assets.PLOTLY).exists()
    assert len(client().get(FOUND.url(assets.PLOTLY)).content) > 500_000


def test_refuses_other_names_and_methods() -> None:
    for path in ("/static/x/../pages.py", "/static/x/%2e%2e/pages.py", "/static/x/none.js"):
        assert client().get(path).status_code == 404
    assert client().post(FOUND.url("neckline.css")).status_code == 405


def test_plotly_is_reduced_to_what_pages_draw() -> None:
    whole = files("plotly").joinpath("package_data", assets.PLOTLY).read_text(encoding="utf-8")
    reduced = plotly.scatter_only(whole)
    assert len(reduced) < 0.3 * len(whole)
    assert reduced.startswith(whole[:100]) and reduced.endswith(whole[-100:])
    assert ".register([])" in reduced


def test_another_version_of_plotly_is_served_whole() -> None:
    whole = files("plotly").joinpath("package_data", assets.PLOTLY).read_text(encoding="utf-8")
    other = whole.replace(plotly.TESTED, "plotly.js v99.0.0", 1)
    assert plotly.scatter_only(other) == other

"""Static files: hashed at start, served with strong ETags, cached for ever under an address with the hash."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from importlib.resources import files
from pathlib import Path

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from search_space.drawing import stylesheet
from service.ui.plotly import scatter_only

FOLDER = Path(__file__).parent / "static"
PLOTLY = "plotly.min.js"
DRAWING = "drawing.css"
MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
YEAR_S = 31_536_000


@dataclass(frozen=True)
class Asset:
    """One file, held in memory, and its gzip form, made at its first use."""

    name: str
    content: bytes = field(repr=False)

    @cached_property
    def digest(self) -> str:
        """Return the content's sha256."""
        return hashlib.sha256(self.content).hexdigest()

    @cached_property
    def zipped(self) -> bytes:
        """Return the content as gzip, the same bytes each time."""
        return gzip.compress(self.content, 6, mtime=0)

    @property
    def media_type(self) -> str:
        """Return the media type by the name's suffix."""
        return MEDIA_TYPES[Path(self.name).suffix]


@dataclass(frozen=True)
class Assets:
    """An ASGI application for every static file; it needs no key, since the files are part of the product."""

    by_name: Mapping[str, Asset]

    @cached_property
    def digest(self) -> str:
        """Return a digest of all files; it stands in their addresses, so that a new release has new ones."""
        together = "".join(f"{name}{asset.digest}" for name, asset in sorted(self.by_name.items()))
        return hashlib.sha256(together.encode()).hexdigest()[:16]

    def url(self, name: str) -> str:
        """Return a file's address."""
        assert name in self.by_name, name
        return f"/static/{self.digest}/{name}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a GET or HEAD with the file, or 304, 404 or 405."""
        request = Request(scope)
        response = await run_in_threadpool(self._respond, request)
        await response(scope, receive, send)

    def _respond(self, request: Request) -> Response:
        if request.method not in ("GET", "HEAD"):
            return Response(None, 405, {"Allow": "GET, HEAD"})
        digest, _, name = request.url.path.removeprefix("/static/").partition("/")
        asset = self.by_name.get(name)
        if asset is None:
            return Response("no such file", 404, media_type="text/plain")
        zipped = "gzip" in request.headers.get("accept-encoding", "")
        etag = f'"{asset.digest[:32]}{"-gzip" if zipped else ""}"'
        fresh = f"public, max-age={YEAR_S}, immutable" if digest == self.digest else "no-cache"
        headers = {"ETag": etag, "Cache-Control": fresh, "Vary": "Accept-Encoding"}
        if etag in request.headers.get("if-none-match", ""):
            return Response(None, 304, headers)
        if zipped:
            headers["Content-Encoding"] = "gzip"
        return Response(asset.zipped if zipped else asset.content, 200, headers, asset.media_type)


@cache
def load() -> Assets:
    """Return the files of this package, the rules of drawings, and what pages need of plotly's own bundle,
    read from its distribution.
    """
    found = {
        path.name: Asset(path.name, path.read_bytes()) for path in sorted(FOLDER.iterdir()) if path.is_file()
    }
    bundle = files("plotly").joinpath("package_data", PLOTLY)
    rules = Asset(DRAWING, stylesheet().encode())
    charts = Asset(PLOTLY, scatter_only(bundle.read_text(encoding="utf-8")).encode())
    return Assets(found | {DRAWING: rules, PLOTLY: charts})

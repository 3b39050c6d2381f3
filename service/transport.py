"""HTTP for the client: retries with backoff while it makes sense, idempotency keys, downloads that go on."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import httpx

from service.client_records import ApiError

PREFIX = "/api/v1"
RETRIED = frozenset({429, 502, 503, 504})
FIRST_DELAY_S, MOST_DELAY_S = 0.2, 5.0
T = TypeVar("T")


class Transport:
    """One service over HTTP; gives up when nothing succeeded for ``patience_s`` seconds."""

    def __init__(
        self,
        base_url: str,
        api_key: str | None,
        *,
        patience_s: float,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        headers = {"User-Agent": "neckline-client"}
        if api_key:
            headers["Authorization"] = f"Bearer {api_key}"
        timeout = httpx.Timeout(75.0, connect=5.0)
        self._http = httpx.Client(
            base_url=base_url, headers=headers, timeout=timeout, transport=transport, trust_env=False
        )
        self._patience_s = patience_s
        self._random = random.Random()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def get(self, path: str, **query: Any) -> Any:
        """Return the JSON of a GET."""
        return self._patiently(lambda: self._json(self._http.get(_place(path), params=_given(query))))

    def post(self, path: str, body: Mapping[str, Any] | None, *, key: str | None = None, **query: Any) -> Any:
        """Return the JSON of a POST, which is safe to repeat under its idempotency key."""
        headers = {} if key is None else {"Idempotency-Key": key}

        def once() -> Any:
            return self._json(self._http.post(_place(path), json=body, params=_given(query), headers=headers))

        return self._patiently(once)

    def send(self, path: str, content: bytes) -> Any:
        """Return the JSON of a POST of bytes, of which sending them again changes nothing."""
        headers = {"Content-Type": "application/octet-stream"}
        return self._patiently(
            lambda: self._json(self._http.post(_place(path), content=content, headers=headers))
        )

    def download(self, path: str, target: Path, *, etag: str) -> None:
        """Write the file to the target, going on behind what is there already."""

        def once() -> None:
            done = target.stat().st_size if target.exists() else 0
            headers = {"Range": f"bytes={done}-", "If-Range": etag} if done else {}
            with self._http.stream("GET", path, headers=headers) as answer:
                if answer.status_code == 416:
                    return
                if answer.status_code not in (200, 206):
                    answer.read()
                    self._json(answer)
                with target.open("ab" if answer.status_code == 206 else "wb") as stream:
                    for block in answer.iter_bytes():
                        stream.write(block)

        self._patiently(once, progress=lambda: target.stat().st_size if target.exists() else 0)

    def _patiently(self, call: Callable[[], T], progress: Callable[[], int] = lambda: 0) -> T:
        deadline_s, delay_s, reached = time.monotonic() + self._patience_s, FIRST_DELAY_S, progress()
        while True:
            try:
                return call()
            except (httpx.TransportError, ApiError) as error:
                if isinstance(error, ApiError) and error.status not in RETRIED and not _in_flight(error):
                    raise
                if progress() > reached:
                    reached, delay_s = progress(), FIRST_DELAY_S
                    deadline_s = time.monotonic() + self._patience_s
                wait_s = max(delay_s * (0.5 + self._random.random()), _asked_wait_s(error))
                if time.monotonic() + wait_s > deadline_s:
                    raise
                time.sleep(wait_s)
                delay_s = min(2 * delay_s, MOST_DELAY_S)

    def _json(self, answer: httpx.Response) -> Any:
        if answer.is_success:
            return answer.json()
        try:
            problem = answer.json()
        except ValueError:
            problem = {"title": answer.reason_phrase, "detail": answer.text[:200]}
        raise ApiError(answer.status_code, {**problem, "retry_after": answer.headers.get("retry-after")})


def _place(path: str) -> str:
    return path if path.startswith(PREFIX) else PREFIX + path


def _given(query: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in query.items() if value is not None}


def _in_flight(error: ApiError) -> bool:
    return error.status == 409 and "still being answered" in str(error)


def _asked_wait_s(error: Exception) -> float:
    asked = error.problem.get("retry_after") if isinstance(error, ApiError) else None
    return min(float(asked), MOST_DELAY_S) if asked and str(asked).isdigit() else 0.0

"""What the log holds of an error."""

import io
import json
from collections.abc import Iterator

import pytest
import structlog

from service.wiring import configure_logging


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    before = structlog.get_config()
    stream = io.StringIO()
    configure_logging("info", stream)
    yield stream
    structlog.configure(**before)


def test_a_traceback_has_its_place_and_no_values_of_variables(log: io.StringIO) -> None:
    def fail(secret: str) -> None:
        raise RuntimeError(f"failed with a key of {len(secret)} characters")

    try:
        fail("nk_" + "s3cret" * 2)
    except RuntimeError as error:
        structlog.get_logger().error("request.error", exc_info=error, request_id="r")
    line = json.loads(log.getvalue())
    (raised,) = line["exception"]
    assert raised["exc_value"] == "failed with a key of 15 characters" and line["request_id"] == "r"
    assert raised["frames"][-1]["name"] == "fail"
    assert "s3cret" not in log.getvalue()

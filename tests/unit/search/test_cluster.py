"""A Ray that does not come up in time is started again; any other failure is raised as it is."""

import pytest

from search import cluster


@pytest.fixture
def attempts(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    made: list[object] = []
    monkeypatch.setattr(cluster.ray, "shutdown", lambda: made.append("shutdown"))
    return made


def test_a_late_start_is_tried_again(attempts: list[object], monkeypatch: pytest.MonkeyPatch) -> None:
    def init(*_: object, num_cpus: int, **__: object) -> None:
        attempts.append(num_cpus)
        if len(attempts) < 3:
            raise Exception("The current node timed out during startup. This could happen because ...")

    monkeypatch.setattr(cluster.ray, "init", init)
    cluster.start(2)
    assert attempts == [2, "shutdown", 2]


@pytest.mark.parametrize("text", ["The current node timed out during startup.", "no such option"])
def test_what_does_not_pass_is_raised(
    attempts: list[object], monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    def init(*_: object, **__: object) -> None:
        attempts.append("init")
        raise Exception(text)

    monkeypatch.setattr(cluster.ray, "init", init)
    with pytest.raises(Exception, match=text):
        cluster.start(2)
    assert attempts.count("init") == (cluster.STARTS if "timed out" in text else 1)

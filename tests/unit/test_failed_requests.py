"""What is remembered of requests that replicas failed."""

from datetime import timedelta

from hostess.domain.failed_requests import FORGOTTEN, first
from hostess.domain.ports import FailedTarget
from tests.fakes.clock import START


def test_they_are_added_up() -> None:
    """All of them are counted, the last one says how; after a while without any they are forgotten."""
    later = START + timedelta(minutes=9)
    found = first(FailedTarget("10.0.0.2:80", 1, "connect", out=False), START)
    assert found.text == "a request failed since 00:00:00 UTC, the last one by no connection"

    found = found.and_more(FailedTarget("10.0.0.2:80", 4, "closed", out=True), later)

    assert (found.requests, found.kind, found.out, found.since) == (5, "closed", True, START)
    assert found.text == "5 requests failed since 00:00:00 UTC, the last one by closed without an answer"
    assert not found.over(START + FORGOTTEN)
    assert found.over(later + FORGOTTEN)

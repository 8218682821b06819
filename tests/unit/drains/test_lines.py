"""Lines on their way to a drain: how they look there, and how many may wait."""

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from hostess.domain.drains import Backlog, Drained, as_json, counted, rfc5424, target

LINE = Drained(
    datetime(2026, 1, 2, 3, 4, 5, 678, UTC), "c1", "shop", "production", "web", "12", "1", "stdout", "GET / 200 é"
)


def test_a_line_as_syslog_has_it() -> None:
    """A message has RFC 5424's head, who wrote it, and the text; what is no word there becomes one."""
    said = rfc5424(LINE, "a host").decode()
    odd = rfc5424(replace(LINE, project="", stream="stderr", service='we"b]'), "h").decode()

    assert said == (
        "<14>1 2026-01-02T03:04:05.000678Z a?host shop web.1 - [hostess@32473 environment="
        '"production" service="web" release="12" replica="1" stream="stdout"] GET / 200 é'
    )
    assert odd.startswith("<11>1 2026-01-02T03:04:05.000678Z h - we")
    assert 'service="we\\"b\\]"' in odd


def test_a_message_is_cut_between_characters() -> None:
    """A message is no longer than it may be, and no character of it is cut in two."""
    whole = len(rfc5424(replace(LINE, text=""), "h"))
    for longest in range(whole, whole + 6):
        message = rfc5424(replace(LINE, text="éé€"), "h", longest)

        assert len(message) <= longest
        message.decode()


def test_messages_are_counted() -> None:
    """Each message stands behind its length in bytes, so that line ends in it are harmless."""
    assert counted([b"a\nb", "é".encode()]) == b"3 a\nb2 \xc3\xa9"


def test_a_line_as_json() -> None:
    """A line is one line of JSON, whatever is in it, and no longer than it may be."""
    said = as_json(replace(LINE, text='two\nlines "quoted"'), "host")
    long = json.loads(as_json(replace(LINE, text="x" * 100_000), "host"))

    assert said.count(b"\n") == 1
    assert json.loads(said) == {
        "time": "2026-01-02T03:04:05.000678+00:00",
        "host": "host",
        "project": "shop",
        "environment": "production",
        "service": "web",
        "release": "12",
        "replica": "1",
        "stream": "stdout",
        "message": 'two\nlines "quoted"',
    }
    assert len(long["message"]) == 16 * 1024


def test_the_oldest_go_when_there_is_no_room() -> None:
    """A backlog holds so many bytes; what had to go is counted, and the rest comes in order, in batches."""
    backlog = Backlog(2000)
    for number in range(100):
        backlog.add(replace(LINE, text=f"{number:03}" + "x" * 97))

    first = backlog.take(4, 10**9)
    rest = backlog.take(100, 650)
    one = backlog.take(100, 1)

    assert backlog.lost == 94
    assert [line.text[:3] for line in first] == ["094", "095", "096", "097"]
    assert [line.text[:3] for line in [*rest, *one]] == ["098", "099"]
    assert (len(backlog), backlog.take(9, 9)) == (0, [])


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("syslog://logs", "syslog://logs:514"),
        ("syslog+tls://logs", "syslog+tls://logs:6514"),
        ("syslog+udp://[::1]:5514", "syslog+udp://::1:5514"),
        ("https://me:s%20ecret@in.test/x?key=secret", "https://in.test:443"),
    ],
)
def test_a_drain_is_told_without_its_secrets(url: str, shown: str) -> None:
    """What people are told of a drain is where it is, and never what it is shown."""
    found = target(url)

    assert str(found) == shown
    assert "secret" not in repr(found)
    assert found.password in {"", "s ecret"}

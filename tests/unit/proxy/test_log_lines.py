"""The lines of the access log."""

import json
import re

import pytest

from hostess_proxy.telemetry.log_lines import CombinedLines, JsonLines, _milliseconds
from hostess_proxy.telemetry.relayed import Relayed
from hostess_proxy.traffic import Traffic


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.0, "0.000"), (0.0000014, "0.001"), (0.0123456, "12.346"), (75.0, "75000.000")]
)
def test_durations(seconds: float, text: str) -> None:
    """Durations are milliseconds with three digits behind the point."""
    assert _milliseconds(seconds) == text


def test_refusal() -> None:
    """The line of what was no request says when, who and why."""
    line = JsonLines().refusal(1_700_000_000.0625, "192.0.2.1", 400, "bad-host", 7)

    found = json.loads(line)
    assert found["ts"] == "2023-11-14T22:13:20.062Z"
    assert (found["client"], found["status"], found["error"], found["out"]) == ("192.0.2.1", 400, "bad-host", 7)
    assert line.endswith("}\n")


def test_clock_goes_on_and_back() -> None:
    """Each line has its own time, whatever the line before had."""
    lines = JsonLines()
    times = [json.loads(lines.refusal(at, "a", 400, "c", 0))["ts"] for at in (10.0, 10.5, 11.0, 10.5, 10.0)]

    assert [text[17:] for text in times] == ["10.000Z", "10.500Z", "11.000Z", "10.500Z", "10.000Z"]


def test_ids() -> None:
    """Ten thousand ids are 32 hex digits each, and no two are equal."""
    traffic = Traffic(None)
    ids = {traffic.new_id() for _ in range(10_000)}

    assert len(ids) == 10_000
    assert all(re.fullmatch(rb"[0-9a-f]{32}", one) for one in ids)


def test_connections_to_databases() -> None:
    """They have the keys of a request, or the shape of one."""
    ended = Relayed(
        10.0, "192.0.2.1", "redis", "a.x", '"project":"p","service":"s","release":"v1"', "10.0.0.2:6379", 5, 7, 1.5, ""
    )
    line = json.loads(JsonLines().relayed(ended))
    assert (line["project"], line["service"], line["ms"], line["status"], line["tls"]) == ("p", "s", 1500.0, 200, True)
    assert line.keys() == json.loads(JsonLines().refusal(10.0, "a", 400, "c", 0)).keys()
    assert CombinedLines().relayed(ended) == (
        '192.0.2.1 - - [01/Jan/1970:00:00:10 +0000] "CONNECT a.x redis" 200 7 "-" "-" 1.500\n'
    )

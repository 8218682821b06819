"""Server-sent events as they are sent."""

import pytest

from hostess.doors.api.streams import Sent


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("one", ["one"]),
        ("50%\r100%", ["50%", "100%"]),
        ("a\r\nb\nc", ["a", "b", "c"]),
        ('x\revent: end\rdata: {"exit_code": 0}\r\r', ["x", "event: end", 'data: {"exit_code": 0}', "", ""]),
    ],
)
def test_no_text_can_be_taken_for_a_field(text: str, lines: list[str]) -> None:
    """Readers of event streams end lines at carriage returns, too: every line of a text is one of `data`."""
    sent = Sent(text, id="7", event="stdout").encoded().decode()

    assert "\r" not in sent
    assert sent.splitlines() == ["id: 7", "event: stdout", *(f"data: {line}" for line in lines), ""]

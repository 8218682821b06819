"""BuildKit's messages, decoded and told."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostess.adapters.engine.build_trace import Narrator, Output, Trace, Vertex, bounded, decode, plain


def number(value: int) -> bytes:
    """Return a protobuf number."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def field(tag: int, value: bytes | str | int) -> bytes:
    """Return a protobuf field."""
    if isinstance(value, int):
        return number(tag << 3) + number(value)
    raw = value.encode() if isinstance(value, str) else value
    return number(tag << 3 | 2) + number(len(raw)) + raw


STAMP = field(1, 1795373129)


def test_decode_vertex() -> None:
    """A message gives its vertexes with all that is known of them; unknown fields are passed over."""
    inner = field(1, "sha256:a") + field(2, "sha256:b") + field(3, "[1/2] FROM x") + field(4, 1)
    inner += field(5, STAMP) + field(6, STAMP) + field(7, "broken") + field(99, "new")

    assert decode(field(1, inner) + field(2, b"status") + field(4, b"warning")) == Trace(
        vertexes=(Vertex("sha256:a", "[1/2] FROM x", cached=True, started=True, completed=True, error="broken"),)
    )


def test_decode_output() -> None:
    """A message gives what steps wrote, whatever the bytes."""
    inner = field(1, "sha256:a") + field(2, STAMP) + field(3, 1) + field(4, b"caf\xc3\xa9 \xff\n")

    assert decode(field(3, inner)).outputs == (Output("sha256:a", "café \ufffd\n"),)


@given(st.binary(max_size=200))
def test_decode_never_breaks(data: bytes) -> None:
    """Any bytes are a message or a ValueError."""
    with suppress(ValueError):
        assert isinstance(decode(data), Trace)


def told(narrator: Narrator, *vertexes: Vertex, outputs: tuple[Output, ...] = ()) -> list[str]:
    """Return what the narrator makes of a message."""
    return narrator.hear(Trace(vertexes, outputs))


def test_steps_are_told_when_they_start() -> None:
    """A step is told once, when it starts; BuildKit's own affairs are not."""
    narrator = Narrator()

    assert told(narrator, Vertex("a", "[1/2] RUN x")) == []
    assert told(narrator, Vertex("a", "[1/2] RUN x", started=True)) == ["[1/2] RUN x"]
    assert told(narrator, Vertex("a", "[1/2] RUN x", started=True, completed=True)) == []
    assert told(narrator, Vertex("b", "[internal] load metadata for x", started=True)) == []
    assert told(narrator, Vertex("c", "[2/2] RUN y", started=True, completed=True, cached=True)) == [
        "[2/2] RUN y (cached)"
    ]


def test_output_is_told_by_lines() -> None:
    """What a step writes is told when a line is whole, and what is left when the step ends."""
    narrator = Narrator()
    told(narrator, Vertex("a", "[1/1] RUN x", started=True))

    assert told(narrator, outputs=(Output("a", "one\ntw"),)) == ["  one"]
    assert told(narrator, outputs=(Output("a", "o\nthr"),)) == ["  two"]
    assert told(narrator, Vertex("a", "[1/1] RUN x", started=True, completed=True)) == ["  thr"]
    assert narrator.tail() == ("one", "two", "thr")


def test_side_by_side() -> None:
    """Where two steps write in turns, each change is told by the step's name."""
    narrator = Narrator()
    told(narrator, Vertex("a", "[x 1/1] RUN a", started=True), Vertex("b", "[y 1/1] RUN b", started=True))

    assert told(narrator, outputs=(Output("a", "1\n"), Output("a", "2\n"), Output("b", "3\n"))) == [
        "[x 1/1] RUN a",
        "  1",
        "  2",
        "[y 1/1] RUN b",
        "  3",
    ]


def test_the_step_that_failed() -> None:
    """The step that failed is remembered with its own last lines, not one that was ended because of it."""
    narrator = Narrator()
    told(narrator, Vertex("a", "RUN a", started=True), Vertex("b", "RUN b", started=True))
    told(narrator, outputs=(Output("b", "no such thing\n"), Output("a", "well\n")))
    told(narrator, Vertex("a", "RUN a", started=True, completed=True, error="context canceled"))
    told(narrator, Vertex("b", "RUN b", started=True, completed=True, error="exit code: 1"))

    assert narrator.step == "RUN b"
    assert narrator.tail() == ("no such thing",)


def test_the_tail_is_short() -> None:
    """Thirty lines are kept."""
    narrator = Narrator()
    told(narrator, Vertex("a", "RUN a", started=True))
    told(narrator, outputs=(Output("a", "".join(f"{n}\n" for n in range(100))),))

    assert narrator.tail() == tuple(str(n) for n in range(70, 100))


def test_a_line_without_end_is_cut() -> None:
    """A line that never ends is told in bounded pieces."""
    narrator = Narrator()
    told(narrator, Vertex("a", "RUN a", started=True))
    lines = told(narrator, outputs=tuple(Output("a", "x" * 900) for _ in range(50)))

    assert len(lines) == 10
    assert all(len(line) < 1100 for line in lines)


@pytest.mark.parametrize(
    ("written", "seen"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("10%\r50%\r100%", "100%"),
        ("dos\r", "dos"),
        ("a\tb", "a   b"),
        ("bell\x07 null\x00", "bell null"),
        ("\x1b]0;title\x07text", "text"),
    ],
)
def test_plain(written: str, seen: str) -> None:
    """Colours, titles, control characters and overwritten progress do not reach the pusher."""
    assert plain(written) == seen


def test_bounded() -> None:
    """A long line is cut and says by how much."""
    assert bounded("y" * 1005) == "y" * 1000 + "... (5 more characters)"

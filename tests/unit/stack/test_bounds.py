"""Input is bounded before it is understood."""

import contextlib
import time

import pytest

from hostess.domain.hostess_yml.file import InvalidStack, parse
from hostess.domain.hostess_yml.reading import DEEPEST, LARGEST

START = 'version: "1.0"\nservices:\n'


def refusal(source: bytes | str) -> InvalidStack:
    """Return how the source is refused."""
    with pytest.raises(InvalidStack) as caught:
        parse(source)
    return caught.value


def test_size() -> None:
    """A file of 64 KB is read, one byte more is refused."""
    text = START + "  api: {type: fastapi, image: a}\n"
    padded = text + "#" * (LARGEST - len(text))

    assert parse(padded).services
    assert "larger than 64 KB" in str(refusal(padded + "#").mistakes[0])


def test_encoding() -> None:
    """What is not UTF-8 is refused with the place of the first wrong byte; a byte order mark is no mistake."""
    text = START + "  api: {type: fastapi, image: a}\n"

    assert parse(text.encode("utf-8-sig")).services
    assert "hostess.yml:3:5: is not UTF-8 text" in str(refusal(START.encode() + b"  ap\xff").mistakes[0])
    assert refusal(text.encode("utf-16")).mistakes


@pytest.mark.parametrize("character", ["\x00", "\x01", "\x1b", "\x7f", "\ufffe"])
def test_control_characters(character: str) -> None:
    """A control character is refused at its place, and not repeated in the message."""
    (mistake,) = refusal(START + f"  a{character}i: x\n").mistakes

    assert (mistake.line, mistake.column) == (3, 4)
    assert str(mistake).endswith(f"holds the control character U+{ord(character):04X}")


@pytest.mark.parametrize("opening", ["[", "{a: ", "- ", "a: [", "? "])
def test_depth(opening: str) -> None:
    """Nesting is bounded, however it is written."""
    assert refusal(START + "  api: " + opening * 5000).mistakes
    assert DEEPEST < 50


def test_plain_keys_stay_text() -> None:
    """Keys that YAML takes for numbers or truth values are the text that stands there."""
    stack = parse(START + "  api: {type: fastapi, image: a, env: {on: 1, NO: 2, true: 3}}\n")

    assert dict(stack.services["api"].env) == {"on": "1", "NO": "2", "true": "3"}


@pytest.mark.parametrize(
    "text",
    [
        START + "  api: {type: fastapi, image: a, ports: [" + "a, " * 15000 + "1]}\n",
        START + "".join(f"  s{n:04}: {{type: custom, image: a, depends_on: [s{n + 1:04}]}}\n" for n in range(1000)),
        START + "  api:\n" + "".join(f"    k{n:04}: 1\n" for n in range(4500)),
        START + "".join(f"  s{n:04}: {{type: redis, databases: per_service}}\n" for n in range(1200)),
        START + "  api: {type: fastapi, image: a, env: {A: '" + "${" * 30000 + "'}}\n",
    ],
    ids=["bad-ports", "chain", "unknown-keys", "databases", "dollars"],
)
def test_time(text: str) -> None:
    """The worst files of the largest size are judged within seconds."""
    began = time.process_time()
    with contextlib.suppress(InvalidStack):
        parse(text)

    assert time.process_time() - began < 20

"""No input of any kind gives anything but a Stack or an InvalidStack."""

import json
import random

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hostess.domain.hostess_yml.file import InvalidStack, Mistake, parse
from hostess.domain.hostess_yml.forms import Part
from tests.unit.stack.corpus import INVALID, VALID

FILES = [path.read_text() for path in (*VALID, *INVALID)]
KEYS = sorted({key for part in Part.__subclasses__() for key in part.model_fields} | {"api", "web", "db"})
WORDS = (
    *(
        "fastapi",
        "nextjs",
        "static",
        "custom",
        "postgres",
        "redis",
        "api",
        "web",
        "db",
        "1.0",
        "small",
        "30s",
        "5Gi",
        "daily",
    ),
    *(
        "per_service",
        "healthy",
        "completed",
        "cron",
        "lifecycle",
        "/data",
        "./src",
        "a.example",
        "${api.url}",
        "${secret:X}",
    ),
    *("private", "public", "team", "permanent", "ephemeral", "0 2 * * *", "", "\x00", "\ud800", "${", "<<", "[key]"),
)
TOKENS = st.sampled_from(
    [
        *KEYS,
        *WORDS,
        ":",
        ": ",
        "\n",
        "\n  ",
        "\n    ",
        "- ",
        "[",
        "]",
        "{",
        "}",
        ",",
        '"',
        "'",
        "|",
        ">",
        "&a",
        "*a",
        "!!str",
        "!",
        "#",
        "%YAML 1.1\n---\n",
        "---",
        "...",
        "?",
        "\t",
        "~",
        "<<",
        "\u2028",
        "\ufeff",
        "\\x",
        "@",
        "`",
        "1e999",
        "0x",
    ]
)
LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(-1, 70000), st.floats(), st.sampled_from(WORDS), st.text(max_size=4)
)
TREES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=3), inner, max_size=6)
    ),
    max_leaves=25,
)
QUICK = settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck), print_blob=True)


def judged(source: bytes | str) -> None:
    """Parse the source; let nothing but an InvalidStack with printable mistakes through."""
    found = mistakes(source)

    assert all(str(mistake).isprintable() for mistake in found), found
    assert all(mistake.line > 0 and mistake.column > 0 for mistake in found)
    assert list(found) == sorted(found)


def mistakes(source: bytes | str) -> tuple[Mistake, ...]:
    """Return what is wrong with the source."""
    try:
        parse(source)
    except InvalidStack as refusal:
        return refusal.mistakes or (Mistake(0, 0, "", "refused without a reason"),)
    return ()


@QUICK
@given(st.binary(max_size=300))
def test_bytes(source: bytes) -> None:
    """Random bytes are refused properly."""
    judged(source)


@QUICK
@given(st.text(max_size=300))
def test_text(source: str) -> None:
    """Random text, lone surrogates included, is refused properly."""
    judged(source)


@QUICK
@given(st.lists(TOKENS, max_size=60).map("".join))
def test_yaml_like_text(source: str) -> None:
    """Text made of YAML's own marks and our own words is refused properly."""
    judged(source)


@QUICK
@given(st.dictionaries(st.sampled_from(["version", "name", "services", "jobs", "environments"]), TREES, max_size=5))
def test_trees(tree: dict[str, object]) -> None:
    """Any tree of known keys and values of any kind is judged properly."""
    judged(json.dumps(tree))


@QUICK
@given(TREES, TREES, TREES)
def test_services(one: object, two: object, job: object) -> None:
    """Any services and jobs, however wrong, are judged properly."""
    judged(
        json.dumps({"services": {"api": one, "web": {"type": "custom", "image": "a", "env": two}}, "jobs": {"db": job}})
    )


@QUICK
@given(st.sampled_from(FILES), st.integers(0), st.integers(0), st.text(max_size=3) | TOKENS)
def test_damaged_files(text: str, start: int, length: int, other: str) -> None:
    """A real file with a piece replaced by something else is judged properly."""
    start %= len(text)
    judged(text[:start] + other + text[start + length % 12 :])


@QUICK
@given(st.sampled_from(FILES), st.data())
def test_shuffled_lines(text: str, data: st.DataObject) -> None:
    """A real file with lines dropped, doubled and moved is judged properly."""
    lines = text.splitlines(keepends=True)
    judged("".join(data.draw(st.lists(st.sampled_from(lines), max_size=len(lines) + 3))))


def test_damaged_bytes() -> None:
    """Real files in which a few bytes were changed, dropped, doubled or taken from elsewhere are judged properly."""
    chance = random.Random(20261128)
    sources = [text.encode() for text in FILES]
    for _ in range(1500):
        damaged = bytearray(chance.choice(sources))
        for _ in range(chance.choice((1, 1, 2, 5))):
            place, length = chance.randrange(len(damaged) + 1), chance.randrange(1, 20)
            other = chance.choice(sources)
            start = chance.randrange(len(other))
            damaged[place : place + length] = chance.choice(
                (
                    b"",
                    bytes([chance.randrange(256)]),
                    bytes(damaged[place : place + length]) * 2,
                    other[start : start + chance.randrange(60)],
                )
            )
        judged(bytes(damaged))

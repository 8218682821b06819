"""Files of NAME=value lines."""

import pytest

from hostess.domain.docker_compose.dotenv import parse_dotenv
from hostess.domain.problem import Problem

TEXT = """
# a comment
PLAIN=one two   # and a comment
export OLD=yes
EMPTY=
QUOTED="a # b"
SINGLE='$HOME ${x}'
"""


def test_values_as_they_are_written() -> None:
    """Comments, quotes and `export` are understood; nothing is expanded."""
    values = parse_dotenv(TEXT, "app.env")

    assert values == {"PLAIN": "one two", "OLD": "yes", "EMPTY": "", "QUOTED": "a # b", "SINGLE": "$HOME ${x}"}


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("A= # nothing", ""),
        ("A=#fff", "#fff"),
        ("A = spaced\t# c", "spaced"),
        ("A=x#y", "x#y"),
        ('A="one\\ntwo\\t\\"q\\" \\\\ \\$5"', 'one\ntwo\t"q" \\ $5'),
        ("A='one\\ntwo'", "one\\ntwo"),
        ("A='begin\n# no comment\nend'", "begin\n# no comment\nend"),
        ('A="begin\nend" # c', "begin\nend"),
        ("A=\u2028\x85x", "\u2028\x85x".strip()),
        ("A=it's", "it's"),
        ("export  A=b", "b"),
        ("\ufeffA=b\r", "b"),
        ("A=b=c==", "b=c=="),
        ("A=1\nA=2", "2"),
    ],
)
def test_one_value(line: str, value: str) -> None:
    """Comments need a blank before them; quotes go over lines, and in double ones there are escapes; marks of Windows go."""
    assert parse_dotenv(f"{line}\nB=after", "app.env") == {"A": value, "B": "after"}


@pytest.mark.parametrize("text", ["NOT A LINE", 'A="open', "A='x' y", "1A=b", "A=\0", "=x"])
def test_what_is_no_line_is_told_with_its_place(text: str) -> None:
    """A mistake names file and line."""
    with pytest.raises(Problem) as caught:
        parse_dotenv(f"OK=1\n{text}\n", "app.env")

    assert caught.value.place == "app.env:2:1"

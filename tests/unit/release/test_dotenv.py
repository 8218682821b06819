"""Files of NAME=value lines."""

import pytest

from hostess.domain.dotenv import parse_dotenv
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


@pytest.mark.parametrize("text", ["NOT A LINE", 'A="open', "A='x' y", "1A=b"])
def test_what_is_no_line_is_told_with_its_place(text: str) -> None:
    """A mistake names file and line."""
    with pytest.raises(Problem) as caught:
        parse_dotenv(f"OK=1\n{text}\n", "app.env")

    assert caught.value.place == "app.env:2:1"

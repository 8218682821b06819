"""The corpus of hostess.yml files, good and bad."""

import re
from pathlib import Path

FOLDER = Path(__file__).parents[2] / "corpus" / "hostess_yml"
VALID = sorted((FOLDER / "valid").glob("*.yml"))
INVALID = sorted((FOLDER / "invalid").glob("*.yml"))

_EXPECTED = re.compile(r"^# expect: (.*)$", re.MULTILINE)


def expected(text: str) -> list[str]:
    """Return what a bad file says of itself: "LINE:COLUMN: path: beginning of the message" for each mistake, in order."""
    return _EXPECTED.findall(text)

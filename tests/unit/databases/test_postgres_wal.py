"""What a server tells of its log is believed only where a server could say it: it becomes the names of files."""

import json

import pytest

from hostess.domain.backups.postgres_wal import state
from hostess.domain.problem import Problem

TOLD: dict[str, object] = {
    "system": "7312345678901234567",
    "timeline": 1,
    "segment": 16777216,
    "now": "2026-01-02T03:04:05.678901+00:00",
    "flushed": "0/3000148",
    "oldest": "000000010000000000000002",
    "data": "/var/lib/postgresql/data",
    "held": None,
}


def test_a_server() -> None:
    """What a server says is read."""
    found = state([json.dumps(TOLD | {"held": "0/2000000"})])

    assert (found.system, found.flushed, found.held) == ("7312345678901234567", 0x3000148, 0x2000000)
    assert state([json.dumps(TOLD)]).held is None


@pytest.mark.parametrize(
    "other",
    [
        {"system": "../../../blog/production/database/wal/7312345678901234567"},
        {"system": 7312345678901234567},
        {"timeline": "1"},
        {"timeline": True},
        {"timeline": 0},
        {"segment": 0},
        {"segment": 3},
        {"now": "soon"},
        {"now": None},
        {"flushed": "-1/0"},
        {"flushed": 5},
        {"oldest": None},
        {"oldest": "../x"},
        {"data": "pg; true"},
        {"held": "x/y"},
    ],
    ids=str,
)
def test_what_no_server_says(other: dict[str, object]) -> None:
    """Anything else is refused, in whatever place: a system of which the name leads out of its folder, numbers that are none."""
    with pytest.raises(Problem, match="told nothing"):
        state([json.dumps(TOLD | other)])


@pytest.mark.parametrize("lines", [[], ["no JSON"], ["[]"], ["{}"]])
def test_what_is_no_answer(lines: list[str]) -> None:
    """So is what has not the form at all."""
    with pytest.raises(Problem, match="told nothing"):
        state(lines)

"""Challenges in a table: what is read, and what is refused."""

from typing import Any

import pytest

from hostess_proxy.tables.challenges import NO_CHALLENGES, AlpnChallenge, Challenges
from hostess_proxy.tables.challenges_parsing import MOST_CHALLENGES
from hostess_proxy.tables.parsing import parse_table
from hostess_proxy.tables.table import TableError

ALPN = {"name": "a.x", "chain": "/c.pem", "key": "/c.key"}


def test_read() -> None:
    """Challenges of both kinds are read; a table without them has none."""
    raw = {"http": {"t-1_": "t-1_.key"}, "alpn": [{**ALPN, "name": "A.x."}]}

    assert parse_table({"challenges": raw}).challenges == Challenges(
        {"t-1_": "t-1_.key"}, (AlpnChallenge("a.x", "/c.pem", "/c.key"),)
    )
    assert parse_table({}).challenges == parse_table({"challenges": {}}).challenges == NO_CHALLENGES


@pytest.mark.parametrize(
    ("raw", "place"),
    [
        ([], ""),
        ({"dns": {}}, ".dns"),
        ({"http": []}, ".http"),
        ({"http": {"": "a.b"}}, ".http"),
        ({"http": {"../a": "a.b"}}, ".http"),
        ({"http": {"a" * 129: "a.b"}}, ".http"),
        ({"http": {"a": "b"}}, ".http.a"),
        ({"http": {"a": "a.b\r\n"}}, ".http.a"),
        ({"http": {"a": f"a.{'b' * 129}"}}, ".http.a"),
        ({"http": {f"t{i}": "a.b" for i in range(MOST_CHALLENGES + 1)}}, ".http"),
        ({"alpn": {}}, ".alpn"),
        ({"alpn": [{"name": "a.x", "chain": "/c.pem"}]}, ".alpn[0]"),
        ({"alpn": [{**ALPN, "name": "*.x"}]}, ".alpn[0].name"),
        ({"alpn": [{**ALPN, "name": "*"}]}, ".alpn[0].name"),
        ({"alpn": [{**ALPN, "chain": "c.pem"}]}, ".alpn[0].chain"),
        ({"alpn": [{**ALPN, "key": "/c\0"}]}, ".alpn[0].key"),
        ({"alpn": [ALPN, ALPN]}, ".alpn[1].name"),
        ({"alpn": [{**ALPN, "name": f"a{i}.x"} for i in range(MOST_CHALLENGES + 1)]}, ".alpn"),
    ],
)
def test_refused(raw: Any, place: str) -> None:
    """What is no challenge, or too much of it, is refused, and the place is named."""
    with pytest.raises(TableError) as error:
        parse_table({"challenges": raw})
    assert error.value.place == f"challenges{place}"

"""What the table says about balancing, canaries and bodies."""

from typing import Any

import pytest

from hostess_proxy.tables.parsing import parse_table
from hostess_proxy.tables.table import Buffer, Canary, Table, TableError

ROUTE = {"host": "a.localhost", "service": "a", "release": "1", "targets": ["127.0.0.1:1"]}
STATIC = {"host": "a.localhost", "service": "a", "release": "1", "static": {"root": "/srv"}}
CANARY = {"release": "2", "targets": ["127.0.0.1:2"], "percent": 2.5, "header": "X-Canary", "values": ["yes"]}


def table(**more: Any) -> Table:
    """Return a table of one route."""
    return parse_table({"routes": [ROUTE | more]})


def test_what_a_route_may_say() -> None:
    """Each option is read as it was written."""
    [route] = table(slow_start=30, canary=CANARY, compress=True, buffer={"memory": 10, "disk": 20}).routes

    assert route.slow_start == 30
    assert route.compress
    assert route.buffer == Buffer(10, 20)
    assert route.canary == Canary("2", ("127.0.0.1:2",), 2.5, "X-Canary", ("yes",))
    assert route.addresses() == ("127.0.0.1:1", "127.0.0.1:2")


def test_what_a_route_need_not_say() -> None:
    """Without options a route has none of them; a canary needs but its release and targets."""
    [route] = table().routes
    [tried] = table(canary={"release": "2", "targets": []}).routes

    assert (route.slow_start, route.canary, route.compress, route.buffer) == (0, None, False, None)
    assert table(buffer={}).routes[0].buffer == Buffer(1024 * 1024, 1024 * 1024 * 1024)
    assert tried.canary == Canary("2", ())


@pytest.mark.parametrize(
    ("more", "place"),
    [
        ({"slow_start": -1}, "slow_start"),
        ({"slow_start": "1s"}, "slow_start"),
        ({"compress": "zstd"}, "compress"),
        ({"buffer": True}, "buffer"),
        ({"buffer": {"memory": -1}}, "buffer.memory"),
        ({"buffer": {"disk": "1 GB"}}, "buffer.disk"),
        ({"buffer": {"disc": 1}}, "buffer.disc"),
        ({"canary": True}, "canary"),
        ({"canary": {"targets": []}}, "canary"),
        ({"canary": {"release": "2"}}, "canary"),
        ({"canary": CANARY | {"release": 2}}, "canary.release"),
        ({"canary": CANARY | {"targets": ["x"]}}, "canary.targets[0]"),
        ({"canary": CANARY | {"percent": 101}}, "canary.percent"),
        ({"canary": CANARY | {"percent": -1}}, "canary.percent"),
        ({"canary": CANARY | {"percent": True}}, "canary.percent"),
        ({"canary": CANARY | {"percent": "5"}}, "canary.percent"),
        ({"canary": CANARY | {"header": "X Canary"}}, "canary.header"),
        ({"canary": CANARY | {"values": "yes"}}, "canary.values"),
        ({"canary": CANARY | {"values": [""]}}, "canary.values[0]"),
        ({"canary": CANARY | {"values": ["a", "b\r\n"]}}, "canary.values[1]"),
        ({"canary": CANARY | {"percentage": 1}}, "canary.percentage"),
    ],
)
def test_what_is_no_option(more: dict[str, Any], place: str) -> None:
    """What means nothing is refused at its place."""
    with pytest.raises(TableError) as raised:
        table(**more)

    assert raised.value.place == f"routes[0].{place}"


def test_static_files_have_no_canary() -> None:
    """A route to static files has no canary."""
    with pytest.raises(TableError) as raised:
        parse_table({"routes": [STATIC | {"canary": CANARY}]})

    assert raised.value.place == "routes[0].canary"

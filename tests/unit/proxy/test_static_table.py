"""Routes to static files in the table."""

from typing import Any

import pytest

from hostess_proxy.tables.parsing import parse_table
from hostess_proxy.tables.table import StaticRoot, Table, TableError

ROUTE = {"host": "a.localhost", "service": "a", "release": "1"}


def table(**more: Any) -> Table:
    """Return a table of one route."""
    return parse_table({"routes": [ROUTE | more]})


def test_a_static_route() -> None:
    """A route with `static` needs no targets and has none."""
    [route] = table(static={"root": "/srv/x", "spa": True, "earlier": "/srv/w"}).routes
    assert route.static == StaticRoot("/srv/x", spa=True, earlier="/srv/w")
    assert route.targets == ()
    [plain] = table(static={"root": "/srv/x"}, targets=[]).routes
    assert plain.static == StaticRoot("/srv/x")


@pytest.mark.parametrize(
    ("more", "place"),
    [
        ({}, "routes[0]"),
        ({"static": {"root": "/x"}, "targets": ["127.0.0.1:1"]}, "routes[0].static"),
        ({"static": {}}, "routes[0].static.root"),
        ({"static": {"root": "x"}}, "routes[0].static.root"),
        ({"static": {"root": "/x\0"}}, "routes[0].static.root"),
        ({"static": {"root": "/x", "earlier": "y"}}, "routes[0].static.earlier"),
        ({"static": {"root": "/x", "spa": "yes"}}, "routes[0].static.spa"),
        ({"static": {"root": "/x", "root_": 1}}, "routes[0].static.root_"),
        ({"static": "/x"}, "routes[0].static"),
    ],
)
def test_what_is_no_static_route(more: dict[str, Any], place: str) -> None:
    """What cannot be a folder, or comes with targets, is refused at its place."""
    with pytest.raises(TableError) as raised:
        table(**more)
    assert raised.value.place == place

"""A route's protocol: read strictly, and a target of its own for each."""

from typing import Any

import pytest

from hostess_proxy.tables.parsing import parse_table
from hostess_proxy.tables.table import TableError
from hostess_proxy.targets import Targets

ROUTE: dict[str, Any] = {"host": "a.x", "service": "a", "release": "1", "targets": ["127.0.0.1:9000"]}


@pytest.mark.parametrize("said", ["h2", "HTTP1", "", 1, None, ["h2c"]])
def test_unknown_protocol(said: object) -> None:
    """Anything but http1 and h2c is an error that names the place."""
    with pytest.raises(TableError) as error:
        parse_table({"routes": [{**ROUTE, "protocol": said}]})

    assert error.value.place == "routes[0].protocol"


def test_one_address_by_two_protocols() -> None:
    """Routes that reach one address by different protocols share no connections; the address is counted, and drained, as one."""
    targets = Targets()
    targets.swap(parse_table({"routes": [ROUTE, {**ROUTE, "path": "/calls", "protocol": "h2c"}]}))
    plain, calls = (targets.table.find(b"a.x", path) for path in (b"/", b"/calls"))

    assert plain is not None
    assert calls is not None
    (one,), (other,) = plain.targets, calls.targets
    assert (one.pool, other.pool is not None) == (None, True)
    assert set(targets.at(["127.0.0.1:9000"])) == {one, other}
    assert targets.in_flight() == {"127.0.0.1:9000": 0}


def test_protocol_that_changes() -> None:
    """A table with another protocol for the same address leaves the old target without new requests."""
    targets = Targets()
    targets.swap(parse_table({"routes": [ROUTE]}))
    before = targets.table.find(b"a.x", b"/")
    targets.swap(parse_table({"routes": [{**ROUTE, "protocol": "h2c"}]}))

    assert before is not None
    assert not before.targets[0].in_table

"""Tables are values: strict to read, certain to look up."""

import json
from pathlib import Path
from typing import Any

import pytest

from hostess_proxy.http1.heads import parse_request_fields
from hostess_proxy.tables import file as table_file
from hostess_proxy.tables.parsing import parse_table
from hostess_proxy.tables.table import TableError
from hostess_proxy.targets import LiveTable, Targets

ROUTE: dict[str, Any] = {"host": "a.x", "service": "a", "release": "1", "targets": ["127.0.0.1:9000"]}
DATABASE = {"host": "db.x", "protocol": "postgres", "service": "db", "release": "v1"}
INSIDE: dict[str, Any] = {
    "network": "10.0.0.0/24",
    "address": "10.0.0.200",
    "service": "a",
    "release": "1",
    "replicas": ["10.0.0.2", "10.0.0.3"],
}
KEYED: dict[str, Any] = {"session_key": "ab" * 16}


def found(routes: list[dict[str, Any]], host: str, path: str = "/") -> str | None:
    """Return the service that a request is routed to."""
    name = parse_request_fields(f"Host: {host}\r\n".encode()).name
    live = LiveTable(parse_table({"routes": routes}), Targets()).find(name, path.encode())
    return live.route.service if live is not None else None


def route(host: str, service: str, path: str = "/") -> dict[str, Any]:
    """Make a route."""
    return {**ROUTE, "host": host, "service": service, "path": path}


@pytest.mark.parametrize(
    ("raw", "place"),
    [
        ([], ""),
        ({"routes": {}}, "routes"),
        ({"rutes": []}, "rutes"),
        ({"listeners": []}, "listeners"),
        ({"databases": {}}, "databases"),
        ({"databases": [{"host": "a.x"}]}, "databases[0]"),
        ({"databases": [{**DATABASE, "port": 1}]}, "databases[0].port"),
        ({"databases": [{**DATABASE, "host": "*.x"}]}, "databases[0].host"),
        ({"databases": [{**DATABASE, "host": ""}]}, "databases[0].host"),
        ({"databases": [{**DATABASE, "protocol": "mysql"}]}, "databases[0].protocol"),
        ({"databases": [{**DATABASE, "protocol": []}]}, "databases[0].protocol"),
        ({"databases": [{**DATABASE, "targets": ["10.0.0.2"]}]}, "databases[0].targets[0]"),
        ({"databases": [{**DATABASE, "connections": -1}]}, "databases[0].connections"),
        ({"databases": [{**DATABASE, "allow": ["all"]}]}, "databases[0].allow[0]"),
        ({"databases": [DATABASE, DATABASE]}, "databases[1].host"),
        ({"inside": {}}, "inside"),
        ({"inside": [{"network": "10.0.0.0/24"}]}, "inside[0]"),
        ({"inside": [{**INSIDE, "port": 1}]}, "inside[0].port"),
        ({"inside": [{**INSIDE, "network": "10.0.0.1/24"}]}, "inside[0].network"),
        ({"inside": [{**INSIDE, "address": "10.0.1.200"}]}, "inside[0].address"),
        ({"inside": [{**INSIDE, "address": "fd00::1"}]}, "inside[0].address"),
        ({"inside": [{**INSIDE, "replicas": ["10.0.0.2:80"]}]}, "inside[0].replicas[0]"),
        ({"inside": [{**INSIDE, "ports": [0]}]}, "inside[0].ports[0]"),
        ({"inside": [{**INSIDE, "http": [8000, 65536]}]}, "inside[0].http[1]"),
        ({"inside": [{**INSIDE, "static": {"root": "/x"}}]}, "inside[0].static"),
        ({"inside": [{**INSIDE, "wake": {"requests": 0}}]}, "inside[0].wake.requests"),
        ({"inside": [{**INSIDE, "replicas": [], "wake": {}, "static": {"root": "/x"}}]}, "inside[0].wake"),
        ({"inside": [INSIDE, {**INSIDE, "service": "b"}]}, "inside[1].address"),
        ({"generation": -1}, "generation"),
        ({"generation": True}, "generation"),
        ({"routes": ["x"]}, "routes[0]"),
        ({"routes": [{"host": "a"}]}, "routes[0]"),
        ({"routes": [{**ROUTE, "weight": 1}]}, "routes[0].weight"),
        ({"routes": [{**ROUTE, "host": "a b"}]}, "routes[0].host"),
        ({"routes": [{**ROUTE, "host": "*.*.x"}]}, "routes[0].host"),
        ({"routes": [{**ROUTE, "host": "a.x\r\n"}]}, "routes[0].host"),
        ({"routes": [{**ROUTE, "host": 1}]}, "routes[0].host"),
        ({"routes": [{**ROUTE, "path": "app"}]}, "routes[0].path"),
        ({"routes": [{**ROUTE, "path": "/a?b"}]}, "routes[0].path"),
        ({"routes": [{**ROUTE, "release": 1}]}, "routes[0].release"),
        ({"routes": [{**ROUTE, "service": "a\nb"}]}, "routes[0].service"),
        ({"routes": [{**ROUTE, "targets": "127.0.0.1:1"}]}, "routes[0].targets"),
        ({"routes": [ROUTE, {**ROUTE, "host": "b", "targets": ["127.0.0.1"]}]}, "routes[1].targets[0]"),
        ({"routes": [{**ROUTE, "targets": ["127.0.0.1:0"]}]}, "routes[0].targets[0]"),
        ({"routes": [{**ROUTE, "targets": ["127.0.0.1:65536"]}]}, "routes[0].targets[0]"),
        ({"routes": [{**ROUTE, "targets": ["[zz]:1"]}]}, "routes[0].targets[0]"),
        ({"routes": [{**ROUTE, "redirect_https": 1}]}, "routes[0].redirect_https"),
        ({"routes": [{**ROUTE, "first_byte_timeout": -1}]}, "routes[0].first_byte_timeout"),
        ({"routes": [{**ROUTE, "body_limit": 1.5}]}, "routes[0].body_limit"),
        ({"routes": [ROUTE, {**ROUTE, "host": "A.X.", "service": "b"}]}, "routes[1]"),
        ({"certificates": [{"names": ["a.x"], "chain": "c"}]}, "certificates[0]"),
        ({"routes": [{**ROUTE, "sign_in": []}]}, "session_key"),
        ({"routes": [ROUTE], "session_key": "k" * 32}, "session_key"),
        ({"routes": [ROUTE], "session_key": "ab" * 15}, "session_key"),
        ({"routes": [ROUTE], "session_key": 1}, "session_key"),
        ({**KEYED, "routes": [{**ROUTE, "sign_in": "ab"}]}, "routes[0].sign_in"),
        ({**KEYED, "routes": [{**ROUTE, "sign_in": ["ab" * 32, "AB" * 32]}]}, "routes[0].sign_in[1]"),
        ({**KEYED, "routes": [{**ROUTE, "sign_in": [None]}]}, "routes[0].sign_in[0]"),
    ],
)
def test_invalid_tables(raw: object, place: str) -> None:
    """An invalid table is refused, and the place is named."""
    with pytest.raises(TableError) as error:
        parse_table(raw)
    assert error.value.place == place


def test_claimed_host_and_path() -> None:
    """A host and path that is claimed twice is refused by the name of who has it."""
    with pytest.raises(TableError, match=r"a\.x/app is routed to shop by routes\[0\] already"):
        parse_table({"routes": [route("a.x", "shop", "/app"), route("A.x.", "blog", "/app/")]})


def test_all_keys() -> None:
    """Every key of the format is read."""
    table = parse_table(
        {
            "generation": 7,
            "inside": [{**INSIDE, "ports": [8000, 9000], "http": [8000], "project": "shop"}],
            "routes": [
                {
                    **ROUTE,
                    "path": "/app/",
                    "project": "shop",
                    "redirect_https": True,
                    "expose_release": True,
                    "first_byte_timeout": 5,
                    "body_limit": 1000,
                    "targets": ["127.0.0.1:1", "[::1]:2", "web:3"],
                    "sign_in": ["ab" * 32],
                }
            ],
            "session_key": "0f" * 32,
            "certificates": [{"names": ["a.x", "*.b.x"], "chain": "a.pem", "key": "a.key"}],
        }
    )

    (one,) = table.routes
    assert (one.path, one.project, one.redirect_https, one.expose_release) == ("/app", "shop", True, True)
    assert (one.first_byte_timeout, one.body_limit, table.generation) == (5.0, 1000, 7)
    assert (one.sign_in, table.session_key) == (("ab" * 32,), b"\x0f" * 32)
    assert table.certificates[0].names == ("a.x", "*.b.x")
    (inside,) = table.inside
    assert (inside.project, inside.ports, inside.http) == ("shop", (8000, 9000), (8000,))
    assert inside.route(9000).targets == ("10.0.0.2:9000", "10.0.0.3:9000")


def test_exact_before_wildcard_before_default() -> None:
    """An exact host beats a wildcard, a wildcard beats the default, and a wildcard stands for one label."""
    routes = [route("*", "rest"), route("*.x", "wild"), route("a.x", "exact")]

    assert found(routes, "a.x") == "exact"
    assert found(routes, "b.x") == "wild"
    assert found(routes, "y.a.x") == "rest"
    assert found(routes, "x") == "rest"
    assert found(routes[1:], "y.z") is None


@pytest.mark.parametrize("host", ["a.x", "A.X", "a.x:8080", "a.x.", "A.x.:1"])
def test_host_spellings(host: str) -> None:
    """Case, port and trailing dot make no difference."""
    assert found([route("A.x", "a")], host) == "a"


@pytest.mark.parametrize(
    ("path", "service"),
    [
        ("/", "all"),
        ("/app", "app"),
        ("/app/", "app"),
        ("/app/z", "app"),
        ("/app?q", "app"),
        ("/appointment", "all"),
        ("/app/v2/x", "v2"),
    ],
)
def test_longest_segment_prefix(path: str, service: str) -> None:
    """The longest prefix that ends at a segment's end wins."""
    routes = [route("a.x", "all"), route("a.x", "app", "/app"), route("a.x", "v2", "/app/v2")]

    assert found(routes, "a.x", path) == service


def test_unknown_path() -> None:
    """A host without a route for the path is no other host's matter."""
    assert found([route("a.x", "app", "/app"), route("*", "rest")], "a.x", "/other") is None


def test_saved_and_loaded(tmp_path: Path) -> None:
    """A saved table is the one that is loaded, and nothing else stays in the folder."""
    path = tmp_path / "proxy" / "table.json"
    table = parse_table({"routes": [ROUTE]}).numbered(3)

    table_file.save(path, table)

    assert table_file.load(path) == table
    assert [file.name for file in path.parent.iterdir()] == ["table.json"]


def test_half_written_file(tmp_path: Path) -> None:
    """A crash while writing leaves the last good table."""
    path = tmp_path / "table.json"
    table_file.save(path, parse_table({"routes": [ROUTE]}).numbered(1))
    (tmp_path / "table.json.new").write_text('{"routes": [{"ho')

    loaded = table_file.load(path)

    assert loaded is not None
    assert loaded.generation == 1


@pytest.mark.parametrize("text", ["", "{", "[1]", '{"routes": 1}', "[" * 100_000])
def test_unreadable_file(tmp_path: Path, text: str) -> None:
    """A file that holds no table is an error that names it, never an empty table."""
    path = tmp_path / "table.json"
    path.write_text(text)

    with pytest.raises(TableError):
        table_file.load(path)
    assert path.read_text() == text


def test_absent_file(tmp_path: Path) -> None:
    """No file is no table."""
    assert table_file.load(tmp_path / "none.json") is None


def test_raw_round_trip() -> None:
    """What was parsed can be written and parsed again."""
    table = parse_table({"routes": [ROUTE]}).numbered(9)

    assert parse_table(json.loads(json.dumps(table.raw))) == table

"""Magic variables: found, resolved, escaped."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostess.domain.databases.scopes import Access
from hostess.domain.hostess_yml.file import parse
from hostess.domain.hostess_yml.mistakes import WrongValue
from hostess.domain.hostess_yml.references import (
    Reference,
    RefersTo,
    allowed_properties,
    is_secret,
    needed_secrets,
    properties,
    references,
    resolve,
    resolve_env,
)

STACK = parse("""
version: "1.0"
services:
  api:
    type: fastapi
    image: a
    ports: [8000, 9000]
    env: {ONE: "${secret:B}", TWO: "x${secret:A}y${secret:B}", THREE: "$${secret:NOT}"}
    files: [{name: key, mount: /key, secret: KEY}]
  worker: {type: custom, image: a}
  main-db: {type: postgres}
  cache: {type: redis}
jobs:
  seed: {image: a, command: [x], env: {S: "${secret:SEED}"}}
""")
SERVICES = STACK.services


def test_kinds_of_references() -> None:
    """Secrets, services, ports, the deployment and the service itself are told apart, each with its place."""
    found = references("${secret:KEY} ${main-db.url}${api.port_2.url} ${deployment.id} ${service.name}")

    assert found == (
        Reference(RefersTo.SECRET, "KEY", "", 0),
        Reference(RefersTo.SERVICE, "main-db", "url", 14),
        Reference(RefersTo.SERVICE, "api", "port_2.url", 28),
        Reference(RefersTo.DEPLOYMENT, "deployment", "id", 46),
        Reference(RefersTo.SELF, "service", "name", 63),
    )
    assert [str(reference) for reference in found][:3] == ["${secret:KEY}", "${main-db.url}", "${api.port_2.url}"]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("plain $5 $$ $x {}", "plain $5 $$ $x {}"),
        ("$${HOME}", "${HOME}"),
        ("$$${HOME}", "$${HOME}"),
        ("$${a.url} ${a.url}", "${a.url} <a.url>"),
        ("amqp://${a.host}:${a.port}/", "amqp://<a.host>:<a.port>/"),
        ("", ""),
    ],
)
def test_resolve(text: str, wanted: str) -> None:
    """References are replaced wherever they stand, `$${` becomes `${`, and everything else stays as it is."""
    assert resolve(text, lambda reference: f"<{reference.target}.{reference.property}>") == wanted


def test_values_are_not_resolved_again() -> None:
    """What a reference stands for is taken as it is, even when it looks like a reference."""
    assert resolve_env({"A": "${secret:X}"}, lambda _: "${secret:Y}") == {"A": "${secret:Y}"}


@pytest.mark.parametrize(
    "text", ["${", "${}", "${HOME}", "${a.b.c}", "${secret:}", "${secret:a b}", "${A.url}", "${a.url", "${ a.url}"]
)
def test_malformed(text: str) -> None:
    """What is no reference is refused, never passed on."""
    with pytest.raises(WrongValue):
        references(text)


@given(st.text(alphabet="${}ab.:_ secret1", max_size=30))
def test_any_text(text: str) -> None:
    """Any text is resolved or refused; nothing else happens."""
    try:
        found = references(text)
    except WrongValue:
        return
    assert all(text[reference.place :].startswith(str(reference)) for reference in found)


def test_needed_secrets() -> None:
    """All secrets of services, files and jobs are named once, in the file's order."""
    assert needed_secrets(STACK) == ("B", "A", "KEY", "SEED")


def test_properties_of_a_web_service() -> None:
    """A service that listens has its URLs inside and outside, for each port; the first port is the service's own."""
    urls = {8000: "https://shop-api.example.org", 9000: "http://shop-api-2.localhost:8080"}

    found = properties(SERVICES["api"], external_urls=urls)

    assert found == {
        "url": "http://api:8000",
        "host": "api",
        "port": "8000",
        "external_url": "https://shop-api.example.org",
        "external_host": "shop-api.example.org",
        "port_1.url": "http://api:8000",
        "port_1.port": "8000",
        "port_1.external_url": "https://shop-api.example.org",
        "port_2.url": "http://api:9000",
        "port_2.port": "9000",
        "port_2.external_url": "http://shop-api-2.localhost:8080",
    }
    assert set(allowed_properties(SERVICES["api"])) == set(found)


def test_properties_of_postgres() -> None:
    """Postgres has a URL with its password quoted, and a public one only where there is a public address."""
    found = properties(SERVICES["main-db"], external_urls={}, access=Access("p/w@1"))

    assert found == {
        "url": "postgresql://postgres:p%2Fw%401@main-db:5432/main-db",
        "read_url": "postgresql://postgres:p%2Fw%401@main-db:5432/main-db",
        "host": "main-db",
        "port": "5432",
        "user": "postgres",
        "database": "main-db",
        "password": "p/w@1",
    }
    outside = properties(SERVICES["main-db"], external_urls={5432: "tcp://db.example.org:6000"}, access=Access("p"))
    assert outside["external_url"] == "postgresql://postgres:p@db.example.org:6000/main-db?sslmode=require"
    assert outside["external_host"] == "db.example.org"


def test_properties_of_redis() -> None:
    """Redis has a URL with password and database number."""
    found = properties(SERVICES["cache"], external_urls={}, access=Access("p w", database="3"))

    outside = properties(SERVICES["cache"], external_urls={6379: "tcp://c.example.org:6000"}, access=Access("p w"))

    assert found["url"] == "redis://:p%20w@cache:6379/3"
    assert outside["external_url"] == "rediss://default:p%20w@c.example.org:6000/0"
    assert "user" not in found
    assert "database" not in found


def test_worker_has_a_host_only() -> None:
    """A service that listens on nothing can be named, but has no address."""
    assert allowed_properties(SERVICES["worker"]) == ("host",)
    assert properties(SERVICES["worker"], external_urls={}) == {"host": "worker"}


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("${secret:X}", True),
        ("${main-db.url}", True),
        ("${cache.password}", True),
        ("${main-db.host}", False),
        ("${api.url}", False),
        ("${deployment.id}", False),
    ],
)
def test_what_is_secret(text: str, wanted: bool) -> None:
    """Secrets and credentials of databases are secret; addresses of services are not."""
    assert is_secret(references(text)[0], SERVICES) is wanted

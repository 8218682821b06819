"""Databases that are opened to the outside: what hostess.yml says of it, and what is refused at its place."""

import pytest

from hostess.domain.hostess_yml.file import InvalidStack, parse
from hostess.domain.hostess_yml.openings import refuse_closed
from hostess.domain.hostess_yml.stack import Opening, ServiceType

CLOSED = """version: "1.0"
services:
  api:
    type: fastapi
    image: a
    env:
      A: ${db.external_url}
      B: "at ${kv.external_host}"
      C: ${db.url}
      D: ${api.external_url}
  db: {type: postgres}
  kv: {type: redis, special: {external: false}}
jobs:
  fill: {image: a, command: [x], env: {E: "${db.external_host}"}}
"""
OPENED = """version: "1.0"
services:
  api: {type: fastapi, image: a, env: {A: "${db.external_url} ${kv.external_host}"}}
  db: {type: postgres, special: {external: true}}
  kv: {type: redis, special: {external: {allow: [192.0.2.7, 10.0.0.0/8, 10.0.0.0/8]}}}
"""


def test_what_is_said() -> None:
    """A database is closed unless the file opens it, to all or to networks, each of them once."""
    closed, opened = parse(CLOSED).services, parse(OPENED).services
    assert (closed["db"].opening, closed["kv"].opening, closed["api"].opening) == (None, None, None)
    assert opened["db"].opening == Opening()
    assert opened["kv"].opening == Opening(("192.0.2.7/32", "10.0.0.0/8"))


def test_references_to_what_is_closed() -> None:
    """Every variable that asks for it is refused at its place, with what opens the database and what there is instead."""
    with pytest.raises(InvalidStack) as caught:
        refuse_closed(parse(CLOSED), CLOSED, "here.yml")

    first, *_ = lines = [str(mistake) for mistake in caught.value.mistakes]
    assert first == (
        "here.yml:7:10: services.api.env.A: ${db.external_url} has no value: db is not reached from outside "
        "(open it with `special: {external: true}` in services.db, or use ${db.url} inside the stack)"
    )
    assert [line.partition(": ")[0] for line in lines] == ["here.yml:7:10", "here.yml:8:10", "here.yml:14:43"]


def test_a_host_that_cannot() -> None:
    """Where it is known for what the host listens, what it does not listen for is refused, with the setting."""
    stack = parse(OPENED)
    refuse_closed(stack, OPENED)
    refuse_closed(stack, OPENED, openable=list(ServiceType))

    with pytest.raises(InvalidStack) as caught:
        refuse_closed(stack, OPENED, openable={ServiceType.POSTGRES})
    [mistake] = map(str, caught.value.mistakes)
    assert mistake.startswith("hostess.yml:5:31: services.kv.special.external: this host does not listen for redis")
    assert 'proxy.redis = ":6379"' in mistake


@pytest.mark.parametrize("wrong", ["yes please", "{deny: []}", "{allow: []}", "{allow: [example.com]}", "[10.0.0.0/8]"])
def test_what_is_no_opening(wrong: str) -> None:
    """Anything else is a mistake of the file."""
    with pytest.raises(InvalidStack):
        parse(OPENED.replace("external: true", f"external: {wrong}"))

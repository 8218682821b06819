"""Redis: the limits of its memory, and what a group's user may do."""

import pytest

from hostess.domain.databases import redis
from hostess.domain.hostess_yml.file import parse
from hostess.domain.releases.release import Inside

KNOWN = ("get", "select", "info", "keys", "swapdb", "move", "copy", "client", "script", "function")


@pytest.mark.parametrize(
    ("special", "wanted"),
    [("{}", 0), ("{maxmemory: 100Mi}", 100 * 2**20), ("{maxmemory_percent: 75}", 384 * 2**20)],
)
def test_the_cap_is_a_size_or_a_part_of_the_limit(special: str, wanted: int) -> None:
    """Maxmemory counts as it is, maxmemory_percent of the memory limit, and without either there is none."""
    stack = parse(f'version: "1.0"\nservices: {{kv: {{type: redis, resources: small, special: {special}}}}}\n')

    assert redis.maxmemory(stack.services["kv"]) == wanted


@pytest.mark.parametrize(("special", "told"), [("maxmemory: 500Mi", True), ("maxmemory_percent: 90", False)])
def test_a_cap_near_the_limit_is_told(special: str, told: bool) -> None:
    """Above nine tenths of the limit there is a notice, because redis needs room beside its keys."""
    stack = parse(f'version: "1.0"\nservices: {{kv: {{type: redis, resources: small, special: {{{special}}}}}}}\n')

    assert any("maxmemory is above 90 %" in notice for notice in stack.notices) is told


def test_a_user_may_do_everything_within_its_index() -> None:
    """A group's user has its own index alone, none of the commands that reach further, and those of @dangerous that do not."""
    command = redis.user("api", 3, ["abc"], KNOWN)

    assert command.startswith("ACL SETUSER api reset on #abc ~* &* +@all -@admin -@dangerous ")
    assert command.endswith(" -select +select|3")
    assert {"+info", "+keys", "-swapdb", "-move", "-copy", "-function", "-client|tracking"} <= set(command.split())


def test_commands_that_a_server_lacks_are_not_named() -> None:
    """A rule about an unknown command is an error, so there is none; those of search modules are denied where they are."""
    assert "swapdb" not in redis.user("api", 0, ["abc"], ("get",))
    assert "-ft.search" in redis.user("api", 0, ["abc"], ("get", "ft.search"))


def test_an_older_server_keeps_users_in_memory_alone() -> None:
    """Users are written down where the server can do that, and limits are set in any case."""
    inside = Inside(groups={"api": 0}, maxmemory=5, policy="allkeys-lru")

    digests = {"": ["own"], "api": ["abc"]}

    assert redis.commands(inside, digests, (), lasting=True)[2:] == [
        "ACL SAVE",
        "CONFIG SET maxmemory 5 maxmemory-policy allkeys-lru",
    ]
    assert "ACL SAVE" not in redis.commands(inside, digests, (), lasting=False)


def test_a_user_has_the_passwords_of_today_and_no_others() -> None:
    """While consumers move there are two, each by its hash, and what was taken before is given up."""
    assert redis.own_user(["one", "two"]) == "ACL SETUSER default on resetpass #one #two ~* &* +@all"
    assert redis.user("api", 0, ["one", "two"], ()).startswith("ACL SETUSER api reset on #one #two ~*")


def test_an_answer_other_than_ok_is_a_refusal() -> None:
    """redis-cli ends well whatever the server says, so each line is looked at, and none may be missing."""
    assert redis.refusals(["A", "B"], "OK\nOK\n") == []
    assert redis.refusals(["A", "B"], "OK\nERR no\n") == ["ERR no"]
    assert redis.refusals(["A", "B"], "OK\n") == ["it did not answer"]

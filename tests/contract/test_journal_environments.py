"""What every journal keeps of an environment: its network, its secrets, what closes it, what it used."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from hostess.domain.ports import Journal
from hostess.domain.problem import Problem
from hostess.domain.releases.lock import Lock
from hostess.domain.routing.closures import Closing, Closure
from hostess.domain.usage_history import UsageSpan
from tests.contract.journals import LATER, NOW, SUBNETS


async def test_each_environment_has_its_own_subnet(journal: Journal) -> None:
    """Environments get the first subnet that no other has, keep it, and are refused when none is left."""
    first = await journal.open_place("shop", "production", SUBNETS, NOW)
    second = await journal.open_place("shop", "staging", SUBNETS, NOW)
    again = await journal.open_place("shop", "production", SUBNETS, LATER)
    with pytest.raises(Problem) as caught:
        await journal.open_place("shop", "preview", SUBNETS, NOW)

    assert (first.subnet, second.subnet) == SUBNETS
    assert again == first
    assert caught.value.code == "subnets-exhausted"
    assert await journal.places("shop") == [first, second]
    assert await journal.places("blog") == []


async def test_services_keep_their_addresses(journal: Journal) -> None:
    """Each service gets an address of the pool and keeps it, also while it is gone; environments do not share."""
    await journal.open_place("shop", "production", SUBNETS, NOW)
    first = await journal.give_addresses("shop", "production", ["api", "web"], ["v1", "v2", "v3"])
    again = await journal.give_addresses("shop", "production", ["web"], ["v1", "v2", "v3"])
    await journal.give_addresses("shop", "production", ["web", "new"], ["v1", "v2", "v3"])
    await journal.give_addresses("shop", "staging", ["api"], ["v1", "v2", "v3"])

    assert (first, again) == (True, False)
    assert await journal.addresses() == {
        ("shop", "production"): {"api": "v1", "web": "v2", "new": "v3"},
        ("shop", "staging"): {"api": "v1"},
    }

    await journal.remove_place("shop", "production", ())
    assert ("shop", "production") not in await journal.addresses()


async def test_the_oldest_address_nobody_needs_is_given_anew(journal: Journal) -> None:
    """When all addresses are taken, that of a service which is neither wanted nor live goes; without one nothing changes."""
    await journal.give_addresses("shop", "production", ["a", "b", "c"], ["v1", "v2", "v3"])
    await journal.give_addresses("shop", "production", ["b", "d"], ["v1", "v2", "v3"], spare=["a"])
    with pytest.raises(Problem) as caught:
        await journal.give_addresses("shop", "production", ["a", "b", "d", "e"], ["v1", "v2", "v3"])

    assert caught.value.code == "addresses-exhausted"
    assert await journal.addresses() == {("shop", "production"): {"a": "v1", "b": "v2", "d": "v3"}}


async def test_network_names_are_short_and_never_shared(journal: Journal) -> None:
    """A network is named after instance, project and environment; long and ambiguous names get a digest."""
    pool = [f"10.9.{number}.0/24" for number in range(9)]
    for project in ("a", "a-b", "p" * 63):
        await journal.create_project(project, NOW)
    plain = await journal.open_place("a", "b-c", pool, NOW)
    twin = await journal.open_place("a-b", "c", pool, NOW)
    long = await journal.open_place("p" * 63, "production", pool, NOW)
    longer = await journal.open_place("p" * 63, "staging", pool, NOW)

    assert plain.network == f"hostess-{await journal.instance()}-a-b-c"
    networks = {place.network for place in (plain, twin, long, longer)}
    assert len(networks) == 4
    assert max(map(len, networks)) <= 63


async def test_secrets_have_versions(journal: Journal) -> None:
    """A secret shows its newest version; a removed one is gone, and its version numbers are not used again."""
    seal = "sealed {}".format
    versions = [await journal.put_secret("shop", "production", name, seal, NOW) for name in ("B", "A", "A")]
    await journal.put_secret("shop", "staging", "A", seal, NOW)

    found = await journal.secrets("shop", "production")
    assert versions == [1, 1, 2]
    assert [(each.name, each.version, each.sealed) for each in found] == [("A", 2, "sealed 2"), ("B", 1, "sealed 1")]
    assert await journal.remove_secret("shop", "production", "A")
    assert not await journal.remove_secret("shop", "production", "A")
    assert await journal.put_secret("shop", "production", "A", seal, NOW) == 3
    assert [each.version for each in await journal.secrets("shop", "staging")] == [1]


async def test_a_secret_that_cannot_be_sealed_is_not_stored(journal: Journal) -> None:
    """When sealing fails, no version is stored or used up."""

    def failing(version: int) -> str:
        raise Problem("no-key", f"version {version}")

    with pytest.raises(Problem, match="version 1"):
        await journal.put_secret("shop", "production", "A", failing, NOW)

    assert await journal.secrets("shop", "production") == []
    assert await journal.put_secret("shop", "production", "A", str, NOW) == 1


async def test_closures(journal: Journal) -> None:
    """A closure replaces that of the same kind and service; one that is forgotten is forgotten as it was, and with its environment."""
    await journal.open_place("shop", "production", SUBNETS, NOW)
    first = Closure("shop", "production", Closing.MAINTENANCE, "", NOW, "ann", message="a", allow=("10.0.0.0/8",))
    second = replace(first, message="b")
    pause = Closure("shop", "production", Closing.PAUSE, "web", NOW, "ann", until=LATER)
    for closure in (first, second, pause):
        await journal.put_closure(closure)

    await journal.drop_closures([first])
    assert await journal.closures() == [second, pause]
    await journal.drop_closures([second])
    assert await journal.closures() == [pause]
    await journal.remove_place("shop", "production", ())
    assert await journal.closures() == []
    with pytest.raises(Problem, match="nowhere"):
        await journal.put_closure(replace(first, project="nowhere"))


async def test_locks(journal: Journal) -> None:
    """An environment has one lock at most, the newest; it is forgotten once, and with its environment."""
    await journal.open_place("shop", "production", SUBNETS, NOW)
    first = Lock("shop", "production", "a", "ann", NOW)
    second = replace(first, message="b")
    for lock in (first, second):
        await journal.put_lock(lock)

    assert await journal.lock("shop", "production") == second
    assert await journal.lock("shop", "staging") is None
    assert await journal.drop_lock("shop", "production") == second
    assert await journal.drop_lock("shop", "production") is None
    await journal.put_lock(first)
    await journal.remove_place("shop", "production", ())
    assert await journal.lock("shop", "production") is None
    with pytest.raises(Problem, match="nowhere"):
        await journal.put_lock(replace(first, project="nowhere"))


ALL = (NOW - timedelta(days=365), NOW + timedelta(days=365))


def a_span(began: datetime, cpu: float, project: str = "", service: str = "") -> UsageSpan:
    """Return what was used within ten minutes, by one reading."""
    environment = "production" if project else ""
    return UsageSpan(project, environment, service, began, 1, cpu, cpu, int(cpu * 100), int(cpu * 100))


async def test_what_was_used(journal: Journal) -> None:
    """It is kept by whose it is and when, joined to what there was of the same time; what is old goes, and what has no environment."""
    await journal.open_place("shop", "production", SUBNETS, NOW)
    await journal.put_usage([a_span(NOW, 1.0), a_span(NOW, 2.0, "shop", "web"), a_span(NOW, 9.0, "gone", "web")], ALL)
    await journal.put_usage([a_span(LATER, 3.0), a_span(NOW, 4.0, "shop", "web")], ALL)

    assert await journal.usage("", "", "", NOW) == [a_span(NOW, 1.0), a_span(LATER, 3.0)]
    assert await journal.usage("", "", "", LATER) == [a_span(LATER, 3.0)]
    assert await journal.usage("shop", "production", "web", NOW) == [
        UsageSpan("shop", "production", "web", NOW, 2, 3.0, 4.0, 300, 400)
    ]
    assert await journal.usage("gone", "production", "web", NOW) == []
    await journal.put_usage([], (LATER, LATER))
    assert await journal.usage("", "", "", NOW) == [a_span(LATER, 3.0)]


@pytest.mark.parametrize("years", [-20, 20])
async def test_what_was_used_outlives_a_clock_that_is_wrong_for_a_while(journal: Journal, years: int) -> None:
    """Set to another year for half an hour a clock costs no more than a few records; what it brought goes when it is right again."""
    ten = timedelta(minutes=10)
    month, wrong = timedelta(days=30), NOW + timedelta(days=365 * years)
    for number in range(100):
        await journal.put_usage([a_span(NOW + ten * number, 1.0)], ALL)

    for number in range(3):
        now = wrong + ten * number
        await journal.put_usage([a_span(now, 9.0)], (now - month, now + ten))
    amid = await journal.usage("", "", "", NOW - 2 * abs(NOW - wrong))
    for number in range(100, 106):
        now = NOW + ten * number
        await journal.put_usage([a_span(now, 1.0)], (now - month, now + ten))
    after = await journal.usage("", "", "", NOW - 2 * abs(NOW - wrong))

    assert len([each for each in amid if each.cpu == 1.0]) > 90
    assert {each.cpu for each in after} == {1.0}
    assert len(after) > 96


async def test_what_was_used_goes_with_its_environment(journal: Journal) -> None:
    """With an environment, or its project, what it used is forgotten; the host's own stays."""
    for environment in ("production", "staging"):
        await journal.open_place("shop", environment, SUBNETS, NOW)
    spans = [
        a_span(NOW, 1.0),
        a_span(NOW, 2.0, "shop", "web"),
        replace(a_span(NOW, 2.0, "shop", "web"), environment="staging"),
    ]
    await journal.put_usage(spans, ALL)

    await journal.remove_place("shop", "staging", ())
    assert await journal.usage("shop", "staging", "web", NOW) == []
    assert len(await journal.usage("shop", "production", "web", NOW)) == 1
    await journal.remove_project("shop")
    assert await journal.usage("shop", "production", "web", NOW) == []
    assert len(await journal.usage("", "", "", NOW)) == 1

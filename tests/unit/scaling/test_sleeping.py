"""When a service falls asleep, over time, and which one somebody waits for."""

import random
from dataclasses import replace
from datetime import timedelta

import pytest

from hostess.domain.hostess_yml.stack import Replicas
from hostess.domain.ports import Called, TargetLoad
from hostess.domain.releases.release import Release
from hostess.domain.routing.waiting import waited_for
from hostess.domain.scaling import Pace, Reading, Room, wanted
from hostess.domain.sleeping import Failure, Rest, falls_asleep, rested, wake_of
from tests.build import a_release, a_workload
from tests.unit.scaling.traces import START

SLEEP_AFTER = timedelta(minutes=5)
EVERY = timedelta(seconds=5)
MAY_SLEEP = Replicas(0, 3)


class Visits:
    """A service whose requests come at these seconds, each for so long, seen every few seconds."""

    def __init__(self, *visits: tuple[float, float]) -> None:
        self.visits = sorted(visits)

    def load(self, second: float) -> TargetLoad:
        """Return what has been seen by then."""
        begun = [(at, took) for at, took in self.visits if at <= second]
        return TargetLoad(sum(at + took > second for at, took in begun), len(begun), 0.0)

    def asleep_at(self, seconds: int) -> float | None:
        """Return when it falls asleep; None when it does not within so many seconds."""
        rest: Rest | None = None
        for second in range(0, seconds, int(EVERY.total_seconds())):
            now = START + timedelta(seconds=second)
            rest = rested(rest, self.load(second), now)
            if falls_asleep(rest, SLEEP_AFTER, now):
                return second
        return None


def test_nobody_comes() -> None:
    """Without a request it sleeps after its time."""
    assert Visits().asleep_at(1000) == 300


def test_short_visits() -> None:
    """A request that begins and ends between two looks counts."""
    assert Visits((297, 0.01)).asleep_at(1000) == 600


def test_an_open_connection() -> None:
    """A connection that stays open keeps it awake without saying a word, and its end begins the rest."""
    assert Visits((10, 3600)).asleep_at(3500) is None
    assert Visits((10, 3600)).asleep_at(5000) == 3610 + 295


@pytest.mark.parametrize("seed", range(20))
def test_any_visits(seed: int) -> None:
    """Whenever people come: it never sleeps within its time after one, and always a look or two after that."""
    chance = random.Random(seed)
    at, visits = 0.0, []
    for _ in range(50):
        at += chance.expovariate(1 / 120)
        visits.append((at, chance.expovariate(1 / 20)))
    slept = Visits(*visits).asleep_at(20_000)

    assert slept is not None
    last = max((begun + took for begun, took in visits if begun <= slept), default=0.0)
    assert 295 <= slept - last <= 305


def test_a_clock_that_is_set_back() -> None:
    """A clock that goes back begins the rest anew, and brings no sleep too early."""
    rest = Rest(START, 3)

    assert rested(rest, TargetLoad(0, 3, 0.0), START - timedelta(hours=1)) == Rest(START - timedelta(hours=1), 3)
    assert not falls_asleep(rest, SLEEP_AFTER, START - timedelta(hours=1))


def test_a_worker_of_the_proxy_that_ends() -> None:
    """A worker takes its count along, which is taken for a visit and not for silence."""
    assert rested(Rest(START, 9), TargetLoad(0, 4, 0.0), START + SLEEP_AFTER) == Rest(START + SLEEP_AFTER, 4)


def flying(each: float, replicas: int) -> list[Reading]:
    """Return ten minutes in which each replica has so many requests in flight."""
    return [Reading(START + n * EVERY, replicas, each) for n in range(121)]


@pytest.mark.parametrize(
    ("each", "there", "then"),
    [(0.0, 1, 1), (20.0, 1, 1), (30.0, 1, 2), (900.0, 1, 3), (1.0, 3, 1), (19.0, 3, 3), (0.0, 2, 1)],
)
def test_by_requests(each: float, there: int, then: int) -> None:
    """Awake it has as many replicas as its requests in flight need, at least one, whatever they use of their CPU."""
    decision = wanted(flying(each, there), there, MAY_SLEEP, Room(), Pace())

    assert decision.replicas == then
    assert f"{each:.1f} requests in flight on average, and 20 is the target" in decision.why


def sleeping(environment: str = "production", host: str = "a.x") -> Release:
    """Return a release whose service sleeps."""
    workload = a_workload("web", replicas=0, scaling=MAY_SLEEP)
    return replace(a_release(replace(workload, hosts={8000: (host,)})), environment=environment)


def test_whom_somebody_waits_for() -> None:
    """A host tells environments apart that have a service of the same name, and so does a virtual address."""
    releases = {("shop", "production"): sleeping(), ("shop", "staging"): sleeping("staging", "b.x")}
    addresses = {("shop", "production"): {"web": "10.0.0.1"}, ("shop", "staging"): {"web": "10.0.1.1"}}

    def meant(host: str, path: str = "/", project: str = "shop") -> str | None:
        found = waited_for(Called(project, "web", host, path), releases, addresses)
        return found and found[1]

    assert (meant("a.x"), meant("b.x")) == ("production", "staging")
    assert (meant("10.0.0.1"), meant("10.0.1.1")) == ("production", "staging")
    assert meant("c.x") is meant("a.x", "/elsewhere") is meant("a.x", project="other") is None


def test_who_is_awake_is_not_woken() -> None:
    """A call that comes late is nobody's."""
    awake = a_release(a_workload("web", replicas=1, scaling=MAY_SLEEP))

    assert waited_for(Called("shop", "web", "a.x", "/"), {("shop", "production"): awake}, {}) is None
    assert wake_of(awake.workloads["web"]) is None
    assert wake_of(a_workload("web", replicas=0)) is None


def test_what_does_not_start_rests_longer_each_time() -> None:
    """However many strangers ask for it, a broken service is started seldom; another release is tried at once."""
    failure, now, rests = Failure(START, 1), START, list[int]()
    for _ in range(8):
        second = next(s for s in range(1000) if not failure.rests(1, now + timedelta(seconds=s)))
        rests.append(second)
        now += timedelta(seconds=second)
        failure = failure.again(1, now)

    assert rests == [10, 20, 40, 80, 160, 300, 300, 300]
    assert not failure.rests(2, now)
    assert failure.again(2, now) == Failure(now, 2)
    assert not failure.rests(1, now - timedelta(seconds=1))  # the clock was set back

"""Which target is next, and when a target is left out."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from hostess_proxy.balancing import (
    FIRST_PAUSE,
    LONGEST_PAUSE,
    Health,
    answered,
    choose,
    failed,
    quickest,
    tried,
    usable,
)


@dataclass(slots=True, eq=False)
class One:
    """A target."""

    name: str
    busy: int = 0
    since: float = 0.0
    health: Health | None = None
    exchanges: Sequence[int] = field(init=False)

    def __post_init__(self) -> None:
        self.exchanges = range(self.busy)


def out(now: float) -> Health:
    """Return the health of a target that was put out now."""
    health: Health | None = None
    for _ in range(3):
        health = failed(health, now, connecting=False, others=True)
    assert health is not None
    return health


def shares(targets: Sequence[One], now: float, warm_up: float = 0.0, turns: int = 3000) -> dict[str, float]:
    """Return which part of many requests, one after another, each target gets."""
    chosen = Counter(one.name for turn in range(turns) if (one := choose(targets, turn, now, (), warm_up)))
    return {one.name: chosen[one.name] / turns for one in targets}


# ---- choice


@pytest.mark.parametrize("count", [1, 2, 3, 8, 9, 20])
def test_idle_targets_take_turns(count: int) -> None:
    """Targets that are equally busy get the same number of requests."""
    targets = [One(str(number)) for number in range(count)]
    chosen = Counter(one.name for turn in range(200 * count) if (one := quickest(targets, turn)))

    assert len(chosen) == count
    assert max(chosen.values()) <= 1.2 * min(chosen.values())


@pytest.mark.parametrize("turn", range(5))
def test_few_targets(turn: int) -> None:
    """Among a few targets the one with the fewest requests in flight is next, whoever's turn it is."""
    targets = [One("a", 3), One("b", 1), One("c", 2)]

    assert quickest(targets, turn) is targets[1]
    assert choose(targets, turn, 0, (), 0) is targets[1]


def test_many_targets() -> None:
    """Among many targets two are looked at each turn, so that the busiest is never next."""
    targets = [One(str(number), busy=number) for number in range(20)]
    chosen = Counter(one.busy for turn in range(10_000) if (one := quickest(targets, turn)))

    assert 19 not in chosen
    assert chosen[0] > chosen[9] > chosen[18]


def test_nobody_to_choose() -> None:
    """Without targets, or with all of them passed over, nobody is next."""
    one = One("a")

    assert quickest([], 0) is None
    assert choose([], 0, 0, (), 0) is None
    assert choose([one], 0, 0, (one,), 0) is None


@pytest.mark.parametrize("count", [2, 9])
def test_a_closer_look(count: int) -> None:
    """Where something speaks against a target that would be looked at, there is no quick choice."""
    targets = [One(str(number), health=Health()) for number in range(count)]

    assert quickest(targets, 0) is None


def test_out_comes_last() -> None:
    """A target that is out gets nothing while another is left, and is better than nobody."""
    a, b = One("a", health=out(0)), One("b", busy=100)

    assert all(choose([a, b], turn, 1, (), 0) is b for turn in range(4))
    assert choose([a, b], 0, 1, (b,), 0) is a


def test_more_than_half_out() -> None:
    """Where more than half of the targets would be out, none is."""
    names = "abcd"
    half = [One(name, health=out(0) if name in "ab" else None) for name in names]
    more = [One(name, health=out(0) if name in "abc" else None) for name in names]

    assert shares(half, 1) == pytest.approx({"a": 0, "b": 0, "c": 0.5, "d": 0.5}, abs=0.01)
    assert shares(more, 1) == pytest.approx(dict.fromkeys(names, 0.25), abs=0.01)


def test_unreachable_comes_last() -> None:
    """A target that lately let us not connect comes last, even where all others do, too, and are busier."""
    a = One("a", health=failed(None, 0, connecting=True, others=True))
    b = One("b", busy=5)

    assert all(choose([a, b], turn, 1.9, (), 0) is b for turn in range(4))
    assert choose([a, b], 0, 2.1, (), 0) is a


@pytest.mark.parametrize("age", [0, 3, 15, 27, 30])
def test_slow_start(age: float) -> None:
    """A new target beside old ones gets a share of its part that grows evenly until it is warm."""
    targets = [One("old"), One("older"), One("new", since=100)]

    assert shares(targets, 100 + age, warm_up=30)["new"] == pytest.approx(age / 30 / 3, abs=0.02)


def test_nobody_is_old() -> None:
    """Where all targets are new there is nothing to wait for."""
    targets = [One("a", since=100), One("b", since=100)]

    assert shares(targets, 100, warm_up=30) == pytest.approx({"a": 0.5, "b": 0.5}, abs=0.01)


def test_new_before_out() -> None:
    """A target that warms up takes everything before one that is out gets anything."""
    targets = [One("old", health=out(100)), One("new", since=100)]

    assert shares(targets, 100, warm_up=30) == {"old": 0, "new": 1}


# ---- health


def test_three_failures_in_a_row() -> None:
    """The third failure within five seconds puts a target out for five seconds."""
    health = failed(failed(None, 0, connecting=False, others=True), 2, connecting=False, others=True)
    assert usable(health, 2)

    health = failed(health, 4.9, connecting=False, others=True)

    assert not usable(health, 4.9 + FIRST_PAUSE - 0.1)
    assert usable(health, 4.9 + FIRST_PAUSE)


def test_failures_far_apart() -> None:
    """Failures that are not within five seconds put nobody out."""
    health: Health | None = None
    for now in range(0, 60, 3):
        health = failed(health, now, connecting=False, others=True)
        assert usable(health, now)


def test_an_answer_between_failures() -> None:
    """A response between failures begins the count anew, even one to a request from before them."""
    health: Health | None = failed(failed(None, 1, connecting=False, others=True), 2, connecting=False, others=True)
    assert health is not None

    health = answered(health, began=0)
    health = failed(health, 3, connecting=False, others=True)

    assert usable(health, 3)


def test_the_only_target() -> None:
    """A target without others is never put out."""
    health: Health | None = None
    for _ in range(10):
        health = failed(health, 0, connecting=False, others=False)

    assert usable(health, 0)


def test_one_trial() -> None:
    """When the pause is over one request is sent as a trial, and until it is answered the target stays out for others."""
    health = out(0)
    assert tried(health, 4.9) == health

    health = tried(health, 5)

    assert health.on_trial
    assert not usable(health, 9.9)
    assert answered(health, began=5) is None


def test_growing_pauses() -> None:
    """Each trial that fails doubles the pause, up to a minute."""
    health, now, pauses = out(0), 0.0, []
    for _ in range(6):
        now = health.out_until
        health = failed(tried(health, now), now, connecting=False, others=True)
        pauses.append(health.pause)

    assert pauses == [10, 20, 40, LONGEST_PAUSE, LONGEST_PAUSE, LONGEST_PAUSE]


def test_a_trial_without_outcome() -> None:
    """When nothing is heard of a trial, another pause later the next request is one."""
    health = tried(out(0), 5)

    assert tried(health, 9.9) == health
    assert tried(health, 10).out_until == 10 + FIRST_PAUSE


def test_old_requests_prove_nothing() -> None:
    """A response to a request from before a target was put out, or could not be reached, does not bring it back."""
    unreachable = failed(None, 10, connecting=True, others=True)
    assert answered(out(10), began=9) == out(10)
    still = answered(unreachable, began=9)
    assert still is not None
    assert not usable(still, 11)

    assert answered(out(10), began=11) is None
    assert answered(unreachable, began=11) is None


def test_failures_while_out() -> None:
    """What fails while a target is out, but for its trial, changes nothing."""
    health = out(0)

    assert failed(health, 1, connecting=False, others=True) == health

"""When certificates are ordered after failures, of whom, and what the limits of authorities leave."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostess.domain.certificates.attempts import Attempt, Failure, next_attempt
from hostess.domain.certificates.ledger import Grounds, Outcome, PastOrder, may_order, registered_domain
from hostess.domain.certificates.order import Trouble
from tests.issuing import DAY, NOW

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
FIRST, SECOND = "https://first/directory", "https://second/directory"


def failures(*troubles: Trouble, at: datetime = NOW, authority: str = FIRST) -> list[Failure]:
    """Return failures at the same time."""
    return [Failure(at, trouble, authority) for trouble in troubles]


def order(
    name: str = "x.org",
    outcome: Outcome = Outcome.ISSUED,
    grounds: Grounds = Grounds.NEW,
    at: datetime = NOW,
) -> PastOrder:
    """Return an order of the first authority."""
    return PastOrder(at, FIRST, (name,), outcome, grounds)


@pytest.mark.parametrize(
    ("count", "pause"), [(1, MINUTE), (2, 10 * MINUTE), (3, 100 * MINUTE), (4, DAY), (5, DAY), (50, DAY)]
)
def test_pauses(count: int, pause: timedelta) -> None:
    """The pauses are 1, 10 and 100 minutes and then a day, each up to a tenth longer."""
    attempt = next_attempt(failures(*[Trouble.NOT_OURS_YET] * count), [FIRST], "x.org", NOW)

    assert attempt is not None
    assert NOW + pause <= attempt.at < NOW + pause * 1.1


def test_the_first_attempt() -> None:
    """What never failed is asked of the first authority at once."""
    assert next_attempt([], [FIRST, SECOND], "x.org", NOW) == Attempt(NOW, FIRST)


@pytest.mark.parametrize("trouble", [Trouble.FORBIDDEN, Trouble.PAUSED])
def test_somebody_has_to_act(trouble: Trouble) -> None:
    """Where an authority never issues for a name, or wants a person to act, no attempt is made by itself."""
    assert next_attempt(failures(trouble), [FIRST, SECOND], "x.org", NOW) is None


def test_replaced_already() -> None:
    """An order for what was replaced already is made again at once, but not a second time."""
    once = next_attempt(failures(Trouble.REPLACED), [FIRST], "x.org", NOW)
    twice = next_attempt(failures(Trouble.REPLACED, Trouble.REPLACED), [FIRST], "x.org", NOW)

    assert once == Attempt(NOW, FIRST)
    assert twice is not None
    assert twice.at >= NOW + 10 * MINUTE


@pytest.mark.parametrize(
    ("trouble", "at", "then"),
    [
        (Trouble.AUTHORITY, FIRST, SECOND),
        (Trouble.AUTHORITY, SECOND, FIRST),
        (Trouble.RATE_LIMITED, FIRST, SECOND),
        (Trouble.NOT_OURS_YET, FIRST, FIRST),
        (Trouble.NOT_OURS_YET, SECOND, SECOND),
        (Trouble.AUTHORITY, "https://gone/directory", FIRST),
    ],
)
def test_which_authority(trouble: Trouble, at: str, then: str) -> None:
    """After trouble of an authority the other one is asked, after trouble with a name the same again."""
    attempt = next_attempt(failures(trouble, authority=at), [FIRST, SECOND], "x.org", NOW)

    assert attempt is not None
    assert attempt.authority == then


def test_an_authority_that_refuses() -> None:
    """An authority is not asked before it said, by itself; the other one is, as long as it does not refuse for longer."""
    refused = [Failure(NOW, Trouble.RATE_LIMITED, FIRST, NOW + 5 * HOUR)]
    both = [*refused, Failure(NOW, Trouble.RATE_LIMITED, SECOND, NOW + 9 * HOUR)]
    broken = [*refused, Failure(NOW, Trouble.AUTHORITY, SECOND)]
    endless = [Failure(NOW, Trouble.RATE_LIMITED, FIRST, NOW + 10_000 * DAY)]

    alone, other, later, again, week = (
        next_attempt(refused, [FIRST], "x.org", NOW),
        next_attempt(refused, [FIRST, SECOND], "x.org", NOW),
        next_attempt(both, [FIRST, SECOND], "x.org", NOW),
        next_attempt(broken, [FIRST, SECOND], "x.org", NOW),
        next_attempt(endless, [FIRST], "x.org", NOW),
    )

    assert alone == Attempt(NOW + 5 * HOUR, FIRST)
    assert other is not None
    assert other.authority == SECOND
    assert other.at < NOW + 2 * MINUTE
    assert later == Attempt(NOW + 5 * HOUR, FIRST)
    assert again is not None
    assert again.authority == SECOND
    assert week == Attempt(NOW + 7 * DAY, FIRST)


def test_the_nearer_the_end() -> None:
    """The less is left of the certificate that is served, the shorter are the pauses, but not below ten minutes."""
    four = failures(*[Trouble.AUTHORITY] * 4)
    long, short, ended = (next_attempt(four, [FIRST], "x.org", NOW, NOW + left) for left in (30 * DAY, 2 * DAY, -DAY))

    assert long is not None
    assert short is not None
    assert ended is not None
    assert long.at >= NOW + DAY
    assert NOW + 4.8 * HOUR <= short.at <= NOW + 5.3 * HOUR
    assert NOW + 10 * MINUTE <= ended.at <= NOW + 11 * MINUTE


def test_a_clock_that_was_set_back() -> None:
    """A failure that seems to lie in the future does not put the next attempt off until then."""
    late = failures(*[Trouble.AUTHORITY] * 4, at=NOW + 1000 * DAY)

    assert next_attempt(late, [FIRST], "x.org", NOW) == Attempt(NOW, FIRST)


@pytest.mark.parametrize(
    ("past", "grounds", "until", "says"),
    [
        ([order(outcome=Outcome.DENIED)] * 4, Grounds.NEW, None, ""),
        ([order(outcome=Outcome.DENIED)] * 5, Grounds.NEW, HOUR, "x.org could not be proven 5 times in the last hour"),
        ([order(outcome=Outcome.OPEN)] * 5, Grounds.NEW, 7 * DAY, "5 certificates for exactly x.org"),
        ([order("y.org", Outcome.DENIED)] * 5, Grounds.NEW, None, ""),
        ([order()] * 5, Grounds.RENEWAL, 7 * DAY, "5 certificates for exactly x.org were issued in the last 7 days"),
        ([order()] * 5, Grounds.REPLACEMENT, None, ""),
        ([order(grounds=Grounds.REPLACEMENT)] * 400, Grounds.NEW, None, ""),
        (
            [order(f"{n}.x.org") for n in range(50)],
            Grounds.NEW,
            7 * DAY,
            "50 certificates for x.org and names below it",
        ),
        ([order(f"{n}.x.org") for n in range(50)], Grounds.RENEWAL, None, ""),
        ([order(f"{n}.x.org", grounds=Grounds.RENEWAL) for n in range(50)], Grounds.NEW, None, ""),
        ([order(f"{n}.x.org", Outcome.DROPPED) for n in range(299)], Grounds.NEW, None, ""),
        (
            [order(f"{n}.org", Outcome.DROPPED) for n in range(300)],
            Grounds.NEW,
            3 * HOUR,
            "300 orders were begun in the last 3 hours",
        ),
        ([order(at=NOW - 8 * DAY)] * 5, Grounds.NEW, None, ""),
        ([order(at=NOW + 8 * DAY)] * 5, Grounds.NEW, None, ""),
        ([order(at=NOW - n * DAY) for n in range(6)], Grounds.NEW, 3 * DAY, "6 certificates"),
    ],
)
def test_the_limits(past: Sequence[PastOrder], grounds: Grounds, until: timedelta | None, says: str) -> None:
    """An order is not made where a limit of the authority is used up, and it is said until when; another authority has its own."""
    wait = may_order(past, ["x.org"], FIRST, NOW, grounds)

    assert (wait is None) == (until is None)
    assert may_order(past, ["x.org"], SECOND, NOW, grounds) is None
    if wait is not None and until is not None:
        assert wait.until == NOW + until
        assert says in wait.why
        assert may_order(past, ["x.org"], FIRST, wait.until, grounds) is None


@pytest.mark.parametrize(
    ("name", "domain"),
    [
        ("x.org", "x.org"),
        ("*.a.x.org", "x.org"),
        ("a.b.x.co.uk", "x.co.uk"),
        ("co.uk", "co.uk"),
        ("a.github.io", "github.io"),
        ("a.x.de", "x.de"),
    ],
)
def test_registered_domains(name: str, domain: str) -> None:
    """A name is counted with those of its owner, as far as that can be told by its last labels."""
    assert registered_domain(name) == domain


class Bucket:
    """A limit as Let's Encrypt has it: so many, and so many more, evenly, in so long a time."""

    def __init__(self, most: int, within: timedelta) -> None:
        self._most = most
        self._within = within
        self._left = float(most)
        self._at = NOW

    def take(self, at: datetime) -> bool:
        """Whether one more is allowed."""
        self._left = min(self._left + self._most * ((at - self._at) / self._within), self._most)
        self._at = at
        self._left -= 1
        return self._left > -1e-6


@given(
    troubles=st.lists(st.sampled_from([*Trouble, None, None]), min_size=1, max_size=60),
    eager=st.booleans(),
    delay=st.integers(0, 3000),
)
def test_no_sequence_of_failures_breaks_a_limit(troubles: list[Trouble | None], eager: bool, delay: int) -> None:
    """Whatever fails or succeeds, and even if a person asks for a retry each time, the authority never has to refuse."""
    denials, orders, same = Bucket(5, HOUR), Bucket(300, 3 * HOUR), Bucket(5, 7 * DAY)
    now = NOW
    failed: list[Failure] = []
    past: list[PastOrder] = []
    for trouble in troubles:
        attempt = next_attempt([] if eager else failed, [FIRST], "x.org", now)
        if attempt is None:
            failed, attempt = [], Attempt(now, FIRST)
        now = max(now, attempt.at)
        while (wait := may_order(past, ["x.org"], FIRST, now)) is not None:
            assert wait.until > now
            now = wait.until
        assert orders.take(now)
        if trouble is None:
            assert same.take(now)
            failed = []
        else:
            failed.append(Failure(now, trouble, FIRST))
            if trouble is Trouble.NOT_OURS_YET:
                assert denials.take(now)
        outcome = (
            Outcome.ISSUED
            if trouble is None
            else Outcome.DENIED
            if trouble is Trouble.NOT_OURS_YET
            else Outcome.DROPPED
        )
        past.append(order(outcome=outcome, at=now))
        now += timedelta(seconds=delay)

"""How often a client may come: as often as it is said, with bounded memory, whoever else comes."""

import os

import pytest

from hostess_proxy.routes.rate_limit import Rates, counted_as, shared_memory
from hostess_proxy.tables.terms import RateLimit


@pytest.fixture
def rates() -> Rates:
    """Give a memory in which nobody has come yet."""
    return Rates.of_one_process()


@pytest.mark.parametrize("start", [0.0, 1e3, 1e7])
@pytest.mark.parametrize(("requests", "seconds", "burst"), [(100, 60, 20), (1, 3600, 1), (1000, 1, 1000), (7, 3, 2)])
def test_burst_then_rate(rates: Rates, start: float, requests: int, seconds: float, burst: int) -> None:
    """A burst may come at once, and then one request for each step of time, not more and not less."""
    limit = RateLimit(requests, seconds, burst)
    step = seconds / requests

    assert [rates.wait(b"a", limit, start) for _ in range(burst)] == [0.0] * burst
    assert rates.wait(b"a", limit, start) == pytest.approx(step, rel=1e-2)
    for turn in range(1, 50):
        assert rates.wait(b"a", limit, start + turn * step) == 0.0
        assert rates.wait(b"a", limit, start + turn * step) > 0.0


def test_what_is_refused_costs_nothing(rates: Rates) -> None:
    """A client that asks on while it is refused does not put off the moment when it may come again."""
    limit = RateLimit(1, 10, 1)
    assert rates.wait(b"a", limit, 0.0) == 0.0

    waits = [rates.wait(b"a", limit, float(second)) for second in range(1, 10)]

    assert waits == [float(10 - second) for second in range(1, 10)]
    assert rates.wait(b"a", limit, 10.0) == 0.0


def test_rest_restores(rates: Rates) -> None:
    """After a rest the whole burst is there again, and not more than that."""
    limit = RateLimit(10, 10, 5)
    assert sum(rates.wait(b"a", limit, 0.0) == 0.0 for _ in range(9)) == 5

    assert sum(rates.wait(b"a", limit, 1e6) == 0.0 for _ in range(9)) == 5


def test_clients_apart(rates: Rates) -> None:
    """A thousand clients each have their own burst."""
    limit = RateLimit(1, 1000, 1)

    assert all(rates.wait(b"%d" % number, limit, 1.0) == 0.0 for number in range(1000))
    assert all(rates.wait(b"%d" % number, limit, 1.0) > 0.0 for number in range(1000))


def test_flood_of_clients(rates: Rates) -> None:
    """More clients than there are places are not refused for each other, and one that comes again and again is still refused."""
    limit, often = RateLimit(1, 1000, 1), RateLimit(1, 100_000, 1)
    assert rates.wait(b"often", often, 0.0) == 0.0

    assert all(rates.wait(b"%d" % number, limit, number / 1000) == 0.0 for number in range(150_000))

    assert rates.wait(b"often", often, 200.0) > 0.0


def test_tighter_limit(rates: Rates) -> None:
    """A limit that a new table changes holds at once, and lets nobody pay longer than its own burst."""
    assert rates.wait(b"a", RateLimit(1, 3600, 10), 0.0) == 0.0

    assert rates.wait(b"a", RateLimit(1, 1, 1), 0.0) == pytest.approx(1.0)
    assert rates.wait(b"a", RateLimit(1, 1, 1), 3601.0) == 0.0


def test_shared() -> None:
    """What one process counts the others know."""
    descriptor = shared_memory()
    one, other = Rates(descriptor), Rates(descriptor)
    os.close(descriptor)
    limit = RateLimit(1, 10, 2)

    assert [rates.wait(b"a", limit, 5.0) for rates in (one, other)] == [0.0, 0.0]
    assert [rates.wait(b"a", limit, 5.0) for rates in (one, other)] == [10.0, 10.0]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("192.0.2.1", "192.0.2.2", False),
        ("192.0.2.1", "::ffff:192.0.2.1", True),
        ("2001:db8::1", "2001:db8::ffff:1", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("fe80::1%eth0", "fe80::2", True),
        ("unknown", "unknown", True),
    ],
)
def test_who_is_counted(one: str, other: str, *, same: bool) -> None:
    """An IPv4 address counts for itself, an IPv6 address for its /64."""
    assert (counted_as(one) == counted_as(other)) is same

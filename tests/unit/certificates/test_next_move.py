"""What is done next about a certificate, and which one is shown."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from hostess.domain.certificates.attempts import Failure
from hostess.domain.certificates.certificate import Certificate, Source
from hostess.domain.certificates.choice import chosen
from hostess.domain.certificates.issuance import (
    Act,
    Issuance,
    OpenOrder,
    Status,
    current_of,
    ends_soon,
    look_at,
    next_move,
    status_of,
    waiting,
)
from hostess.domain.certificates.ledger import Grounds, Outcome, PastOrder
from hostess.domain.certificates.order import RenewalWindow, Trouble

NOW = datetime(2026, 6, 1, tzinfo=UTC)
DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)
CA, OTHER = "https://ca.example/dir", "https://other.example/dir"
SHOP = "shop.example.org"
NEW = Issuance((SHOP,))


def certificate(*names: str, age: timedelta = DAY, life: timedelta = 90 * DAY, authority: str = CA) -> Certificate:
    """Return a certificate of an authority."""
    begins = NOW - age
    name = f"{names[0]}-{age}-{authority}"
    return Certificate(name, names, Source.ACME, "an issuer", "1", begins, begins + life, authority, "renewal.id")


def failed(trouble: Trouble, ago: timedelta = MINUTE / 2, authority: str = CA) -> Failure:
    """Return a failure."""
    return Failure(NOW - ago, trouble, authority)


def test_a_new_one_is_looked_at_and_ordered() -> None:
    """What was never ordered is ordered at once, after a look at its DNS."""
    move = next_move(NEW, None, [CA], [], NOW)

    assert (move.act, move.at, move.authority, move.grounds, move.look_first) == (Act.ORDER, NOW, CA, Grounds.NEW, True)


def test_who_asked_for_it_waits_for_no_look() -> None:
    """After a retry that somebody asked for nothing is looked at, and one that is well is ordered anew."""
    urged = replace(NEW, urged=True, pending="A is missing")

    assert not next_move(urged, None, [CA], [], NOW).look_first
    assert next_move(urged, certificate(SHOP), [CA], [], NOW).act is Act.ORDER


def test_one_that_is_well_waits_for_its_renewal() -> None:
    """The next move of a certificate that is well is its renewal, in the last third of its life."""
    current = certificate(SHOP)
    move = next_move(NEW, current, [CA], [], NOW)

    assert move.act is Act.ORDER
    assert 50 * DAY < move.at - NOW < 60 * DAY
    assert status_of(NEW, current, move, busy=False) is Status.SERVING


def test_one_of_an_authority_that_is_asked_no_more_is_replaced() -> None:
    """When the settings name another authority, its certificates take the place of the others."""
    assert next_move(NEW, certificate(SHOP), [OTHER], [], NOW).at == NOW


@pytest.mark.parametrize(
    ("window", "failures", "grounds", "replaces"),
    [
        (None, (), Grounds.RENEWAL, ""),
        (RenewalWindow(NOW - DAY, NOW, HOUR), (), Grounds.REPLACEMENT, "renewal.id"),
        (RenewalWindow(NOW - DAY, NOW, HOUR), (failed(Trouble.REPLACED),), Grounds.RENEWAL, ""),
    ],
)
def test_what_a_renewal_says(
    window: RenewalWindow | None, failures: tuple[Failure, ...], grounds: Grounds, replaces: str
) -> None:
    """Only where the authority speaks of renewals, and has not refused it, an order says what it replaces."""
    current = certificate(SHOP, age=80 * DAY)
    known = replace(NEW, window=window, window_of=current.id, failures=failures)
    move = next_move(known, current, [CA], [], NOW)

    assert (move.act, move.at, move.grounds, move.replaces) == (Act.ORDER, NOW, grounds, replaces)


def test_an_open_order_is_gone_on_with() -> None:
    """An order that is open is resumed at its own authority, after the pause of a failure."""
    known = replace(NEW, order=OpenOrder("1", CA, NOW, url="https://ca.example/order/1"))
    assert next_move(known, None, [CA], [], NOW).act is Act.RESUME

    failing = replace(known, failures=(failed(Trouble.NOT_OURS_YET),))
    assert next_move(failing, None, [CA], [], NOW).at > NOW


def test_no_order_beyond_a_limit() -> None:
    """Where the books are full nothing is ordered before there is room, unless another authority has some."""
    past = [PastOrder(NOW - HOUR, CA, (SHOP,), Outcome.ISSUED)] * 5
    move = next_move(NEW, None, [CA], past, NOW)

    assert move.at == NOW - HOUR + 7 * DAY
    assert status_of(NEW, None, move, busy=False) is Status.WAITING
    assert next_move(NEW, None, [CA, OTHER], past, NOW).authority == OTHER


def test_who_has_to_act_is_waited_for() -> None:
    """A paused account waits for somebody; CAA that forbids it is looked at from time to time."""
    assert next_move(replace(NEW, failures=(failed(Trouble.PAUSED),)), None, [CA], [], NOW).act is Act.NOTHING
    assert next_move(replace(NEW, failures=(failed(Trouble.FORBIDDEN),)), None, [CA], [], NOW).act is Act.LOOK


def test_looks_at_dns_are_ever_rarer() -> None:
    """A name is looked at again after a minute, then at doubled pauses of up to an hour; a clock that was set back stops nothing."""
    pauses = [look_at(replace(NEW, looks=looks, looked_at=NOW), NOW) - NOW for looks in range(1, 10)]

    assert pauses == [MINUTE * min(2**step, 60) for step in range(9)]
    assert look_at(replace(NEW, looks=3, looked_at=NOW + DAY), NOW) == NOW


def test_names_that_share_nothing() -> None:
    """Names that wait, and single ones that failed, share no certificate; those of a pair that failed together still do."""
    trouble = (failed(Trouble.NOT_OURS_YET),)
    known = [Issuance(("a.x",), pending="A"), Issuance(("b.x",), trouble), Issuance(("c.x", "www.c.x"), trouble), NEW]

    assert waiting(known) == {"a.x", "b.x"}


def test_the_end_is_told_in_time() -> None:
    """A week before the end of a long life, a sixth before that of a short one."""
    assert not ends_soon(certificate(SHOP, age=82 * DAY), NOW)
    assert ends_soon(certificate(SHOP, age=83 * DAY), NOW)
    assert not ends_soon(certificate(SHOP, age=4 * DAY, life=6 * DAY), NOW)
    assert ends_soon(certificate(SHOP, age=5 * DAY, life=6 * DAY), NOW)


def test_the_current_one_has_all_names() -> None:
    """Of those with all names the one that lasts longest is renewed."""
    pair, alone = certificate(SHOP, f"www.{SHOP}", age=5 * DAY), certificate(SHOP, age=DAY)

    assert current_of((SHOP,), [pair, alone]) == alone
    assert current_of((SHOP, f"www.{SHOP}"), [pair, alone]) == pair
    assert current_of(("other.org",), [pair, alone]) is None


def test_which_is_shown() -> None:
    """One that is valid goes first, then the one for the very name, then the newest; one that has ended is better than none."""
    ended, old, new = (certificate(SHOP, age=age) for age in (100 * DAY, 50 * DAY, DAY))
    wild = certificate("*.example.org", age=2 * DAY)

    def shown(*kept: Certificate, withheld: str = "") -> Certificate | None:
        return chosen([SHOP], kept, NOW, {withheld}).get(SHOP)

    assert shown(ended, old, new, wild) == new
    assert shown(ended, old, new, wild, withheld=new.id) == old
    assert shown(ended, wild) == wild
    assert shown(ended) == ended
    assert shown(replace(new, source=Source.INTERNAL)) is None

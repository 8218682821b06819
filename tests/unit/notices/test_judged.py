"""Which events become notices, and how often."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from hostess.domain.notices import Level, Notice, Stage, Trouble, headline, judge, paragraph
from hostess.domain.records import Event

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
SHOP = {"subject": "shop.example.com"}


def event(
    number: int,
    kind: str,
    after: timedelta = timedelta(0),
    data: Mapping[str, object] | None = None,
    what: str = "this",
) -> Event:
    """Return an event about one host unless *data* says otherwise."""
    return Event(number, NOW + after, "shop", "", kind, what, SHOP if data is None else data)


def judged(*events: Event, now: datetime | None = None) -> list[tuple[int, Stage]]:
    """Return which events are told, and as what; they are looked at one by one, as they happen, or all at *now*."""
    troubles: list[Trouble] = []
    notices: list[Notice] = []
    for each in events:
        told, troubles = judge([each], troubles, now or each.at)
        notices += told
    return [(each.id, each.stage) for each in notices]


def test_a_trouble_is_told_at_its_beginning_once_a_day_and_at_its_end() -> None:
    """Hourly failures over two days and a half are told three times, and the end once."""
    failures = [event(number, "certificate.failed", number * HOUR) for number in range(60)]

    told = judged(*failures, event(60, "certificate.issued", 60 * HOUR), event(61, "certificate.renewed", 61 * HOUR))
    assert told == [(0, Stage.BEGUN), (24, Stage.LASTS), (48, Stage.LASTS), (60, Stage.OVER)]


def test_success_alone_is_not_told() -> None:
    """Certificates that come and are renewed by themselves trouble nobody."""
    assert judged(event(1, "certificate.issued"), event(2, "certificate.renewed", HOUR)) == []


def test_a_trouble_that_comes_back_is_told_again() -> None:
    """What begins anew after its end is told at once, within the same day, too."""
    told = judged(
        event(1, "certificate.failed"),
        event(2, "certificate.renewed", HOUR),
        event(3, "certificate.failed", 2 * HOUR),
    )
    assert told == [(1, Stage.BEGUN), (2, Stage.OVER), (3, Stage.BEGUN)]


def test_each_subject_has_troubles_of_its_own() -> None:
    """Another host, and another kind of trouble of the same host, are told beside what was told; one end ends all of a host."""
    told = judged(
        event(1, "certificate.pending-dns"),
        event(2, "certificate.pending-dns", data={"host": "api.example.com"}),
        event(3, "certificate.expiring"),
        event(4, "certificate.issued"),
        event(5, "certificate.pending-dns", data={"host": "api.example.com"}),
    )
    assert told == [(1, Stage.BEGUN), (2, Stage.BEGUN), (3, Stage.BEGUN), (4, Stage.OVER)]


def test_a_certificate_of_many_names() -> None:
    """An imported certificate that ends is one notice for all its names, and over when another one for them is brought."""
    names = {"names": ["a.example.com", "b.example.com"]}

    told, lasting = judge([event(1, "certificate.expiring", data=names)], [], NOW)
    assert [each.subject for each in told] == ["a.example.com, b.example.com"]
    ended, rest = judge([event(2, "audit.certificate.imported", HOUR, data=names)], lasting, NOW + HOUR)
    assert ([each.stage for each in ended], rest) == ([Stage.OVER], [])


def test_old_news_is_none() -> None:
    """What could not be told for more than three days is not told any more, but that it is over is."""
    events = [event(1, "certificate.failed"), event(2, "certificate.issued", 80 * HOUR)]

    assert judged(*events, now=NOW + 90 * HOUR) == [(2, Stage.OVER)]


def test_what_is_no_notice() -> None:
    """Events without a rule, or about nothing, are told to nobody; and a channel tells nothing of itself."""
    own = event(3, "notify.failed", data={"subject": "mail"})

    assert judge([event(1, "deployment.live"), event(2, "certificate.failed", data={})], [], NOW) == ([], [])
    assert judge([own], [], NOW, "mail") == ([], [])
    assert [each.id for each in judge([own], [], NOW, "webhook")[0]] == [3]


def test_an_event_may_say_how_much_it_matters() -> None:
    """A failure that leaves months of time may call itself a warning; a word that is no level counts for nothing."""
    mild = event(1, "certificate.failed", data={"host": "a.example.com", "level": "warning"})
    odd = event(2, "certificate.failed", data={"host": "b.example.com", "level": "loud"})

    assert [each.level for each in judge([mild, odd], [], NOW)[0]] == [Level.WARNING, Level.ERROR]


@given(
    st.lists(st.tuples(st.sampled_from(["certificate.failed", "certificate.issued"]), st.integers(0, 30)), max_size=40)
)
def test_pages_make_no_difference(steps: list[tuple[str, int]]) -> None:
    """Events that are read one by one are told exactly as those that are read together."""
    at, events = timedelta(0), []
    for number, (kind, hours) in enumerate(steps):
        at += hours * HOUR
        events.append(event(number, kind, at))

    together, _ = judge(events, [], NOW)
    assert judged(*events, now=NOW) == [(each.id, each.stage) for each in together]


def test_what_people_read() -> None:
    """A notice says what happened, what still serves and what to do; several are headed by the gravest."""
    data = {**SHOP, "remedy": "look at the DNS"}
    told, _ = judge(
        [
            event(1, "certificate.expiring", data={"subject": "b.example.com"}, what="b ends soon"),
            event(2, "certificate.failed", data=data, what="no certificate for shop"),
        ],
        [],
        NOW,
    )

    assert headline(told) == "error: no certificate for shop (and 1 more)"
    text = paragraph(told[1])
    assert "error: shop: no certificate for shop" in text
    assert "still serves: the certificate before" in text
    assert "what to do:   look at the DNS" in text
    assert told[1].level is Level.ERROR

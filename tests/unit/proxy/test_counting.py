"""Sums of what workers counted, and their text: plain values, no sockets."""

from hostess_proxy.telemetry.answers import answers
from hostess_proxy.telemetry.counting import BUCKETS, Counters, Histogram, Numbers, add, key
from hostess_proxy.telemetry.exposition import Now, render
from hostess_proxy.telemetry.ledger import FOLD_SECONDS, GONE, Ledger

NOTHING = Now({}, 0, 0, 0, 0)


def one_request(service: str, release: str = "1") -> Numbers:
    """Return what a worker tells after one request to a service."""
    return {"services": {key("p", service, release): {"requests": {"GET 2xx": 1}, "sent": 5}}, "events": {}}


def test_sums() -> None:
    """Numbers are added by name, lists place by place, whatever is new is taken over."""
    total: Numbers = {"a": 1, "b": {"c": [1, 2]}}

    add(total, {"a": 2, "b": {"c": [1, 1], "d": 3}, "e": [5]})

    assert total == {"a": 3, "b": {"c": [2, 3], "d": 3}, "e": [5]}


def test_what_is_taken_is_not_counted_again() -> None:
    """Taking the numbers leaves nothing behind, so each is told once."""
    counters = Counters()
    counters.of("p", "web", "1").failed("closed")
    counters.note("tls_errors", "protocol")

    assert counters.take(0.0)["services"] == {key("p", "web", "1"): {"errors": {"closed": 1}}}
    assert counters.take(0.0) == {}


def test_a_release_that_left_is_forgotten_by_workers() -> None:
    """What left the table long ago costs a worker no memory, but where something of it is still in flight."""
    counters = Counters()
    old, busy = counters.of("p", "web", "1"), counters.of("p", "web", "2")
    counters.kept(set(), 0.0)

    counters.take(1e6, [busy])

    assert counters.of("p", "web", "2") is busy
    assert counters.of("p", "web", "1") is not old


def test_totals_never_fall_and_stay_bounded() -> None:
    """Releases that left the table keep their numbers for a while; then all of them share one entry, and no number is lost."""
    ledger = Ledger()
    for release in range(100):
        ledger.add(one_request("web", str(release)))
    assert len(ledger.total([], 0.0)["services"]) == 100

    services = ledger.total([("p", "web", "7", "")], FOLD_SECONDS + 1)["services"]

    assert set(services) == {key("p", "web", "7"), GONE}
    assert services[GONE] == {"requests": {"GET 2xx": 99}, "sent": 495}


def test_environments_are_counted_apart() -> None:
    """The same release of two environments has answers of its own in each; metrics, and proxies of other versions, see the sum."""
    counters, ledger = Counters(), Ledger()
    staging, production = (counters.of("p", "web", "v2", each) for each in ("staging", "production"))
    staging.unreadable(503, 0)
    for _ in range(3):
        production.unreadable(400, 0)
    taken = counters.take(0.0)
    ledger.add(taken)
    total = ledger.total([("p", "web", "v2", "staging"), ("p", "web", "v2", "production")], 0.0)

    assert set(taken["services"]) == {key("p", "web", "v2")}
    [together] = answers(total["services"])
    assert (together["count"], together["errors"]) == (4, 1)
    apart = {str(each["names"]): (each["count"], each["errors"]) for each in answers(total["places"])}
    assert apart == {key("p", "web", "v2", "staging"): (1, 1), key("p", "web", "v2", "production"): (3, 0)}


def test_an_environment_that_left_is_forgotten() -> None:
    """What left the table long ago is kept in the sums of the services alone."""
    counters, ledger = Counters(), Ledger()
    for each in ("staging", "production"):
        counters.of("p", "web", "v2", each).unreadable(400, 0)
    ledger.add(counters.take(0.0))
    present = [("p", "web", "v2", "production")]
    ledger.total(present, 0.0)

    total = ledger.total(present, FOLD_SECONDS + 1)

    assert set(total["places"]) == {key(*present[0])}
    assert total["services"][key("p", "web", "v2")]["requests"] == {"OTHER 4xx": 2}


def test_a_release_that_came_back_stays() -> None:
    """Absence is counted anew when a release was in the table in between."""
    ledger = Ledger()
    ledger.add(one_request("web"))
    ledger.total([], 0.0)
    ledger.total([("p", "web", "1", "")], FOLD_SECONDS)

    assert set(ledger.total([], FOLD_SECONDS + 1)["services"]) == {key("p", "web", "1")}


def test_histogram_text() -> None:
    """Buckets are cumulative and end with +Inf, which equals the count."""
    histogram = Histogram()
    for seconds in (0.0005, BUCKETS[0], 0.2, 1000.0):
        histogram.add(seconds)

    text = render({"services": {}, "events": {}, "lag": histogram.take()}, NOTHING)

    assert 'hostess_proxy_event_loop_lag_seconds_bucket{le="0.001"} 2\n' in text
    assert 'hostess_proxy_event_loop_lag_seconds_bucket{le="0.25"} 3\n' in text
    assert 'hostess_proxy_event_loop_lag_seconds_bucket{le="60.0"} 3\n' in text
    assert 'hostess_proxy_event_loop_lag_seconds_bucket{le="+Inf"} 4\n' in text
    assert "hostess_proxy_event_loop_lag_seconds_count 4\n" in text


def test_names_cannot_break_the_text() -> None:
    """A quote, a backslash or a line feed in a name stays inside its label."""
    numbers = one_request('a"b\\c\nd')

    text = render(numbers, NOTHING)

    line = next(line for line in text.splitlines() if line.startswith("hostess_proxy_requests_total{"))
    assert line == (
        r'hostess_proxy_requests_total{project="p",service="a\"b\\c\nd",release="1",method="GET",code="2xx"} 1'
    )


def test_each_family_is_told_once() -> None:
    """Every family has one HELP and one TYPE line, before its samples, and nothing is written twice."""
    total: Numbers = {"services": {}, "events": {"tls_errors": {"a": 1, "b": 2}}}
    for release in ("1", "2"):
        add(total, one_request("web", release))

    lines = render(total, Now({key("p", "web", "1"): 1}, 2, 3, 4, 5)).splitlines()

    assert len(lines) == len(set(lines))
    kinds = [line.split()[2] for line in lines if line.startswith("# TYPE")]
    assert len(kinds) == len(set(kinds))
    assert 'hostess_proxy_sent_bytes_total{project="p",service="web"} 10' in lines
    assert 'hostess_proxy_requests_in_flight{project="p",service="web",release="1"} 1' in lines
    assert "hostess_proxy_table_generation 5" in lines

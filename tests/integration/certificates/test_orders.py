"""Certificates of authorities: ordered once, proven, renewed in time, whatever happens meanwhile."""

import asyncio
from pathlib import Path

import pytest

from hostess.domain.certificates.issuance import Status
from hostess.domain.certificates.order import Kind
from hostess.domain.problem import Problem
from tests.integration.certificates.ordering import DAY, HERE, HOUR, MINUTE, Bench, Writer, a_bench

SHOP = "shop.example.org"


async def test_a_host_is_served_with_what_was_issued_for_it(bench: Bench) -> None:
    """A host that is routed gets a certificate by one order, proven by http-01; the proxy shows it and answers nothing afterwards."""
    await bench.route(SHOP)
    await bench.look()

    assert [each.names for each in bench.authority.orders] == [(SHOP,)]
    assert bench.authority.kinds == [Kind.HTTP]
    shown = await bench.shown(SHOP)
    assert shown is not None
    assert shown.names == (SHOP,)
    assert not bench.answers().http
    assert (await bench.standing(SHOP)).status is Status.SERVING
    assert [each.data["names"] for each in await bench.events("certificate.issued")] == [[SHOP]]


async def test_the_key_of_an_order_is_gone_when_it_is_over(bench: Bench) -> None:
    """After an order its key is in the store alone, and the books say what became of it."""
    await bench.route(SHOP)
    await bench.look()

    assert list((bench.folder / "certs" / "orders").glob("*")) == []
    assert [str(each.outcome) for each in await bench.journal.issuances.past_orders()] == ["issued"]


async def test_an_apex_and_its_www_share_one(bench: Bench) -> None:
    """A domain and its www. are in one certificate."""
    await bench.route("example.org", "www.example.org")
    await bench.look()

    assert [each.names for each in bench.authority.orders] == [("example.org", "www.example.org")]
    assert await bench.shown("example.org") == await bench.shown("www.example.org") is not None


async def test_a_name_that_cannot_be_proven_is_in_nobodys_way(bench: Bench) -> None:
    """Where the authority cannot reach www., the apex has a certificate of its own soon, and www. is tried for itself."""
    bench.authority.astray = {"www.example.org"}
    await bench.route("example.org", "www.example.org")
    await bench.after(5 * MINUTE, MINUTE)

    assert (await bench.shown("example.org")) is not None
    assert (await bench.shown("www.example.org")) is None
    assert (await bench.standing("www.example.org")).status is Status.FAILED


async def test_tls_alpn_where_port_80_is_not_reached(bench: Bench) -> None:
    """What http-01 does not prove is proven by tls-alpn-01 in the same round, and first of all the next time."""
    bench.authority.no_http = {SHOP}
    await bench.route(SHOP)
    await bench.look()
    assert bench.authority.kinds == [Kind.HTTP, Kind.ALPN]
    assert await bench.shown(SHOP) is not None
    assert not bench.answers().alpn
    assert list((bench.folder / "certs" / "challenges").glob("*")) == []

    await bench.after(75 * DAY, DAY)

    assert bench.authority.kinds == [Kind.HTTP, Kind.ALPN, Kind.ALPN]


async def test_no_http_where_the_proxy_does_not_listen_for_it(tmp_path: Path) -> None:
    """A proxy that listens for TLS alone proves its hosts by tls-alpn-01 at once."""
    async with a_bench(tmp_path, plain=False) as bench:
        await bench.route(SHOP)
        await bench.look()

        assert bench.authority.kinds == [Kind.ALPN]
        assert await bench.shown(SHOP) is not None


async def test_files_stay_while_the_proxy_may_read_them(bench: Bench) -> None:
    """A certificate that was renewed is not removed before the proxy has a table without it."""
    await bench.route(SHOP)
    await bench.look()
    before = await bench.shown(SHOP)
    bench.clock.advance(DAY.total_seconds())
    await bench.service.retry(SHOP)
    await bench.service.settled()
    bench.router.unreachable = True
    await bench.look()
    assert before in await bench.acme()

    bench.router.unreachable = False
    await bench.look()
    assert before not in await bench.acme()


async def test_a_proxy_that_is_away_fails_no_authority(bench: Bench) -> None:
    """While the proxy cannot be told of challenges nothing is said to be ready; the order is gone on with when it is back."""
    await bench.route(SHOP)
    bench.router.unreachable = True
    await bench.look()
    standing = await bench.standing(SHOP)
    assert standing.status is Status.FAILED
    assert "the proxy did not answer" in standing.error
    assert not bench.authority.kinds

    bench.router.unreachable = False
    await bench.after(3 * MINUTE, MINUTE)
    assert await bench.shown(SHOP) is not None
    assert len(bench.authority.orders) == 1


async def test_a_wildcard_by_dns(tmp_path: Path) -> None:
    """Hosts below the base domain share its wildcard, proven by a TXT record that is taken away again."""
    writer = Writer()
    async with a_bench(tmp_path, writer=writer) as bench:
        await bench.route("a.apps.example.org", "b.apps.example.org")
        await bench.look()

        assert [each.names for each in bench.authority.orders] == [("*.apps.example.org",)]
        assert await bench.shown("a.apps.example.org") == await bench.shown("b.apps.example.org") is not None
        assert [name for name, _ in writer.said] == ["_acme-challenge.apps.example.org"]
        assert not writer.written


async def test_a_host_waits_for_its_dns(bench: Bench) -> None:
    """A host whose DNS leads elsewhere costs no order, is told of once, and has its certificate soon after its DNS is right."""
    await bench.route(SHOP, dns=False)
    bench.names.known[f"A {SHOP}"] = ("198.51.100.1",)
    await bench.after(3 * HOUR, 10 * MINUTE)

    standing = await bench.standing(SHOP)
    assert standing.status is Status.PENDING
    assert HERE in standing.error
    assert not bench.authority.orders
    [told] = await bench.events("certificate.pending-dns")
    assert HERE in str(told.data["remedy"])

    bench.names.known[f"A {SHOP}"] = (HERE,)
    await bench.after(HOUR + 10 * MINUTE, 10 * MINUTE)
    assert await bench.shown(SHOP) is not None


async def test_a_failed_authorization_that_is_mended(bench: Bench) -> None:
    """Failures are told and tried again ever later; once it is mended the next attempt makes a certificate."""
    bench.authority.astray = {SHOP}
    await bench.route(SHOP)
    await bench.after(2 * HOUR, MINUTE)

    standing = await bench.standing(SHOP)
    assert standing.status is Status.FAILED
    assert "did not answer" in standing.error
    assert 2 < len(bench.authority.orders) <= 8
    assert await bench.events("certificate.failed")

    bench.authority.astray = set()
    await bench.after(26 * HOUR)
    assert await bench.shown(SHOP) is not None


async def test_a_retry_is_at_once(bench: Bench) -> None:
    """Who asks for a retry waits for no pause, and for no DNS."""
    await bench.route(SHOP, dns=False)
    await bench.look()
    assert (await bench.standing(SHOP)).status is Status.PENDING

    await bench.service.retry(SHOP)
    await bench.service.settled()

    assert await bench.shown(SHOP) is not None
    with pytest.raises(Problem, match=r"no certificate .* is wanted for shop\.localhost"):
        await bench.service.retry("shop.localhost")


async def test_a_retry_while_its_authority_is_asked_when_to_renew(bench: Bench) -> None:
    """Who asks for a renewal while the certificate is at work on something less gets it when that is over."""
    await bench.route(SHOP)
    await bench.look()
    before = await bench.shown(SHOP)
    bench.clock.advance(DAY.total_seconds())
    bench.authority.hold_window, bench.authority.asked_windows = asyncio.Event(), 0
    await bench.service.look()
    async with asyncio.timeout(30):
        while not bench.authority.asked_windows:
            await asyncio.sleep(0)

    await bench.service.retry(SHOP)
    bench.served.changed.clear()
    bench.authority.hold_window.set()
    await bench.service.settled()
    if bench.served.changed.is_set():
        await bench.look()

    assert len(bench.authority.orders) == 2
    assert await bench.shown(SHOP) != before


async def test_never_more_denials_than_the_limit(bench: Bench) -> None:
    """In a day in which a name cannot be proven, no hour has more than five denials, retries of people included."""
    bench.authority.astray = {SHOP}
    await bench.route(SHOP)
    for _ in range(8):
        await bench.service.retry(SHOP)
        await bench.after(3 * HOUR, 15 * MINUTE)

    times = [each.at for each in bench.authority.orders if each.denied]
    for at in times:
        assert sum(at - HOUR < each <= at for each in times) <= 5


async def test_many_at_once(bench: Bench) -> None:
    """Forty domains that come together get one order each, never more than four at a time."""
    hosts = [f"shop{number}.example{number % 3}.org" for number in range(40)]
    bench.authority.hold = asyncio.Event()
    await bench.route(*hosts)
    await bench.service.look()
    async with asyncio.timeout(30):
        while bench.authority.most_at_once < 4:
            await asyncio.sleep(0.01)
    bench.authority.hold.set()
    await bench.service.settled()

    assert sorted(each.names for each in bench.authority.orders) == sorted((host,) for host in hosts)
    assert bench.authority.most_at_once == 4
    assert [await bench.shown(host) for host in hosts].count(None) == 0


async def test_no_more_than_the_limits_of_a_domain(bench: Bench) -> None:
    """Of sixty hosts of one domain fifty get certificates; the others wait for the limit, and the list says until when."""
    hosts = [f"shop{number}.example.org" for number in range(60)]
    await bench.route(*hosts)
    await bench.look()

    assert len(bench.authority.issued) == 50
    waiting = [each for each in await bench.service.standings() if each.status is Status.WAITING]
    assert len(waiting) == 10
    assert "the authority allows 50" in waiting[0].error


async def test_two_looks_make_one_order(bench: Bench) -> None:
    """While an order is under way another look begins none for the same name."""
    bench.authority.hold = asyncio.Event()
    await bench.route(SHOP)
    await bench.service.look()
    async with asyncio.timeout(30):
        while bench.authority.most_at_once < 1:
            await asyncio.sleep(0.01)
    await bench.service.look()
    await bench.service.look()
    assert (await bench.standing(SHOP)).status is Status.ISSUING
    bench.authority.hold.set()
    await bench.service.settled()

    assert len(bench.authority.orders) == 1


async def test_a_damaged_certificate_concerns_its_host_alone(bench: Bench) -> None:
    """A certificate whose files are damaged is ordered again; other hosts keep theirs."""
    await bench.route(SHOP, "other.example.org")
    await bench.look()
    other, broken = await bench.shown("other.example.org"), await bench.shown(SHOP)
    assert broken is not None
    bench.store.files(broken)[0].write_text("nonsense")
    await bench.publish()
    await bench.look()

    assert await bench.shown("other.example.org") == other
    assert await bench.shown(SHOP) not in {None, broken}
    assert len(bench.authority.orders) == 3


async def test_what_the_proxy_does_not_show_is_not_kept(bench: Bench) -> None:
    """A renewed certificate that the proxy does not show gives way to the one before, and that is told."""
    await bench.route(SHOP)
    await bench.look()
    before = await bench.shown(SHOP)
    bench.router.shows = {SHOP: "abc"}
    await bench.after(70 * DAY, DAY)
    bench.router.shows = {}

    assert await bench.shown(SHOP) == before
    assert any("does not show" in each.message for each in await bench.events("certificate.failed"))


async def test_hosts_that_nobody_can_own_cost_no_order(bench: Bench) -> None:
    """localhost, private names and addresses stay with the internal authority."""
    await bench.route("shop.localhost", "nas.lan", "192.0.2.7", "host.internal")
    await bench.after(DAY, HOUR)

    assert not bench.authority.orders
    assert await bench.service.standings() == []

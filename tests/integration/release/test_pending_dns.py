"""What a pusher reads of domains that do not lead here yet."""

from tests.world import Bench

FILE = """version: "1.0"
services:
  web:
    type: custom
    image: plain:1
    ports: [8000]
    health: {http: /health, interval: 1s, retries: 3}
    domains: [new.example.com, here.example.com, stale.example.com, forbidden.example.com, shop.internal]
"""


async def test_domains_that_wait_are_told_with_the_records_to_make(bench: Bench) -> None:
    """A push ends with a line for each domain that DNS keeps from having a certificate, and tls check says why in a sentence."""
    bench.name_servers.known = {
        "A here.example.com": ("203.0.113.7",),
        "A stale.example.com": ("203.0.113.7",),
        "AAAA stale.example.com": ("2001:db8::9",),
        "A forbidden.example.com": ("203.0.113.7",),
        "CAA forbidden.example.com": ('0 issue "pki.goog"',),
    }

    verdict = await bench.push("shop", {"hostess.yml": FILE})

    assert verdict.accepted, bench.said
    assert [line.strip() for line in bench.said if "pending DNS" in line] == [
        "new.example.com  pending DNS: A 203.0.113.7",
        "stale.example.com  pending DNS: no AAAA 2001:db8::9",
        'forbidden.example.com  pending DNS: CAA 0 issue "letsencrypt.org"',
        "shop.internal  pending DNS: A 203.0.113.7",
    ]
    checked = await bench.world.preflights.check(["new.example.com", "here.example.com", "stale.example.com"])
    assert [each.ready for each in checked] == [False, True, False]


async def test_the_proxy_answers_while_addresses_are_asked(bench: Bench) -> None:
    """The table has an answer to a token of ours while an address is asked, beside those of orders, and the next one has it no more."""
    bench.name_servers.known = {"A here.example.com": ("203.0.113.7",)}

    await bench.world.preflights.check(["here.example.com"])
    [token] = bench.router.challenges[-1].http
    await bench.world.routing.publish()

    assert bench.router.challenges[-2].http[token].startswith(f"{token}.")
    assert bench.router.challenges[-1].http == {}

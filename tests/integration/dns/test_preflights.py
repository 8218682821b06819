"""Whether a host could have a certificate: asked of a real name server and at real addresses."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from aiohttp import web

from hostess.adapters.clock_system import SystemClock
from hostess.adapters.dns.challenge_probe import HttpChallengeProbe
from hostess.adapters.dns.name_servers import DnsNameServers
from hostess.domain.dns.preflight import Here, Means, Preflight, Seen, reply_of
from hostess.domain.problem import Problem
from hostess.services.certificates.preflights import Outlook, Preflights
from tests.name_server import NameServer, loopback, name_server

WITHIN = timedelta(seconds=5)
OURS, THEIRS, NOBODY, EXTERNAL = loopback(), loopback(), loopback(), "203.0.113.7"
MANY = "\n".join(f"many A {OURS.rpartition('.')[0]}.{number}" for number in range(1, 101))
ZONE = f"""
shop A {OURS}
www CNAME shop
old A {THEIRS}
both A {OURS}
both A {THEIRS}
down A {NOBODY}
stale A {OURS}
stale AAAA ::1
{MANY}
forbidden A {OURS}
forbidden CAA 0 issue "pki.goog"
*.forbidden A {OURS}
"""
OTHER_ZONE = f"""
@ CAA 0 issue "letsencrypt.org"
@ CAA 0 issuewild ";"
shop A {OURS}
"""


class Web:
    """Our proxy at one address, something else at another; both at one port. *answers* are what ours would say, while it would."""

    def __init__(self) -> None:
        self.answers: dict[str, str] = {}
        self.opened = 0
        self.port = 0

    @asynccontextmanager
    async def recognised(self, token: str, answer: str) -> AsyncIterator[None]:
        """Have ours answer one more token."""
        self.opened += 1
        self.answers[token] = answer
        yield
        del self.answers[token]

    async def ours(self, request: web.Request) -> web.Response:
        """Answer tokens that are known."""
        answer = self.answers.get(request.path.removeprefix("/.well-known/acme-challenge/"))
        return web.Response(text=answer) if answer else web.Response(status=404)

    async def theirs(self, request: web.Request) -> web.Response:
        """Answer nothing, but with a name; send some to HTTPS."""
        if request.host.startswith("old"):
            return web.Response(status=404, headers={"Server": "nginx"})
        raise web.HTTPMovedPermanently(f"https://{request.host}{request.path}")


@pytest.fixture
async def there() -> AsyncIterator[Web]:
    """Run both."""
    found = Web()
    runners = []
    for address, handler in ((OURS, found.ours), (THEIRS, found.theirs)):
        app = web.Application()
        app.router.add_get("/{path:.*}", handler)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, address, found.port).start()
        found.port = runner.addresses[0][1]
        runners.append(runner)
    yield found
    for runner in runners:
        await runner.cleanup()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NameServer]:
    """Run a name server that knows our hosts; it cannot read one of its zones."""
    zones = {
        "example.com": ZONE,
        "example.org": OTHER_ZONE,
        "broken.com": "",
        "com": "shop.broken A 192.0.2.1\n",
        "org": " ",
    }
    with name_server(tmp_path_factory.mktemp("knot"), zones) as running:
        yield running


def preflights(server: NameServer, there: Web, *addresses: str, means: Means | None = None) -> Preflights:
    """Return the service on a host with these addresses; its authority is one that comes to private networks too."""
    outlook = Outlook(DnsNameServers([(server.address, server.port)]), HttpChallengeProbe(there.port), there.recognised)
    return Preflights(outlook, SystemClock(), lambda: Here(addresses, frozenset(addresses)), means or Means())


def codes(preflight: Preflight) -> list[str]:
    """Return what was found."""
    return [finding.code for finding in preflight.findings]


@pytest.mark.parametrize("host", ["shop.example.com", "www.example.com", "Shop.Example.COM."])
async def test_a_host_at_which_we_hear_ourselves_is_ready(server: NameServer, there: Web, host: str) -> None:
    """Where our own answer comes back from the address that DNS gives, the host leads here, whatever is known of addresses."""
    assert (await preflights(server, there).check_one(host)).ready
    assert there.opened == 1
    assert there.answers == {}


async def test_a_host_of_very_many_addresses_is_not_asked_for(server: NameServer, there: Web) -> None:
    """Where a name server tells of a hundred addresses, none of them is asked: it is said that these are too many."""
    checked = await preflights(server, there, EXTERNAL).check_one("many.example.com")

    assert there.opened == 0
    [finding] = checked.findings
    assert (finding.code, "it has 100 addresses, more than 16" in finding.sentence) == ("dns-failed", True)
    assert [record.brief for record in checked.records] == [f"A {EXTERNAL}"]


async def test_a_host_at_which_another_answers_is_not(server: NameServer, there: Web) -> None:
    """Where something else answers the host does not lead here (and nobody comes to this address from outside)."""
    checked = await preflights(server, there, EXTERNAL).check_one("old.example.com")

    assert codes(checked) == ["private-address"]
    assert [record.brief for record in checked.records] == [f"A {EXTERNAL}"]


@pytest.mark.parametrize(
    ("host", "code", "made"),
    [
        ("both.example.com", "mixed", [f"no A {THEIRS}"]),
        ("stale.example.com", "stale-aaaa", ["no AAAA ::1"]),
        ("gone.example.com", "no-record", [f"A {OURS}"]),
        ("shop.broken.com", "dns-failed", [f"A {OURS}"]),
    ],
)
async def test_what_is_in_the_way_is_found(
    server: NameServer, there: Web, host: str, code: str, made: list[str]
) -> None:
    """Records of which one leads elsewhere, IPv6 ones too, no record and a broken zone each have their finding and remedy."""
    checked = await preflights(server, there, OURS).check_one(host)

    assert codes(checked) == [code]
    assert [record.brief for record in checked.records] == made


async def test_something_else_at_our_own_address_is_noticed(server: NameServer, there: Web) -> None:
    """Where another program has port 80 of this host, or none, that is said."""
    [taken, silent] = await preflights(server, there, THEIRS, NOBODY).check(["old.example.com", "down.example.com"])

    assert (codes(taken), codes(silent)) == (["port-80"], ["port-80"])
    assert f"port 80 of {THEIRS} answers 404 (nginx)" in taken.findings[0].sentence
    assert f"port 80 of {NOBODY} refuses connections" in silent.findings[0].sentence


@pytest.mark.parametrize(
    ("domain", "code"),
    [
        ("forbidden.example.com", "caa"),
        ("below.forbidden.example.com", "caa"),
        ("shop.example.org", ""),
        ("*.example.org", "caa"),
    ],
)
async def test_the_nearest_caa_records_count(server: NameServer, there: Web, domain: str, code: str) -> None:
    """The records of the name itself, or of the nearest name above it that has any, decide; for wildcards issuewild."""
    means = Means(("letsencrypt.org",), dns_writer=True)

    checked = await preflights(server, there, OURS, means=means).check_one(domain)

    assert codes(checked) == ([code] if code else [])


async def test_several_hosts_are_checked_with_one_answer_of_the_proxy(server: NameServer, there: Web) -> None:
    """The proxy is told once for all of them, and they come back in the order in which they were asked."""
    hosts = ["shop.example.com", "gone.example.com", "shop.localhost", "both.example.com"]

    checked = await preflights(server, there, OURS).check(hosts)

    assert [each.domain for each in checked] == hosts
    assert [each.ready for each in checked] == [True, False, False, False]
    assert there.opened == 1


async def test_a_proxy_that_cannot_be_told_is_no_failure(server: NameServer, there: Web) -> None:
    """Where the proxy does not take an answer, addresses are judged by their numbers alone."""

    @asynccontextmanager
    async def unreachable(token: str, answer: str) -> AsyncIterator[None]:
        raise Problem("proxy-unreachable", f"the proxy does not answer ({len(token + answer)})")
        yield

    outlook = Outlook(DnsNameServers([(server.address, server.port)]), HttpChallengeProbe(there.port), unreachable)
    service = Preflights(outlook, SystemClock(), lambda: Here((OURS,)), Means())

    [ours, other] = await service.check(["shop.example.com", "old.example.com"])

    assert (ours.ready, other.ready) == (True, False)


@pytest.mark.parametrize("name", ["", "a..b", "http://shop.example.com", "*.com", "sh op.example.com"])
async def test_what_is_no_host_name_is_refused(server: NameServer, there: Web, name: str) -> None:
    """A URL, a wildcard below a top-level domain and the like are told to be wrong before anybody is asked."""
    with pytest.raises(Problem) as caught:
        await preflights(server, there).check_one(name)

    assert caught.value.code == "domain-invalid"


async def test_other_letters_are_taken(server: NameServer, there: Web) -> None:
    """A name is checked in its xn-- form."""
    assert (await preflights(server, there).check_one("Bücher.example.com")).domain == "xn--bcher-kva.example.com"


async def test_what_an_address_says_is_told_apart(there: Web) -> None:
    """Our answer, that of another, a redirect to HTTPS at the same host, a refusal and silence are told apart."""
    probe = HttpChallengeProbe(there.port)
    there.answers["token"] = "token.thumbprint"
    heard = {
        "ours": await probe.ask("shop.example.com", OURS, "token", WITHIN),
        "ours, but not that": await probe.ask("shop.example.com", OURS, "another", WITHIN),
        "theirs": await probe.ask("old.example.com", THEIRS, "token", WITHIN),
        "secure": await probe.ask("new.example.com", THEIRS, "token", WITHIN),
        "nobody": await probe.ask("shop.example.com", NOBODY, "token", WITHIN),
    }

    replies = {
        name: reply_of(each, "new.example.com" if name == "secure" else "shop.example.com", "token.thumbprint")
        for name, each in heard.items()
    }

    assert {name: reply.seen for name, reply in replies.items()} == {
        "ours": Seen.US,
        "ours, but not that": Seen.OTHER,
        "theirs": Seen.OTHER,
        "secure": Seen.REDIRECT,
        "nobody": Seen.OTHER,
    }
    assert replies["theirs"].evidence == "answers 404 (nginx)"
    assert replies["nobody"].evidence == "refuses connections"

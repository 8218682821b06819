"""What follows from the records of a host, in sentences."""

from collections.abc import Mapping

import pytest

from hostess.domain.dns.caa import climb, identities
from hostess.domain.dns.preflight import UNKNOWN, Found, Here, Means, Preflight, Reply, Seen, judge, privately

V4, V6 = "203.0.113.7", "2001:db8::7"
OTHER, OTHER_V6, CLOUDFLARE = "198.51.100.1", "2001:db8:ffff::1", "104.16.1.1"
HERE = Here((V4, V6), frozenset({V4, V6}))
MEANS = Means(("letsencrypt.org",))
HOST = "shop.example.com"


def of(*addresses: str, here: Here = HERE, replies: Mapping[str, Reply] | None = None) -> Preflight:
    """Judge a host that has these addresses."""
    return judge(Found(HOST, addresses, replies or {}), here, MEANS)


def under(*records: str, domain: str = HOST, means: Means = MEANS) -> Preflight:
    """Judge a domain that leads here and has these CAA records."""
    return judge(Found(domain, (V4,), caa_at="example.com", caa=records), HERE, means)


def codes(preflight: Preflight) -> list[str]:
    """Return what was found."""
    return [finding.code for finding in preflight.findings]


def records(preflight: Preflight) -> list[str]:
    """Return what is to be made."""
    return [record.brief for record in preflight.records]


@pytest.mark.parametrize("addresses", [(V4,), (V6,), (V4, V6)])
def test_a_host_that_leads_here_is_ready(addresses: tuple[str, ...]) -> None:
    """One address of ours is enough; nothing is to be made."""
    judged = of(*addresses)

    assert judged == Preflight(HOST)
    assert judged.verdict == "shop.example.com is ready: nothing keeps authorities from issuing a certificate for it"


@pytest.mark.parametrize(
    ("addresses", "code", "sentence", "made"),
    [
        ((), "no-record", "shop.example.com has no A and no AAAA record", [f"A {V4}", f"AAAA {V6}"]),
        (
            (OTHER,),
            "elsewhere",
            "shop.example.com leads to 198.51.100.1, not to this host",
            [f"A {V4}", f"AAAA {V6}"],
        ),
        (
            ("185.199.108.153",),
            "elsewhere",
            "shop.example.com leads to 185.199.108.153, which is GitHub Pages, not to this host",
            [f"A {V4}", f"AAAA {V6}"],
        ),
        (
            (CLOUDFLARE, "104.16.1.2"),
            "behind-cdn",
            (
                "shop.example.com is behind a CDN: Cloudflare answers for it at 104.16.1.1 and 104.16.1.2 and does not lead to this host; "
                "make this host the origin there, or have DNS point here without it"
            ),
            [f"A {V4}", f"AAAA {V6}"],
        ),
        (
            ("192.168.1.9",),
            "private-address",
            "shop.example.com leads to 192.168.1.9, which nobody can reach from the internet, and no authority either",
            [f"A {V4}", f"AAAA {V6}"],
        ),
        (
            (V4, OTHER_V6),
            "stale-aaaa",
            (
                "shop.example.com leads here by its A record, but its AAAA record leads to 2001:db8:ffff::1: authorities, and most "
                "browsers, take IPv6 first"
            ),
            [f"AAAA {V6}"],
        ),
        (
            (OTHER, V6),
            "stale-a",
            "shop.example.com leads here by its AAAA record, but its A record leads to 198.51.100.1",
            [f"A {V4}"],
        ),
        (
            (V4, OTHER, V6),
            "mixed",
            (
                "shop.example.com leads to 203.0.113.7 and 2001:db8::7, which is this host, and to 198.51.100.1, which is not: each "
                "request takes one of them"
            ),
            [f"no A {OTHER}"],
        ),
    ],
)
def test_a_host_that_leads_elsewhere_is_told_where_and_what_to_make(
    addresses: tuple[str, ...], code: str, sentence: str, made: list[str]
) -> None:
    """It is not ready; the sentence has the address that is in the way and whose it is, the records those that mend it."""
    judged = of(*addresses)

    assert not judged.ready
    assert [(finding.code, finding.sentence) for finding in judged.findings] == [(code, sentence)]
    assert records(judged) == made


def test_a_stale_aaaa_goes_where_this_host_has_no_ipv6() -> None:
    """On a host without IPv6 the AAAA record that leads elsewhere is to be removed, as nothing can take its place."""
    judged = of(V4, OTHER_V6, here=Here((V4,)))

    assert codes(judged) == ["stale-aaaa"]
    assert records(judged) == [f"no AAAA {OTHER_V6}"]


def test_a_host_behind_a_cdn_that_leads_here_is_ready() -> None:
    """What counts is that our own answer comes back, whosever the address is; that it goes by a CDN is said."""
    judged = of(CLOUDFLARE, replies={CLOUDFLARE: Reply(Seen.US)})

    assert judged.ready
    assert codes(judged) == ["behind-cdn"]
    assert records(judged) == []


def test_a_cdn_that_redirects_is_given_the_benefit_of_the_doubt() -> None:
    """Authorities follow a redirect to HTTPS and we cannot: nothing speaks against an attempt."""
    assert of(CLOUDFLARE, replies={CLOUDFLARE: Reply(Seen.REDIRECT, "answers 301")}).ready


def test_an_address_that_nobody_knew_of_is_ours_when_we_answer_there() -> None:
    """Behind a NAT whose address is not set, our own answer proves that requests arrive here."""
    assert of(OTHER, here=Here(()), replies={OTHER: Reply(Seen.US)}).ready


def test_what_answers_elsewhere_is_told() -> None:
    """The sentence about another address says what was heard there."""
    judged = of(OTHER, replies={OTHER: Reply(Seen.OTHER, "answers 404 (nginx)")})

    assert (
        judged.findings[0].sentence == "shop.example.com leads to 198.51.100.1, not to this host (answers 404 (nginx))"
    )


def test_something_else_at_our_port_80_is_told() -> None:
    """Where another program answers at our own address that is said; an attempt is made all the same, by port 443."""
    judged = of(V4, replies={V4: Reply(Seen.OTHER, "answers 404 (nginx)")})

    assert judged.ready
    assert (
        "port 80 of 203.0.113.7 answers 404 (nginx), where Hostess's proxy should answer" in judged.findings[0].sentence
    )


def test_what_a_nat_answers_inside_counts_for_nothing() -> None:
    """At an address that is set and not at this host's interfaces, what is heard from inside is no finding."""
    assert of(V4, here=Here((V4,)), replies={V4: Reply(Seen.OTHER, "answers 200")}) == Preflight(HOST)


@pytest.mark.parametrize("addresses", [(), (OTHER,)])
def test_an_unknown_public_address_is_said(addresses: tuple[str, ...]) -> None:
    """Where we do not know where DNS should point to, the sentence names the setting and the record has no address."""
    judged = of(*addresses, here=Here(()))

    assert not judged.ready
    assert codes(judged)[-1] == "address-unknown"
    assert records(judged) == [f"A {UNKNOWN}"]


def test_dns_that_fails_hinders() -> None:
    """Where DNS gives no answer the reason is told, with the records that there should be."""
    judged = judge(Found(HOST, address_fault="no name server answered"), HERE, MEANS)

    assert codes(judged) == ["dns-failed"]
    assert records(judged) == [f"A {V4}", f"AAAA {V6}"]


@pytest.mark.parametrize(
    "caa",
    [
        (),
        ('0 issue "letsencrypt.org"',),
        ('0 issue "LetsEncrypt.org; validationmethods=http-01"',),
        ('0 issue "pki.goog"', '0 issue "letsencrypt.org"'),
        ('0 issuewild "pki.goog"',),
        ('0 iodef "mailto:ops@example.com"',),
        ('0 unheard "of"',),
    ],
)
def test_caa_that_permits_is_no_finding(caa: tuple[str, ...]) -> None:
    """Records that name the authority, or say nothing of who may issue for a host, are in nobody's way."""
    assert under(*caa) == Preflight(HOST)


@pytest.mark.parametrize(
    ("caa", "named"),
    [
        (('0 issue "pki.goog"',), "pki.goog"),
        (('0 issue "pki.goog"', '0 issue "sectigo.com"'), "pki.goog and sectigo.com"),
        (('0 issue ";"',), "nobody"),
        (('128 unheard "of"',), "nobody"),
    ],
)
def test_caa_that_forbids_is_told_with_the_record_that_permits(caa: tuple[str, ...], named: str) -> None:
    """The sentence says where the records are and whom they let issue; one more record lets our authority."""
    judged = under(*caa)

    assert (
        judged.findings[0].sentence == f"CAA records at example.com let {named} issue for {HOST}, not letsencrypt.org"
    )
    assert not judged.ready
    assert records(judged) == ['CAA 0 issue "letsencrypt.org"']
    assert judged.records[0].name == "example.com"


@pytest.mark.parametrize(
    ("caa", "ready"),
    [
        (('0 issue "letsencrypt.org"',), True),
        (('0 issue "letsencrypt.org"', '0 issuewild ";"'), False),
        (('0 issue ";"', '0 issuewild "letsencrypt.org"'), True),
    ],
)
def test_wildcards_have_records_of_their_own(caa: tuple[str, ...], ready: bool) -> None:
    """For a wildcard issuewild counts where there is one, and issue where there is none."""
    judged = under(*caa, domain="*.example.com", means=Means(("letsencrypt.org",), dns_writer=True))

    assert judged.ready is ready
    assert records(judged) == ([] if ready else ['CAA 0 issuewild "letsencrypt.org"'])


def test_caa_that_permits_only_what_we_cannot_do_hinders() -> None:
    """An authority that may take dns-01 alone cannot issue where nobody writes records."""
    caa = '0 issue "letsencrypt.org; validationmethods=dns-01"'

    assert codes(under(caa)) == ["caa-methods"]
    assert under(caa, means=Means(("letsencrypt.org",), dns_writer=True)).ready


def test_caa_of_an_authority_without_a_known_name_is_only_told() -> None:
    """Where we do not know what the authority calls itself, its records are told and nothing is concluded."""
    judged = under('0 issue "pki.goog"', means=Means())

    assert judged.ready
    assert codes(judged) == ["caa-unchecked"]


def test_caa_that_cannot_be_read_hinders() -> None:
    """Authorities issue nothing where the records cannot be read, so it is told before they are asked."""
    judged = judge(Found(HOST, (V4,), caa_fault="SERVFAIL"), HERE, MEANS)

    assert codes(judged) == ["caa-unreadable"]
    assert not judged.ready


def test_a_wildcard_needs_somebody_who_writes_records() -> None:
    """Without a provider for dns-01 the sentence names the setting; with one, where the name leads is of no interest."""
    assert codes(judge(Found("*.example.com", (OTHER,)), HERE, MEANS)) == ["wildcard-needs-dns"]
    assert judge(Found("*.example.com", (OTHER,)), HERE, Means(dns_writer=True)) == Preflight("*.example.com")


@pytest.mark.parametrize(
    ("domain", "addresses", "here", "made"),
    [
        ("shop.localhost", (), HERE, []),
        ("192.168.1.9", (), HERE, []),
        ("shop.internal", (), HERE, [f"A {V4}", f"AAAA {V6}"]),
        ("shop.internal", (V4,), HERE, []),
        ("shop.internal", (), Here((), frozenset({"192.168.1.9"})), ["A 192.168.1.9"]),
        ("shop.internal", ("192.168.1.9",), Here((V4,), frozenset({"192.168.1.9"})), []),
        ("shop.internal", ("192.168.1.8",), Here((), frozenset({"192.168.1.9"})), ["A 192.168.1.9"]),
    ],
)
def test_a_name_that_nobody_owns_needs_no_authority(
    domain: str, addresses: tuple[str, ...], here: Here, made: list[str]
) -> None:
    """It is told who issues for it; it has to lead here in a private DNS, where our private addresses will do."""
    judged = privately(Found(domain, addresses), here)

    assert codes(judged) == ["not-public"]
    assert not judged.ready
    assert records(judged) == made


def test_caa_is_looked_for_up_to_the_top() -> None:
    """The records of a name are its own or those of the nearest name above it, wildcards like their domain."""
    assert climb("*.shop.example.com") == ("shop.example.com", "example.com", "com")


@pytest.mark.parametrize(
    ("directories", "names"),
    [
        (["https://acme-v02.api.letsencrypt.org/directory"], ("letsencrypt.org",)),
        (["https://acme-staging-v02.api.letsencrypt.org/directory"], ("letsencrypt.org",)),
        (
            ["https://acme-v02.api.letsencrypt.org/directory", "https://dv.acme-v02.api.pki.goog/directory"],
            ("letsencrypt.org", "pki.goog"),
        ),
        (["https://acme-v02.api.letsencrypt.org/directory", "https://ca.example.com/directory"], ()),
        ([], ()),
    ],
)
def test_what_authorities_call_themselves_is_known_by_their_directories(
    directories: list[str], names: tuple[str, ...]
) -> None:
    """The names in CAA records follow from the directories; where one of them is not known, nothing is concluded from CAA."""
    assert identities(directories) == names

"""The part of the composition root that is about certificates."""

from dataclasses import dataclass
from functools import partial

from hostess.adapters.acme.authorities import authorities
from hostess.adapters.addresses_system import own_addresses
from hostess.adapters.certificates.authority_internal import FileAuthority
from hostess.adapters.certificates.order_files import FileOrders
from hostess.adapters.certificates.store import FileCertificates, proxy_user
from hostess.adapters.dns.writers import dns_writer_of
from hostess.domain.certificates.wanted import Policy
from hostess.domain.dns.caa import identities
from hostess.domain.dns.preflight import Here, Means
from hostess.domain.dns.public_networks import is_private
from hostess.domain.ports import Clock, Journal
from hostess.domain.settings import Settings
from hostess.services.certificates.certificates import Certificates, Issuers, Shown
from hostess.services.certificates.challenge_answers import ChallengeAnswers
from hostess.services.certificates.internal import InternalCertificates
from hostess.services.certificates.issuing import Issuing, Proofs
from hostess.services.certificates.news import CertificateNews
from hostess.services.certificates.preflights import Outlook, Preflights
from hostess.services.certificates.served import ServedCertificates
from hostess.services.certificates.showing import CertificateShowing
from hostess.services.certificates.wants import CertificateWants
from hostess.services.routing.publishing import Routing
from hostess.wiring.outside import Outside


@dataclass(frozen=True, slots=True)
class OwnCertificates:
    """What is kept, who signs at once, and what of it the proxy shows."""

    store: FileCertificates
    internal: InternalCertificates
    shown: ServedCertificates


def own_certificates(settings: Settings, clock: Clock) -> OwnCertificates:
    """Wire the certificates of the proxy."""
    store = certificates_of(settings, clock)
    internal = InternalCertificates(store, internal_authority(settings, clock), clock, settings.base_domain)
    by_tls = settings.proxy.https is not None or bool(settings.proxy.to_databases())
    return OwnCertificates(store, internal, ServedCertificates(store, internal, clock, by_tls=by_tls))


def certificates_of(settings: Settings, clock: Clock) -> FileCertificates:
    """Return the store of certificates; a proxy that the daemon did not start runs as a user of its own, if there is one."""
    reader = None if settings.proxy.managed else proxy_user()
    return FileCertificates(settings.data_dir / "certs", clock, reader)


def internal_authority(settings: Settings, clock: Clock) -> FileAuthority:
    """Return the internal authority; where there is no ACME authority it speaks for every host."""
    own = (settings.base_domain, *settings.public_address, *([settings.api.host] if settings.api.host else []))
    return FileAuthority(settings.data_dir / "certs" / "internal", clock, own if settings.acme.directory else None)


def api_host(settings: Settings) -> str:
    """Return the host at which the proxy serves the API; "" for none, and where it does not listen for TLS."""
    return settings.api.host if settings.proxy.https else ""


def preflights_of(settings: Settings, outside: Outside, routing: Routing) -> Preflights:
    """Return what looks whether certificates can be issued for hosts."""
    acme = settings.acme
    means = Means(identities(filter(None, (acme.directory, acme.fallback))), dns_writer=bool(acme.dns.provider))
    outlook = Outlook(outside.name_servers, outside.challenge_probe, routing.recognised)
    return Preflights(outlook, outside.clock, partial(here_of, settings), means)


def orders_of(
    settings: Settings,
    journal: Journal,
    outside: Outside,
    own: OwnCertificates,
    routing: Routing,
    preflights: Preflights,
) -> Certificates:
    """Return what has certificates of the authorities that the settings name."""
    clock, folder = outside.clock, settings.data_dir / "certs"
    writer = dns_writer_of(settings.acme.dns, outside.name_servers, clock)
    policy = Policy(bool(settings.acme.directory), settings.base_domain, writer is not None)
    files = FileOrders(folder, None if settings.proxy.managed else proxy_user())
    proofs = Proofs(ChallengeAnswers(routing.challenge), writer, plain=settings.proxy.http is not None)
    issuing = Issuing(journal.issuances, own.store, files, proofs, clock, settings.acme.profile)
    return Certificates(
        journal.issuances,
        own.store,
        CertificateWants(journal, policy, api_host(settings)),
        Issuers(authorities(settings.acme, folder / "accounts", clock), issuing, files, preflights),
        Shown(own.shown, CertificateShowing(own.store, own.shown, routing.publish, outside.router.presented)),
        CertificateNews(journal, clock),
        clock,
    )


def here_of(settings: Settings) -> Here:
    """Return where DNS should point to; what a host behind a NAT has itself is no such address."""
    own = own_addresses()
    found = tuple(settings.public_address) or tuple(address for address in own if not is_private(address))
    return Here(found, frozenset(own))

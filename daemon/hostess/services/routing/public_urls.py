"""The URLs that hosts are reached at from outside."""

from collections.abc import Callable, Collection, Mapping
from types import MappingProxyType

from hostess.domain.certificates.wanted import public
from hostess.domain.hostess_yml.stack import ServiceType
from hostess.domain.releases.release import Workload
from hostess.services.certificates.served import ServedCertificates

_SCHEMES = {ServiceType.POSTGRES: "postgresql", ServiceType.REDIS: "rediss"}
OWN_PORTS = {"http": 80, "https": 443}


class PublicUrls:
    """Makes URLs. *port* tells where the proxy listens for "http" and "https", 0 for nowhere; *plain*: it listens for HTTP at all.

    *acme*: there is an authority that public hosts get certificates of. *databases* are the ports at which those of a type are
    reached from outside; 0 for one that the system chooses.
    """

    def __init__(
        self,
        port: Callable[[str], int],
        certificates: ServedCertificates,
        *,
        plain: bool,
        acme: bool,
        databases: Mapping[ServiceType, int] = MappingProxyType({}),
    ) -> None:
        self._port = port
        self._certificates = certificates
        self._plain = plain
        self._acme = acme
        self._databases = databases

    @property
    def databases(self) -> Collection[ServiceType]:
        """The types of databases that can be reached from outside on this host."""
        return self._databases.keys()

    def of_opened(self, workload: Workload) -> str:
        """Return the URL of a database that is opened, for people: whoever connects has user and password from elsewhere."""
        host = workload.opened.host if workload.opened else ""
        return self.of_database(workload.type, host).replace("tcp", _SCHEMES[workload.type], 1)

    def of_database(self, kind: ServiceType, host: str) -> str:
        """Return "tcp://host:port" of a database; what is set counts, so that no service is told another port while the proxy is old."""
        return f"tcp://{host}:{self._databases.get(kind, 0) or self._port(kind)}"

    def of(self, host: str) -> str:
        """Return the URL that *host* is served at: by HTTPS where everybody trusts its certificate, or there is nothing else."""
        return self._url(host, secure=self._certificates.trusts(host))

    def lasting(self, host: str) -> str:
        """Return the URL that a host is to have for good: by HTTPS where it will have a certificate, though it may still wait for that.

        What services are told must not change with it: they would have to be made anew.
        """
        return self._url(host, secure=(self._acme and public(host)) or self._certificates.trusts(host))

    def _url(self, host: str, *, secure: bool) -> str:
        scheme = "https" if not self._plain or (secure and self._port("https")) else "http"
        number = self._port(scheme)
        return f"{scheme}://{host}" if number in {0, OWN_PORTS[scheme]} else f"{scheme}://{host}:{number}"

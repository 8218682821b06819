"""The URLs that hosts are reached at from outside."""

from collections.abc import Callable

from hostess.domain.certificates.wanted import public
from hostess.services.certificates.served import ServedCertificates

OWN_PORTS = {"http": 80, "https": 443}


class PublicUrls:
    """Makes URLs. *port* tells where the proxy listens for "http" and "https", 0 for nowhere; *plain*: it listens for HTTP at all.

    *acme*: there is an authority that public hosts get certificates of.
    """

    def __init__(
        self, port: Callable[[str], int], certificates: ServedCertificates, *, plain: bool, acme: bool
    ) -> None:
        self._port = port
        self._certificates = certificates
        self._plain = plain
        self._acme = acme

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

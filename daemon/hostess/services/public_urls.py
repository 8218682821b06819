"""The URLs that hosts are reached at from outside."""

from collections.abc import Callable

from hostess.services.served_certificates import ServedCertificates

OWN_PORTS = {"http": 80, "https": 443}


class PublicUrls:
    """Makes URLs. *port* tells where the proxy listens for "http" and "https", 0 for nowhere; *plain*: it listens for HTTP at all."""

    def __init__(self, port: Callable[[str], int], certificates: ServedCertificates, *, plain: bool) -> None:
        self._port = port
        self._certificates = certificates
        self._plain = plain

    def of(self, host: str) -> str:
        """Return the URL that *host* is served at: by HTTPS where everybody trusts its certificate, or there is nothing else."""
        if self._plain and not (self._certificates.trusts(host) and self._port("https")):
            return self._url("http", host)
        return self._url("https", host)

    def _url(self, scheme: str, host: str) -> str:
        number = self._port(scheme)
        return f"{scheme}://{host}" if number in {0, OWN_PORTS[scheme]} else f"{scheme}://{host}:{number}"

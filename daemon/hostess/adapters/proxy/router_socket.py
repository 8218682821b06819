"""Router over the proxy's control socket, and the proof through its listener."""

import asyncio
import json
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path

from cryptography import x509

from hostess.adapters.proxy.route_keys import keys_of
from hostess.domain.ports import (
    OUTDATED,
    Called,
    Challenges,
    FailedTarget,
    InsideService,
    OpenDatabase,
    ServedCertificate,
    TargetLoad,
    Upstreams,
)
from hostess.domain.ports.proxy import NO_CHALLENGES
from hostess.domain.problem import Problem
from hostess.domain.records import Answers, Counted
from hostess.domain.releases.release import StaticSite
from hostess_proxy.client import ProxyClient, ProxyError, ProxyOutdatedError, TableRefusedError

PROOF = 10.0
HEAD_LIMIT = 64 * 1024
SENT_TO_HTTPS = (308, "https-only")
"""The proxy's answer by plain HTTP where it leads to HTTPS."""


@dataclass(frozen=True, slots=True)
class Listener:
    """Where the proxy listens; *secure* means TLS."""

    address: str
    port: int
    secure: bool


class SocketRouter:
    """Router on `run/proxy.sock`. A proxy that does not answer is Problem "proxy-unreachable"; it serves its last table meanwhile."""

    def __init__(self, run: Path, sites: Path | None = None) -> None:
        """*run* has the proxy's socket; *sites* (`static` beside it, by default) has a folder per key of a static site."""
        self._sites = sites or run.parent / "static"
        self._client = ProxyClient(run / "proxy.sock")
        self._facts = run / "proxy.json"

    async def publish(
        self,
        routes: Sequence[Upstreams],
        inside: Sequence[InsideService] = (),
        session_key: str = "",
        certificates: Sequence[ServedCertificate] = (),
        challenges: Challenges = NO_CHALLENGES,
        databases: Sequence[OpenDatabase] = (),
    ) -> int:
        """Replace the whole table; return its generation once every worker has it."""
        table: dict[str, object] = {
            "routes": [
                {
                    "host": route.host,
                    "path": route.path,
                    "project": route.project,
                    "service": route.service,
                    "release": route.release,
                    **self._served(route),
                    **({} if route.sign_in is None else {"sign_in": list(route.sign_in)}),
                    **keys_of(route),
                }
                for route in routes
            ]
        }
        # An older proxy, which serves on while the daemon is upgraded, refuses a key that it does not know: better than to serve openly
        # what asks for sign-in, and no reason to refuse all other tables.
        if inside:
            table["inside"] = [self._called(service) for service in inside]
        if any(route.sign_in is not None for route in routes):
            table["session_key"] = session_key
        if certificates:
            table["certificates"] = [
                {"names": list(each.names), "chain": each.chain, "key": each.key} for each in certificates
            ]
        if challenges != NO_CHALLENGES:
            table["challenges"] = {"http": dict(challenges.http), "alpn": [asdict(each) for each in challenges.alpn]}
        if databases:
            table["databases"] = [asdict(each) for each in databases]
        try:
            return await self._client.publish(table)
        except TableRefusedError as error:
            raise refused(error) from error
        except (OSError, ProxyError) as error:
            raise unreachable(error) from error

    def _served(self, route: Upstreams) -> dict[str, object]:
        return {"targets": list(route.targets)} if route.static is None else {"static": self._static(route.static)}

    def _called(self, service: InsideService) -> dict[str, object]:
        entry = {**asdict(service), "static": None}
        for name in ("wake", "environment"):  # an older proxy has never heard of them
            if not entry[name]:
                del entry[name]
        return entry if service.static is None else {**entry, "static": self._static(service.static)}

    def _static(self, site: StaticSite) -> dict[str, object]:
        folder = self._sites.absolute()
        earlier = {"earlier": str(folder / site.earlier)} if site.earlier else {}
        return {"root": str(folder / site.key), "spa": site.spa, **earlier}

    async def in_flight(self, targets: Sequence[str]) -> int:
        """Return how many requests are in flight at *targets*."""
        try:
            return await self._client.in_flight(list(targets))
        except (OSError, ProxyError) as error:
            raise unreachable(error) from error

    async def drained(self, targets: Sequence[str], within: timedelta) -> int:
        """Wait until *targets* hold nothing; cut what is left after *within* and return how many."""
        try:
            return await self._client.drained(list(targets), within.total_seconds())
        except (OSError, ProxyError) as error:
            raise unreachable(error) from error

    async def loads(self) -> Mapping[str, TargetLoad]:
        """Return what each target has to do."""
        try:
            found = await self._client.loads()
        except (OSError, ProxyError) as error:
            raise unanswered(error) from error
        return {target: TargetLoad(load.in_flight, load.begun, load.seconds) for target, load in found.items()}

    async def answers(self) -> tuple[tuple[float, ...], Mapping[Counted, Answers]]:
        """Return what each release has answered."""
        try:
            bounds, found = await self._client.answers()
        except (OSError, ProxyError) as error:
            raise unanswered(error) from error
        return bounds, {
            Counted(each.project, each.environment, each.service, each.release): Answers(
                each.count, each.errors, each.within
            )
            for each in found
        }

    async def wanted(self, within: timedelta) -> Sequence[Called]:
        """Wait for requests to services that sleep."""
        try:
            found = await self._client.wanted(within.total_seconds())
        except (OSError, ProxyError) as error:
            raise unanswered(error) from error
        return [Called(each.project, each.service, each.host, each.path) for each in found]

    async def failing(self, within: timedelta) -> Sequence[FailedTarget]:
        """Wait for targets that fail requests."""
        try:
            found = await self._client.failing(within.total_seconds())
        except (OSError, ProxyError) as error:
            raise unanswered(error) from error
        return [FailedTarget(each.target, each.count, each.kind, each.out) for each in found]

    async def metrics(self) -> str:
        """Return what it has counted, as text for Prometheus."""
        try:
            return await self._client.metrics()
        except (OSError, ProxyError) as error:
            raise unreachable(error) from error

    async def prove(self, host: str, path: str) -> tuple[int, str] | None:
        """GET *path* of *host* through the HTTP listener; through the HTTPS one where there is no other, or the host is sent there.

        None where there is no listener at all.
        """
        plain, secure = self._listener("http"), self._listener("https")
        found = plain or secure
        if found is None:
            return None
        try:
            async with asyncio.timeout(PROOF):
                answer = await _get(found, host, path)
                return await _get(secure, host, path) if secure and answer == SENT_TO_HTTPS else answer
        except (OSError, ValueError, LookupError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
            raise unreachable(error) from error

    async def presented(self, host: str) -> str | None:
        """Return the serial number of the certificate that the HTTPS listener shows for *host*."""
        listener = self._listener("https")
        if listener is None:
            return None
        try:
            async with asyncio.timeout(PROOF):
                return await _serial(listener, host)
        except ssl.SSLError:
            return ""
        except OSError as error:
            raise unreachable(error) from error

    def public_port(self, scheme: str) -> int:
        """Return the port of "http", "https", "postgres" or "redis", 0 when the proxy does not listen for that.

        Problem "proxy-unreachable" while it is not there.
        """
        found = self._listener(scheme)
        return found.port if found else 0

    def _listener(self, scheme: str) -> "Listener | None":
        """Return how the proxy is reached from this host by a scheme; None when it is not. Problem "proxy-unreachable"."""
        try:
            facts = json.loads(self._facts.read_text(encoding="utf-8"))
            # A proxy that is older than the daemon says nothing of databases.
            said = facts[scheme] if scheme in {"http", "https"} else facts.get(scheme)
            host, _, text = str(said or "").rpartition(":")
            if not text:
                return None
            port = int(text)
        except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
            raise unreachable(error) from error
        host = host.strip("[]")
        address = "127.0.0.1" if host in {"", "0.0.0.0", "::", "*"} else host  # noqa: S104 -- compared, not bound
        return Listener(address, port, scheme == "https")


def refused(error: TableRefusedError) -> Problem:
    """Return the Problem for a table that the proxy does not take."""
    if error.is_new_to_it:
        place, _, key = error.place.rpartition(".")
        return Problem(
            OUTDATED,
            f"the proxy that runs is older than the daemon and does not know {key!r}"
            + (f" ({place})" if place else ""),
            serving="the proxy's last table",
            remedy="`systemctl restart hostess-proxy` starts the one that is installed; connections wait meanwhile",
        )
    return Problem(
        "proxy-refused",
        f"the proxy did not take the new table ({error})",
        serving="the proxy's last table",
        remedy="`hostess doctor` looks at the host; `systemctl status hostess-proxy` tells more",
    )


def unanswered(error: Exception) -> Problem:
    """Return the Problem for a question without an answer."""
    if isinstance(error, ProxyOutdatedError):
        return Problem(
            OUTDATED, f"the proxy that runs is older than the daemon ({error})", serving="the proxy's last table"
        )
    return unreachable(error)


def unreachable(error: Exception) -> Problem:
    """Return the Problem for a proxy that does not answer."""
    return Problem(
        "proxy-unreachable",
        f"the proxy did not answer ({str(error) or type(error).__name__})",
        serving="the proxy's last table, if it runs",
        remedy="`hostess doctor` looks at it; `systemctl status hostess-proxy` tells more",
    )


async def _get(listener: Listener, host: str, path: str) -> tuple[int, str]:
    tls = _trusting() if listener.secure else None
    reader, writer = await asyncio.open_connection(
        listener.address, listener.port, limit=HEAD_LIMIT, ssl=tls, server_hostname=host if tls else None
    )
    try:
        writer.write(
            f"GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: hostess-proof\r\nAccept: */*\r\nConnection: close\r\n\r\n".encode()
        )
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    finally:
        writer.close()
    first, *fields = head.split("\r\n")
    error = next((f.split(":", 1)[1].strip() for f in fields if f.lower().startswith("x-hostess-error:")), "")
    return int(first.split(" ", 2)[1]), error


async def _serial(listener: Listener, host: str) -> str:
    _, writer = await asyncio.open_connection(
        listener.address, listener.port, ssl=_trusting(), server_hostname=host.strip("[]")
    )
    try:
        shown = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        return f"{x509.load_der_x509_certificate(shown).serial_number:x}"
    finally:
        writer.close()


def _trusting() -> ssl.SSLContext:
    """Return TLS without a look at the certificate: whether the app is served is asked, and a new domain's one may be on its way."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    tls.check_hostname = False
    tls.verify_mode = ssl.CERT_NONE
    return tls

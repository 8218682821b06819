"""The lower layer of the ACME client (RFC 8555 §6 and §7.1.1): requests, nonces, the directory, and errors as AuthorityError.

Why not a library: certbot's `acme`, the one that is well kept, is synchronous, has no `replaces` (the exemption from rate limits,
RFC 9773 §5) and gave tls-alpn-01 up; what would be left of it after both were added is about as long as this.
"""

import asyncio
import json
import re
import ssl
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import aiohttp

from hostess import __version__
from hostess.domain.certificates.acme_errors import plain, read_fault
from hostess.domain.certificates.order import Trouble
from hostess.domain.ports import AuthorityError, Clock
from hostess.domain.problem import Problem

NONCE_REPEATS = 3
"""How often a request is repeated whose nonce was refused."""
NONCES = 16
"""How many are kept; the last that came is used first, for it is the least likely to have expired."""
DIRECTORY_LIFE = timedelta(hours=1)
LONGEST_WAIT = timedelta(days=31)
"""What a Retry-After counts at most: no limit of an authority is longer, and a date can be any number."""
_NONCE = re.compile(r"[A-Za-z0-9_-]{1,512}")
_LINK = re.compile(r"<([^<>]{1,2000})>\s*;[^,]*\brel\s*=\s*\"?([\w-]+)")

Json = Any
Signer = Callable[[str], bytes]
"""Makes a request's body, given a nonce."""


@dataclass(frozen=True, slots=True)
class WireLimits:
    """What one answer may cost."""

    size: int = 512 * 1024
    within: timedelta = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. *headers* have lower-case names."""

    url: str
    status: int
    headers: Mapping[str, str]
    body: bytes
    links: Mapping[str, str] = field(default_factory=dict)

    def json(self) -> dict[str, Json]:
        """Return the object that it holds; AuthorityError when it holds none."""
        document = _parsed(self.body)
        if not isinstance(document, dict):
            raise broken(self.url, "is no JSON object")
        return document

    @property
    def location(self) -> str:
        """Where the thing is that was made; AuthorityError when it is not told."""
        if not self.headers.get("location"):
            raise broken(self.url, "does not say where (Location) the new resource is")
        try:
            return urljoin(self.url, self.headers["location"])
        except ValueError:
            raise broken(self.url, "has a Location that is no address") from None

    def retry_after(self, now: datetime) -> datetime | None:
        """Return when to ask again, None where it does not say."""
        return _retry_after(self.headers, now)


@dataclass(frozen=True, slots=True)
class Directory:
    """Where what is done (RFC 8555 §7.1.1); *renewal_info* is empty where the authority has none (RFC 9773 §4)."""

    new_nonce: str
    new_account: str
    new_order: str
    renewal_info: str
    profiles: tuple[str, ...]


class RefusedError(AuthorityError):
    """An error answer of the authority. *kind* is the last part of its type (RFC 8555 §6.7), empty where there was none."""

    def __init__(self, error: AuthorityError, kind: str, status: int) -> None:
        super().__init__(error.trouble, error.what, error.retry_after)
        self.kind = kind
        self.status = status


class AcmeWire:
    """Speaks with one authority. *ca_file* holds further roots (PEM) that its own TLS certificate may come from."""

    def __init__(
        self, directory: str, clock: Clock, *, ca_file: Path | None = None, limits: WireLimits | None = None
    ) -> None:
        self._url = directory
        self._clock = clock
        self._ca_file = ca_file
        self._limits = limits or WireLimits()
        self._nonces: deque[str] = deque(maxlen=NONCES)
        self._known: tuple[Directory, datetime] | None = None
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Close all connections; the next request opens new ones."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def directory(self) -> Directory:
        """Return the directory, asked for again when it is an hour old."""
        now = self._clock.now()
        if self._known is None or not timedelta() <= now - self._known[1] < DIRECTORY_LIFE:
            self._known = _directory(await self.fetch(self._url)), now
        return self._known[0]

    async def fetch(self, url: str) -> Answer:
        """Return what is at *url*, asked without a signature; RefusedError when it is an error."""
        return self._accepted(await self._ask("GET", url))

    async def send(self, url: str, sign: Signer, *, accept: str = "application/json") -> Answer:
        """Return the answer to a signed request; one whose nonce is refused is repeated at once (RFC 8555 §6.5)."""
        answer = await self._ask("POST", url, sign(await self._nonce()), accept)
        for _ in range(NONCE_REPEATS):
            if not _is_bad_nonce(answer):
                break
            # The nonce that came with the refusal is the last of the pool.
            answer = await self._ask("POST", url, sign(await self._nonce()), accept)
        return self._accepted(answer)

    async def _nonce(self) -> str:
        if not self._nonces:
            url = (await self.directory()).new_nonce
            self._accepted(await self._ask("HEAD", url))
            if not self._nonces:
                raise broken(url, "has no nonce")
        return self._nonces.pop()

    async def _ask(self, method: str, url: str, body: bytes | None = None, accept: str = "application/json") -> Answer:
        if urlsplit(self._url).scheme == "https" and not url.startswith("https://"):
            raise broken(self._url, f"leads to {plain(url)}, which is not HTTPS")
        headers = {"Accept": accept, "Accept-Encoding": "identity"} | (
            {} if body is None else {"Content-Type": "application/jose+json"}
        )
        session = await self._opened()
        try:
            async with session.request(method, url, data=body, headers=headers, allow_redirects=False) as response:
                answer = Answer(
                    url=url,
                    status=response.status,
                    headers={name.lower(): value for name, value in response.headers.items()},
                    body=await self._content(url, response.content),
                    links=_links(response.headers.getall("Link", [])),
                )
        except TimeoutError as error:
            seconds = self._limits.within.total_seconds()
            raise down(url, f"did not answer within {seconds:g} seconds") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise down(url, f"cannot be reached: {plain(str(error)) or type(error).__name__}") from error
        if _NONCE.fullmatch(answer.headers.get("replay-nonce", "")):
            self._nonces.append(answer.headers["replay-nonce"])
        return answer

    async def _content(self, url: str, stream: aiohttp.StreamReader) -> bytes:
        content = bytearray()
        async for piece in stream.iter_any():
            content += piece
            if len(content) > self._limits.size:
                raise broken(url, f"is longer than {self._limits.size // 1024} KiB")
        return bytes(content)

    async def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            context = await asyncio.to_thread(_trust, self._ca_file)
            # Another request may have opened one meanwhile.
            if self._session is None:
                self._session = aiohttp.ClientSession(
                    connector=aiohttp.TCPConnector(ssl=context, limit=8),
                    timeout=aiohttp.ClientTimeout(total=self._limits.within.total_seconds()),
                    headers={"User-Agent": f"hostess/{__version__}"},
                    cookie_jar=aiohttp.DummyCookieJar(),
                    auto_decompress=False,  # a small answer may hold a huge one
                )
        return self._session

    def _accepted(self, answer: Answer) -> Answer:
        if answer.status < HTTPStatus.MULTIPLE_CHOICES:
            return answer
        if answer.status < HTTPStatus.BAD_REQUEST:
            raise broken(answer.url, f"is a redirect ({answer.status}), and those are not followed")
        until = answer.retry_after(self._clock.now())
        link = answer.links.get("terms-of-service", "")
        fault = read_fault(_parsed(answer.body), answer.status, may_return=until is not None, link=link)
        error = AuthorityError(fault.trouble, f"{host_of(answer.url)}: {fault.said}", until)
        raise RefusedError(error, fault.kind, answer.status)


def host_of(url: str) -> str:
    """Return how people are told of an authority."""
    with suppress(ValueError):
        return plain(urlsplit(url).netloc.rpartition("@")[2] or url)
    return plain(url)


def broken(url: str, how: str) -> AuthorityError:
    """Return the error of an answer that is no ACME; *how* goes on after "its answer"."""
    return AuthorityError(Trouble.AUTHORITY, f"{host_of(url)} is broken: its answer {how}")


def down(url: str, how: str) -> AuthorityError:
    """Return the error of an authority that does not serve."""
    return AuthorityError(Trouble.AUTHORITY, f"{host_of(url)} {how}")


def _trust(ca_file: Path | None) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if ca_file is not None:
        try:
            context.load_verify_locations(ca_file)
        except OSError as error:  # SSLError is one
            raise Problem(
                "acme-ca-unreadable",
                f"acme.ca_file {ca_file} cannot be used: {error.strerror or error}",
                serving="the certificates that there are",
                remedy="name a file with certificates in PEM form, or leave acme.ca_file out",
            ) from error
    return context


def _directory(answer: Answer) -> Directory:
    document = answer.json()
    meta = document.get("meta")
    offered = meta.get("profiles") if isinstance(meta, dict) else None
    return Directory(
        new_nonce=_member(answer, document, "newNonce"),
        new_account=_member(answer, document, "newAccount"),
        new_order=_member(answer, document, "newOrder"),
        renewal_info=_member(answer, document, "renewalInfo") if "renewalInfo" in document else "",
        profiles=tuple(sorted(offered)) if isinstance(offered, dict) else (),
    )


def _member(answer: Answer, document: Mapping[str, Json], name: str) -> str:
    value = document.get(name)
    if not isinstance(value, str):
        raise broken(answer.url, f"is a directory without {name}")
    return value


def _is_bad_nonce(answer: Answer) -> bool:
    return answer.status == HTTPStatus.BAD_REQUEST and read_fault(_parsed(answer.body)).kind == "badNonce"


def _links(values: list[str]) -> dict[str, str]:
    return {relation: target for value in values for target, relation in _LINK.findall(value)}


def _parsed(body: bytes) -> Json:
    with suppress(ValueError, RecursionError):
        return json.loads(body)
    return None


def _retry_after(headers: Mapping[str, str], now: datetime) -> datetime | None:
    """Return what Retry-After says (RFC 9110 §10.2.3), in seconds or as a date, between now and LONGEST_WAIT."""
    text = headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        return now + min(timedelta(seconds=min(int(text[:12]), 10**9)), LONGEST_WAIT)
    with suppress(ValueError, OverflowError):
        date = parsedate_to_datetime(text)
        return min(max(date if date.tzinfo else date.replace(tzinfo=UTC), now), now + LONGEST_WAIT)
    return None

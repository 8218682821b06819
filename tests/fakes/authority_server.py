"""An authority for what Debian's Pebble lacks: renewal windows, `replaces`, profiles, limits, and answers that are none.

It speaks ACME over plain HTTP and believes everything: signatures are not looked at, and a challenge is met when somebody says so.
"""

import asyncio
import base64
import itertools
import json
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256

from tests.issuing import DAY, NOW, Issued, authorities

Json = Any
Respond = Callable[[Json, str], web.Response]


@dataclass(frozen=True)
class Said:
    """One answer that a test has put into its mouth; *hangs*: it never comes."""

    status: int = 200
    body: Json = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    hangs: bool = False

    def response(self) -> web.Response:
        """Return it."""
        body = self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()
        return web.Response(status=self.status, body=body, headers=dict(self.headers))


def fault(kind: str, detail: str, status: int = 400, **headers: str) -> Said:
    """Return an error document; underscores in names of headers stand for hyphens."""
    body = {"type": f"urn:ietf:params:acme:error:{kind}", "detail": detail, "status": status}
    return Said(status, body, {name.replace("_", "-"): value for name, value in headers.items()})


@dataclass
class FakeOrder:
    """An order. *proved* are the positions of the names that somebody has said to be ready."""

    names: list[str]
    wanted: Json
    proved: set[int] = field(default_factory=set)
    chain: str = ""


@dataclass
class AuthorityServer:
    """The authority. *requests* is what it was asked for: the resource's kind, and what was in the request.

    *windows* maps renewal ids to start and end; None: it knows nothing of them. *replaced* are ids that may not be replaced again.
    """

    url: str = ""
    windows: dict[str, tuple[datetime, datetime]] | None = None
    window_headers: dict[str, str] = field(default_factory=dict)
    profiles: dict[str, str] = field(default_factory=dict)
    replaced: set[str] = field(default_factory=set)
    lifetime: int = 90
    requests: list[tuple[str, Json]] = field(default_factory=list)
    orders: list[FakeOrder] = field(default_factory=list)
    _said: dict[str, deque[Said]] = field(default_factory=lambda: defaultdict(deque))
    _nonces: "itertools.count[int]" = field(default_factory=itertools.count)
    _over: asyncio.Event = field(default_factory=asyncio.Event)
    _above: tuple[Issued, Issued] = field(default_factory=authorities)

    @property
    def directory(self) -> str:
        """Where a client begins."""
        return f"{self.url}/directory"

    @property
    def root(self) -> str:
        """The root (PEM) of what it issues."""
        return self._above[0].pem

    def say(self, what: str, *answers: Said) -> None:
        """Answer the next requests of one kind ("directory", "nonce", "account", "order", "look", ...) with these."""
        self._said[what].extend(answers)

    def asked(self, what: str) -> list[Json]:
        """Return what was in the requests of one kind."""
        return [payload for kind, payload in self.requests if kind == what]

    def application(self) -> web.Application:
        """Return its paths."""
        app = web.Application()
        app.router.add_get("/directory", self._to("directory", self._directory))
        app.router.add_head("/nonce", self._to("nonce", lambda _payload, _at: web.Response()))
        app.router.add_post("/account", self._to("account", self._account))
        app.router.add_post("/account/{at}", self._to("own", self._account))
        app.router.add_post("/order", self._to("order", self._order))
        app.router.add_post("/order/{at}", self._to("look", lambda _payload, at: self._shown(int(at))))
        app.router.add_post("/authorization/{at}", self._to("authorization", self._authorization))
        app.router.add_post("/challenge/{at}", self._to("challenge", self._challenge))
        app.router.add_post("/finalize/{at}", self._to("finalize", self._finalize))
        app.router.add_post("/certificate/{at}", self._to("certificate", self._certificate))
        app.router.add_get("/renewal/{at}", self._to("window", self._window))
        return app

    def over(self) -> None:
        """Let those answers end that never come."""
        self._over.set()

    def _to(self, what: str, respond: Respond) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def handle(request: web.Request) -> web.StreamResponse:
            payload = _payload(await request.read())
            self.requests.append((what, payload))
            if self._said[what]:
                said = self._said[what].popleft()
                if said.hangs:
                    await self._over.wait()
                response = said.response()
            else:
                response = respond(payload, request.match_info.get("at", ""))
            response.headers.setdefault("Replay-Nonce", f"nonce-{next(self._nonces)}")
            return response

        return handle

    def _directory(self, _payload: Json, _at: str) -> web.Response:
        known = {"newNonce": "nonce", "newAccount": "account", "newOrder": "order"}
        if self.windows is not None:
            known["renewalInfo"] = "renewal"
        document: dict[str, Json] = {name: f"{self.url}/{path}" for name, path in known.items()}
        return web.json_response(document | {"meta": {"profiles": self.profiles} if self.profiles else {}})

    def _account(self, _payload: Json, _at: str) -> web.Response:
        return web.json_response({"status": "valid"}, status=201, headers={"Location": f"{self.url}/account/1"})

    def _order(self, payload: Json, _at: str) -> web.Response:
        replaces = payload.get("replaces")
        if replaces in self.replaced:
            return fault("alreadyReplaced", f"{replaces} has been replaced", 409).response()
        if replaces:
            self.replaced.add(replaces)
        self.orders.append(FakeOrder([each["value"] for each in payload["identifiers"]], payload))
        return self._shown(len(self.orders) - 1, status=201)

    def _shown(self, number: int, *, status: int = 200) -> web.Response:
        if number >= len(self.orders):
            return fault("malformed", "no such order", 404).response()
        order = self.orders[number]
        ready = len(order.proved) == len(order.names)
        document: dict[str, Json] = {
            "status": "valid" if order.chain else "ready" if ready else "pending",
            "identifiers": order.wanted["identifiers"],
            "authorizations": [f"{self.url}/authorization/{number}.{each}" for each in range(len(order.names))],
            "finalize": f"{self.url}/finalize/{number}",
            "expires": (NOW + DAY).isoformat(),
        }
        if order.chain:
            document["certificate"] = f"{self.url}/certificate/{number}"
        return web.json_response(document, status=status, headers={"Location": f"{self.url}/order/{number}"})

    def _authorization(self, _payload: Json, at: str) -> web.Response:
        number, place = map(int, at.split("."))
        order, name = self.orders[number], self.orders[number].names[place]
        status = "valid" if place in order.proved else "pending"
        kinds = ["dns-01"] if name.startswith("*.") else ["http-01", "tls-alpn-01", "dns-01"]
        challenges = [
            {"type": kind, "url": f"{self.url}/challenge/{at}", "token": f"{at}-{kind}-token".replace(".", "_") * 3}
            | {"status": status}
            for kind in kinds
        ]
        identifier = order.wanted["identifiers"][place] | {"value": name.removeprefix("*.")}
        wildcard = {"wildcard": True} if name.startswith("*.") else {}
        return web.json_response({"identifier": identifier, "status": status, "challenges": challenges, **wildcard})

    def _challenge(self, _payload: Json, at: str) -> web.Response:
        number, place = map(int, at.split("."))
        self.orders[number].proved.add(place)
        return web.json_response({"status": "valid"})

    def _finalize(self, payload: Json, at: str) -> web.Response:
        request = x509.load_der_x509_csr(_decoded(payload["csr"]))
        above = self._above[1]
        leaf = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([]))
            .issuer_name(above.certificate.subject)
            .public_key(request.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(NOW - DAY)
            .not_valid_after(NOW + self.lifetime * DAY)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(above.private.public_key()), critical=False
            )
        )
        for extension in request.extensions:
            leaf = leaf.add_extension(extension.value, critical=extension.critical)
        self.orders[int(at)].chain = Issued(leaf.sign(above.private, SHA256()), above.private, above).chain
        return self._shown(int(at))

    def _certificate(self, _payload: Json, at: str) -> web.Response:
        return web.Response(text=self.orders[int(at)].chain, content_type="application/pem-certificate-chain")

    def _window(self, _payload: Json, at: str) -> web.Response:
        if at not in (self.windows or {}):
            return fault("malformed", "no such certificate", 404).response()
        start, end = (self.windows or {})[at]
        window = {"start": start.isoformat(), "end": end.isoformat()}
        return web.json_response({"suggestedWindow": window}, headers=self.window_headers)


@asynccontextmanager
async def authority_server() -> AsyncIterator[AuthorityServer]:
    """Give a running one."""
    made = AuthorityServer()
    runner = web.AppRunner(made.application(), shutdown_timeout=1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield made
    finally:
        made.over()
        await runner.cleanup()


def _payload(body: bytes) -> Json:
    content = json.loads(body)["payload"] if body else ""
    return json.loads(_decoded(content)) if content else None


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))

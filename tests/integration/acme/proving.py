"""Somebody who controls names: answers challenges at real sockets, and takes an order from its beginning to the chain."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import web

from hostess.domain.certificates.acme_answers import (
    ACME_PROTOCOL,
    certificate_request,
    challenge_certificate,
    dns_name,
    dns_value,
    fresh_key,
)
from hostess.domain.certificates.order import Authorization, Challenge, Kind, Order
from hostess.domain.certificates.pem import Pair, read_pair
from hostess.domain.ports import Authority
from tests.issuing import NOW
from tests.pebble import Pebble

Prepare = Callable[[Authorization, Challenge], None]


@dataclass
class HttpAnswers:
    """What is said below /.well-known/acme-challenge/, and for which hosts that was asked."""

    answers: dict[str, str] = field(default_factory=dict)
    hosts: list[str] = field(default_factory=list)

    def prepare(self, _authorization: Authorization, challenge: Challenge) -> None:
        """Put the answer in place."""
        self.answers[challenge.token] = challenge.answer

    async def serve(self, request: web.Request) -> web.Response:
        """Answer."""
        self.hosts.append(request.host.partition(":")[0])
        answer = self.answers.get(request.match_info["token"])
        return web.Response(status=404) if answer is None else web.Response(text=answer)


@asynccontextmanager
async def http_answers(port: int) -> AsyncIterator[HttpAnswers]:
    """Give a server for http-01."""
    found = HttpAnswers()
    app = web.Application()
    app.router.add_get("/.well-known/acme-challenge/{token}", found.serve)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", port).start()
        yield found
    finally:
        await runner.cleanup()


@asynccontextmanager
async def alpn_answers(port: int, folder: Path) -> AsyncIterator[Prepare]:
    """Give a server for tls-alpn-01; it has one answer, the last."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_alpn_protocols([ACME_PROTOCOL])

    def prepare(authorization: Authorization, challenge: Challenge) -> None:
        key, path = fresh_key(), folder / "answer.pem"
        path.write_text(challenge_certificate(authorization.name, challenge.answer, key, NOW) + key)
        context.load_cert_chain(path)

    async def shown(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    server = await asyncio.start_server(shown, "127.0.0.1", port, ssl=context)
    async with server:
        yield prepare


def dns_answers(pebble: Pebble) -> Prepare:
    """Return what writes TXT records."""
    return lambda authorization, challenge: pebble.names.text(dns_name(authorization.name), dns_value(challenge.answer))


async def proved(authority: Authority, order: Order, ways: Mapping[Kind, Prepare]) -> Order:
    """Meet one challenge of each name of an order; return the order when it is judged."""
    for authorization in order.authorizations:
        if authorization.status != "pending":
            continue
        challenge = next(each for each in authorization.challenges if each.kind in ways)
        ways[challenge.kind](authorization, challenge)
        await authority.ready(challenge)
    return await authority.settled(order)


async def issued(authority: Authority, names: Sequence[str], ways: Mapping[Kind, Prepare]) -> Pair:
    """Order, prove, fetch, and check as the store would."""
    order = await proved(authority, await authority.begin(names), ways)
    key = fresh_key()
    return read_pair(await authority.finish(order, certificate_request(names, key)), key)

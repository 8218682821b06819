"""Real ends for notices: a web server and a mail server on ports of their own, which remember what they were given."""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any

from aiohttp import web
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword
from aiosmtpd.smtp import Session as SmtpSession

from tests.integration.notices.ports import loop_server

Json = Any


@dataclass
class Post:
    """One request."""

    headers: dict[str, str]
    body: bytes


@dataclass
class WebReceiver:
    """Answers each POST with *status*; with *location*, a redirect to there."""

    status: int = 200
    location: str = ""
    url: str = ""
    posts: list[Post] = field(default_factory=list)

    async def take(self, request: web.Request) -> web.Response:
        """Remember a request."""
        self.posts.append(Post(dict(request.headers), await request.read()))
        headers = {"Location": self.location} if self.location else {}
        return web.Response(status=self.status, text="noted", headers=headers)


@asynccontextmanager
async def web_receiver() -> AsyncIterator[WebReceiver]:
    """Open a web server."""
    receiver = WebReceiver()
    app = web.Application()
    app.router.add_post("/secret-path", receiver.take)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    receiver.url = f"http://127.0.0.1:{runner.addresses[0][1]}/secret-path"
    try:
        yield receiver
    finally:
        await runner.cleanup()


@dataclass
class MailReceiver:
    """Takes mail; *signed_in* are the names and passwords that came, *by_tls* whether each mail came by TLS."""

    port: int = 0
    mails: list[EmailMessage] = field(default_factory=list)
    to: list[list[str]] = field(default_factory=list)
    by_tls: list[bool] = field(default_factory=list)
    signed_in: list[tuple[str, str]] = field(default_factory=list)

    async def handle_DATA(self, _: SMTP, session: SmtpSession, envelope: Envelope) -> str:  # noqa: N802 -- the library's
        """Remember a mail."""
        self.mails.append(message_from_bytes(envelope.original_content or b"", EmailMessage, policy=default))
        self.to.append(list(envelope.rcpt_tos))
        self.by_tls.append(session.ssl is not None)
        return "250 taken"

    def authenticate(self, _: object, __: object, ___: object, ____: object, given: object) -> AuthResult:
        """Let everybody in who has the right password."""
        assert isinstance(given, LoginPassword)
        self.signed_in.append((given.login.decode(), given.password.decode()))
        return AuthResult(success=given.password == b"letmein", handled=False)


@asynccontextmanager
async def mail_receiver(tls: ssl.SSLContext | None = None, *, sign_in: bool = False) -> AsyncIterator[MailReceiver]:
    """Open a mail server, with STARTTLS where *tls* is given."""
    receiver = MailReceiver()

    def session() -> SMTP:
        return SMTP(
            receiver,
            hostname="mail.test",
            tls_context=tls,
            require_starttls=tls is not None,
            authenticator=receiver.authenticate if sign_in else None,
            auth_required=sign_in,
        )

    async with loop_server(session) as receiver.port:
        yield receiver

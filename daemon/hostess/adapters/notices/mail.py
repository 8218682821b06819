"""Notices by e-mail: plain text, handed to a mail server (RFC 6409) by TLS."""

import asyncio
import smtplib
import ssl
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from hostess.adapters.secret_file import read_secret
from hostess.domain.notices import Delivery
from hostess.domain.problem import Problem

WITHIN: Final = 15.0
"""Seconds for each word and answer."""
ALTOGETHER: Final = 60.0
"""Seconds for all of it: a server that sends an answer letter by letter is in time for each of them."""
BY_TLS: Final = 465
"""The port at which TLS comes first (RFC 8314 §3.3); at any other one it is asked for by STARTTLS."""


@dataclass(frozen=True, slots=True)
class Mail:
    """`NoticeChannel` on SMTP. In the clear it is spoken with a loopback address only, and never with a password.

    An empty *user* means no sign-in. *tls* is for servers whose certificate the system does not trust.
    """

    server: str
    port: int
    sender: str
    to: tuple[str, ...]
    user: str = ""
    password_file: Path | None = None
    tls: ssl.SSLContext | None = field(default=None, repr=False)
    within: float = WITHIN
    altogether: float = ALTOGETHER
    name: str = "mail"

    async def send(self, delivery: Delivery) -> str:
        """Hand one mail with all notices to the server."""
        password = read_secret(self.password_file) if self.user and self.password_file is not None else ""
        try:
            message = self._message(delivery)
            async with asyncio.timeout(self.altogether):
                return await asyncio.to_thread(self._hand_over, message, password)
        except smtplib.SMTPResponseException as error:
            raise self._not_sent(f"answered {error.smtp_code} {_text(error.smtp_error)}") from None
        except smtplib.SMTPRecipientsRefused as error:
            refused = "; ".join(f"{who}: {code} {_text(why)}" for who, (code, why) in error.recipients.items())
            raise self._not_sent(f"refused everybody it is for ({refused})") from None
        except UnicodeError:  # its own text has the letter, which may be one of the password
            raise self._not_sent("was told nothing: user, password or an address is not in ASCII") from None
        except TimeoutError:
            raise self._not_sent("did not take it in time") from None
        except (smtplib.SMTPException, OSError) as error:
            raise self._not_sent(f"could not be used ({str(error) or type(error).__name__})") from None

    def _message(self, delivery: Delivery) -> EmailMessage:
        message = EmailMessage()
        message["Subject"] = " ".join(delivery.title.split())[:200]
        message["From"] = self.sender
        message["To"] = ", ".join(self.to)
        message["Date"] = format_datetime(delivery.sent_at)
        message["Message-ID"] = make_msgid(domain=self.sender.rpartition("@")[2] or None)
        message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no holiday notice comes back
        message.set_content(f"{delivery.text}\n\n-- \nHostess on {delivery.host} ({delivery.instance})\n")
        return message

    def _hand_over(self, message: EmailMessage, password: str) -> str:
        context = self.tls or ssl.create_default_context()
        if self.port == BY_TLS:
            server: smtplib.SMTP = smtplib.SMTP_SSL(self.server, self.port, timeout=self.within, context=context)
        else:
            server = smtplib.SMTP(self.server, self.port, timeout=self.within)
        with server:
            if self.port != BY_TLS:
                self._secure(server, context)
            if self.user:
                server.login(self.user, password)
            refused = server.send_message(message)
        taken = ", ".join(each for each in self.to if each not in refused)
        lost = f"; refused for {', '.join(refused)}" if refused else ""
        return f"{self.server} took it for {taken}{lost}"

    def _secure(self, server: smtplib.SMTP, context: ssl.SSLContext) -> None:
        server.ehlo_or_helo_if_needed()
        if server.has_extn("starttls"):
            server.starttls(context=context)
        elif self.user or not _is_loopback(self.server):
            raise smtplib.SMTPNotSupportedError("it offers no STARTTLS, and nothing is sent to it in the clear")

    def _not_sent(self, what: str) -> Problem:
        return Problem(
            "notice-not-sent",
            f"the mail server {self.server}:{self.port} {what}",
            remedy="look at notify.mail in the settings and at the server's own log",
        )


def _text(said: bytes | str) -> str:
    """Return what a server said, on one line."""
    return " ".join((said.decode(errors="replace") if isinstance(said, bytes) else said).split())


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"

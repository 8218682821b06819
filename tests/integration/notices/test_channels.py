"""The ways by which notices leave: a real web server, a real mail server, real programs."""

import asyncio
import hashlib
import hmac
import json
import ssl
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import pytest
import trustme

from hostess.adapters.notices.command import Command
from hostess.adapters.notices.mail import Mail
from hostess.adapters.notices.webhook import Webhook
from hostess.domain.notices import Delivery, trial
from hostess.domain.problem import Problem
from tests.integration.notices.ports import loop_server
from tests.integration.notices.receivers import mail_receiver, web_receiver

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
DELIVERY = Delivery("0123456789ab", "hostess.example.com", NOW, (trial(NOW),))


def secret(folder: Path, text: str) -> Path:
    """Write a secret into a file."""
    path = folder / "secret"
    path.write_text(f"{text}\n")
    path.chmod(0o600)
    return path


class Dripping(asyncio.Protocol):
    """A mail server whose greeting never ends."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self.transport = cast("asyncio.Transport", transport)
        self._drip()

    def connection_lost(self, _: Exception | None) -> None:
        """End."""
        self.next.cancel()

    def _drip(self) -> None:
        self.transport.write(b"2")
        self.next = asyncio.get_running_loop().call_later(0.02, self._drip)


async def refusal(channel: Webhook | Mail | Command) -> Problem:
    """Send, and return what was in the way."""
    with pytest.raises(Problem) as caught:
        await channel.send(DELIVERY)
    assert caught.value.code == "notice-not-sent"
    assert caught.value.remedy
    return caught.value


async def test_a_signed_post(tmp_path: Path) -> None:
    """A webhook gets JSON with the time of its sending, and who knows the secret can tell that nobody else wrote it."""
    async with web_receiver() as receiver:
        answer = await Webhook(receiver.url, secret(tmp_path, "hush")).send(DELIVERY)

    [post] = receiver.posts
    own = hmac.new(b"hush", post.body, hashlib.sha256).hexdigest()
    assert post.headers["X-Hostess-Signature"] == f"sha256={own}"
    told = json.loads(post.body)
    assert told["sent_at"] == "2026-03-01T12:00:00+00:00"
    assert told["notices"][0]["kind"] == "notify.test"
    assert told["text"].startswith("[hostess.example.com] info: this is a test")
    assert answer == "200 OK noted"


async def test_a_changed_secret_counts_at_once(tmp_path: Path) -> None:
    """The file with the secret is read for each post; without it nothing is sent, and the problem names the file."""
    path = secret(tmp_path, "one")
    async with web_receiver() as receiver:
        hook = Webhook(receiver.url, path)
        await hook.send(DELIVERY)
        secret(tmp_path, "two")
        await hook.send(DELIVERY)
        path.unlink()
        problem = await refusal(hook)

    assert len({post.headers["X-Hostess-Signature"] for post in receiver.posts}) == 2
    assert str(path) in str(problem)


@pytest.mark.parametrize(("status", "location"), [(500, ""), (403, ""), (302, "/secret-path"), (307, "/secret-path")])
async def test_only_success_counts(status: int, location: str) -> None:
    """Other answers than 200 to 299 are failures; a redirect is not followed; the URL, which may hold a secret, is not told."""
    async with web_receiver() as receiver:
        receiver.status, receiver.location = status, location
        problem = await refusal(Webhook(receiver.url))

    assert len(receiver.posts) == 1
    assert str(status) in str(problem)
    assert "secret-path" not in f"{problem} {problem.remedy}"


async def test_a_webhook_that_is_not_there() -> None:
    """A connection that is refused is a failure that does not tell the URL."""
    async with web_receiver() as receiver:
        hook = Webhook(receiver.url)

    assert "secret-path" not in str(await refusal(hook))


async def test_mail_by_starttls_with_a_password(tmp_path: Path) -> None:
    """A mail is handed over by TLS, after signing in, to everybody it is for, as plain text."""
    authority = trustme.CA()
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert("localhost").configure_cert(server)
    authority.configure_trust(client)
    async with mail_receiver(server, sign_in=True) as receiver:
        channel = Mail(
            "localhost",
            receiver.port,
            "hostess@example.com",
            ("a@example.com", "b@example.com"),
            "hostess",
            secret(tmp_path, "letmein"),
            tls=client,
        )
        answer = await channel.send(DELIVERY)

    [mail] = receiver.mails
    assert (receiver.by_tls, receiver.signed_in) == ([True], [("hostess", "letmein")])
    assert receiver.to == [["a@example.com", "b@example.com"]]
    assert mail["Subject"] == "[hostess.example.com] info: this is a test: notices of this installation arrive here"
    assert mail.get_content_type() == "text/plain"
    assert "what to do:   nothing is to be done" in mail.get_content()
    assert answer == "localhost took it for a@example.com, b@example.com"


async def test_a_password_is_never_sent_in_the_clear(tmp_path: Path) -> None:
    """A server that offers no TLS, or whose certificate nobody vouches for, gets neither password nor mail."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("localhost").configure_cert(server)
    for tls in (None, server):
        async with mail_receiver(tls) as receiver:
            channel = Mail(
                "localhost", receiver.port, "a@example.com", ("b@example.com",), "me", secret(tmp_path, "letmein")
            )
            await refusal(channel)
        assert (receiver.mails, receiver.signed_in) == ([], [])


async def test_a_mail_server_on_the_host_itself() -> None:
    """A loopback address is spoken with in the clear, and line ends in a title break no header."""
    notice = trial(NOW)
    several = Delivery("0", "a\r\nBcc: evil@example.com", NOW, (notice,))
    async with mail_receiver() as receiver:
        await Mail("127.0.0.1", receiver.port, "a@example.com", ("b@example.com",)).send(several)

    [mail] = receiver.mails
    assert mail["Bcc"] is None
    assert receiver.to == [["b@example.com"]]


async def test_a_refused_password_is_not_told(tmp_path: Path) -> None:
    """When the server refuses a password, its answer is told and the password is not."""
    authority = trustme.CA()
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert("localhost").configure_cert(server)
    authority.configure_trust(client)
    async with mail_receiver(server, sign_in=True) as receiver:
        path = secret(tmp_path, "wrong-one")
        channel = Mail("localhost", receiver.port, "a@example.com", ("b@example.com",), "me", path, tls=client)
        problem = await refusal(channel)

    assert "535" in str(problem)
    assert "wrong-one" not in str(problem)


@pytest.mark.parametrize(("user", "password"), [("jürgen", "letmein"), ("me", "schlüssel")])
async def test_what_is_not_ascii_is_told_without_it(tmp_path: Path, user: str, password: str) -> None:
    """A user or a password that SMTP has no letters for is a failure like others, and no letter of it is told."""
    authority = trustme.CA()
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert("localhost").configure_cert(server)
    authority.configure_trust(client)
    async with mail_receiver(server, sign_in=True) as receiver:
        path = secret(tmp_path, password)
        channel = Mail("localhost", receiver.port, "a@example.com", ("b@example.com",), user, path, tls=client)
        problem = await refusal(channel)

    assert "user, password or an address is not in ASCII" in str(problem)
    assert "ü" not in f"{problem} {problem.remedy}"
    assert receiver.mails == []


async def test_a_mail_server_that_answers_letter_by_letter() -> None:
    """A server that is in time for each letter, and has no end of them, is given up when all the time is over."""
    server = Dripping()
    async with loop_server(lambda: server) as port:
        channel = Mail("127.0.0.1", port, "a@example.com", ("b@example.com",), altogether=0.5)
        async with asyncio.timeout(30):
            problem = await refusal(channel)
        server.transport.abort()

    assert "did not take it in time" in str(problem)


async def test_a_program_gets_the_same_json(tmp_path: Path) -> None:
    """A program reads on its standard input what a webhook gets, and sees no setting of the daemon's in its environment."""
    code = "import os, pathlib, sys; pathlib.Path(sys.argv[1]).write_text(sys.stdin.read() + repr(sorted(os.environ)))"
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("HOSTESS_BACKUPS__S3__SECRET_ACCESS_KEY", "hush")
        await Command((sys.executable, "-c", code, str(tmp_path / "out"))).send(DELIVERY)

    told = (tmp_path / "out").read_text()
    assert told.startswith(DELIVERY.body().decode())
    assert "HOSTESS" not in told


@pytest.mark.parametrize(
    ("code", "within", "what"),
    [
        ("import sys; sys.stderr.write('no\\nroute'); sys.exit(3)", 40.0, "exit code 3: no route"),
        ("import sys, time; sys.stdin.close(); time.sleep(600)", 2.0, "did not end within"),
    ],
)
async def test_a_program_that_fails(code: str, within: float, what: str) -> None:
    """An exit code other than 0 is told with the last words; one that does not end is killed."""
    assert what in str(await refusal(Command((sys.executable, "-c", code), within=within)))


async def test_a_program_that_is_not_there() -> None:
    """What cannot be started is a failure, told with the reason."""
    assert "No such file" in str(await refusal(Command(("/nowhere/tell",))))


async def test_a_program_that_reads_nothing_has_taken_it() -> None:
    """Exit code 0 counts, however little of a long delivery was read."""
    long = Delivery("0", "h", NOW, (trial(NOW),) * 5000)

    assert await Command(("true",)).send(long) == "exit code 0"

"""Git's proc-receive hook: hand the pushed refs to the daemon, relay its lines to the pusher, report its answer for each ref.

The daemon moves the refs itself, so "ok" without any option line is the whole truth about a ref that it accepted (githooks, proc-receive).
"""

import contextlib
import os
import socket
import sys
import typing

from hostess_hooks.pktline import FLUSH, PacketError, packet, read_section
from hostess_hooks.wire import (
    AT_MOST,
    LIMIT,
    SOCKET_VARIABLE,
    TICKET_VARIABLE,
    Answer,
    End,
    Frame,
    FrameError,
    Hello,
    Line,
    Option,
    Update,
    decode,
    encode,
)


class Request(typing.NamedTuple):
    """What git handed to the hook."""

    updates: list[Update]
    options: list[str]


class RefusedError(Exception):
    """Every ref is refused; the first argument says why in a few words, the second in a line for the pusher."""


def main() -> int:
    """Run the hook on standard input and output; the exit code is git's business, refusals are part of the answer."""
    try:
        request = read_request(sys.stdin.buffer, sys.stdout.buffer)
    except PacketError as error:
        say(f"hostess: git said something unexpected: {error}")
        return 1
    try:
        answers = ask(request)
    except RefusedError as refusal:
        reason, line = refusal.args
        say(line)
        answers = [Answer(update.ref, accepted=False, reason=reason) for update in request.updates]
    sys.stdout.buffer.write(report(answers))
    sys.stdout.buffer.flush()
    return 0


def read_request(incoming: typing.BinaryIO, outgoing: typing.BinaryIO) -> Request:
    """Agree on the protocol's version and features, then return what git wants done; PacketError when git speaks otherwise."""
    version, _, features = (read_section(incoming, 1) or [b""])[0].partition(b"\0")
    if version != b"version=1":
        raise PacketError(f"unknown version {version!r}")
    with_options = b"push-options" in features.split()
    outgoing.write(packet(b"version=1\0push-options" if with_options else b"version=1") + FLUSH)
    outgoing.flush()
    updates = [Update(*text(command).split(" ", 2)) for command in read_section(incoming, AT_MOST)]
    options = [text(option) for option in read_section(incoming, AT_MOST)] if with_options else []
    return Request(updates, options)


def ask(request: Request) -> list[Answer]:
    """Return the daemon's answer for each ref, in the order of the request, while its lines go to the pusher at once.

    RefusedError when there is no daemon to ask, or when it goes away.
    """
    path, ticket = os.environ.get(SOCKET_VARIABLE), os.environ.get(TICKET_VARIABLE)
    if not path or not ticket:
        raise RefusedError("not pushed through Hostess", "This repository belongs to Hostess: push to its git address.")
    frames: list[Frame] = [Hello(ticket), *request.updates, *(Option(option) for option in request.options), End()]
    answers: dict[str, Answer] = {}
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(path)
            connection.sendall(b"".join(map(encode, frames)))
            with connection.makefile("rb") as lines:
                while not isinstance(frame := decode(lines.readline(LIMIT + 1)), End):
                    if isinstance(frame, Line):
                        say(frame.text)
                    elif isinstance(frame, Answer):
                        answers[frame.ref] = frame
    except (OSError, FrameError) as error:
        raise RefusedError(
            "no answer from hostess", f"The Hostess daemon cannot be reached or went away ({error})."
        ) from error
    missing = "no answer from hostess"
    return [answers.get(update.ref, Answer(update.ref, accepted=False, reason=missing)) for update in request.updates]


def report(answers: list[Answer]) -> bytes:
    """Return the report that git expects."""
    lines = (f"ok {answer.ref}" if answer.accepted else f"ng {answer.ref} {answer.reason}" for answer in answers)
    return b"".join(packet(raw(line)) for line in lines) + FLUSH


def say(line: str) -> None:
    """Send one line to the pusher; when nobody listens any more, the answer still matters to git."""
    with contextlib.suppress(OSError):
        os.write(sys.stderr.fileno(), (line + "\n").encode(errors="replace"))


def text(data: bytes) -> str:
    """Return bytes of git's as text; ref names need not be UTF-8."""
    return data.decode(errors="surrogateescape")


def raw(line: str) -> bytes:
    """Return the bytes that `text` made *line* from."""
    return line.encode(errors="surrogateescape")

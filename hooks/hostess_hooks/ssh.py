"""What sshd starts for the user hostess: `hostess-ssh keys` as AuthorizedKeysCommand, and what that command's answer forces.

    hostess-ssh keys SOCKET TYPE KEY    print the line of authorized_keys for a key that the daemon knows
    hostess-ssh serve SOCKET ID         let git's client talk with the daemon, for the key with this id
    hostess-ssh away                    say that the daemon is not there

Nothing here decides who may do what: the daemon does, at the other end of SOCKET.
"""

import contextlib
import os
import socket
import string
import sys
import threading

from hostess_hooks.pktline import packet
from hostess_hooks.ssh_wire import ERR, EXIT, Command, Known, Shown, SshWireError, decode, encode, read_frame
from hostess_hooks.ssh_wire import LIMIT as AT_MOST

ANSWER_WITHIN = 10.0
"""Seconds in which the daemon says whose a key is."""

AWAY = (
    "the Hostess daemon on this host does not answer; apps that are live serve on; try again in a minute,"
    " or look there: systemctl status hostess"
)
BROKE_OFF = (
    "hostess: the daemon went away in the middle of this; apps that are live serve on."
    " Push again: what was done already is not done twice."
)

_ARGUMENTS = {"keys": 3, "serve": 2, "away": 0}
_PLAIN = frozenset(string.ascii_letters + string.digits + "/._+-@")


def main() -> int:
    """Do what the first argument says; return the exit code."""
    program, task, *rest = [*sys.argv, ""] if len(sys.argv) == 1 else sys.argv
    if _ARGUMENTS.get(task) != len(rest):
        say("usage: hostess-ssh keys SOCKET TYPE KEY | serve SOCKET ID | away (sshd calls this, see docs/access.md)")
        return 2
    if task == "keys":
        return keys(os.path.abspath(program), *rest)  # noqa: PTH100 -- pathlib costs every connection 10 ms
    return serve(*rest) if task == "serve" else away()


def keys(program: str, path: str, kind: str, blob: str) -> int:
    """Print the line for a key that is somebody's, and nothing for any other.

    Where the daemon does not answer nobody can be told apart: then every key opens the one sentence that says so, and nothing else.
    """
    if not _PLAIN.issuperset(program + path):
        say(f"hostess-ssh: only plain letters may be in the names of program and socket: {program} {path}")
        return 1
    try:
        known = ask(path, kind, blob)
    except (OSError, SshWireError) as error:
        say(f"hostess-ssh: {path}: {error}")
        forced = f"{program} away"
    else:
        if not known:
            return 0
        forced = f"{program} serve {path} {known}"
    os.write(sys.stdout.fileno(), f'restrict,command="{forced}" {kind} {blob}\n'.encode())
    return 0


def ask(path: str, kind: str, blob: str) -> str:
    """Return the id of a key, "" for one that is nobody's; OSError or SshWireError when the daemon does not answer."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(ANSWER_WITHIN)
        connection.connect(path)
        connection.sendall(encode(Shown(kind, blob)))
        with connection.makefile("rb") as lines:
            answer = decode(lines.readline(AT_MOST + 1))
    if not isinstance(answer, Known) or not _PLAIN.issuperset(answer.key):
        raise SshWireError("the daemon answered something else")
    return answer.key


def serve(path: str, key: str) -> int:
    """Carry bytes between git's client and the daemon until the daemon tells the exit code."""
    wanted = Command(key, os.environ.get("SSH_ORIGINAL_COMMAND", ""), os.environ.get("GIT_PROTOCOL", ""))
    try:
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(path)
        connection.sendall(encode(wanted))
    except SshWireError:
        say("hostess: this command is too long")
        return 1
    except OSError:
        return away()
    threading.Thread(target=_feed, args=(connection,), daemon=True).start()
    with connection.makefile("rb") as frames:
        while True:
            try:
                kind, data = read_frame(frames)
            except (OSError, SshWireError):
                say(BROKE_OFF)
                return 1
            if kind == EXIT:
                return data[0]
            try:
                _write(sys.stderr.fileno() if kind == ERR else sys.stdout.fileno(), data)
            except OSError:  # the client is gone; what was told completely, the daemon carries to its end
                return 1


def away() -> int:
    """Say that the daemon is not there, so that git's client shows it as "fatal: remote error: ..."."""
    if os.environ.get("SSH_ORIGINAL_COMMAND", "").startswith("git-"):
        with contextlib.suppress(OSError):
            _write(sys.stdout.fileno(), packet(f"ERR {AWAY}".encode()))
    else:
        say(f"hostess: {AWAY}")
    return 1


def say(line: str) -> None:
    """Say one line on standard error, if anybody listens."""
    with contextlib.suppress(OSError):
        os.write(sys.stderr.fileno(), (line + "\n").encode(errors="replace"))


def _feed(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := os.read(sys.stdin.fileno(), AT_MOST):
            connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)


def _write(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]

"""Between sshd's commands and the daemon: lines, frames, and the commands that are taken."""

import io
import subprocess
import sys
from pathlib import Path

import pytest

from hostess.doors.ssh_socket import parse
from hostess_hooks.ssh_wire import (
    ERR,
    EXIT,
    LIMIT,
    OUT,
    Command,
    Known,
    Line,
    Shown,
    SshWireError,
    decode,
    encode,
    frame,
    read_frame,
)

HOOKS = Path(__file__).parents[3] / "hooks"


@pytest.mark.parametrize("line", [Shown("ssh-ed25519", "AAAA"), Command("k1", "git-upload-pack 'é'", ""), Known("")])
def test_a_line_comes_back(line: Line) -> None:
    """What was encoded is decoded to the same."""
    assert decode(encode(line)) == line


@pytest.mark.parametrize(
    "data", [b"", b"[]\n", b"{}\n", b'["known"]\n', b'["known", 1]\n', b'["other", ""]\n', b'["known", ""]', b"\xff\n"]
)
def test_anything_else_is_no_line(data: bytes) -> None:
    """What is cut short, of another kind or shape is refused."""
    with pytest.raises(SshWireError):
        decode(data)


def test_frames_come_back() -> None:
    """Frames are read in order, with all bytes that there are; an empty one is no end."""
    stream = io.BytesIO(frame(OUT, bytes(range(256))) + frame(ERR, b"") + frame(EXIT, b"\1"))

    assert [read_frame(stream) for _ in range(3)] == [(OUT, bytes(range(256))), (ERR, b""), (EXIT, b"\1")]


@pytest.mark.parametrize("data", [b"", b"\1\0\0", b"\1\0\0\0\2x", b"\7\0\0\0\1x", b"\1\xff\0\0\0", b"\0\0\0\0\2ab"])
def test_anything_else_is_no_frame(data: bytes) -> None:
    """A stream that ends before the exit code, or holds anything else, is told from one that ends well."""
    with pytest.raises(SshWireError):
        read_frame(io.BytesIO(data))


def test_too_much_is_not_sent() -> None:
    """A line or a frame that the other side would refuse is refused here."""
    with pytest.raises(SshWireError):
        encode(Command("k", "x" * LIMIT, ""))
    with pytest.raises(SshWireError):
        frame(OUT, b"x" * (LIMIT + 1))


@pytest.mark.parametrize(
    ("command", "meant"),
    [
        ("git-receive-pack '/shop.git'", ("git-receive-pack", "shop")),
        ("git-upload-pack 'shop.git'", ("git-upload-pack", "shop")),
        ("git-upload-pack shop/", ("git-upload-pack", "shop")),
        ("", None),
        ("git-upload-pack", None),
        ("git-upload-pack 'shop.git' more", None),
        ("git-upload-pack 'shop.git", None),
        ("git-upload-pack '/var/lib/hostess/repos/shop.git'", None),
        ("git-upload-pack '../shop.git'", None),
        ("git-upload-archive 'shop.git'", None),
        ("git upload-pack 'shop.git'", None),
    ],
)
def test_the_commands_of_git_are_taken(command: str, meant: tuple[str, str] | None) -> None:
    """Git's two programs with one project are taken, however the client writes its path; nothing else is."""
    assert parse(command) == meant


def test_the_program_starts_at_once() -> None:
    """What sshd starts imports nothing that takes long."""
    shown = "import sys, hostess_hooks.ssh; print(*sys.modules)"

    modules = subprocess.run([sys.executable, "-S", "-c", shown], capture_output=True, text=True, check=True, cwd=HOOKS)

    heavy = {"dataclasses", "asyncio", "inspect", "logging", "pathlib", "shlex", "subprocess", "ssl", "argparse"}
    assert heavy.isdisjoint(modules.stdout.split())

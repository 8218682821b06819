"""Lines of `.pub` files: what is taken, what is refused, and why."""

import base64
import struct
import subprocess
from pathlib import Path

import pytest

from hostess.domain.problem import Problem
from hostess.domain.ssh_keys import parse_public_key


def generated(folder: Path, *arguments: str) -> tuple[str, str]:
    """Return a new key's line, and its fingerprint, both from ssh-keygen."""
    path = folder / "key"
    subprocess.run(["ssh-keygen", "-q", "-N", "", "-C", "me@laptop", "-f", path, *arguments], check=True)
    shown = subprocess.run(["ssh-keygen", "-l", "-f", path], check=True, capture_output=True, text=True).stdout
    return path.with_suffix(".pub").read_text(), shown.split()[1]


def a_line(kind: str, *parts: bytes) -> str:
    """Return a line of a key made of these strings."""
    blob = b"".join(struct.pack(">I", len(part)) + part for part in (kind.encode(), *parts))
    return f"{kind} {base64.b64encode(blob).decode()} me"


GOOD = a_line("ssh-ed25519", b"k" * 32)


@pytest.mark.parametrize(
    "arguments",
    [("-t", "ed25519"), ("-t", "ecdsa", "-b", "256"), ("-t", "ecdsa", "-b", "521"), ("-t", "rsa", "-b", "2048")],
    ids=" ".join,
)
def test_keys_that_ssh_keygen_makes_are_taken(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    """Its key is known by kind, comment and the fingerprint that ssh-keygen itself shows."""
    line, fingerprint = generated(tmp_path, *arguments)

    key = parse_public_key(f"# mine\n\n{line}")

    assert (key.kind, key.blob, key.comment) == (*line.split()[:2], "me@laptop")
    assert key.fingerprint == fingerprint


@pytest.mark.parametrize(
    ("kind", "parts"),
    [
        ("sk-ssh-ed25519@openssh.com", (b"k" * 32, b"ssh:")),
        ("sk-ecdsa-sha2-nistp256@openssh.com", (b"nistp256", b"\4" + b"k" * 64, b"ssh:")),
    ],
)
def test_keys_of_security_tokens_are_taken(kind: str, parts: tuple[bytes, ...]) -> None:
    """The two kinds of security tokens are taken."""
    assert parse_public_key(a_line(kind, *parts)).kind == kind


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "expected one public key"),
        (f"{GOOD}\n{GOOD}", "expected one public key"),
        ("x" * 9000, "expected one public key"),
        ("hello", "no public key that is taken"),
        ("ssh-ed25519", "no public key that is taken"),
        (a_line("ssh-dss", b"p", b"q", b"g", b"y"), "no public key that is taken: ssh-dss"),
        (a_line("ssh-ed25519-cert-v01@openssh.com", b"k" * 32), "no public key that is taken"),
        (f'command="/bin/sh" {GOOD}', "options before the key"),
        (f"no-pty,from=10.0.0.1 {GOOD}", "options before the key"),
        ("ssh-ed25519 AAAA!", "cut short or damaged"),
        (GOOD[:60], "damaged"),
        (a_line("ssh-ed25519", b"k" * 31), "damaged"),
        (a_line("ssh-ed25519", b"k" * 32, b"more"), "damaged"),
        (a_line("ssh-ed25519", b"k" * 32).replace("ssh-ed25519", "ssh-rsa"), "another kind"),
        (a_line("ecdsa-sha2-nistp256", b"nistp384", b"\4" + b"k" * 64), "damaged"),
        (a_line("ecdsa-sha2-nistp256", b"nistp256", b"\2" + b"k" * 32), "damaged"),
        (a_line("ssh-rsa", b"\1\0\1", b"\0" + b"\xff" * 128), "has 1024 bits"),
        (a_line("ssh-rsa", b"\1", b"\0" + b"\xff" * 256), "damaged"),
        ("-----BEGIN OPENSSH PRIVATE KEY-----\nc2VjcmV0\n-----END OPENSSH PRIVATE KEY-----", "a private key"),
    ],
)
def test_anything_else_is_refused_with_a_reason(text: str, why: str) -> None:
    """What is no single key of a kind that is taken, without options, is refused; nothing of a private key is repeated."""
    with pytest.raises(Problem, match=why) as caught:
        parse_public_key(text)

    assert caught.value.code == "key-invalid"
    assert caught.value.remedy
    assert "c2VjcmV0" not in f"{caught.value}{caught.value.remedy}"

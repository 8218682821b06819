"""Encryption with age (age-encryption.org/v1): streams for recipients, read with an identity; nothing is ever held but some pieces."""

import queue
import stat
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import chain
from pathlib import Path

import pyrage

from hostess.domain.problem import Problem

HEADER = b"age-encryption.org/"
WAITING = 8
"""Pieces that wait between the thread that encrypts and the one that takes them."""
_NO_KEY = "No matching keys"
"""What the library says when no identity fits."""


class Seal:
    """Encrypts for *recipients* (none: not at all), and decrypts with the identities in a file."""

    def __init__(self, recipients: Sequence[str] = (), identity_file: Path | None = None) -> None:
        self._recipients = tuple(recipients)
        self._identity_file = identity_file

    @property
    def name(self) -> str:
        """The format of what is encrypted; "" when nothing is."""
        return "age" if self._recipients else ""

    def sealed(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        """Yield the pieces, encrypted if there are recipients. Whatever *pieces* raises comes out of it, and no end."""
        if not self._recipients:
            yield from pieces
            return
        recipients = [_recipient(text) for text in self._recipients]
        yield from _Pipe(iter(pieces), lambda source, target: pyrage.encrypt_io(source, target, recipients)).pieces()

    def opened(self, path: str, pieces: Iterable[bytes]) -> Iterator[bytes]:
        """Yield the pieces, decrypted if they are encrypted. Problem "backup-sealed" without a fitting identity, "backup-damaged"."""
        stream = iter(pieces)
        first = next(stream, b"")
        whole = chain([first], stream)
        if not first.startswith(HEADER):
            yield from whole
            return
        identities = self._identities(path)
        try:
            yield from _Pipe(whole, lambda source, target: pyrage.decrypt_io(source, target, identities)).pieces()
        except (pyrage.DecryptError, OSError) as error:
            # A header that was cut is the same kind of error for the library; only its words tell.
            if _NO_KEY in str(error):
                why = "the identities in backups.identity_file are not those that it is encrypted for"
                raise _sealed(path, why) from error
            raise Problem(
                "backup-damaged", f"the artefact {path} is damaged: it cannot be decrypted to its end"
            ) from error

    def _identities(self, path: str) -> list[object]:
        file = self._identity_file
        if file is None:
            raise _sealed(path, "this host has no identity to read it with (backups.identity_file)")
        try:
            if stat.S_IMODE(file.stat().st_mode) & 0o077:
                raise _sealed(path, f"{file} may be read by others: make it 0600")
            text = file.read_text()
        except (OSError, UnicodeDecodeError) as error:
            raise _sealed(path, f"{file} cannot be read") from error
        try:
            if text.lstrip().startswith("-----BEGIN"):
                return [pyrage.ssh.Identity.from_buffer(text.encode())]
            lines = [line.strip() for line in text.splitlines()]
            return [pyrage.x25519.Identity.from_str(line) for line in lines if line and not line.startswith("#")]
        except pyrage.IdentityError:
            # What the library says may have the line, which is a key.
            raise _sealed(path, f"{file} is no file of age identities and no SSH key without a passphrase") from None


def check_recipients(recipients: Sequence[str]) -> None:
    """Problem "backup-unsealed" for one that is no public key."""
    for text in recipients:
        _recipient(text)


class Reader:
    """Pieces, read like a file. *failed* is what they raised."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._held = bytearray()
        self.failed: BaseException | None = None

    def read(self, size: int) -> bytes:
        """Return so many bytes, fewer only at the end."""
        while len(self._held) < size:
            try:
                piece = next(self._pieces, None)
            except BaseException as error:
                self.failed = error
                raise
            if piece is None:
                break
            self._held += piece
        found = bytes(self._held[:size])
        del self._held[:size]
        return found


class _Pipe:
    """Work that reads one stream and writes another one, on a thread of its own; the other end is a generator."""

    def __init__(self, pieces: Iterator[bytes], work: Callable[[Reader, "_Pipe"], None]) -> None:
        self._source = Reader(pieces)
        self._work = work
        self._made: queue.Queue[bytes | None] = queue.Queue(WAITING)
        self._given_up = False
        self._failed: BaseException | None = None

    def pieces(self) -> Iterator[bytes]:
        """Yield what the work writes."""
        thread = threading.Thread(target=self._run, name="age", daemon=True)
        thread.start()
        try:
            while (piece := self._made.get()) is not None:
                yield piece
        finally:
            self._given_up = True
            while thread.is_alive():
                with suppress(queue.Empty):
                    self._made.get_nowait()
                thread.join(0.01)
        failed = self._source.failed or self._failed
        if failed is not None:
            raise failed

    def write(self, data: bytes) -> int:
        """Take a piece from the work."""
        if self._given_up:
            raise BrokenPipeError
        self._made.put(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Nothing is held back."""

    def _run(self) -> None:
        try:
            self._work(self._source, self)
        except BaseException as error:  # noqa: BLE001 -- raised again where the pieces are taken
            self._failed = error
        self._made.put(None)


def _recipient(text: str) -> object:
    try:
        return (
            pyrage.ssh.Recipient.from_str(text) if text.startswith("ssh-") else pyrage.x25519.Recipient.from_str(text)
        )
    except pyrage.RecipientError as error:
        raise Problem(
            "backup-unsealed",
            f"{text[:80]!r} is nobody that age can encrypt for",
            serving="the service itself, and the backups that are there",
            remedy='name public keys: "age1..." (`age-keygen -y FILE` shows it), "ssh-ed25519 ..." or "ssh-rsa ..."',
        ) from error


def _sealed(path: str, why: str) -> Problem:
    return Problem(
        "backup-sealed",
        f"{path} is encrypted, and so can be neither proved nor restored here: {why}",
        serving="the service itself, and the backup as it is",
        remedy="give backups.identity_file, or decrypt it elsewhere: docs/backups.md says how",
    )

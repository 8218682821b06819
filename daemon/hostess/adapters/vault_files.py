"""The vault: secrets wrapped with AES-GCM by a key that lies in a file of its own, outside the database."""

import base64
import binascii
import hmac
import os
import secrets
import stat
from hashlib import sha256
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from hostess.adapters.folder_sync import sync_folder
from hostess.domain.ports import Journal
from hostess.domain.problem import Problem

_KEY_BYTES = 32
_NONCE_BYTES = 12
_FORMAT = "v1"
_SENTINEL = "key-check"


class FileVault:
    """`Vault` (domain/ports.py) with the key in *key_path*, made there (mode 0600) when there is none and *create* is set.

    A sealed value is "v1.<key id>.<nonce and ciphertext>". Problem "key-lost" when the key is not there and must not be made,
    "key-exposed" when others can read it, "key-unreadable" when it is no key of ours; the file is then left as it is.
    """

    def __init__(self, key_path: Path, *, create: bool = True) -> None:
        try:
            if create and not key_path.exists():
                _create(key_path)
            key = _read(key_path)
        except OSError as error:
            raise Problem("key-unreadable", f"the key {key_path} cannot be used: {error.strerror}") from error
        # Each use has a key of its own, so that what one shows says nothing about another.
        self._cipher = AESGCM(_derived(key, b"hostess seal"))
        self._digest_key = _derived(key, b"hostess digest")
        self._key_id = _derived(key, b"hostess key id")[:4].hex()

    def seal(self, value: str, bound_to: str) -> str:
        """Return the value encrypted, as text that opens only with the same *bound_to*."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        sealed = nonce + self._cipher.encrypt(nonce, value.encode(), bound_to.encode())
        return f"{_FORMAT}.{self._key_id}.{base64.urlsafe_b64encode(sealed).decode()}"

    def open(self, sealed: str, bound_to: str) -> str:
        """Return the value; Problem "secret-unreadable" when the text is damaged, or key or binding differ."""
        name, _, rest = sealed.partition(".")
        key_id, _, text = rest.partition(".")
        if name != _FORMAT:
            raise _unreadable("it is not in a form that this version knows")
        if key_id != self._key_id:
            raise _unreadable(f"it was sealed with another key ({key_id}; this one is {self._key_id})")
        try:
            data = base64.b64decode(text, altchars=b"-_", validate=True)
            return self._cipher.decrypt(data[:_NONCE_BYTES], data[_NONCE_BYTES:], bound_to.encode()).decode()
        except (InvalidTag, ValueError, binascii.Error) as error:
            raise _unreadable("it is damaged, or belongs somewhere else") from error

    def digest(self, text: str) -> str:
        """Return a keyed digest (HMAC-SHA-256, 32 hex digits) that tells nothing about *text*."""
        return hmac.new(self._digest_key, text.encode(), sha256).hexdigest()[:32]

    def sentinel(self) -> str:
        """Return a sealed text by which `check` knows this key again."""
        return self.seal(_SENTINEL, _SENTINEL)

    def check(self, sentinel: str) -> None:
        """Problem "key-lost" unless *sentinel* was made with this key."""
        try:
            self.open(sentinel, _SENTINEL)
        except Problem as problem:
            raise _lost("the key is not the one that the stored secrets were sealed with") from problem


async def open_vault(key_path: Path, journal: Journal) -> FileVault:
    """Return the vault whose key fits what the journal has sealed; only an installation that never had a key gets a new one.

    Problem "key-lost" when the key is gone or another one: better not to start than to seal new secrets beside lost ones.
    """
    sentinel = await journal.note(_SENTINEL)
    vault = FileVault(key_path, create=sentinel is None)
    if sentinel is None:
        await journal.set_note(_SENTINEL, vault.sentinel())
    else:
        vault.check(sentinel)
    return vault


def _create(path: Path) -> None:
    """Put a new key in place whole: a crash leaves none, and one that appears meanwhile is not replaced."""
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with open(descriptor, "wb") as file:  # noqa: PTH123 -- a descriptor, not a path
            file.write(secrets.token_bytes(_KEY_BYTES))
            file.flush()
            os.fsync(descriptor)
        os.link(fresh, path)
    except FileExistsError:
        pass
    finally:
        fresh.unlink()
    sync_folder(path.parent)


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            key = file.read(_KEY_BYTES + 1)
    except FileNotFoundError:
        raise _lost("the key is gone") from None
    if stat.S_IMODE(mode) & 0o077:
        raise Problem(
            "key-exposed",
            f"the key {path} can be read or changed by others (mode {stat.S_IMODE(mode):04o})",
            remedy=f"`chmod 600 {path}`; if others may have read it, change the secrets too",
        )
    if len(key) != _KEY_BYTES:
        raise Problem(
            "key-unreadable",
            f"{path} does not hold a key of {_KEY_BYTES} bytes",
            remedy="restore it from a backup; it was left as it is",
        )
    return key


def _derived(key: bytes, use: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=_KEY_BYTES, salt=None, info=use).derive(key)


def _lost(what: str) -> Problem:
    return Problem(
        "key-lost",
        f"{what}; without it no stored secret can be read",
        remedy="restore <data_dir>/key from a backup; nothing was changed",
    )


def _unreadable(why: str) -> Problem:
    return Problem("secret-unreadable", f"a stored secret cannot be opened: {why}", remedy="set the secret again")

"""Certificates as folders of the data folder: written beside, proved by OpenSSL, then renamed, so that no half of one is ever served.

    certs/<id>/chain.pem    the leaf first
    certs/<id>/key.pem      0600, its owner the proxy's user
    certs/<id>/meta.json    source and authority

A folder never changes: what follows a certificate gets a folder, and so an id, of its own, and both are there until one is removed.
The daemon owns all of it but the keys. Where the proxy has a user of its own, that user may enter the folders whose names its table
tells, but not list them, and owns the keys: nobody else but root reads them. Its systemd unit lets it write to none.
"""

import asyncio
import contextlib
import hashlib
import json
import logging
import os
import pwd
import re
import shutil
import ssl
import stat
from dataclasses import dataclass
from pathlib import Path

from hostess.adapters.folder_sync import sync_folder
from hostess.domain.certificates.certificate import Certificate, Source
from hostess.domain.certificates.pem import Pair, check_dates, invalid, read_pair
from hostess.domain.ports import Clock
from hostess.domain.problem import Problem

CHAIN, KEY, META = "chain.pem", "key.pem", "meta.json"
PROXY_USER = "hostess-proxy"
_UNFINISHED = ".new-"
_GONE = ".gone-"
_ID = re.compile(r"[a-z0-9_][a-z0-9._-]*-[0-9a-f]{16}")
_LONGEST_NAME = 100
_OTHERS = stat.S_IRWXG | stat.S_IRWXO

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Reader:
    """The user that the proxy runs as."""

    uid: int
    gid: int


class FileCertificates:
    """Implements `ports.CertificateStore` in *folder*; *reader* None: the proxy runs as the daemon's user."""

    def __init__(self, folder: Path, clock: Clock, reader: Reader | None = None) -> None:
        self._folder = folder.absolute()
        self._clock = clock
        self._reader = reader
        self._one_at_a_time = asyncio.Lock()
        self._seen: dict[str, tuple[object, Certificate | None]] = {}

    async def all(self) -> list[Certificate]:
        """Return what is kept and readable, by id; expired ones too. A broken one is told in the log once."""
        async with self._one_at_a_time:
            return await asyncio.to_thread(self._all)

    async def save(self, chain: str, key: str, source: Source, authority: str = "") -> Certificate:
        """Check, prove and keep; the same certificate is kept once. Problem "certificate-invalid", "certificate-not-kept"."""
        async with self._one_at_a_time:
            return await asyncio.to_thread(self._save, chain, key, source, authority)

    def files(self, certificate: Certificate) -> tuple[Path, Path]:
        """Return the absolute paths of chain and key."""
        folder = self._path(certificate.id)
        return folder / CHAIN, folder / KEY

    async def remove(self, certificate: Certificate) -> None:
        """Remove a folder, by another name first: what is left of it after a crash is no certificate."""
        async with self._one_at_a_time:
            await asyncio.to_thread(self._remove, self._path(certificate.id))

    def _all(self) -> list[Certificate]:
        if not self._folder.is_dir():
            return []
        self._open()
        self._tidy()
        names = sorted(filter(_ID.fullmatch, os.listdir(self._folder)))  # noqa: PTH208 -- names are what is wanted
        for gone in self._seen.keys() - set(names):
            del self._seen[gone]
        return [found for found in map(self._known, names) if found is not None]

    def _known(self, name: str) -> Certificate | None:
        """Return what a folder holds; it is read again only when its files have changed."""
        # Paths as text: this is asked of thousands each time.
        state = tuple(_state(f"{self._folder}/{name}/{file}") for file in (CHAIN, KEY, META))
        if name not in self._seen or self._seen[name][0] != state:
            path = self._path(name)
            try:
                self._seen[name] = (state, self._read(path))
            except (OSError, ValueError, KeyError, TypeError, Problem) as problem:
                log.error("the certificate in %s is left out, others are served: %s", path, problem)  # noqa: TRY400 -- no bug
                self._seen[name] = (state, None)
        return self._seen[name][1]

    def _read(self, path: Path) -> Certificate:
        meta = json.loads((path / META).read_text(encoding="utf-8"))
        self._give(path)
        pair = read_pair((path / CHAIN).read_text(encoding="ascii"), (path / KEY).read_text(encoding="ascii"))
        return _certificate(path.name, pair, Source(meta["source"]), str(meta["authority"]))

    def _save(self, chain: str, key: str, source: Source, authority: str) -> Certificate:
        pair = read_pair(chain, key)
        check_dates(pair.chain, self._clock.now())
        made = _certificate(_id(pair, source, authority), pair, source, authority)
        path = self._path(made.id)
        try:
            self._open()
            self._tidy()
            if not path.is_dir() or self._known(made.id) is None:
                self._write(path, pair, made)
        except OSError as error:
            raise Problem(
                "certificate-not-kept",
                f"the certificate for {pair.names[0]} could not be written to {self._folder}: {error.strerror}",
                serving="the certificates that were there before",
                remedy="make room on the disk, or give the daemon back its folder",
            ) from error
        return made

    def _write(self, path: Path, pair: Pair, made: Certificate) -> None:
        beside = self._folder / f"{_UNFINISHED}{path.name}"
        beside.mkdir(mode=0o700)
        try:
            _put(beside / KEY, pair.key, 0o600)
            _put(beside / CHAIN, pair.chain, 0o640)
            _put(beside / META, json.dumps({"source": made.source, "authority": made.authority}) + "\n", 0o640)
            _prove(beside)
            self._give(beside)
            sync_folder(beside)
            if path.exists():  # a damaged one
                self._remove(path)
            beside.rename(path)
            sync_folder(self._folder)
        finally:
            shutil.rmtree(beside, ignore_errors=True)

    def _open(self) -> None:
        """Make the folder; the proxy's user may pass through it."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self._reader is not None:
            _own(self._folder, os.geteuid(), self._reader.gid, 0o710)

    def _give(self, path: Path) -> None:
        """Give a folder and what is in it the rights that they should have, whoever put them there."""
        if self._reader is None:
            _own(path / KEY, os.geteuid(), None, 0o600)
            return
        _own(path / KEY, self._reader.uid, self._reader.gid, 0o600)
        for file in (CHAIN, META):
            _own(path / file, os.geteuid(), self._reader.gid, 0o640)
        _own(path, os.geteuid(), self._reader.gid, 0o750)

    def _remove(self, path: Path) -> None:
        gone = self._folder / f"{_GONE}{path.name}"
        with contextlib.suppress(FileNotFoundError):
            path.rename(gone)
        shutil.rmtree(gone, ignore_errors=True)

    def _tidy(self) -> None:
        """Remove what a crash has left half done."""
        for left in [*self._folder.glob(f"{_UNFINISHED}*"), *self._folder.glob(f"{_GONE}*")]:
            shutil.rmtree(left, ignore_errors=True)

    def _path(self, certificate: str) -> Path:
        if not _ID.fullmatch(certificate):
            raise ValueError(f"{certificate!r} is no id of a certificate")
        return self._folder / certificate


def proxy_user() -> Reader | None:
    """Return the user that the proxy's systemd unit names; None where there is none, or this process may give it nothing."""
    if os.geteuid() != 0:
        return None
    try:
        found = pwd.getpwnam(PROXY_USER)
    except KeyError:
        return None
    return Reader(found.pw_uid, found.pw_gid)


def _id(pair: Pair, source: Source, authority: str) -> str:
    """Return the id of a certificate: always the same for the same one, and good for the name of a folder."""
    digest = hashlib.sha256(f"{source}\0{authority}\0".encode() + pair.der).hexdigest()[:16]
    name = re.sub(r"[^a-z0-9._]+", "-", pair.names[0].replace("*", "_wildcard")).lstrip(".-")
    return f"{name[:_LONGEST_NAME] or 'certificate'}-{digest}"


def _certificate(name: str, pair: Pair, source: Source, authority: str) -> Certificate:
    return Certificate(
        id=name,
        names=pair.names,
        source=source,
        issuer=pair.issuer,
        serial=pair.serial,
        not_before=pair.not_before,
        not_after=pair.not_after,
        authority=authority,
        renewal_id=pair.renewal_id if source is Source.ACME else "",
    )


def _prove(folder: Path) -> None:
    """Let OpenSSL load the pair as the proxy will; Problem "certificate-invalid" when it does not."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(folder / CHAIN, folder / KEY)
    except ssl.SSLError as error:
        raise invalid(f"OpenSSL does not take the certificate: {error.reason}", "have it issued anew") from error


def _put(path: Path, text: str, mode: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    with open(descriptor, "w", encoding="ascii") as file:  # noqa: PTH123 -- a descriptor, not a path
        file.write(text)
        file.flush()
        os.fsync(descriptor)


def _own(path: Path, uid: int, gid: int | None, mode: int) -> None:
    """Set owner and mode where they differ; the mode first, so that at no moment others may read."""
    found = path.stat()
    if stat.S_IMODE(found.st_mode) & _OTHERS & ~mode:
        path.chmod(stat.S_IMODE(found.st_mode) & mode)
    if (found.st_uid, found.st_gid) != (uid, found.st_gid if gid is None else gid):
        os.chown(path, uid, -1 if gid is None else gid)
    if stat.S_IMODE(path.stat().st_mode) != mode:
        path.chmod(mode)


def _state(path: str) -> object:
    try:
        found = os.stat(path)  # noqa: PTH116 -- see where it is called
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_uid, found.st_mode

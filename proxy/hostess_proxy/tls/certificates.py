"""Certificates as one worker serves them: which one a handshake gets, and the contexts of those that were asked for.

By the name that the client asks for (SNI): that very name, before `*.rest`, before the default, which is a certificate with the
name `*`. Who asks for no name gets the certificate of the address that was connected to, or the default. There is nothing for
everybody else.

A certificate is loaded when it is first needed, and the least used are let go, so thousands of them cost little. One that cannot be
loaded affects its own names only; where an older one for the same names is at hand, that is served on.
"""

import ssl
import sys
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from time import monotonic
from typing import Final

from hostess_proxy.tables.table import DEFAULT_HOST, Certificate

LOADED_CERTIFICATES: Final = 512
RETRY_SECONDS: Final = 10.0
_MAX_NAME = 253
_Stamp = tuple[tuple[int, int, int], ...]


class Identity:
    """A certificate that is ready: the names it is good for, and the *context* of handshakes that show it."""

    __slots__ = ("_exact", "_wildcard", "certificate", "context", "is_default", "stamp")

    def __init__(self, certificate: Certificate, context: ssl.SSLContext, stamp: _Stamp) -> None:
        self.certificate = certificate
        self.context = context
        self.stamp = stamp
        names = certificate.names
        self.is_default = DEFAULT_HOST in names
        self._exact = frozenset(name.encode() for name in names if not name.startswith("*"))
        self._wildcard = frozenset(name[2:].encode() for name in names if name.startswith("*."))

    def covers(self, host: bytes) -> bool:
        """Whether a request for *host* belongs on a connection that shows this certificate (RFC 9110 §7.4)."""
        return self.is_default or host in self._exact or host.partition(b".")[2] in self._wildcard


class Certificates:
    """The certificates of today's table. *make_context* gives a context with everything but the certificate."""

    def __init__(self, make_context: Callable[[], ssl.SSLContext]) -> None:
        self.broken: dict[str, str] = {}
        self._make_context = make_context
        self._listed: tuple[Certificate, ...] = ()
        self._by_name: dict[str, Certificate] = {}
        self._loaded: OrderedDict[tuple[str, ...], Identity] = OrderedDict()
        self._retry_at: dict[tuple[str, ...], float] = {}

    def swap(self, certificates: tuple[Certificate, ...]) -> None:
        """Serve these from now on; connections that are open keep what they were shown.

        What is in use is looked at again, its files too: a certificate that was renewed in place is a new one.
        """
        self._retry_at.clear()
        if certificates != self._listed:
            self._listed = certificates
            self._by_name = {}
            for certificate in certificates:
                for name in certificate.names:
                    self._by_name.setdefault(name, certificate)
        self.broken = {name: what for name, what in self.broken.items() if name in self._by_name}
        today = {certificate.names: certificate for certificate in reversed(certificates)}
        for names, identity in list(self._loaded.items()):
            now = today.get(names)
            if now is None:
                del self._loaded[names]
            elif now != identity.certificate or not _is_unchanged(identity):
                self._load(now)

    def find(self, name: str | None, address: str) -> Identity | None:
        """Return what to show to who asks for *name* (None: for none) at our own *address*; None when there is nothing."""
        certificate = self._listed_for(name, address)
        if certificate is None:
            return None
        names = certificate.names
        identity = self._loaded.get(names)
        if names in self._retry_at:
            return identity if self._retry_at[names] > monotonic() else self._load(certificate)
        if identity is None:
            return self._load(certificate)
        self._loaded.move_to_end(names)
        return identity

    def _listed_for(self, name: str | None, address: str) -> Certificate | None:
        by_name = self._by_name
        if name is None:
            # Where there is one certificate only, showing it tells nothing that is somebody else's.
            found = by_name.get(address) or (self._listed[0] if len(self._listed) == 1 else None)
        elif len(name) > _MAX_NAME:
            return None
        else:
            lower = name.lower().removesuffix(".")
            found = by_name.get(lower) or by_name.get("*." + lower.partition(".")[2])
        return found or by_name.get(DEFAULT_HOST)

    def _load(self, certificate: Certificate) -> Identity | None:
        """Make a certificate ready. One that cannot be loaded gives what was loaded for its names before, None for nothing."""
        names = certificate.names
        try:
            stamp = _stamp(certificate)
            context = self._make_context()
            # A key that asks for a password cannot be used: nobody is there to type it.
            context.load_cert_chain(certificate.chain, certificate.key, password="")
        except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
            self._retry_at[names] = monotonic() + RETRY_SECONDS
            self._tell(certificate, error)
            return self._loaded.get(names)
        self._retry_at.pop(names, None)
        identity = self._loaded[names] = Identity(certificate, context, stamp)
        self._loaded.move_to_end(names)
        self.broken.pop(names[0], None)
        if len(self._loaded) > LOADED_CERTIFICATES:
            self._loaded.popitem(last=False)
        return identity

    def _tell(self, certificate: Certificate, error: Exception) -> None:
        first = certificate.names[0]
        reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or str(error)
        what = f"{certificate.chain} with {certificate.key}: {reason}"
        if self.broken.get(first) != what:
            sys.stderr.write(f"hostess proxy: the certificate of {first} cannot be used: {what}\n")
        self.broken[first] = what


def _is_unchanged(identity: Identity) -> bool:
    try:
        return _stamp(identity.certificate) == identity.stamp
    except OSError:
        return False


def _stamp(certificate: Certificate) -> _Stamp:
    """Return what tells two versions of a certificate's files apart."""
    facts = (Path(path).stat() for path in (certificate.chain, certificate.key))
    return tuple((fact.st_mtime_ns, fact.st_size, fact.st_ino) for fact in facts)

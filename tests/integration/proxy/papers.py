"""Certificates for tests: an authority, what it has issued, and clients that believe it."""

import ssl
from functools import cache
from pathlib import Path
from typing import Any

import trustme


class Papers:
    """A certificate authority whose certificates lie in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._authority = trustme.CA(key_type=trustme.KeyType.ECDSA)
        self._issued: dict[tuple[str, ...], dict[str, Any]] = {}

    def certificate(self, *names: str) -> dict[str, Any]:
        """Return an entry of a table for these names, always the same one; "*" is what "a.x" asks for, too."""
        if names not in self._issued:
            self._issued[names] = self.issue(self._folder / f"paper{len(self._issued)}", *names)
        return self._issued[names]

    def issue(self, path: Path, *names: str) -> dict[str, Any]:
        """Write a new certificate and its key beside *path*, and return its entry of a table."""
        subject = ["a.x" if name == "*" else name.strip("[]") for name in names]
        leaf = self._authority.issue_cert(*subject, key_type=trustme.KeyType.ECDSA)
        chain, key = path.with_suffix(".pem"), path.with_suffix(".key")
        chain.write_bytes(b"".join(pem.bytes() for pem in leaf.cert_chain_pems))
        key.write_bytes(leaf.private_key_pem.bytes())
        return {"names": list(names), "chain": str(chain), "key": str(key)}

    def authority(self) -> bytes:
        """Return the authority's own certificate."""
        return bytes(self._authority.cert_pem.bytes())

    @cache  # noqa: B019 -- there is one authority, and it lives as long as the tests
    def client(self) -> ssl.SSLContext:
        """Return the context of a client that believes this authority."""
        context = ssl.create_default_context()
        self._authority.configure_trust(context)
        return context

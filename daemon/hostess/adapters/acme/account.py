"""Our account at an ACME authority (RFC 8555 §7.3): made when it is first needed, its key in a file of its own."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from hostess.adapters.acme.jws import AccountKey, Binding
from hostess.adapters.acme.wire import AcmeWire, Answer, RefusedError
from hostess.adapters.whole_file import write_whole
from hostess.domain.certificates.acme_answers import fresh_key
from hostess.domain.ports import AuthorityError
from hostess.domain.problem import Problem

Json = Any


@dataclass(frozen=True, slots=True)
class Account:
    """What the file holds; *url* is empty until the authority has told it."""

    directory: str
    email: str
    key: str = field(repr=False)
    url: str = ""


@dataclass(frozen=True, slots=True)
class BindingFile:
    """Who is the customer, where an authority wants to know: a key's id, and the *file* that the key is in, in base64url."""

    key_id: str
    file: Path

    def read(self) -> Binding:
        """Return what the file holds now; Problem "acme-binding-unreadable"."""
        try:
            return Binding.parse(self.key_id, self.file.read_text("ascii"))
        except OSError as error:
            fault = f"cannot be read: {error.strerror}"
        except ValueError:
            # Not what the library says: it might quote from the key.
            fault = "does not hold a key in base64url"
        raise Problem(
            "acme-binding-unreadable",
            f"{self.file}, the key of the authority's customer {self.key_id}, {fault}",
            serving="the certificates that there are",
            remedy="put the key (HMAC) there that the authority gave you with the key id, on one line",
        )


class AcmeAccount:
    """Signs requests to one authority. There is one account for each directory and e-mail (which may be empty).

    The key is on disk before the authority hears of it: after a kill in between, the same key finds the same account.
    """

    def __init__(
        self, wire: AcmeWire, folder: Path, wanted: tuple[str, str], binding: BindingFile | None = None
    ) -> None:
        self._wire = wire
        self._folder = folder
        self._directory, self._email = wanted
        self._binding = binding
        self._path = folder / f"{sha256(json.dumps(wanted).encode()).hexdigest()[:32]}.json"
        self._held: tuple[Account, AccountKey] | None = None
        self._lock = asyncio.Lock()

    async def thumbprint(self) -> str:
        """Return that of the account's key."""
        return (await self._registered())[1].thumbprint

    async def send(self, url: str, payload: Json = None, *, accept: str = "application/json") -> Answer:
        """Return the answer to a request of ours; without a *payload* it asks for what is at *url* (POST-as-GET, RFC 8555 §6.3).

        An account that the authority has lost is made again with the same key.
        """
        held = await self._registered()
        try:
            return await self._sent(held, url, payload, accept)
        except RefusedError as refusal:
            if refusal.kind != "accountDoesNotExist":
                raise
        return await self._sent(await self._registered(lost=held[0]), url, payload, accept)

    async def renewed_if_shut(self) -> bool:
        """Make another account, with another key, where the authority has shut ours (RFC 8555 §7.3.6); return whether it had."""
        held = await self._registered()
        try:
            answer = await self._sent(held, held[0].url, None, "application/json")
            if answer.json().get("status") == "valid":
                return False
        except RefusedError as refusal:
            if refusal.kind != "unauthorized":
                raise
        async with self._lock:
            if self._held is not None and self._held[0] == held[0]:
                await self._keep(replace(held[0], key=fresh_key(), url=""))
        return True

    async def _sent(self, held: tuple[Account, AccountKey], url: str, payload: Json, accept: str) -> Answer:
        account, key = held
        content = b"" if payload is None else json.dumps(payload).encode()
        return await self._wire.send(
            url, lambda nonce: key.signed(url, content, nonce=nonce, account=account.url), accept=accept
        )

    async def _registered(self, *, lost: Account | None = None) -> tuple[Account, AccountKey]:
        async with self._lock:
            account, key = self._held or await self._load()
            if not account.url or account == lost:
                account = replace(account, url=await self._register(key))
                await self._keep(account)
            return account, key

    async def _register(self, key: AccountKey) -> str:
        url = (await self._wire.directory()).new_account
        payload: dict[str, Json] = {"termsOfServiceAgreed": True}
        if self._email:
            payload["contact"] = [f"mailto:{self._email}"]
        if self._binding is not None:
            binding = await asyncio.to_thread(self._binding.read)
            payload["externalAccountBinding"] = binding.signed(url, key.public)
        content = json.dumps(payload).encode()
        try:
            return (await self._wire.send(url, lambda nonce: key.signed(url, content, nonce=nonce))).location
        except RefusedError as refusal:
            if refusal.kind != "externalAccountRequired":
                raise
            remedy = "set the key id and the key that it gives its customers (acme.eab_kid and acme.eab_key_file)"
            raise AuthorityError(refusal.trouble, f"{refusal.what}; {remedy}", refusal.retry_after) from refusal

    async def _load(self) -> tuple[Account, AccountKey]:
        text = await asyncio.to_thread(self._read)
        if text is None:
            return await self._keep(Account(self._directory, self._email, fresh_key()))
        try:
            self._held = _parsed(text)
        except (ValueError, TypeError, KeyError):
            # Not what the library says: it might quote from the key.
            raise _failed(
                f"{self._path} does not hold an account's key",
                "restore it from a backup, or move it away: then a new account is made; it was left as it is",
            ) from None
        return self._held

    async def _keep(self, account: Account) -> tuple[Account, AccountKey]:
        await asyncio.to_thread(self._write, json.dumps(asdict(account)))
        self._held = account, AccountKey(account.key)
        return self._held

    def _read(self) -> str | None:
        try:
            return self._path.read_text("utf-8", errors="replace")
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _failed(f"{self._path} cannot be read: {error.strerror}", "see to the disk and its rights") from error

    def _write(self, text: str) -> None:
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_whole(self._path, text.encode())
        except OSError as error:
            raise _failed(f"{self._path} cannot be written: {error.strerror}", "see to the disk's space") from error


def _parsed(text: str) -> tuple[Account, AccountKey]:
    document: Mapping[str, Json] = json.loads(text)
    account = Account(document["directory"], document["email"], document["key"], document["url"])
    if not isinstance(account.url, str):
        raise TypeError("the URL is no text")
    return account, AccountKey(account.key)


def _failed(what: str, remedy: str) -> Problem:
    return Problem("acme-account-failed", what, serving="the certificates that there are", remedy=remedy)

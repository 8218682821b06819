"""The upper layer of the ACME client: orders from the first word to the chain, and renewal windows."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from http import HTTPStatus
from itertools import chain as joined
from itertools import repeat
from pathlib import Path
from typing import Any

from hostess.adapters.acme.account import AcmeAccount, BindingFile
from hostess.adapters.acme.resources import OrderResource, read_authorization, read_order, read_window
from hostess.adapters.acme.wire import AcmeWire, Answer, RefusedError, WireLimits, broken, down, host_of
from hostess.domain.certificates.acme_answers import base64url, chain_fault, identifier
from hostess.domain.certificates.order import Challenge, Order, RenewalWindow, Trouble
from hostess.domain.ports import AuthorityError, Clock

PATIENCE = timedelta(minutes=3)
"""How long an authority may take to judge, or to issue."""
PAUSES = (0.25, 0.5, 1, 2, 4)
"""Seconds between two looks where the authority does not say; the last one is repeated."""
LONGEST_PAUSE = timedelta(seconds=30)
_PEM = "application/pem-certificate-chain"
_GONE = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.GONE})
_UNUSABLE = frozenset({"alreadyReplaced", "malformed", "unauthorized"})
"""With which authorities refuse a `replaces`: replaced already, unknown to them, or another account's."""

Json = Any


class AcmeAuthority:
    """`Authority` (domain/ports) at *directory*.

    The account's key lies in the folder *accounts*; *email* may be empty; *binding* is for authorities that want an account to
    belong to a customer; *ca_file* holds further roots for the directory's own TLS certificate.
    """

    def __init__(
        self,
        directory: str,
        accounts: Path,
        clock: Clock,
        *,
        email: str = "",
        binding: BindingFile | None = None,
        ca_file: Path | None = None,
        limits: WireLimits | None = None,
    ) -> None:
        self.directory = directory
        self._clock = clock
        self._wire = AcmeWire(directory, clock, ca_file=ca_file, limits=limits)
        self._account = AcmeAccount(self._wire, accounts, (directory, email), binding)

    async def close(self) -> None:
        """Close all connections."""
        await self._wire.close()

    async def begin(self, names: Sequence[str], *, replaces: str = "", profile: str = "") -> Order:
        """Order a certificate for *names*."""
        directory = await self._wire.directory()
        wanted: dict[str, Json] = {"identifiers": [identifier(name) for name in names]}
        if replaces and directory.renewal_info:
            wanted["replaces"] = replaces
        if profile in directory.profiles:
            wanted["profile"] = profile
        try:
            answer = await self._ordered(directory.new_order, wanted)
        except RefusedError as refusal:
            if refusal.kind == "invalidProfile" and wanted.pop("profile", None):
                # Withdrawn since the directory was read.
                return await self.begin(names, replaces=replaces)
            if "replaces" in wanted and (refusal.kind in _UNUSABLE or refusal.status == HTTPStatus.CONFLICT):
                raise AuthorityError(Trouble.REPLACED, refusal.what, refusal.retry_after) from refusal
            raise
        return await self._whole(read_order(answer.location, answer))

    async def order(self, url: str) -> Order:
        """Return an order as it is now."""
        try:
            return await self._whole((await self._look(url))[0])
        except RefusedError as refusal:
            # Orders expire, and one of an account that is gone is nobody's.
            if refusal.status not in _GONE and refusal.kind != "unauthorized":
                raise
            what = f"{host_of(url)} no longer knows the order: {refusal.what}"
            return Order(url, "invalid", (), (), what, Trouble.AUTHORITY)

    async def ready(self, challenge: Challenge) -> None:
        """Say that the answer to a challenge is in place."""
        try:
            await self._account.send(challenge.url, {})
        except RefusedError:
            answer = await self._account.send(challenge.url)
            if answer.json().get("status") not in ("processing", "valid", "invalid"):
                raise

    async def settled(self, order: Order) -> Order:
        """Wait until the order is no longer pending."""
        return await self._whole(await self._until(order.url, lambda found: found.status != "pending", "judged"))

    async def finish(self, order: Order, request: bytes) -> str:
        """Hand in the request, and fetch the chain."""
        found, _ = await self._look(order.url)
        if found.status == "ready":
            await self._account.send(found.finalize, {"csr": base64url(request)})
        if found.status in {"ready", "processing"}:
            found = await self._until(order.url, lambda now: now.status in {"valid", "invalid"}, "issued")
        if found.status != "valid":
            whole = await self._whole(found)
            why = whole.error or f"it is {found.status}"
            raise AuthorityError(
                whole.trouble or Trouble.AUTHORITY, f"{host_of(order.url)} does not issue for the order: {why}"
            )
        if not found.certificate:
            raise broken(order.url, "is a valid order without a certificate")
        return await self._fetched(found.certificate, request)

    async def window(self, renewal_id: str) -> RenewalWindow | None:
        """Return when a certificate should be renewed."""
        directory = await self._wire.directory()
        if not directory.renewal_info or not renewal_id:
            return None
        try:
            answer = await self._wire.fetch(f"{directory.renewal_info.rstrip('/')}/{renewal_id}")
        except RefusedError as refusal:
            if refusal.status in _GONE:
                return None
            raise
        return read_window(answer, self._clock.now())

    async def _ordered(self, url: str, wanted: Json) -> Answer:
        try:
            return await self._account.send(url, wanted)
        except RefusedError as refusal:
            # The account may have been shut; where it has not, the refusal is about the names.
            if refusal.kind != "unauthorized" or not await self._account.renewed_if_shut():
                raise
        return await self._account.send(url, wanted)

    async def _look(self, url: str) -> tuple[OrderResource, Answer]:
        answer = await self._account.send(url)
        return read_order(url, answer), answer

    async def _whole(self, found: OrderResource) -> Order:
        thumbprint = await self._account.thumbprint()
        return found.with_authorizations(
            [read_authorization(await self._account.send(url), thumbprint) for url in found.authorizations]
        )

    async def _until(self, url: str, is_done: Callable[[OrderResource], bool], what: str) -> OrderResource:
        """Look at an order until it *is_done*, at the pace that the authority asks for."""
        end = self._clock.now() + PATIENCE
        for pause in joined(PAUSES, repeat(PAUSES[-1])):
            found, answer = await self._look(url)
            now = self._clock.now()
            if is_done(found):
                return found
            if now >= end:
                break
            until = answer.retry_after(now)
            wanted = timedelta(seconds=pause) if until is None else until - now
            await self._clock.sleep(min(max(wanted, timedelta(seconds=PAUSES[0])), LONGEST_PAUSE).total_seconds())
        raise down(url, f"has not {what} the order within {PATIENCE // timedelta(minutes=1)} minutes")

    async def _fetched(self, url: str, request: bytes) -> str:
        answer = await self._account.send(url, accept=_PEM)
        try:
            chain = answer.body.decode("ascii")
        except UnicodeDecodeError:
            raise broken(url, "is no certificate in PEM form") from None
        fault = chain_fault(chain, request)
        if fault:
            raise AuthorityError(Trouble.AUTHORITY, f"the certificate of {host_of(url)} cannot be used: {fault}")
        return chain

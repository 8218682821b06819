"""One order for a certificate, from the first word to the files in the store; each step is written down before it is made."""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace

from hostess.domain.certificates.acme_answers import (
    certificate_request,
    challenge_certificate,
    dns_name,
    dns_value,
    fresh_key,
)
from hostess.domain.certificates.certificate import Certificate, Source
from hostess.domain.certificates.issuance import Act, Issuance, Move, OpenOrder
from hostess.domain.certificates.ledger import Outcome, PastOrder, may_order
from hostess.domain.certificates.order import Authorization, Challenge, Kind, Order, Trouble
from hostess.domain.ports import (
    AlpnChallenge,
    Authority,
    AuthorityError,
    CertificateStore,
    Clock,
    DnsWriter,
    IssuanceJournal,
    OrderFiles,
)
from hostess.domain.problem import Problem
from hostess.services.certificates.challenge_answers import ChallengeAnswers

ID_BITS = 64

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Proofs:
    """How names are proven: the proxy's *answers*, and who writes records (None: nobody).

    Without *plain* the proxy does not listen for HTTP, and http-01 is not tried.
    """

    answers: ChallengeAnswers
    writer: DnsWriter | None = None
    plain: bool = True


class LimitReachedError(Exception):
    """Our own books leave no room for an order; they say when they will."""


class Issuing:
    """Takes orders from their beginning, or from where a former life of the daemon left them, to their end."""

    def __init__(
        self,
        journal: IssuanceJournal,
        store: CertificateStore,
        files: OrderFiles,
        proofs: Proofs,
        clock: Clock,
        profile: str = "",
    ) -> None:
        """*profile* is asked for where an authority offers it."""
        self._journal = journal
        self._store = store
        self._files = files
        self._proofs = proofs
        self._clock = clock
        self._profile = profile
        self._booking = asyncio.Lock()

    async def issue(self, known: Issuance, kinds: Sequence[Kind], authority: Authority, move: Move) -> Certificate:
        """Return the certificate, which is in the store. AuthorityError, LimitReachedError, or a Problem of this host.

        An order that may still come to a good end stays open, and is gone on with by the next call. *kinds* are the ways that may
        prove the names, the first to try first; the one that did last time goes before.
        """
        order = await self._resumed(known, authority, move)
        if order is None:
            known, order = await self._begun(await self.drop(known), authority, move)
        error: AuthorityError | None = None
        for kind in self._ways(known, kinds):
            if order is None:
                try:
                    known, order = await self._begun(known, authority, move)
                except LimitReachedError:
                    break
            if _challenges(order, kind) is None:
                continue
            order = await self._proven(known, order, kind, authority)
            if order.status != "invalid":
                return await self._finished(known, order, kind, authority)
            known = await self._closed(known, Outcome.DENIED, _denied(order))
            error = AuthorityError(order.trouble or Trouble.AUTHORITY, order.error or "the order became invalid")
            if error.trouble is not Trouble.NOT_OURS_YET:
                break
            order = None
        await self.drop(known)
        raise error or _no_way(known, kinds, authority)

    def _ways(self, known: Issuance, kinds: Sequence[Kind]) -> list[Kind]:
        """Return the kinds of challenges to try, in their order."""
        ways = [each for each in kinds if self._proofs.plain or each is not Kind.HTTP]
        return sorted(ways, key=lambda each: each is not known.proven_by)

    async def drop(self, known: Issuance) -> Issuance:
        """Give an open order up."""
        return await self._closed(known, Outcome.DROPPED)

    async def _resumed(self, known: Issuance, authority: Authority, move: Move) -> Order | None:
        """Return the order of before, where it may still be gone on with."""
        opened = known.order
        if opened is None or move.act is not Act.RESUME or not opened.url or await self._files.key(opened.id) is None:
            return None
        order = await authority.order(opened.url)
        return order if order.status in {"pending", "ready", "processing", "valid"} else None

    async def _begun(self, known: Issuance, authority: Authority, move: Move) -> tuple[Issuance, Order]:
        opened = OpenOrder(self._clock.token(ID_BITS), authority.directory, self._clock.now(), move.grounds)
        await self._files.keep_key(opened.id, fresh_key())
        async with self._booking:
            past = await self._journal.past_orders()
            if may_order(past, known.names, authority.directory, opened.begun, move.grounds) is not None:
                raise LimitReachedError
            known = replace(known, order=opened)
            await self._journal.put(known, opened.id, _past(known, opened, Outcome.OPEN))
        try:
            order = await authority.begin(known.names, replaces=move.replaces, profile=self._profile)
        except (AuthorityError, Problem):
            await self.drop(known)
            raise
        known = replace(known, order=replace(opened, url=order.url))
        await self._journal.put(known)
        return known, order

    async def _proven(self, known: Issuance, order: Order, kind: Kind, authority: Authority) -> Order:
        """Prove what is not proven yet in one way; return the order as it is judged."""
        if order.status != "pending":
            return order
        open_ones = _challenges(order, kind) or []
        async with self._answered(known, kind, open_ones):
            for _, challenge in open_ones:
                await authority.ready(challenge)
            return await authority.settled(order)

    @asynccontextmanager
    async def _answered(
        self, known: Issuance, kind: Kind, asked: Sequence[tuple[Authorization, Challenge]]
    ) -> AsyncIterator[None]:
        """Have these challenges answered while this is open."""
        async with AsyncExitStack() as stack:
            http: dict[str, str] = {}
            alpn: list[AlpnChallenge] = []
            for authorization, challenge in asked:
                match kind:
                    case Kind.HTTP:
                        http[challenge.token] = challenge.answer
                    case Kind.ALPN:
                        alpn.append(await self._shown(known, authorization.name, challenge.answer))
                    case Kind.DNS:
                        await stack.enter_async_context(self._written(authorization.name, challenge.answer))
            await stack.enter_async_context(self._proofs.answers.given(http, alpn))
            yield

    async def _shown(self, known: Issuance, name: str, answer: str) -> AlpnChallenge:
        key = fresh_key()
        chain = challenge_certificate(name, answer, key, self._clock.now())
        paths = await self._files.show(known.order.id if known.order else "", name, chain, key)
        return AlpnChallenge(name, *map(str, paths))

    @asynccontextmanager
    async def _written(self, name: str, answer: str) -> AsyncIterator[None]:
        writer, record, value = self._proofs.writer, dns_name(name), dns_value(answer)
        if writer is None:
            raise Problem(
                "dns-write-failed",
                f"nobody can write records of {name}, and its certificate needs one",
                remedy="set acme.dns.provider",
            )
        try:
            await writer.present(record, value)
            yield
        finally:
            try:
                await writer.clear(record, value)
            except Problem as problem:
                log.warning("the TXT record of %s could not be taken away again: %s", record, problem)

    async def _finished(self, known: Issuance, order: Order, kind: Kind, authority: Authority) -> Certificate:
        key = await self._files.key(known.order.id) if known.order else None
        if key is None:
            await self.drop(known)
            raise AuthorityError(Trouble.NOT_OURS_YET, "the key of the order is gone: it is ordered again")
        chain = await authority.finish(order, certificate_request(known.names, key))
        try:
            made = await self._store.save(chain, key, Source.ACME, authority.directory)
        except Problem as problem:
            if problem.code != "certificate-invalid":
                raise
            await self._closed(known, Outcome.ISSUED)
            what = f"the certificate of {authority.directory} cannot be used: {problem}"
            raise AuthorityError(Trouble.AUTHORITY, what) from problem
        await self._closed(
            replace(
                known,
                failures=(),
                error="",
                pending="",
                looks=0,
                urged=False,
                last_order=self._clock.now(),
                proven_by=kind,
            ),
            Outcome.ISSUED,
        )
        return made

    async def _closed(self, known: Issuance, outcome: Outcome, denied: tuple[str, ...] = ()) -> Issuance:
        opened = known.order
        if opened is None:
            return known
        known = replace(known, order=None)
        await self._journal.put(known, opened.id, _past(known, opened, outcome, denied))
        await self._files.forget(opened.id)
        return known


def _no_way(known: Issuance, kinds: Sequence[Kind], authority: Authority) -> AuthorityError:
    names, ways = ", ".join(known.names), ", ".join(kinds)
    return AuthorityError(Trouble.FORBIDDEN, f"{authority.directory} does not let {names} be proven by {ways}")


def _past(known: Issuance, opened: OpenOrder, outcome: Outcome, denied: tuple[str, ...] = ()) -> PastOrder:
    return PastOrder(opened.begun, opened.authority, known.names, outcome, opened.grounds, denied)


def _open(order: Order) -> list[Authorization]:
    return [each for each in order.authorizations if each.status == "pending"]


def _challenges(order: Order, kind: Kind) -> list[tuple[Authorization, Challenge]] | None:
    """Return a challenge of one kind for each name that is not proven yet; None where one cannot be proven in that way."""
    found = [(each, next((one for one in each.challenges if one.kind is kind), None)) for each in _open(order)]
    met = [(each, challenge) for each, challenge in found if challenge is not None]
    return met if len(met) == len(found) else None


def _denied(order: Order) -> tuple[str, ...]:
    """Return the names that were not proven, as the order has them."""
    return tuple(
        f"*.{each.name}" if each.wildcard else each.name for each in order.authorizations if each.status == "invalid"
    )

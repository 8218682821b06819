"""Certificates of ACME authorities: those that are wanted are ordered, renewed in time, shown once they are good, and forgotten at last."""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

from hostess.domain.certificates.attempts import Failure
from hostess.domain.certificates.certificate import Certificate
from hostess.domain.certificates.issuance import (
    Act,
    Issuance,
    Move,
    Status,
    asks_window,
    current_of,
    next_move,
    renews_at,
    status_of,
    waiting,
)
from hostess.domain.certificates.ledger import KEPT, PastOrder
from hostess.domain.certificates.names import covered, wildcard_of
from hostess.domain.certificates.order import Trouble
from hostess.domain.certificates.retention import forgettable
from hostess.domain.certificates.wanted import Wanted
from hostess.domain.ports import Authority, AuthorityError, CertificateStore, Clock, IssuanceJournal, OrderFiles
from hostess.domain.problem import Problem
from hostess.services.certificates.issuing import Issuing, LimitReachedError
from hostess.services.certificates.news import CertificateNews
from hostess.services.certificates.preflights import Preflights
from hostess.services.certificates.served import ServedCertificates
from hostess.services.certificates.showing import CertificateShowing
from hostess.services.certificates.wants import CertificateWants

AT_ONCE = 4
"""Orders that are under way together: a table is published for each."""
LOOKED_AT_ONCE = 4
"""Certificates whose names are looked up together: a table is published for these, too."""
ASKED_AT_ONCE = 10
"""Questions when to renew."""
_MOVES = 4
"""What is done about one certificate without another look from above."""
_REMEMBERED = 50
"""Failures."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Issuers:
    """Who issues and how: the authorities in the order in which they are asked, what takes an order to its end, and what looks before."""

    authorities: Sequence[Authority]
    issuing: Issuing
    files: OrderFiles
    preflights: Preflights


@dataclass(frozen=True, slots=True)
class Shown:
    """What the proxy shows, and how a new certificate gets there."""

    served: ServedCertificates
    showing: CertificateShowing


@dataclass(frozen=True, slots=True)
class Standing:
    """How one wanted certificate stands: *current* is the one that is there.

    *at* is when something is done next about it (None: nothing, until somebody asks), *renewal* when its successor is ordered.
    """

    wanted: Wanted
    project: str
    status: Status
    current: Certificate | None
    renewal: datetime | None
    at: datetime | None
    error: str = ""


@dataclass(frozen=True, slots=True)
class _Books:
    """What one look goes by."""

    wanted: tuple[Wanted, ...]
    known: Mapping[tuple[str, ...], Issuance]
    certificates: Sequence[Certificate]
    by_name: Mapping[str, Sequence[Certificate]]


class Certificates:
    """Has what is wanted. One order for each certificate, never two for one name; `AT_ONCE` together."""

    def __init__(
        self,
        journal: IssuanceJournal,
        store: CertificateStore,
        wants: CertificateWants,
        issuers: Issuers,
        shown: Shown,
        news: CertificateNews,
        clock: Clock,
    ) -> None:
        self._journal = journal
        self._store = store
        self._wants = wants
        self._issuers = issuers
        self._shown = shown
        self._news = news
        self._clock = clock
        self._by_url = {each.directory: each for each in issuers.authorities}
        self._places = asyncio.Semaphore(AT_ONCE)
        self._checking = asyncio.Semaphore(LOOKED_AT_ONCE)
        self._asking = asyncio.Semaphore(ASKED_AT_ONCE)
        self._looking = asyncio.Lock()
        self._tending: dict[tuple[str, ...], asyncio.Task[None]] = {}
        self._busy: set[str] = set()
        self._again: set[tuple[str, ...]] = set()

    async def run(self) -> None:
        """Look whenever other hosts are routed than before."""
        changed = self._shown.served.changed
        while True:
            await changed.wait()
            changed.clear()
            try:
                await self.look()
            except Exception:
                log.exception("certificates were not looked at")

    async def look(self) -> None:
        """Begin what is due; nothing is waited for."""
        if not self._by_url:
            return
        async with self._looking:
            books = await self._books()
            if books is None:
                return
            await self._leave(books)
            await self._forget(books)
            now, past = self._clock.now(), await self._journal.past_orders()
            for wanted in books.wanted:
                known, current = self._of(wanted, books)
                move = next_move(known, current, list(self._by_url), past, now)
                asks = current is not None and current.authority in self._by_url and asks_window(known, current, now)
                if not self._is_busy(wanted.names) and (asks or (move.act is not Act.NOTHING and move.at <= now)):
                    task = asyncio.create_task(self._tend(wanted, current, past))
                    self._tending[wanted.names] = task
                    self._busy.update(wanted.names)
                    task.add_done_callback(partial(self._done, wanted.names))
            await self._news.watch([each for wanted in books.wanted if (each := self._of(wanted, books)[1])])

    async def settled(self) -> None:
        """Wait until nothing that was begun is under way."""
        while self._tending:
            await asyncio.gather(*self._tending.values(), return_exceptions=True)

    async def stop(self) -> None:
        """End what is under way: orders are gone on with in the next life."""
        for task in self._tending.values():
            task.cancel()
        await asyncio.gather(*self._tending.values(), return_exceptions=True)
        for authority in self._issuers.authorities:
            await authority.close()

    async def retry(self, host: str) -> Sequence[Wanted]:
        """Let the certificate for *host* be ordered at once, whatever has failed before and whatever DNS says; return what is ordered.

        One that is well is renewed. Problem "certificate-not-wanted".
        """
        async with self._looking:
            books = await self._books()
            found = [
                each for each in (books.wanted if books else ()) if host in each.names or covered(each.names, host)
            ]
            if books is None or not found:
                raise Problem(
                    "certificate-not-wanted",
                    f"no certificate of an authority is wanted for {host}",
                    remedy=f"`hostess tls list` shows which are; `hostess tls check {host}` tells what keeps one away",
                )
            for wanted in found:
                known = await self._journal.one(wanted.names)
                if known.order is None:
                    await self._journal.put(replace(known, failures=(), error="", pending="", looks=0, urged=True))
                    # Who is at work on it, with a question to its authority or to DNS, may have read the books before.
                    self._again.update({wanted.names} & self._tending.keys())
        await self.look()
        return found

    async def standings(self) -> list[Standing]:
        """Return how all that is wanted stands, by names."""
        books = await self._books() if self._by_url else None
        if books is None:
            return []
        now, past = self._clock.now(), await self._journal.past_orders()
        found = []
        for wanted in books.wanted:
            known, current = self._of(wanted, books)
            move = next_move(known, current, list(self._by_url), past, now)
            status = status_of(known, current, move, busy=self._is_busy(wanted.names))
            why = known.pending or (move.wait.why if move.wait else known.error)
            renewal = renews_at(known, current, now) if current else None
            at = None if move.act is Act.NOTHING else move.at
            found.append(Standing(wanted, self.project_of(wanted.names), status, current, renewal, at, why))
        return found

    async def _books(self) -> _Books | None:
        routed = self._shown.served.hosts
        if routed is None:
            return None
        known = {each.names: each for each in await self._journal.all()}
        certificates = await self._store.all()
        wanted = await self._wants.of(routed, waiting(known.values()), certificates)
        by_name: dict[str, list[Certificate]] = defaultdict(list)
        for each in certificates:
            for name in each.names:
                by_name[name].append(each)
        return _Books(wanted, known, certificates, by_name)

    def _of(self, wanted: Wanted, books: _Books) -> tuple[Issuance, Certificate | None]:
        known = books.known.get(wanted.names, Issuance(wanted.names))
        return known, current_of(wanted.names, books.by_name.get(wanted.names[0], ()))

    def _is_busy(self, names: Collection[str]) -> bool:
        return not self._busy.isdisjoint(names)

    def _done(self, names: tuple[str, ...], task: asyncio.Task[None]) -> None:
        self._tending.pop(names, None)
        self._busy.difference_update(names)
        if names in self._again:
            self._again.discard(names)
            self._shown.served.changed.set()
        if not task.cancelled() and task.exception() is not None:
            log.error("the certificate for %s was not looked after", ", ".join(names), exc_info=task.exception())

    async def _leave(self, books: _Books) -> None:
        """Give up what is wanted no more."""
        wanted = {each.names for each in books.wanted}
        for names in books.known:
            if names in wanted:
                continue
            task = self._tending.get(names)
            if task is not None:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
            await self._journal.drop(await self._issuers.issuing.drop(await self._journal.one(names)))

    async def _tend(self, wanted: Wanted, current: Certificate | None, past: Sequence[PastOrder]) -> None:
        """Do what is due for one certificate, until nothing is. Store and books are read anew after orders alone: they are long."""
        await self._ask(wanted, current)
        for _ in range(_MOVES):
            known, now = await self._journal.one(wanted.names), self._clock.now()
            move = next_move(known, current, list(self._by_url), past, now)
            if move.act is Act.NOTHING or move.at > now:
                return
            if move.act is Act.LOOK or move.look_first:
                if not await self._led_here(wanted):
                    return
                if move.act is Act.LOOK:
                    continue
                known = await self._journal.one(wanted.names)
            async with self._places:
                await self._order(known, wanted, move, current)
            current, past = current_of(wanted.names, await self._store.all()), await self._journal.past_orders()

    async def _order(self, known: Issuance, wanted: Wanted, move: Move, current: Certificate | None) -> None:
        authority = self._by_url[move.authority]
        try:
            made = await self._issuers.issuing.issue(known, wanted.challenges, authority, move)
        except LimitReachedError:
            return
        except AuthorityError as error:
            failure = Failure(self._clock.now(), error.trouble, authority.directory, error.retry_after)
            await self._failed(wanted, failure, error.what, current)
        except Problem as problem:
            # Something here is in the way: no other authority would do it either.
            failure = Failure(self._clock.now(), Trouble.NOT_OURS_YET, authority.directory)
            await self._failed(
                wanted, failure, f"{problem}: {problem.remedy}" if problem.remedy else str(problem), current
            )
        else:
            wrong = await self._shown.showing.show(made, wanted.names)
            if wrong:
                failure = Failure(self._clock.now(), Trouble.NOT_OURS_YET, authority.directory)
                await self._failed(wanted, failure, wrong, current)
            else:
                await self._news.issued(made, current, self.project_of(wanted.names))

    async def _failed(self, wanted: Wanted, failure: Failure, what: str, current: Certificate | None) -> None:
        known = await self._journal.one(wanted.names)
        known = replace(known, failures=(*known.failures, failure)[-_REMEMBERED:], error=what, urged=False)
        await self._journal.put(known)
        if failure.trouble is Trouble.REPLACED:
            return
        move = next_move(known, current, list(self._by_url), await self._journal.past_orders(), self._clock.now())
        await self._news.failed(known, move, current, self.project_of(wanted.names))
        await self._split(wanted, failure, what)

    async def _split(self, wanted: Wanted, failure: Failure, what: str) -> None:
        """Let names that could not be proven be for themselves from now on, so that they are in nobody's way."""
        if failure.trouble is not Trouble.NOT_OURS_YET or len(wanted.names) == 1:
            return
        own = [each for each in await self._journal.past_orders() if each.names == wanted.names]
        for name in own[-1].denied if own else ():
            await self._journal.put(Issuance((name,), (failure,), what))
            self._shown.served.changed.set()

    async def _led_here(self, wanted: Wanted) -> bool:
        """Whether DNS leads here, by all that is known, or somebody has asked for an order whatever it says; what does not waits."""
        async with self._checking:
            checked = await self._issuers.preflights.check(wanted.names)
        known = await self._journal.one(wanted.names)
        if known.urged:
            return True
        now, project = self._clock.now(), self.project_of(wanted.names)
        if all(each.ready for each in checked):
            failures = () if known.pending else known.failures
            looks = 0 if known.pending else known.looks + 1
            await self._journal.put(
                replace(
                    known,
                    pending="",
                    failures=failures,
                    looks=looks,
                    looked_at=now,
                    error=known.error if failures else "",
                )
            )
            return True
        for each in checked:
            if each.ready:
                continue
            name = (each.domain,)
            before = known if known.names == name else await self._journal.one(name)
            why = "; ".join(finding.sentence for finding in each.findings if finding.hinders)
            make = f": make in DNS {each.pending}" if each.pending else ""
            waits = replace(before, pending=why + make, looks=before.looks + 1, looked_at=now)
            await self._journal.put(waits)
            if not before.pending:
                await self._news.pending(each, project)
        if len(checked) > 1:
            self._shown.served.changed.set()
        return False

    async def _ask(self, wanted: Wanted, current: Certificate | None) -> None:
        """Ask when the certificate should be renewed, where it is time to; no answer changes nothing."""
        known, now = await self._journal.one(wanted.names), self._clock.now()
        authority = self._by_url.get(current.authority) if current else None
        if current is None or authority is None or not asks_window(known, current, now):
            return
        before = known.window if known.window_of == current.id else None
        try:
            async with self._asking:
                window = await authority.window(current.renewal_id)
        except (AuthorityError, Problem) as error:
            log.info("when to renew the certificate for %s could not be asked: %s", ", ".join(wanted.names), error)
            window = before
        known = await self._journal.one(wanted.names)
        await self._journal.put(replace(known, window=window, window_of=current.id, window_asked=now))

    def project_of(self, names: Collection[str]) -> str:
        """Return whose these names are; "" where they are nobody's, or the installation's own."""
        routed = self._shown.served.hosts or {}
        exact = next((routed[name] for name in names if name in routed), None)
        if exact is not None:
            return exact
        wild = {name for name in names if name.startswith("*.")}
        return next((project for host, project in routed.items() if wildcard_of(host) in wild), "") if wild else ""

    async def _forget(self, books: _Books) -> None:
        """Remove certificates that nothing needs any more, keys of orders that are none, and old books."""
        now = self._clock.now()
        orders = [each.order.id for each in await self._journal.all() if each.order is not None]
        if not self._tending:
            await self._issuers.files.keep_only(orders)
        await self._journal.forget_orders(now - KEPT)
        used = self._shown.served.used
        gone = forgettable(books.certificates, used, await self._news.last_used(books.certificates, used), now)
        # One that was saved a moment ago is in no table yet.
        await self._shown.showing.forget([each for each in gone if not self._is_busy(each.names)])

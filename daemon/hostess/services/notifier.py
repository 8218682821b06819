"""Tells people what happened: reads the journal's events, and hands what matters to each channel, whatever becomes of the daemon."""

import asyncio
import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from hostess.domain.codec import from_json, to_json
from hostess.domain.notices import Delivery, Notice, Trouble, judge, trial
from hostess.domain.ports import Clock, Journal, NoticeChannel
from hostess.domain.problem import Problem
from hostess.domain.waits import is_over

PAGE: Final = 100
"""How many events are read at once, and so the most notices that are sent together."""
FIRST_PAUSE: Final = timedelta(seconds=30)
LONGEST_PAUSE: Final = timedelta(hours=1)
TELL_AFTER: Final = 3
"""So many failures in a row are told by an event, and so by the other channels."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a channel has come: all events up to *after* are told by it. *silent*: it was told that this channel fails."""

    after: int
    troubles: tuple[Trouble, ...] = ()
    silent: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one notice at one channel; *answer* is what the other side said, or what went wrong."""

    channel: str
    taken: bool
    answer: str


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A channel that failed so many times in a row, and when it is tried again."""

    failures: int
    until: datetime


class Notifier:
    """Keeps a cursor for each channel in the journal, moved after a delivery was taken: a notice may come twice, but is never lost.

    A channel that fails is tried again with growing pauses, and holds up no other. One that is new tells what happens from then on.
    *hide* takes secrets out of texts; *host* is the name that this installation goes by.
    """

    def __init__(
        self, journal: Journal, channels: Sequence[NoticeChannel], clock: Clock, hide: Callable[[str], str], host: str
    ) -> None:
        self._journal = journal
        self._channels = channels
        self._clock = clock
        self._hide = hide
        self._host = host
        self._progress: dict[str, Progress] = {}
        self._waiting: dict[str, _Waiting] = {}

    async def begin(self) -> None:
        """Find out how far each channel has come; what happens from now on is told by those that are new."""
        for channel in self._channels:
            await self._begin(channel.name)

    async def look(self) -> None:
        """Send what is due, by all channels at once."""
        await asyncio.gather(*(self._guarded(channel) for channel in self._channels))

    async def test(self) -> list[Outcome]:
        """Send a notice by each channel, now, and return what became of it."""
        return list(await asyncio.gather(*(self._tried(channel) for channel in self._channels)))

    async def _tried(self, channel: NoticeChannel) -> Outcome:
        try:
            answer = await self._sent(channel, [trial(self._clock.now())])
        except Problem as problem:
            return Outcome(channel.name, taken=False, answer=self._hide(f"{problem}; {problem.remedy}"))
        return Outcome(channel.name, taken=True, answer=self._hide(answer))

    async def _guarded(self, channel: NoticeChannel) -> None:
        waiting = self._waiting.get(channel.name)
        if waiting is not None and not is_over(waiting.until, self._clock.now(), LONGEST_PAUSE):
            return
        try:
            await self._catch_up(channel)
        except Problem as problem:
            await self._failed(channel, problem, waiting.failures + 1 if waiting else 1)
        except Exception:
            log.exception("what is due by %s cannot be told", channel.name)

    async def _catch_up(self, channel: NoticeChannel) -> None:
        """Tell page after page of events, up to the newest."""
        known = self._progress.get(channel.name) or await self._begin(channel.name)
        while events := await self._journal.events(known.after, limit=PAGE):
            now = self._clock.now()
            notices, lasting = judge(events, known.troubles, now, channel.name)
            if notices:
                await self._sent(channel, notices)
                self._waiting.pop(channel.name, None)
            came = replace(known, after=events[-1].id, troubles=tuple(lasting), silent=known.silent and not notices)
            if known.silent and not came.silent:
                await self._tell("notify.works", channel.name, f"notices by {channel.name} arrive again")
            # What nothing came of is read once more after a restart, and again nothing comes of it.
            if notices or came.troubles != known.troubles or len(events) == PAGE:
                await self._keep(channel.name, came)
            self._progress[channel.name] = known = came

    async def _sent(self, channel: NoticeChannel, notices: Sequence[Notice]) -> str:
        """Send notices by a channel, and return its answer; whatever goes wrong in there is a Problem."""
        delivery = await self._delivery(notices)
        try:
            return await channel.send(delivery)
        except Problem:
            raise
        except Exception as error:
            log.exception("notices by %s failed", channel.name)
            what = f"something unexpected went wrong ({type(error).__name__})"
            raise Problem("notice-not-sent", what, remedy="the daemon's log says more; please report it") from error

    async def _begin(self, name: str) -> Progress:
        """Return how far a channel had come before a restart; for one that is new, up to the newest event."""
        raw = await self._journal.note(_note(name))
        if raw is not None:
            try:
                self._progress[name] = from_json(Progress, json.loads(raw))
                return self._progress[name]
            except ValueError:
                log.warning("how far notices by %s had come cannot be read: they go on with what happens now", name)
        newest = await self._journal.events(-1, limit=1)
        begun = Progress(newest[0].id if newest else 0)
        await self._keep(name, begun)
        return begun

    async def _keep(self, name: str, progress: Progress) -> None:
        await self._journal.set_note(_note(name), json.dumps(to_json(progress)))
        self._progress[name] = progress

    async def _failed(self, channel: NoticeChannel, problem: Problem, failures: int) -> None:
        pause = min(FIRST_PAUSE * 2 ** min(failures - 1, 16), LONGEST_PAUSE)
        self._waiting[channel.name] = _Waiting(failures, self._clock.now() + pause)
        log.warning("notices by %s were not taken, and are sent again in %s: %s", channel.name, pause, problem)
        known = self._progress.get(channel.name)
        if failures < TELL_AFTER or known is None or known.silent:
            return
        await self._tell("notify.failed", channel.name, f"notices by {channel.name} do not arrive: {problem}")
        await self._keep(channel.name, replace(known, silent=True))

    async def _tell(self, kind: str, channel: str, message: str) -> None:
        await self._journal.tell(kind, self._hide(message), self._clock.now(), data={"subject": channel})

    async def _delivery(self, notices: Sequence[Notice]) -> Delivery:
        shown = tuple(
            replace(each, what=self._hide(each.what), serving=self._hide(each.serving), remedy=self._hide(each.remedy))
            for each in notices
        )
        return Delivery(await self._journal.instance(), self._host, self._clock.now(), shown)


def _note(channel: str) -> str:
    return f"notices by {channel}"

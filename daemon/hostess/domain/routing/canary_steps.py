"""Whether a canary that goes on by itself gets more, is made live, or is taken back: its answers against those of the live release. Pure.

Only what was answered since the present step began counts, so that both releases are compared under the same load.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from hostess.domain.records import Answers, Canary, Counted
from hostess.domain.releases.release import Release

STEPS = (5, 25, 50)
"""Percent of the clients; after the last one it is promoted."""
FEWEST = 50
"""Answers of the canary without which no step ends."""
FEW_ERRORS = 3
WORSE, MORE = 2.0, 0.01
"""More errors than twice the share of the live release, and a hundredth, are too many."""
ENOUGH = 100
"""Answers of each release from which on their latency is compared."""
SLOWER, LATER = 1.5, 0.05
"""More than one and a half times the live release's 95th percentile, and 50 ms, is too slow."""
TAIL = 0.95


class Move(StrEnum):
    """What becomes of a canary."""

    STAY = "stay"
    NEXT = "next"
    PROMOTE = "promote"
    ABORT = "abort"


@dataclass(frozen=True, slots=True)
class Judgement:
    """What becomes of a canary, and why, in words; *percent* is its next share."""

    move: Move
    why: str
    percent: int = 0


def judged(
    canary: Canary, live: Answers, own: Answers, bounds: Iterable[float], now: datetime, step: timedelta
) -> Judgement:
    """Return what becomes of a canary, given what both releases have answered so far; *step* is the least that each share lasts."""
    if canary.advance is None:
        return Judgement(Move.STAY, "nobody has said that it goes on by itself")
    old, new = since(live, canary.advance.live), since(own, canary.advance.own)
    if bad := _too_many_errors(old, new) or _too_slow(old, new, tuple(bounds)):
        return Judgement(Move.ABORT, bad)
    if new.count < FEWEST:
        return Judgement(Move.STAY, f"{new.count} answers so far: {FEWEST} are needed to judge it")
    left = step - (now - canary.advance.since)
    if left > timedelta():
        return Judgement(Move.STAY, f"well so far; {left.total_seconds():.0f} s of this step are left")
    told = f"{new.errors} of {new.count} answers were errors"
    percent = next((each for each in STEPS if each > canary.share.percent), 0)
    return Judgement(Move.NEXT if percent else Move.PROMOTE, told, percent)


def answered(found: Mapping[Counted, Answers], release: Release, title: str, services: Iterable[str]) -> Answers:
    """Return what these services of a release, by its *title*, have answered in the environment of *release*.

    An older proxy counts all environments of a project together; then that is what is there to judge by.
    """
    apart = any(each.environment for each in found)
    environment = release.environment if apart else ""
    keys = [Counted(release.project, environment, service, title) for service in services]
    return together(found[key] for key in keys if key in found)


def since(now: Answers, before: Answers) -> Answers:
    """Return what was answered since; a proxy that counts anew has answered all of *now* since."""
    if now.count < before.count or now.errors < before.errors:
        return now
    earlier = before.within or (0,) * len(now.within)
    within = tuple(a - b for a, b in zip(now.within, earlier, strict=True)) if len(earlier) == len(now.within) else ()
    return Answers(now.count - before.count, now.errors - before.errors, within)


def together(answers: Iterable[Answers]) -> Answers:
    """Return the sum."""
    total = Answers()
    for each in answers:
        within = tuple(a + b for a, b in zip(total.within, each.within, strict=True)) if total.within else each.within
        total = Answers(total.count + each.count, total.errors + each.errors, within)
    return total


def tail(answers: Answers, bounds: tuple[float, ...]) -> float:
    """Return the 95th percentile in seconds, as far as the bounds tell: within one, it is taken to grow evenly."""
    rank, passed, lower = TAIL * sum(answers.within), 0.0, 0.0
    for count, bound in zip(answers.within, bounds, strict=False):
        if count and passed + count >= rank:
            return lower + (bound - lower) * (rank - passed) / count
        passed, lower = passed + count, bound
    return lower


def _too_many_errors(old: Answers, new: Answers) -> str:
    share = new.errors / new.count if new.count else 0.0
    usual = old.errors / old.count if old.count else 0.0
    if new.errors < FEW_ERRORS or share <= WORSE * usual + MORE:
        return ""
    return f"{share:.1%} of its answers are errors ({new.errors} of {new.count}), and {usual:.1%} of those of the live release"


def _too_slow(old: Answers, new: Answers, bounds: tuple[float, ...]) -> str:
    if min(old.count, new.count) < ENOUGH:
        return ""
    usual, own = tail(old, bounds), tail(new, bounds)
    if own <= SLOWER * usual + LATER:
        return ""
    return f"one in twenty of its answers takes longer than {own * 1000:.0f} ms, and than {usual * 1000:.0f} ms at the live release"

"""Deaths of containers as the engine's events, and what it knows of a container, tell them afterwards. Pure."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from hostess.domain.ports import Container, ContainerEvent

SAME = timedelta(seconds=2)
"""So far apart the engine tells an end, and that it was for want of memory, in either order; and its two records of one end."""


@dataclass(frozen=True, slots=True)
class Death:
    """An end that nobody had asked for. *exit_code* and *lived*, how long it ran, are None where they are not known any more."""

    at: datetime
    exit_code: int | None = None
    out_of_memory: bool = False
    lived: timedelta | None = None


def deaths_in(events: Iterable[ContainerEvent], after: datetime) -> dict[str, list[Death]]:
    """Return by container what ended by itself after that moment, oldest first; earlier events tell what had been asked for by then."""
    found: dict[str, list[Death]] = {}
    started: dict[str, datetime] = {}
    asked: set[str] = set()
    short: dict[str, datetime] = {}
    for event in events:
        deaths = found.setdefault(event.container, [])
        match event.what:
            case "start":
                started[event.container] = event.at
                asked.discard(event.container)
            case "kill":
                asked.add(event.container)
            case "oom":
                short[event.container] = event.at
                if deaths and event.at - deaths[-1].at <= SAME:
                    deaths[-1] = replace(deaths[-1], out_of_memory=True)
            case "die":
                began = started.pop(event.container, None)
                warned = short.pop(event.container, None)
                out_of_memory = warned is not None and event.at - warned <= SAME
                if event.container not in asked and event.at > after:
                    lived = event.at - began if began is not None else None
                    deaths.append(Death(event.at, event.exit_code, out_of_memory, lived))
                asked.discard(event.container)
    return {container: deaths for container, deaths in found.items() if deaths}


def unheard(container: Container, after: datetime) -> list[Death]:
    """Return the last end of a container that ended after that moment, for which the engine has no events any more.

    Only where it was by itself beyond doubt: the engine has started it again by its policy, and nobody else has since.
    """
    ended = container.finished_at
    if not container.restarts or ended is None or ended <= after + SAME:
        return []
    code = container.exit_code if container.state == "restarting" else None
    return [Death(ended, code, container.oom_killed)]


def ended_with_engine(
    containers: Iterable[Container],
    events: Iterable[ContainerEvent],
    after: datetime,
    stopped: Collection[str] | None = None,
) -> list[Container]:
    """Return the containers that have ended after that moment because the engine itself, or the whole host, was restarted.

    The engine forgets its events then. So it is those of whose end, or of whose start after they had been *stopped*, no event tells.
    Without *stopped* nobody has listened. With it the engine was away: what it has killed since and not started again, as an engine
    does with what ran on while it was dead, is of these, too.
    """
    killed: set[str] = set()
    told: set[tuple[str, str]] = set()
    for event in events:
        if event.at > after and event.what == "kill" and stopped is not None:
            killed.add(event.container)
        elif event.at > after and (event.what != "die" or event.container not in killed):
            told.add((event.what, event.container))
    found = []
    for each in containers:
        silent = each.finished_at is not None and each.finished_at > after + SAME and ("die", each.id) not in told
        if stopped is not None:
            runs_again = each.id in stopped and each.state == "running"
            silent = (silent or runs_again) and ("start", each.id) not in told
        if silent:
            found.append(each)
    return found

"""Deaths that were not heard of, from what an engine remembers."""

from datetime import timedelta

import pytest

from hostess.domain.deaths import Death, deaths_in, ended_with_engine, unheard
from hostess.domain.ports import Container, ContainerEvent
from tests.fakes.clock import START

ONE = "a" * 64


def at(seconds: float, what: str, code: int | None = None, container: str = ONE) -> ContainerEvent:
    """Return an event so many seconds after what was heard last."""
    return ContainerEvent(START + timedelta(seconds=seconds), what, container, code)


def death(seconds: float, code: int, *, out_of_memory: bool = False, lived: float | None = None) -> Death:
    """Return a death so many seconds after what was heard last."""
    life = None if lived is None else timedelta(seconds=lived)
    return Death(START + timedelta(seconds=seconds), code, out_of_memory, life)


@pytest.mark.parametrize(
    ("events", "found"),
    [
        ([at(-10, "start"), at(5, "die", 7)], [death(5, 7, lived=15)]),
        ([at(5, "die", 7), at(6, "start"), at(8, "die", 1)], [death(5, 7), death(8, 1, lived=2)]),
        ([at(5, "oom"), at(5.1, "die", 137)], [death(5.1, 137, out_of_memory=True)]),
        ([at(5, "die", 137), at(5.1, "oom")], [death(5, 137, out_of_memory=True)]),
        ([at(5, "oom"), at(60, "die", 1)], [death(60, 1)]),  # a process inside was killed, long before
        ([at(-5, "die", 7)], []),  # heard already
        ([at(5, "kill"), at(6, "die", 0)], []),  # asked for
        ([at(-5, "kill"), at(6, "die", 0)], []),  # asked for by the daemon that died
        ([at(-5, "kill"), at(-4, "die", 0), at(1, "start"), at(2, "die", 3)], [death(2, 3, lived=1)]),
    ],
)
def test_what_ended_by_itself(events: list[ContainerEvent], found: list[Death]) -> None:
    """Each end that nobody asked for is found once, with what is known of it."""
    assert deaths_in(events, START).get(ONE, []) == found


def test_containers_are_told_apart() -> None:
    """What was asked of one says nothing of another one."""
    found = deaths_in([at(1, "kill"), at(2, "die", 1, "b"), at(3, "die", 0)], START)

    assert found == {"b": [death(2, 1)]}


@pytest.mark.parametrize(
    ("ended", "restarts", "state", "found"),
    [
        (30, 1, "running", [Death(START + timedelta(seconds=30))]),
        (30, 1, "restarting", [Death(START + timedelta(seconds=30), 7)]),
        (30, 0, "running", []),  # somebody has had it started since: perhaps stopped before, too
        (30, 0, "exited", []),
        (1, 1, "running", []),  # that is what was heard last
        (-30, 1, "running", []),
        (None, 0, "running", []),
    ],
)
def test_what_is_seen_without_events(ended: float | None, restarts: int, state: str, found: list[Death]) -> None:
    """An engine that has forgotten its events still tells an end by itself, as it has started the container again."""
    finished = None if ended is None else START + timedelta(seconds=ended)
    container = Container(ONE, "web", "i", {}, state, exit_code=7, restarts=restarts, finished_at=finished)

    assert unheard(container, START) == found


@pytest.mark.parametrize(
    ("events", "ended", "state", "stopped", "found"),
    [
        ([], 30, "running", None, True),  # the host was down
        ([], 30, "exited", None, True),
        ([at(31, "start")], 30, "running", None, True),  # the reconciler was there first
        ([at(30, "die", 7), at(31, "start")], 30, "running", None, False),  # by itself
        ([at(29, "kill"), at(30, "die", 0)], 30, "exited", None, False),  # somebody has stopped it
        ([], -30, "running", None, False),
        ([], None, "running", None, False),
        ([], -1, "running", {ONE}, True),  # stopped by an engine that ended, and runs again
        ([], -1, "exited", {ONE}, False),  # somebody has stopped it
        ([at(5, "start")], -1, "running", {ONE}, False),  # somebody has started it
        ([at(29, "kill"), at(30, "die", 0)], 30, "exited", set(), True),  # an engine that is back kills what ran on
        ([at(29, "kill")], 30, "exited", set(), True),
        ([at(29, "kill"), at(30, "die", 0), at(31, "start")], 30, "running", set(), False),
        ([at(30, "die", 7)], 30, "exited", set(), False),  # by itself
    ],
)
def test_what_ended_with_its_engine(
    events: list[ContainerEvent], ended: float | None, state: str, stopped: set[str] | None, *, found: bool
) -> None:
    """What ended with no word of it, or was killed by an engine that is back; not what ended by itself or was stopped by somebody."""
    finished = None if ended is None else START + timedelta(seconds=ended)
    container = Container(ONE, "web", "i", {}, state, finished_at=finished)

    assert ended_with_engine([container], events, START, stopped) == ([container] if found else [])

"""A canary that goes on by itself: what it gets next follows from its answers and those of the live release alone."""

from dataclasses import replace
from datetime import timedelta

import pytest

from hostess.domain.records import Advance, Answers, Canary, Counted, Share
from hostess.domain.releases.release import Release
from hostess.domain.routing.canary_steps import Judgement, Move, answered, judged, since, tail, together
from tests.fakes.clock import START

BOUNDS = (0.01, 0.1, 1.0)
STEP = timedelta(minutes=5)
LATER = START + STEP
CANARY = Canary(
    Release("shop", "production", 2, "c" * 40, START, {}),
    ("web",),
    "d",
    Share(5, auto=True),
    START,
    "me",
    Advance(START),
)


def answers(count: int, errors: int = 0, slow: int = 0) -> Answers:
    """Return so many answers: *slow* of them took up to a second, all others up to 10 ms."""
    return Answers(count, errors, (count - slow, 0, slow, 0))


def judge(live: Answers, own: Answers, canary: Canary = CANARY) -> Judgement:
    """Judge at the end of a step."""
    return judged(canary, live, own, BOUNDS, LATER, STEP)


@pytest.mark.parametrize(
    ("live", "own", "move"),
    [
        (answers(1000), answers(60), Move.NEXT),
        (answers(1000), answers(49), Move.STAY),  # too few to tell
        (answers(1000), answers(60, errors=2), Move.NEXT),  # two may be anything
        (answers(1000), answers(60, errors=3), Move.ABORT),
        (answers(10), answers(3, errors=3), Move.ABORT),  # however few: nothing works
        (answers(1000, errors=50), answers(200, errors=20), Move.NEXT),  # both are as bad
        (answers(1000, errors=50), answers(200, errors=30), Move.ABORT),
        (answers(1000), answers(200, slow=9), Move.NEXT),  # fewer than one in twenty
        (answers(1000), answers(200, slow=20), Move.ABORT),
        (answers(1000, slow=100), answers(200, slow=20), Move.NEXT),
        (answers(99), answers(99, slow=50), Move.NEXT),  # too few to compare
        (Answers(), answers(60), Move.NEXT),  # all clients are in
    ],
)
def test_what_is_judged(live: Answers, own: Answers, move: Move) -> None:
    """Errors end it at once, slowness when there is enough to compare, and a step ends only with enough answers."""
    assert judge(live, own).move is move


def test_whose_answers_count() -> None:
    """Those of its services in its environment; of an older proxy, which tells no environments, those of the whole project."""
    apart = {
        Counted("shop", environment, service, title): answers(count)
        for environment, service, title, count in [
            ("production", "web", "v2", 1), ("staging", "web", "v2", 10), ("production", "api", "v2", 100),
            ("", "web", "v2", 1000),
        ]
    }  # fmt: skip
    older = {Counted("shop", "", "web", "v2"): answers(1000), Counted("blog", "", "web", "v2"): answers(1)}

    assert answered(apart, CANARY.release, "v2", ["web"]) == answers(1)
    assert answered(apart, CANARY.release, "v2", ["web", "api"]) == answers(101)
    assert answered(apart, CANARY.release, "v1", ["web"]) == Answers()
    assert answered(older, CANARY.release, "v2", ["web"]) == answers(1000)


def test_each_step_lasts() -> None:
    """Before its time is over a step does not end, except badly."""
    early = START + STEP - timedelta(seconds=1)

    assert judged(CANARY, answers(1000), answers(900), BOUNDS, early, STEP).move is Move.STAY
    assert judged(CANARY, answers(1000), answers(900, errors=300), BOUNDS, early, STEP).move is Move.ABORT


def test_its_way() -> None:
    """5, 25, 50 percent, then it is made live; from a share of one's own the next greater step."""
    way = []
    canary = CANARY
    while (judgement := judge(answers(1000), answers(900), canary)).move is Move.NEXT:
        way.append(judgement.percent)
        canary = replace(canary, share=replace(canary.share, percent=judgement.percent))

    assert (way, judgement.move) == ([25, 50], Move.PROMOTE)
    assert judge(answers(1000), answers(900), replace(CANARY, share=Share(30, auto=True))).percent == 50
    assert judge(answers(1000), answers(900), replace(CANARY, advance=None)).move is Move.STAY


def test_only_the_step_counts() -> None:
    """What was answered before it is taken off; a proxy that counts anew has answered all of it since."""
    before = Advance(START, live=answers(1000, errors=900), own=answers(100))
    canary = replace(CANARY, advance=before)

    assert judge(answers(2000, errors=900), answers(160, errors=3), canary).move is Move.ABORT
    assert since(answers(5), answers(10)) == answers(5)
    assert since(answers(15, slow=2), answers(10)) == answers(5, slow=2)
    assert together([answers(5, errors=1), answers(6, slow=1)]) == answers(11, errors=1, slow=1)


def test_the_tail() -> None:
    """The 95th percentile lies within the bound that holds it."""
    assert tail(answers(100), BOUNDS) == pytest.approx(0.0095)
    assert 0.1 < tail(answers(100, slow=10), BOUNDS) < 1.0

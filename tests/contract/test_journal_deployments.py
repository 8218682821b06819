"""What every journal keeps of deployments and their steps."""

import pytest

from hostess.domain.ports import Journal
from hostess.domain.problem import Problem
from hostess.domain.releases.release import (
    NEXT,
    IllegalMoveError,
    State,
    final,
)
from tests.contract.journals import LATER, NOW, a_deployment


async def test_deployments_are_found_by_a_beginning(journal: Journal) -> None:
    """A deployment is found by its id or by a beginning of it that no other has."""
    for name in ("ab", "abc1", "abc2", "x_y"):
        await journal.add_deployment(a_deployment(name))
    with pytest.raises(Problem) as caught:
        await journal.deployment("a")

    found = [await journal.deployment(name) for name in ("ab", "abc2", "x", "%", "", "abc3")]
    assert [each and each.id for each in found] == ["ab", "abc2", "x_y", None, None, None]
    assert caught.value.code == "deployment-ambiguous"


async def test_deployments_come_in_pages(journal: Journal) -> None:
    """Pages of deployments, newest first, together are all of them, also when newer ones arrive in between."""
    for number in range(5):
        await journal.add_deployment(a_deployment(f"d{number}"))
    first = await journal.deployments(limit=2)
    await journal.add_deployment(a_deployment("d5"))
    second = await journal.deployments(limit=2, before=first[-1].id)
    third = await journal.deployments(limit=2, before=second[-1].id)

    assert [each.id for each in (*first, *second, *third)] == ["d4", "d3", "d2", "d1", "d0"]
    assert await journal.deployments(before="d0") == []


async def test_deployments_are_selected(journal: Journal) -> None:
    """Deployments can be asked for by project, environment and state."""
    await journal.create_project("blog", NOW)
    await journal.add_deployment(a_deployment("d1"))
    await journal.add_deployment(a_deployment("d2", environment="staging"))
    await journal.add_deployment(a_deployment("d3", project="blog"))
    await journal.move("d2", State.RUNNING, NOW)

    assert [each.id for each in await journal.deployments("shop")] == ["d2", "d1"]
    assert [each.id for each in await journal.deployments("shop", "staging")] == ["d2"]
    assert [each.id for each in await journal.deployments(states=[State.QUEUED])] == ["d3", "d1"]
    assert [each.id for each in await journal.deployments(states=[State.QUEUED, State.RUNNING])] == ["d3", "d2", "d1"]
    with pytest.raises(Problem) as caught:
        await journal.deployments(before="none")
    assert caught.value.code == "deployment-not-found"


@pytest.mark.parametrize("to", State)
@pytest.mark.parametrize("state", State)
async def test_deployments_move_as_the_table_says(journal: Journal, state: State, to: State) -> None:
    """A move is carried out if the table has it or the state stays; all others are refused and change nothing."""
    await journal.add_deployment(a_deployment("d1", state))
    legal = to is state or to in NEXT.get(state, ())

    if legal:
        after = await journal.move("d1", to, LATER, phase="probe")
        assert (after.state, after.phase) == (to, "probe")
        assert after.finished_at == (LATER if final(to) and to is not state else None)
        assert await journal.deployment("d1") == after
    else:
        with pytest.raises(IllegalMoveError):
            await journal.move("d1", to, LATER, phase="probe")
        assert await journal.deployment("d1") == a_deployment("d1", state)


async def test_a_move_keeps_what_it_was_told(journal: Journal) -> None:
    """The fields of a move are stored, and those that it does not name stay as they were."""
    await journal.add_deployment(a_deployment())
    await journal.move("d1", State.RUNNING, NOW, seconds={"build": 1.5}, cancel=True)
    problem = {"code": "build-failed", "tail": ["a", "b"]}
    after = await journal.move("d1", State.FAILED, LATER, problem=problem, release=3)

    assert (after.seconds, after.cancel, after.problem, after.release) == ({"build": 1.5}, True, problem, 3)
    with pytest.raises(Problem) as caught:
        await journal.move("d2", State.RUNNING, NOW)
    assert caught.value.code == "deployment-not-found"
    with pytest.raises(TypeError, match="cannot set actor"):
        await journal.move("d1", State.FAILED, NOW, actor="eve")  # type: ignore[call-arg]


async def test_steps_are_kept_in_order(journal: Journal) -> None:
    """Steps are written when they begin and when they end, and one that never ended shows so."""
    await journal.add_deployment(a_deployment())
    first = await journal.begin_step("d1", "build", {"service": "api"}, NOW)
    await journal.end_step(first, "done", LATER)
    second = await journal.begin_step("d1", "start", {"names": ["a", "b"]}, LATER)

    build, start = await journal.steps("d1")
    assert (build.id, build.name, build.detail, build.outcome, build.ended_at) == (
        first,
        "build",
        {"service": "api"},
        "done",
        LATER,
    )
    assert (start.id, start.detail, start.begun_at, start.outcome, start.ended_at) == (
        second,
        {"names": ["a", "b"]},
        LATER,
        "",
        None,
    )
    with pytest.raises(Problem):
        await journal.begin_step("d2", "build", {}, NOW)
    with pytest.raises(LookupError):
        await journal.end_step(99, "done", NOW)

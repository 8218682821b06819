"""Canaries: a release beside the live one, with its share, through restarts of the daemon; then promoted, stopped or overtaken."""

import asyncio
import sqlite3
from datetime import timedelta

import pytest

from hostess.domain import labels
from hostess.domain.ports import CanaryTargets, Upstreams
from hostess.domain.problem import Problem
from hostess.domain.records import Answers, Counted, Share
from hostess.domain.releases.release import State
from tests.world import Bench, web

HOST = "shop-web.localhost"
PLACE = ("shop", "production")
BEAT = """  beat:
    type: custom
    image: hostess-test/echo:1
    ports: [8000]
    persistence: true
    health: {{http: /health, interval: 1s}}
    env: {{MARK: "{mark}"}}
  api:
    type: custom
    image: hostess-test/echo:1
    ports: [8000]
    visibility: public
"""


def stack(mark: str, image: str = "hostess-test/echo:1") -> dict[str, str]:
    """Return a stack whose web and beat (which must not run twice) change with *mark*, and whose api stays."""
    return web(image, mark, BEAT.format(mark=mark))


def route(bench: Bench, host: str = HOST) -> Upstreams:
    """Return the route of the newest table."""
    return next(each for each in bench.router.tables[-1] if each.host == host)


async def running(bench: Bench, service: str) -> dict[str, str]:
    """Return release -> container of a service."""
    found = await bench.world.replicas.of_place(*PLACE)
    return {c.labels[labels.RELEASE]: c.id for c in found if c.labels[labels.SERVICE] == service}


async def tried(bench: Bench, *options: str) -> CanaryTargets:
    """Make v1 live and try v2 out; return where its share goes."""
    assert (await bench.push("shop", stack("a"))).accepted
    assert (await bench.push("shop", stack("b"), *(options or ("canary=10",)))).accepted, bench.text()
    found = route(bench).canary
    assert found is not None
    return found


def counted(title: str, environment: str = "production") -> Counted:
    """Return by what the answers of web are counted."""
    return Counted("shop", environment, "web", title)


async def kinds(bench: Bench) -> list[str]:
    """Return what has been told of canaries."""
    return [event.kind for event in await bench.journal.events() if event.kind.startswith("canary.")]


async def test_a_canary_stands_beside_what_is_live(bench: Bench) -> None:
    """What changed and is reached from outside has replicas of both releases; what must not run twice and what did not change is shared."""
    found = await tried(bench)

    live = await bench.live("shop")
    assert (live and live.title, found.release, found.percent) == ("v1", "v2", 10)
    assert set(found.targets).isdisjoint(route(bench).targets)
    assert route(bench, "shop-api.localhost").canary is None
    assert set(await running(bench, "web")) == {"1", "2"}
    assert set(await running(bench, "beat")) == {"1"}
    assert "beat: stays that of v1 until the canary is promoted" in bench.text()
    assert "release v2 of shop (production) is tried out as a canary" in bench.text()
    [newest, _] = await bench.journal.deployments(*PLACE)
    assert newest.state is State.CANARY
    assert await bench.world.repositories.ref("shop", "refs/heads/main") == newest.commit


async def test_it_stays_as_it_is(bench: Bench) -> None:
    """Neither the reconciler nor a dead daemon changes it; its share changes when somebody says so."""
    found = await tried(bench)
    before = await running(bench, "web")

    await bench.world.reconciler.tick()
    await bench.restart()
    await bench.world.reconciler.tick()
    assert route(bench).canary == found
    await bench.world.canaries.set(*PLACE, Share(50, "X-Canary", ("yes",)))
    await bench.world.collector.collect()
    await bench.world.canaries.look()

    assert route(bench).canary == CanaryTargets("v2", found.targets, 50, "X-Canary", ("yes",))
    assert await running(bench, "web") == before
    assert await kinds(bench) == ["canary.set"]


async def test_a_daemon_that_dies_right_after(bench: Bench) -> None:
    """A canary that was written down before the daemon died is finished as one: its branch moves, its share stays."""
    found = await tried(bench)
    [newest, first] = await bench.journal.deployments(*PLACE)
    await bench.stop()
    # What stands there between the canary's row and the end of its deployment.
    with sqlite3.connect(bench.folder / "data" / "hostess.db") as journal:
        earlier = "json_set(record, '$.state', 'running', '$.finished_at', json('null'))"
        journal.execute(f"UPDATE deployments SET record = {earlier} WHERE id = ?", [newest.id])
    await bench.world.repositories.move_ref("shop", "refs/heads/main", newest.commit, first.commit)

    await bench.restart()

    again = await bench.journal.deployment(newest.id)
    assert again is not None
    assert again.state is State.CANARY
    assert await bench.world.repositories.ref("shop", "refs/heads/main") == newest.commit
    assert route(bench).canary == found


async def test_stopped(bench: Bench) -> None:
    """A canary that is stopped leaves the table, then its replicas go; the same commit can be pushed again."""
    await tried(bench)
    before = await running(bench, "web")

    await bench.world.canaries.stop(*PLACE)

    assert route(bench).canary is None
    async with asyncio.timeout(25):
        while await running(bench, "web") != {"1": before["1"]}:
            await asyncio.sleep(0.01)
    assert await bench.get(HOST) == "200 1"
    with pytest.raises(Problem, match="no canary in production of shop"):
        await bench.world.canaries.of(*PLACE)
    newest, first = await bench.journal.deployments(*PLACE)
    assert await bench.world.repositories.ref("shop", "refs/heads/main") == first.commit == newest.previous
    await bench.undone("shop")
    assert (await bench.push("shop", stack("b"))).accepted


async def test_promoted(bench: Bench) -> None:
    """A canary that is promoted serves on with the containers it has; what it shared changes now, and a rollback goes back."""
    await tried(bench)
    canary = (await running(bench, "web"))["2"]

    ended = await bench.world.deployments.ended(await bench.world.canaries.promote(*PLACE, "ann"))

    assert (ended.state, ended.release) == (State.LIVE, 2)
    async with asyncio.timeout(25):
        while await running(bench, "web") != {"2": canary} or set(await running(bench, "beat")) != {"2"}:
            await asyncio.sleep(0.01)
    assert route(bench).canary is None
    assert await bench.journal.canaries() == []
    await bench.world.deployments.ended(await bench.world.deployments.rollback(*PLACE, None, "ann"))
    live = await bench.live("shop")
    first = await bench.journal.release(*PLACE, 1)
    assert live is not None
    assert first is not None
    assert live.workloads["web"].spec == first.workloads["web"].spec


async def test_overtaken(bench: Bench) -> None:
    """Another deployment says that the canary ends, and with its switch it does; one that fails leaves it as it is."""
    found = await tried(bench)

    assert not (await bench.push("shop", stack("c", "hostess-test/echo:broken"))).accepted
    assert "the canary v2 ends when this is live" in bench.text()
    assert route(bench).canary == found
    assert (await bench.push("shop", stack("d"))).accepted
    assert route(bench).canary is None
    async with asyncio.timeout(25):
        while set(await running(bench, "web")) != {"4"}:
            await asyncio.sleep(0.01)


async def test_a_canary_that_does_not_start(bench: Bench) -> None:
    """A canary whose replicas do not become well fails as a push does, and leaves nothing behind."""
    assert (await bench.push("shop", stack("a"))).accepted
    before = await running(bench, "web")

    assert not (await bench.push("shop", stack("b", "hostess-test/echo:broken"), "canary=10")).accepted

    assert await running(bench, "web") == before
    assert route(bench).canary is None
    assert await bench.journal.canaries() == []


async def test_a_canary_that_is_not_well(bench: Bench) -> None:
    """A canary without a well replica gets no share, and is stopped by itself; why is told."""
    await tried(bench)

    await bench.engine.kill((await running(bench, "web"))["2"])
    await bench.world.routing.publish()
    assert route(bench).canary is None
    await bench.world.canaries.look()

    assert await kinds(bench) == ["canary.stopped"]
    [event] = [event for event in await bench.journal.events() if event.kind == "canary.stopped"]
    assert event.message == "v2 is no canary any more: no replica of web is well"
    async with asyncio.timeout(25):
        while set(await running(bench, "web")) != {"1"}:
            await asyncio.sleep(0.01)


async def test_what_cannot_be_a_canary(bench: Bench) -> None:
    """No canary without a live release, of a new service, of a database that changes, of nothing at all, or beside another one."""
    database = "  store: {type: redis}\n"

    assert not (await bench.push("shop", stack("a"), "canary=10")).accepted
    assert "nothing is live that a canary could stand beside" in bench.text()
    assert not (await bench.push("shop", {}, "canary=110")).accepted
    assert "is no percentage from 0 to 100" in bench.text()
    assert (await bench.push("shop", stack("a"))).accepted
    assert not (await bench.push("shop", {}, "canary=10")).accepted
    assert "no service that is reached from outside is another one in this release" in bench.text()
    added = {"hostess.yml": stack("b")["hostess.yml"] + database}
    assert not (await bench.push("shop", added, "canary=10")).accepted
    assert "store is new" in bench.text()
    assert (await bench.push("shop", stack("b"), "canary=10")).accepted
    assert not (await bench.push("shop", stack("c"), "canary=10")).accepted
    assert "is tried out already, with 10 %" in bench.text()


async def test_a_project_that_goes_takes_its_canary_along(bench: Bench) -> None:
    """What is removed with its project includes a canary."""
    await tried(bench)

    await bench.world.removal.remove("shop")

    assert await bench.journal.canaries() == []
    assert await bench.world.replicas.of_place(*PLACE) == []


async def test_one_that_goes_on_by_itself(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """It gets more with each step that its answers are as good as those of the live release, and is live at the end."""
    monkeypatch.setattr(bench.world.canaries, "_step", timedelta())
    shares = [(await tried(bench, "canary=auto")).percent]
    for number in range(1, 5):
        answered = Answers(number * 100, 0, (number * 100, 0, 0))
        bench.router.answered = {counted(title): answered for title in ("v1", "v2")}
        await bench.world.canaries.look()
        canary = await bench.journal.canary(*PLACE)
        shares += [canary.share.percent] if canary else []
    async with asyncio.timeout(25):
        while (live := await bench.live("shop")) is None or live.title != "v2":
            await asyncio.sleep(0.01)

    assert shares[:4] == [5, 5, 25, 50]
    assert await bench.journal.canary(*PLACE) is None
    assert (await kinds(bench)).count("canary.advanced") == 3
    assert (
        len(await bench.journal.deployments("shop")) == 3
    )  # two pushes, and one promotion, however often it was looked at


async def test_one_that_answers_worse_is_taken_back(bench: Bench) -> None:
    """Too many errors end it: the live release has all requests again, why is told, and the commit can be pushed again."""
    await tried(bench, "canary=10,auto")
    bench.router.answered = {counted("v1"): Answers(100, 0, (100, 0, 0)), counted("v2"): Answers()}
    await bench.world.canaries.look()
    bench.router.answered[counted("v2")] = Answers(20, 10, (20, 0, 0))
    await bench.world.canaries.look()

    assert await bench.journal.canary(*PLACE) is None
    assert route(bench).canary is None
    [told] = [event for event in await bench.journal.events() if event.kind == "canary.aborted"]
    assert "50.0% of its answers are errors (10 of 20), and 0.0% of those of the live release" in told.message
    live = await bench.live("shop")
    assert live is not None
    assert live.title == "v1"


async def test_another_environment_with_the_same_numbers(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """What staging answers with its own v1 and v2 says nothing of a canary in production: neither for it nor against it."""
    monkeypatch.setattr(bench.world.canaries, "_step", timedelta())
    await tried(bench, "canary=auto")
    bench.router.answered = {counted(title): Answers(100, 0, (100, 0, 0)) for title in ("v1", "v2")}
    await bench.world.canaries.look()
    bench.router.answered |= {counted(title, "staging"): Answers(900, 900, (900, 0, 0)) for title in ("v1", "v2")}
    await bench.world.canaries.look()
    canary = await bench.journal.canary(*PLACE)
    assert canary is not None
    assert bench.world.canaries.judgement(canary) == "0 answers so far: 50 are needed to judge it"

    bench.router.answered |= {counted(title): Answers(200, 0, (200, 0, 0)) for title in ("v1", "v2")}
    await bench.world.canaries.look()

    assert await kinds(bench) == ["canary.advanced"]


async def test_a_share_by_hand_ends_that(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who sets a share has it stay there."""
    monkeypatch.setattr(bench.world.canaries, "_step", timedelta())
    await tried(bench, "canary=auto")
    await bench.world.canaries.set(*PLACE, Share(30))
    bench.router.answered = {counted(title): Answers(500, 0, (500, 0, 0)) for title in ("v1", "v2")}
    await bench.world.canaries.look()

    canary = await bench.journal.canary(*PLACE)
    assert canary is not None
    assert (canary.share.percent, canary.advance) == (30, None)

"""Projects, and the host as a whole."""

import asyncio
import os
import re
import time
from datetime import UTC, datetime, timedelta

from hostess import __version__
from hostess.adapters.cgroup_files import CgroupFiles
from hostess.domain import labels
from hostess.domain.crash_loops import Health
from hostess.domain.ports import FailedTarget
from hostess.domain.problem import Problem
from hostess.doors.api.app import OPERATIONS
from hostess.services.keeping.alert_watch import AlertWatch, Watched
from hostess.services.keeping.host_watch import HostWatch
from hostess.services.keeping.usage import UsageWatch
from hostess.services.keeping.usage_history import UsageHistory
from tests.fakes.cgroup import used
from tests.fakes.clock import FakeClock
from tests.integration.api.stage import Stage
from tests.world import FixedMeter


async def test_a_project_is_made_once(stage: Stage) -> None:
    """A project is made with its repository; the same name again is a conflict, a bad one refused."""
    made = await stage.ask("POST /v1/projects", {"name": "shop"})
    again = await stage.ask("POST /v1/projects", {"name": "shop"})
    wrong = await stage.ask("POST /v1/projects", {"name": "Big Shop"})

    assert (made.status, made.json["name"]) == (201, "shop")
    assert (again.status, again.code) == (409, "project-exists")
    assert (wrong.status, wrong.code) == (422, "invalid-name")
    assert "big-shop" in wrong.json["remedy"]
    assert (stage.folder / "repos" / "shop.git" / "HEAD").exists()


async def test_a_project_is_removed_with_everything(stage: Stage) -> None:
    """After its removal nothing of a project is left: no container, volume, network, route, repository or record."""
    await stage.live()
    await stage.project("other")

    said = await stage.ask("DELETE /v1/projects/shop")

    assert said.status == 204
    assert await stage.engine.containers({}) == []
    assert await stage.engine.networks({}) == {}
    assert stage.router.table == ()
    assert not (stage.folder / "repos" / "shop.git").exists()
    assert [project["name"] for project in (await stage.get("/v1/projects"))["items"]] == ["other"]
    assert (await stage.get("/v1/deployments"))["items"] == []


async def test_a_project_is_removed_under_a_deployment(stage: Stage) -> None:
    """A deployment that runs is cancelled when its project is removed."""
    await stage.live()
    running = await stage.held(asyncio.Event())

    said = await stage.ask("DELETE /v1/projects/shop")

    assert said.status == 204
    assert (await stage.ask(f"GET /v1/deployments/{running}")).code == "deployment-not-found"
    assert await stage.engine.containers({}) == []


async def test_a_removal_that_broke_off_can_be_asked_for_again(stage: Stage) -> None:
    """When the engine fails half-way, the project is still known, serves nothing, and a second removal ends the work."""
    await stage.live()
    stage.engine.fail["volumes"] = Problem("engine-unreachable", "the engine is gone for a moment")

    broken = await stage.ask("DELETE /v1/projects/shop")
    known = await stage.ask("GET /v1/projects/shop")
    again = await stage.ask("DELETE /v1/projects/shop")

    assert (broken.status, broken.code) == (503, "engine-unreachable")
    assert (known.status, again.status) == (200, 204)
    assert await stage.engine.networks({}) == {}


async def test_environments_tell_what_is_live(stage: Stage) -> None:
    """Environments are listed with the number of their live release."""
    await stage.live()

    (found,) = (await stage.get("/v1/projects/shop/environments"))["items"]

    assert (found["name"], found["release"]) == ("production", 1)


async def test_health_needs_no_token(stage: Stage) -> None:
    """Whether the daemon is alive is told to anybody."""
    said = await stage.ask("GET /healthz", token="")

    assert (said.status, said.json) == (200, {"status": "ok", "version": __version__})


async def test_status_is_one_screen(stage: Stage) -> None:
    """The status tells host, engine and each environment at a glance."""
    await stage.live()

    found = await stage.get("/v1/status")

    (place,) = found["places"]
    assert found["host"]["engine"] == "0.fake (API 1.41)"
    assert (place["release"], place["services"], place["running"], place["last"]) == (1, 2, 2, "live")


async def test_status_without_an_engine(stage: Stage) -> None:
    """When the engine does not answer, the API says so instead of failing as a whole."""
    await stage.project()
    stage.engine.unreachable = True

    found = await stage.get("/v1/status")

    assert found["host"]["engine"] == ""


async def test_figures_for_prometheus(stage: Stage) -> None:
    """Figures are told in Prometheus' text format."""
    await stage.live()

    said = await stage.ask("GET /metrics")

    assert said.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    assert 'hostess_deployments{state="live"} 1' in said.text
    assert "hostess_proxy_up 1\n" in said.text
    assert "hostess_proxy_workers 1\n" in said.text
    assert f'hostess_build_info{{version="{__version__}"}} 1' in said.text
    assert all(re.fullmatch(r"(# .*|\w+(\{.*\})? \d+(\.\d+)?)", line) for line in said.text.splitlines())


async def test_what_the_host_and_each_replica_use(stage: Stage) -> None:
    """Status, figures and command line tell what is used of the host, and what each replica uses, once it was read twice."""
    await stage.live()
    (web,) = [c for c in await stage.engine.containers({}) if c.labels[labels.SERVICE] == "web"]
    for seconds in (1, 2):
        used(stage.folder / "cgroup", web.id, cpu=seconds, memory=50_000_000)
        stage.world.host_watch.look()
        await stage.world.autoscaler.look()

    async with asyncio.timeout(25):
        while stage.world.host_watch.now().cpu is None:  # the kernel counts in hundredths of a second
            await asyncio.sleep(0.02)
            stage.world.host_watch.look()
    use = (await stage.get("/v1/status"))["host"]["use"]
    said = (await stage.ask("GET /metrics")).text
    listed = (await stage.get("/v1/projects/shop/environments/production/services"))["items"]
    shown = await stage.hostess("status")

    assert use["memory"] > use["memory_available"] > 0
    assert use["own_files"] > 0
    assert 0 <= use["cpu"] <= 100
    assert f"hostess_host_memory_bytes {use['memory']}\n" in said
    mark = f'{{project="shop",environment="production",service="web",replica="1",container="{web.id[:12]}"}}'
    assert f"hostess_replica_memory_bytes{mark} 50000000\n" in said
    assert f"hostess_replica_cpu_cores{mark} " in said
    assert f"hostess_replica_healthy{mark} 1\n" in said
    [[replica]] = [each["containers"] for each in listed if each["name"] == "web"]
    assert replica["memory"] == 50_000_000
    assert replica["cpu"] > 0
    assert re.search(r"Memory: +.* in use, \d+ %", shown.out)


async def test_states_of_replicas_are_figures(stage: Stage) -> None:
    """Each service has a number for each state; what was stopped is counted as that, and how many are wanted stays."""
    await stage.live()
    (web,) = [c for c in await stage.engine.containers({}) if c.labels[labels.SERVICE] == "web"]
    place = 'project="shop",environment="production",service="web"'

    async def states() -> dict[str, int]:
        stage.world.usage.look_around()
        await stage.world.usage.look()
        said = (await stage.ask("GET /metrics")).text
        assert f"hostess_replicas_wanted{{{place}}} 1\n" in said
        found = re.findall(rf'^hostess_replicas{{{place},state="([a-z-]+)"}} (\d+)$', said, re.MULTILINE)
        return {state: int(count) for state, count in found}

    none = dict.fromkeys(map(str, Health), 0)
    assert await states() == none | {"healthy": 1}
    stage.world.checkups.began(web.id)
    await stage.world.checkups.look()
    assert await states() == none | {"starting": 1}
    await stage.engine.stop(web.id, timedelta(seconds=5))
    assert await states() == none | {"stopped": 1}
    await stage.engine.remove(web.id)
    assert await states() == none


async def test_who_fails_requests_is_shown(stage: Stage) -> None:
    """Status, the list of services and the command line tell what the proxy has told of a replica."""
    await stage.live()
    (web,) = [c for c in await stage.engine.containers({}) if c.labels[labels.SERVICE] == "web"]
    heard: list[str] = []
    stage.router.failed.put_nowait(FailedTarget(f"{web.address}:8000", 7, "closed", out=True))
    listening = asyncio.create_task(stage.world.failed.run(heard.extend))
    async with asyncio.timeout(30):
        while not heard:
            await asyncio.sleep(0.01)
    listening.cancel()
    await asyncio.gather(listening, return_exceptions=True)

    [[replica]] = [
        each["containers"]
        for each in (await stage.get("/v1/projects/shop/environments/production/services"))["items"]
        if each["name"] == "web"
    ]
    [place] = (await stage.get("/v1/status"))["places"]
    listed, shown = await stage.hostess("ps", "-p", "shop", "--detailed"), await stage.hostess("status")

    assert heard == [web.address]
    assert (replica["requests_failed"], replica["last_failure"]) == (7, "closed")
    assert place["failing"] == ["7 requests to replica v1.1 of web (closed)"]
    assert "7 failed requests of late (closed)" in listed.out
    assert "shop (production): of late failed 7 requests to replica v1.1 of web (closed)" in shown.err


async def test_what_was_used_is_remembered(stage: Stage) -> None:
    """What was read is rolled up, for the host and each service, and outlives the daemon; who sees one project sees that alone."""
    await stage.live()
    (web,) = [c for c in await stage.engine.containers({}) if c.labels[labels.SERVICE] == "web"]
    world = stage.world
    clock = FakeClock(datetime(2026, 3, 2, 12, 5, tzinfo=UTC), flowing=False)
    usage = UsageWatch(stage.journal, world.replicas, CgroupFiles(stage.folder / "cgroup"), clock)
    meter = FixedMeter(total=1000, available=400)
    meter.busy = 0.5
    host = HostWatch(meter, clock)
    for seconds, memory in ((0, 10), (10, 10), (30, 40)):
        used(stage.folder / "cgroup", web.id, cpu=seconds, memory=memory)
        history = UsageHistory(stage.journal, host, usage, clock)
        host.look()
        await usage.look()
        await history.look()
        await history.stop()
        clock.advance(10)
    since = clock.now() - timedelta(hours=1)

    [span] = await stage.journal.usage("shop", "production", "web", since)
    assert (span.began, span.readings) == (datetime(2026, 3, 2, 12, tzinfo=UTC), 2)
    assert (round(span.cpu, 6), round(span.cpu_peak, 6), span.memory, span.memory_peak) == (1.5, 2.0, 25, 40)
    [whole] = await stage.journal.usage("", "", "", since)
    assert (whole.readings, round(whole.cpu, 6), whole.memory) == (2, 1.0, 600)
    viewer = await stage.a_token("viewer", ("shop",))
    assert (await stage.ask("GET /v1/host/usage", token=viewer)).status == 403
    clock.advance(timedelta(days=31).total_seconds())
    await history.look()
    await history.stop()
    assert await stage.journal.usage("shop", "production", "web", since) == []


async def test_what_was_used_is_shown(stage: Stage) -> None:
    """The command line shows the last hours of the host, also the minutes that are not written down yet, and of a service."""
    await stage.live()
    async with asyncio.timeout(25):
        while stage.world.host_watch.now().cpu is None:  # the kernel counts in hundredths of a second
            await asyncio.sleep(0.02)
            stage.world.host_watch.look()
    await stage.world.history.look()

    shown = await stage.hostess("usage")
    whole = (await stage.hostess("usage", "-o", "json")).json
    web = await stage.hostess("usage", "web", "-p", "shop", "-o", "json")

    assert "CORES" in shown.out
    assert [each["readings"] for each in whole] == [1]
    assert whole[0]["memory"] > 0
    assert (web.code, web.json) == (0, [])


async def test_a_host_without_memory_is_told_until_it_has_some(stage: Stage) -> None:
    """An alert and an event say that memory runs out, and another event that it is over; a daemon that just began says neither."""
    await stage.live()
    clock = FakeClock(flowing=False)
    meter = FixedMeter(total=1000, available=10)
    for _ in range(2):
        host = HostWatch(meter, clock)
        watch = watching(stage, host, clock)
        await watch.look()
        for _ in range(5):
            host.look()
            clock.advance(5)
        await watch.look()
    [alert] = await watch.now()
    meter.available = 900
    for _ in range(20):
        host.look()
        clock.advance(5)
    await watch.look()

    events = [each for each in await stage.journal.events(limit=1000) if each.kind.startswith("host.")]
    assert (alert.kind, alert.level, alert.project) == ("host.memory", "error", "")
    assert alert.what.startswith("99 % of the host's memory are in use")
    assert [each.kind for each in events] == ["host.memory", "host.recovered"]
    assert await watch.now() == []


def watching(stage: Stage, host: HostWatch, clock: FakeClock) -> AlertWatch:
    """Return what watches for alerts on such a host."""
    world = stage.world
    return AlertWatch(
        stage.journal,
        Watched(world.replicas, world.checkups, world.storage, world.orders, world.certificates, host, world.loops),
        clock,
    )


async def test_figures_without_a_proxy(stage: Stage) -> None:
    """When the proxy does not answer, its figures are missing, and one says why."""
    stage.router.is_gone = True

    said = await stage.ask("GET /metrics")

    assert said.status == 200
    assert "hostess_proxy_up 0\n" in said.text
    assert "hostess_proxy_workers" not in said.text


async def test_settings_are_shown_with_their_source(stage: Stage) -> None:
    """Every setting is shown with where it came from."""
    found = {item["key"]: item for item in (await stage.get("/v1/config"))["items"]}

    assert found["data_dir"]["value"] == str(stage.folder)
    assert found["proxy.http"]["source"] == "default"


async def test_garbage_is_collected(stage: Stage) -> None:
    """Collecting garbage tells what was removed: what of the cache of builds is too much, and transcripts that are too old."""
    await stage.live()
    [deployment] = (await stage.get("/v1/deployments"))["items"]
    folder = stage.folder / "logs" / "deployments"
    old = time.time() - timedelta(days=91).total_seconds()
    (folder / "0.log").write_text("long ago")
    os.utime(folder / "0.log", (old, old))
    stage.engine.build_cache = 11 * 1024**3

    said = (await stage.ask("POST /v1/gc")).json
    again = (await stage.ask("POST /v1/gc")).json

    assert said == {"images": [], "size": 1024**3 + 8, "sites": [], "transcripts": 1, "cache": 1024**3}
    assert again == {"images": [], "size": 0, "sites": [], "transcripts": 0, "cache": 0}
    assert "live" in (await stage.ask(f"GET /v1/deployments/{deployment['id']}/log")).text
    assert sorted(each.name for each in folder.iterdir()) == [f"{deployment['id']}.log"]


async def test_a_deployment_of_which_nothing_is_kept(stage: Stage) -> None:
    """Its log says so, as text and as events."""
    await stage.live()
    [deployment] = (await stage.get("/v1/deployments"))["items"]
    stage.world.transcripts.remove(deployment["id"])

    text = (await stage.ask(f"GET /v1/deployments/{deployment['id']}/log")).text
    events = await stage.ask(f"GET /v1/deployments/{deployment['id']}/log", headers={"Accept": "text/event-stream"})

    assert text.startswith("(nothing is kept of what it said")
    assert "nothing is kept of what it said" in events.text
    assert "event: end" in events.text


async def test_the_document_describes_every_operation(stage: Stage) -> None:
    """The OpenAPI document has every operation, with resolvable references, and needs no token."""
    said = await stage.ask("GET /v1/openapi.json", token="")
    document = said.json

    described = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
    references = set(re.findall(r'"#/components/schemas/(\w+)"', said.text))
    assert document["openapi"] == "3.1.0"
    assert described == {(operation.method, operation.path) for operation in OPERATIONS}
    assert references <= document["components"]["schemas"].keys()
    assert len({operation.name for operation in OPERATIONS}) == len(OPERATIONS)

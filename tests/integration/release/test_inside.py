"""Names inside a stack, through whole deployments: given before anything starts, and answered by what is ready."""

import asyncio
from dataclasses import replace

from hostess.domain.ports import Container, InsideService
from hostess.domain.problem import Problem
from hostess.domain.routing.inside import virtual_addresses
from tests.fakes.building import Recipe
from tests.fakes.programs import Box, task
from tests.integration.release.test_switch import after, before, once
from tests.world import Bench, web

PAIR = """  back:
    type: custom
    image: hostess-test/echo:1
    ports: [9000]
    env: {PORT: "9000"}
"""

HANDED = """  beat:
    type: custom
    image: plain:1
    command: [/beat]
    env: {MARK: MARKED}
    health: {command: [ask], interval: 1s, retries: 1}
    depends_on: [store]
  store:
    type: custom
    image: plain:1
    ports: [9000]
    env: {PORT: "9000", MARK: MARKED}
    persistence: true
"""


async def beat(box: Box) -> int:
    """Work until told to stop; the one that is marked "broken" ends at once."""
    if box.env["MARK"] == "broken":
        return 3
    await box.stopping.wait()
    return 0


def called(bench: Bench, service: str) -> InsideService | None:
    """Return what callers find of a service, by the newest table."""
    return next((one for one in bench.router.inside.values() if one.service == service), None)


async def replicas(bench: Bench, service: str) -> list[Container]:
    """Return the containers of a service."""
    everything = await bench.world.replicas.of_place("shop", "production")
    return [one for one in everything if one.labels["sh.hostess.service"] == service]


async def test_names_are_known_before_the_start(bench: Bench) -> None:
    """Every container of a first deployment knows the names of all services that list a port, whichever starts first."""
    assert (await bench.push("shop", web(more=PAIR))).accepted

    hosts = [dict(spec.hosts) for spec in bench.engine.created]
    assert [set(one) for one in hosts] == [{"web", "back"}] * 2
    assert len(set(hosts[0].values())) == 2
    assert all(one == hosts[0] for one in hosts)


async def test_addresses_last(bench: Bench) -> None:
    """An address is the same for each release; a service that comes later gets another one, and one that goes keeps its own."""
    await bench.push("shop", web())
    first = called(bench, "web")
    await bench.push("shop", web("hostess-test/echo:2", more=PAIR))
    await bench.push("shop", web("hostess-test/echo:1"))
    await bench.push("shop", web("hostess-test/echo:2", more=PAIR))
    last, other = called(bench, "web"), called(bench, "back")

    assert first is not None
    assert last is not None
    assert other is not None
    assert first.address == last.address != other.address
    assert (await bench.journal.addresses())["shop", "production"] == {"web": last.address, "back": other.address}


async def test_a_service_that_becomes_a_worker_is_still_found(bench: Bench) -> None:
    """Callers that know a service's address reach its containers there, too, when it lists no port any more; new ones ask by name."""
    await bench.push("shop", web(more=PAIR))
    before = called(bench, "back")
    await bench.push("shop", web("hostess-test/echo:2", more=PAIR.replace("    ports: [9000]\n", "")))
    [back] = await replicas(bench, "back")
    now = called(bench, "back")

    assert before is not None
    assert now is not None
    assert (now.address, now.replicas) == (before.address, (back.address,))
    assert {name for spec in bench.engine.created[2:] for name in spec.hosts} == {"web"}


async def test_a_first_release_is_reached_when_ready(bench: Bench) -> None:
    """Before the first switch callers find what has passed its gate; nothing is routed from outside yet."""
    seen: list[tuple[set[str], bool]] = []

    async def look(*_: object, **__: object) -> None:
        there = {one.service for one in bench.router.inside.values() if one.replicas}
        seen.append((there, bool(bench.router.tables[-1])))

    after(bench.router, "publish", look)
    await bench.push("shop", web(more=PAIR + "    depends_on: [web]\n"))

    assert seen[0] == (set(), False)
    assert ({"web"}, False) in seen
    assert seen[-1] == ({"web", "back"}, True)


async def test_a_table_made_around_the_first_switch_has_what_is_ready(bench: Bench) -> None:
    """A table that was begun before a first switch and is published after it takes nothing away from callers."""
    publishing: list[asyncio.Task[int]] = []
    switched = asyncio.Event()

    async def begins(_: object, name: str, *__: object) -> None:
        if name == "switch":
            publishing.append(asyncio.create_task(bench.world.routing.publish()))
            await asyncio.sleep(0.05)
        if name == "publish":
            switched.set()

    async def waits(*_: object) -> None:
        if asyncio.current_task() in publishing:
            await switched.wait()

    before(bench.journal, "begin_step", begins)
    before(bench.engine, "containers", waits)
    assert (await bench.push("shop", web())).accepted

    ready = [any(one.replicas for one in table) for table in bench.router.insides]
    assert ready == sorted(ready)
    assert len(ready) == 4


async def test_until_the_switch_the_live_release_is_called(bench: Bench) -> None:
    """While a new release starts, callers find the replicas of the live one, and after the switch only the new ones."""
    await bench.push("shop", web())
    [old] = await replicas(bench, "web")
    during: list[InsideService | None] = []

    async def look(*_: object, **__: object) -> None:
        during.append(called(bench, "web"))

    after(bench.engine, "keep_running", look)
    await bench.push("shop", web("hostess-test/echo:2"))
    now = called(bench, "web")

    assert [one.replicas for one in during if one] == [(old.address,)]
    assert now is not None
    assert len(now.replicas) == 1
    assert old.address not in now.replicas


async def test_what_is_handed_over_next_can_need_it(bench: Bench) -> None:
    """A worker that depends on a store and is handed over with it comes after it, and finds the new one before the switch."""
    asked: list[tuple[str, ...]] = []

    async def ask(_: Box) -> int:
        found = called(bench, "store")
        asked.append(found.replicas if found else ())
        return 0 if asked[-1] else 1

    bench.engine.commands |= {"ask": ask, "/beat": beat}
    for mark in ("one", "two"):
        assert (await bench.push("shop", web(more=HANDED.replace("MARKED", mark)))).accepted, bench.text()
    [store] = await replicas(bench, "store")

    assert "-----> handing over store" in bench.text()
    assert asked[-1] == (store.address,)


async def test_what_runs_once_finds_itself(bench: Bench) -> None:
    """Under its own name what must not run twice finds itself: it may listen there, and ask there before it is ready."""
    bench.engine.commands |= {"ask": task(0), "/beat": beat}
    assert (await bench.push("shop", web(more=HANDED.replace("MARKED", "one")))).accepted, bench.text()

    known = {spec.labels["sh.hostess.service"]: set(spec.hosts) for spec in bench.engine.created}
    assert known == {"web": {"web", "store"}, "store": {"web"}, "beat": {"web", "store"}}


async def test_a_failed_hand_over_is_forgotten(bench: Bench) -> None:
    """When the release fails after a hand-over, callers find the one that was there before."""
    bench.engine.commands |= {"ask": task(0), "/beat": beat}
    assert (await bench.push("shop", web(more=HANDED.replace("MARKED", "one")))).accepted, bench.text()
    before = called(bench, "store")

    assert not (await bench.push("shop", web(more=HANDED.replace("MARKED", "broken")))).accepted

    assert "-----> handing over beat" in bench.text()
    assert called(bench, "store") == before


async def test_a_failed_first_release_is_forgotten(bench: Bench) -> None:
    """What was ready of a first release that failed is not called any more."""
    bench.engine.add_image("broken:1", Recipe({"/no": task(code=3)}, cmd=("/no",)))
    back = PAIR.replace("hostess-test/echo:1", "broken:1") + "    depends_on: [web]\n"

    assert not (await bench.push("shop", web(more=back))).accepted

    assert bench.router.inside == {}


async def test_a_deployment_that_cannot_begin_is_forgotten(bench: Bench) -> None:
    """What a first release that failed before its start was to bring is called by nobody."""
    before(bench.journal, "open_runs", once(Problem("journal-failed", "the journal could not be read: disk is full")))

    assert not (await bench.push("shop", web())).accepted
    await bench.world.routing.publish()

    assert bench.router.inside == {}


async def test_without_a_firewall_names_are_those_of_the_containers(bench: Bench) -> None:
    """Where callers cannot be led, containers are told no addresses and are found by their alias alone."""
    firewall = bench.firewall
    firewall.able = False

    assert (await bench.push("shop", web(more=PAIR))).accepted

    assert [(spec.aliases, dict(spec.hosts)) for spec in bench.engine.created] == [(("web",), {}), (("back",), {})]


async def test_a_repair_right_after_the_start_knows_names(bench: Bench) -> None:
    """What is started before the timer leads callers again (the proxy came up after the daemon) leads them itself."""
    await bench.push("shop", web())
    bench.firewall.able = False
    await bench.world.names.lead()
    bench.firewall.able = True
    [lost] = await replicas(bench, "web")
    await bench.engine.remove(lost.id)

    await bench.world.reconciler.tick()

    assert set(bench.engine.created[-1].hosts) == {"web"}
    assert len(bench.engine.created) == 2


async def test_what_an_earlier_version_started_stays_reachable(bench: Bench) -> None:
    """Where a container still has an address that is now for services, nobody is led and no name is given until it is gone."""
    bench.firewall.able = False
    await bench.push("shop", web())
    bench.firewall.able = True
    [first] = bench.engine.created
    subnet = (await bench.journal.places())[0].subnet
    early = bench.engine._containers[await bench.engine.create(replace(first, name="early"))]
    early.value = replace(early.value, address=virtual_addresses(subnet)[3])

    assert (await bench.push("shop", web("hostess-test/echo:2"))).accepted
    assert (bench.firewall.led, dict(bench.engine.created[-1].hosts), bench.router.inside) == ((), {}, {})

    await bench.until_containers(1)
    assert (await bench.push("shop", web("hostess-test/echo:1"))).accepted
    assert (bench.firewall.led, set(bench.engine.created[-1].hosts)) == ((subnet,), {"web"})


async def test_callers_are_led_for_each_environment(bench: Bench) -> None:
    """The firewall leads the network of every environment, and no other once an environment is gone."""
    await bench.push("shop", web())
    [place] = await bench.journal.places()
    assert bench.firewall.led == (place.subnet,)

    await bench.world.removal.remove("shop")
    await bench.world.names.lead()

    assert not bench.firewall.led


async def test_a_scaled_service_is_called_at_all_replicas(bench: Bench) -> None:
    """Callers find each replica, and no more than are wanted."""
    await bench.push("shop", web())
    live = await bench.live("shop")
    assert live is not None
    more = replace(live.workloads["web"], replicas=3)
    ended = await bench.world.deployments.scale("shop", "production", {"web": more.replicas}, "tester")
    await bench.world.deployments.ended(ended)
    found = called(bench, "web")

    assert found is not None
    assert len(found.replicas) == 3


async def test_what_is_handed_over_is_called_before_the_switch(bench: Bench) -> None:
    """Once the old one of what must not run twice has stopped, callers find the new one, so that others can start with it."""
    alone = web()["hostess.yml"] + "    persistence: {mount: /data}\n"
    await bench.push("shop", {"hostess.yml": alone})
    seen: list[tuple[str, ...]] = []

    async def look(*_: object, **__: object) -> None:
        if found := called(bench, "web"):
            seen.append((found.release, *found.replicas))

    after(bench.router, "publish", look)
    await bench.push("shop", {"hostess.yml": alone.replace("echo:1", "echo:2")})
    [new] = await replicas(bench, "web")

    assert ("v2", new.address) in seen[:-1]
    assert seen[-1] == ("v2", new.address)

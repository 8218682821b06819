"""Images and networks that somebody has removed with the engine's own client: they are made again when they are needed."""

from collections.abc import Mapping

import pytest

from hostess.domain import labels
from hostess.services.jobs.jobs import Ask
from hostess.services.live import place_of
from tests.fakes.programs import task
from tests.integration.release.test_sleeping import CALLED, HOST, MAY_SLEEP, hearing, rested, until, until_told
from tests.world import Bench, web

BUILT = {"hostess.yml": web()["hostess.yml"].replace("image: hostess-test/echo:1", "build: {source: .}")}
DOCKERFILE = {"Dockerfile": "FROM hostess-test/echo:1\nENV VERSION=7\n"}
PULLED = {"hostess.yml": web("registry.test/echo:1")["hostess.yml"]}
JOB = """jobs:
  report: {build: {source: .}, entrypoint: [report], command: [now], run: manual}
"""


async def prune(bench: Bench) -> None:
    """Remove all images that nothing uses and that can be had again, as `docker image prune --all` does."""
    for image in await bench.engine.images({}):
        for name in image.tags or (image.id,):
            if name.startswith(("hostess/", "registry.test/", "sha256:")):
                await bench.engine.remove_image(name)


async def images(bench: Bench) -> str:
    """Return the image that the live release has for its service."""
    live = await bench.live("shop")
    assert live is not None
    return live.workloads["web"].image


@pytest.mark.parametrize("files", [{**BUILT, **DOCKERFILE}, PULLED], ids=["built", "fetched"])
async def test_what_sleeps_wakes(bench: Bench, files: Mapping[str, str]) -> None:
    """The image of a service that sleeps is in use by nothing; who asks for it gets its answer all the same."""
    assert (await bench.push("shop", {**files, "hostess.yml": files["hostess.yml"] + MAY_SLEEP})).accepted, bench.text()
    before = await bench.get(HOST)
    await rested(bench)
    await bench.until_containers(0)
    await prune(bench)
    assert await bench.engine.image(await images(bench)) is None

    async with hearing(bench):
        bench.router.called.put_nowait(CALLED)
        await until(lambda: bench.router.routes[HOST])
        await until_told(bench, "service.woken")

    assert await bench.get(HOST) == before
    [told] = [each for each in await bench.journal.events(limit=100) if each.kind == "service.image-made-again"]
    assert (told.project, told.data["service"]) == ("shop", "web")
    assert await bench.engine.image(await images(bench)) is not None


async def test_what_was_lost_with_its_image_is_repaired(bench: Bench) -> None:
    """A replica that was removed comes back, though its image was, too."""
    assert (await bench.push("shop", {**BUILT, **DOCKERFILE})).accepted, bench.text()
    [container] = await bench.world.replicas.of_place("shop", "production")
    await bench.engine.remove(container.id)
    await prune(bench)

    await bench.world.reconciler.tick()

    assert await bench.get(HOST) == "200 7"


async def test_a_release_of_before_can_be_gone_back_to(bench: Bench) -> None:
    """A rollback makes the image again from the commit of that release."""
    assert (await bench.push("shop", {**BUILT, **DOCKERFILE})).accepted, bench.text()
    later = {"Dockerfile": DOCKERFILE["Dockerfile"].replace("7", "8")}
    assert (await bench.push("shop", {**BUILT, **later})).accepted, bench.text()
    assert await bench.get(HOST) == "200 8"
    await bench.until_containers(1)
    await prune(bench)

    deployment = await bench.world.deployments.rollback("shop", "production", None, "tester")
    await bench.world.deployments.ended(deployment)

    assert await bench.get(HOST) == "200 7"


async def test_what_cannot_be_made_is_told(bench: Bench) -> None:
    """An image that no registry has any more is named, with what can be done, and nothing is left of the attempt."""
    assert (await bench.push("shop", PULLED)).accepted, bench.text()
    [container] = await bench.world.replicas.of_place("shop", "production")
    await bench.engine.remove(container.id)
    await prune(bench)
    bench.engine.registry.clear()

    await bench.world.reconciler.tick()

    assert await bench.world.replicas.of_place("shop", "production") == []
    [failed] = [each for each in await bench.journal.events(limit=100) if each.kind == "service.repair-failed"]
    assert "registry.test/echo:1" in failed.message


async def test_a_job_runs(bench: Bench) -> None:
    """Nothing holds the image of a job between its runs."""
    files = {**BUILT, **DOCKERFILE}
    bench.engine.commands |= {"report": task(0)}
    assert (await bench.push("shop", {**files, "hostess.yml": files["hostess.yml"] + JOB})).accepted, bench.text()
    live = await bench.live("shop")
    assert live is not None
    [container] = await bench.world.replicas.of_place("shop", "production")
    assert container.labels[labels.SERVICE] == "web"
    await bench.engine.remove(container.id)
    await prune(bench)

    run = await bench.world.jobs.begin(
        Ask(await place_of(bench.journal, "shop", "production"), live, live.jobs["report"], "tester")
    )
    ended = await bench.world.jobs.ended(run)

    assert ended.outcome == "done"


async def test_a_network_is_made_again(bench: Bench) -> None:
    """Nothing holds the network of what sleeps; the reconciler makes it again before somebody asks."""
    assert (await bench.push("shop", {**PULLED, "hostess.yml": PULLED["hostess.yml"] + MAY_SLEEP})).accepted
    await rested(bench)
    await bench.until_containers(0)
    place = await place_of(bench.journal, "shop", "production")
    await bench.engine.remove_network(place.network)

    await bench.world.reconciler.tick()
    async with hearing(bench):
        bench.router.called.put_nowait(CALLED)
        await until_told(bench, "service.woken")

    assert await bench.get(HOST) == "200 1"

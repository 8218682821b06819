"""What hostess.yml says is what runs, or it is told that it is not."""

from hostess.domain.hostess_yml.stack import Replicas
from tests.fakes.programs import Box, task
from tests.world import Bench, web


async def test_replicas_are_those_of_the_environment(bench: Bench) -> None:
    """What an environment says of replicas is what runs there, and there only."""
    files = web(more="    replicas: 1\n")
    files["hostess.yml"] += (
        "environments: {preview: {branches: [main], services: {web: {replicas: {min: 0, max: 2}}}}}\n"
    )

    assert (await bench.push("shop", files)).accepted, bench.text()

    live = await bench.live("shop", "preview")
    assert live is not None
    assert (live.workloads["web"].replicas, live.workloads["web"].scaling) == (1, Replicas(0, 2))


def keeping(owner: str, mark: str = "a") -> dict[str, str]:
    """Return an app that keeps data in a folder of this owner."""
    return web(mark=mark, more=f'    persistence: {{mount: /data, owner: "{owner}"}}\n')


async def test_a_folder_is_given_to_its_owner_before_each_start(bench: Bench) -> None:
    """A persistent folder and all in it get their owner, as root and before the service starts, also when the volume is there already."""
    seen: list[tuple[str, ...]] = []

    async def chown(box: Box) -> int:
        seen.append(box.argv)
        return 0

    bench.engine.commands["chown"] = chown
    assert (await bench.push("shop", keeping("node:node"))).accepted, bench.text()
    assert (await bench.push("shop", keeping("node:node", "b"))).accepted, bench.text()

    assert seen == [("chown", "-Rh", "node:node", "/data")] * 2
    helper, first, again, second = bench.engine.created
    assert (helper.user, again.user, first.user, second.user) == ("0:0", "0:0", None, None)
    assert helper.volumes == first.volumes == second.volumes
    await bench.until_containers(1)


async def test_another_owner_is_a_change(bench: Bench) -> None:
    """A service whose folder gets another owner is started anew, and the plan says why."""
    bench.engine.commands["chown"] = task(0)
    assert (await bench.push("shop", keeping("1000:1000"))).accepted, bench.text()

    await bench.push("shop", keeping("1001:1001"), "dry-run")

    assert "owners" in bench.text()


async def test_an_image_without_chown(bench: Bench) -> None:
    """Where the image has no chown the folder itself has its owner, and the service starts."""
    assert (await bench.push("shop", keeping("1000"))).accepted, bench.text()

    assert [dict(spec.owners) for spec in bench.engine.created] == [{"/data": "1000"}] * 2
    assert await bench.get("shop-web.localhost") == "200 1"


async def test_a_folder_that_cannot_be_given(bench: Bench) -> None:
    """A chown that fails fails the push with its words, before anything is started."""
    bench.engine.commands["chown"] = task(1, "chown: read-only file system")

    verdict = await bench.push("shop", keeping("1000"))

    assert verdict.reason == "/data of web could not be given to 1000: chown failed: exit 1"
    assert "read-only file system" in bench.text()
    assert len(bench.engine.created) == 1

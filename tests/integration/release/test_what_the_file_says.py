"""What hostess.yml says is what runs, or it is told that it is not."""

from tests.world import Bench, web


async def test_what_could_sleep_runs_one_replica(bench: Bench) -> None:
    """A range from zero runs one replica, and the push says that it never sleeps."""
    assert (await bench.push("shop", web(more="    replicas: {min: 0, max: 3}\n"))).accepted, bench.text()

    assert "note: web runs 1 replica and never sleeps" in bench.text()
    assert await bench.get("shop-web.localhost") == "200 1"
    await bench.until_containers(1)


async def test_notices_are_those_of_the_environment(bench: Bench) -> None:
    """What an environment says of replicas is told when that environment is deployed."""
    files = web(more="    replicas: 1\n")
    files["hostess.yml"] += (
        "environments: {preview: {branches: [main], services: {web: {replicas: {min: 0, max: 2}}}}}\n"
    )

    assert (await bench.push("shop", files)).accepted, bench.text()

    assert "note: web runs 1 replica and never sleeps" in bench.text()
    assert await bench.live("shop", "preview") is not None

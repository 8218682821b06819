"""What the daemon keeps in memory and on disk has a bound, however long it runs and whatever an app says."""


from hostess.adapters.clock_system import SystemClock
from hostess.domain.settings import BuildSettings
from hostess.domain.stack_file import parse
from hostess.services.builder import Builder, Source
from tests.world import Bench

BUILT = b"services: {web: {type: custom, build: {source: .}}}\n"


async def test_a_build_leaves_no_lock_behind(bench: Bench) -> None:
    """What keeps two builds of the same content apart is gone when they have ended."""
    builder = Builder(
        bench.engine, bench.world.repositories, bench.journal, bench.meter, SystemClock(), settings=BuildSettings()
    )
    for version in ("1", "2"):
        commit = await bench.commit("shop", {"Dockerfile": f"FROM hostess-test/echo:1\nENV VERSION={version}\n"})
        await builder.images(Source("shop", commit), parse(BUILT).services, bench.said.append)

    assert len(bench.engine.orders) == 2
    assert not builder._building

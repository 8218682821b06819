"""What a Dockerfile begins with comes from private registries, too: it is fetched with the login before the build."""

from hostess.domain.hostess_yml.file import parse
from hostess.services.building.builder import Source
from tests.fakes.images import stock
from tests.world import Bench

BUILT = b"services: {web: {type: custom, build: {source: app, args: {TAG: '1'}}}}\n"
DOCKERFILE = """ARG TAG=none
FROM hostess-test/echo:1 AS tools
FROM private.test/base:${TAG}
COPY --from=other.test/tools:1 /a /a
"""


async def test_bases_are_fetched_with_the_login(bench: Bench) -> None:
    """The base of the registry that is signed in at is fetched before the build; others are left to the builder, as ever."""
    bench.engine.accounts["private.test"] = ("octocat", "open sesame")
    bench.engine.registry["private.test/base:1"] = stock()["echo:1"]
    commit = await bench.commit("shop", {"app/Dockerfile": DOCKERFILE})
    builder = bench.world.uploads._preparation._builder
    services = parse(BUILT).services
    await bench.world.registries.login("private.test", "octocat", "open sesame")

    await builder.images(Source("shop", commit), services, bench.said.append)
    first = [call for call in bench.engine.calls if call[0] in {"pull", "build"}]
    await builder.images(Source("shop", commit, fresh=True), services, bench.said.append)
    again = [call for call in bench.engine.calls if call[0] in {"pull", "build"}]

    assert [call[0] for call in first] == ["pull", "build"]
    assert first[0] == ("pull", "private.test/base:1")
    assert [call[0] for call in again] == ["pull", "build", "build"]


async def test_bases_of_generated_dockerfiles_are_fetched_with_the_login(bench: Bench) -> None:
    """What a Dockerfile of ours begins with comes from Docker's own registry, and with the login there when there is one."""
    base, files = "python:3.12-slim", {"app/main.py": "print(1)\n", "app/requirements.txt": "fastapi\n"}
    await bench.engine.remove_image(base)
    bench.engine.accounts["docker.io"] = ("octocat", "open sesame")
    bench.engine.registry[base] = stock()[base]
    commit = await bench.commit("shop", files)
    services = parse(b"services: {web: {type: custom, source: app, command: [python, main.py]}}\n").services
    await bench.world.registries.login("docker.io", "octocat", "open sesame")

    await bench.world.uploads._preparation._builder.images(Source("shop", commit), services, bench.said.append)

    assert next(call for call in bench.engine.calls if call[0] in {"pull", "build"}) == ("pull", base)

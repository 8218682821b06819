"""Secrets that builds are handed: by name, of the environment that is deployed, and kept nowhere; the engine is a fake one."""

import pytest

from hostess.adapters.clock_system import SystemClock
from tests.integration.release.hooks import restarts
from tests.world import Bench

STACK = """version: "1.0"
services:
  web:
    type: custom
    build: {source: ., secrets: [TOKEN]}
    ports: [8000]
    visibility: public
    health: {http: /health, interval: 1s, retries: 3}
environments:
  staging: {branch: next}
"""
DOCKERFILE = "FROM hostess-test/echo:1\nRUN --mount=type=secret,id=TOKEN,required=true make\n"
FILES = {"hostess.yml": STACK, "Dockerfile": DOCKERFILE}
VALUE = "tr0ub4dor-and-3"


async def keeps(bench: Bench, project: str, environment: str, name: str, value: str) -> None:
    """Add a secret to a project, which is made if it is not there."""
    if project not in {each.name for each in await bench.journal.projects()}:
        await bench.journal.create_project(project, SystemClock().now())
    await bench.world.secrets.add(project, environment, name, value)


def handed(bench: Bench) -> list[dict[str, str]]:
    """Return what each build was handed, in order."""
    return [dict(order.secrets.values) if order.secrets else {} for order in bench.engine.orders]


async def test_a_secret_that_is_not_there(bench: Bench) -> None:
    """The push is refused at its place in the file before anything is built, and works once the secret is there."""
    refused = await bench.push("shop", FILES)
    told = bench.text()
    await keeps(bench, "shop", "production", "TOKEN", VALUE)
    accepted = await bench.push("shop", {})

    assert not refused.accepted
    assert "hostess.yml:5:34: services.web.build.secrets.0: production has no secret TOKEN" in told
    assert "hostess secrets add TOKEN" in told
    assert accepted.accepted, bench.text()
    assert handed(bench) == [{"TOKEN": VALUE}]


async def test_a_secret_is_kept_nowhere(bench: Bench) -> None:
    """Neither the journal nor a transcript has a value, also where the build says it; nor has what was said."""
    await keeps(bench, "shop", "production", "TOKEN", VALUE)
    verdict = await bench.push("shop", FILES | {"Dockerfile": f"{DOCKERFILE}RUN echo {VALUE}\n"})

    assert verdict.accepted, bench.text()
    assert handed(bench) == [{"TOKEN": VALUE}]
    assert VALUE not in bench.text()
    assert "[hidden]" in bench.text()
    data = bench.folder / "data"
    holders = [path for path in data.rglob("*") if path.is_file() and VALUE.encode() in path.read_bytes()]
    assert {path.relative_to(data).parts[0] for path in holders} <= {"repos"}
    assert VALUE not in repr(bench.engine.orders)
    assert VALUE not in str([order.args for order in bench.engine.orders])


@pytest.mark.parametrize(
    ("mount", "words"),
    [
        ("type=secret,id=OTHER", "mounts a secret that build.secrets of web does not name: OTHER"),
        ("type=ssh", "builds are handed none"),
    ],
)
async def test_a_mount_that_is_not_named(bench: Bench, mount: str, words: str) -> None:
    """A Dockerfile that wants more than it is given is refused before anything is built."""
    await keeps(bench, "shop", "production", "TOKEN", VALUE)
    await keeps(bench, "shop", "production", "OTHER", "another-value")
    verdict = await bench.push("shop", FILES | {"Dockerfile": f"{DOCKERFILE}RUN --mount={mount} make\n"})

    assert not verdict.accepted
    assert words in bench.text()
    assert not bench.engine.orders


async def test_an_optional_mount_does_without(bench: Bench) -> None:
    """A mount that says that it can do without is let, and is handed nothing that is not named."""
    files = {
        "hostess.yml": STACK.replace(", secrets: [TOKEN]", ""),
        "Dockerfile": DOCKERFILE.replace("required=true", "required=false"),
    }
    await keeps(bench, "shop", "production", "TOKEN", VALUE)
    verdict = await bench.push("shop", files)

    assert verdict.accepted, bench.text()
    assert handed(bench) == [{}]
    assert bench.engine.orders[0].secrets is not None


async def test_what_is_built_again(bench: Bench) -> None:
    """Another value builds nothing; another name does, and so does another environment, with its own value."""
    await keeps(bench, "shop", "production", "TOKEN", VALUE)
    await keeps(bench, "shop", "production", "OTHER", "another-value")
    await keeps(bench, "shop", "staging", "TOKEN", "value-of-staging")
    assert (await bench.push("shop", FILES)).accepted, bench.text()
    await bench.world.secrets.edit("shop", "production", "TOKEN", "a-later-value")
    assert (await bench.push("shop", {"README": "no part of the image"} | IGNORED)).accepted, bench.text()
    first = len(bench.engine.orders)
    assert (await bench.push("shop", {"README": "again"})).accepted, bench.text()
    assert len(bench.engine.orders) == first

    assert (await bench.push("shop", {}, branch="next")).accepted, bench.text()
    assert handed(bench)[first:] == [{"TOKEN": "value-of-staging"}]
    renamed = STACK.replace("[TOKEN]", "{TOKEN: OTHER}")
    assert (await bench.push("shop", {"hostess.yml": renamed})).accepted, bench.text()
    assert handed(bench)[first + 1 :] == [{"TOKEN": "another-value"}]
    owners = {order.secrets.owner for order in bench.engine.orders if order.secrets}
    instance = await bench.journal.instance()
    assert owners == {f"{instance}/shop/production", f"{instance}/shop/staging"}


IGNORED = {".dockerignore": "README\nhostess.yml\n"}


async def test_projects_are_told_apart(bench: Bench) -> None:
    """The same commit of two projects is built for each, with its own value."""
    for project, value in (("shop", VALUE), ("cafe", "value-of-cafe")):
        await keeps(bench, project, "production", "TOKEN", value)
        assert (await bench.push(project, FILES)).accepted, bench.text()

    assert handed(bench) == [{"TOKEN": VALUE}, {"TOKEN": "value-of-cafe"}]


async def test_jobs_are_handed_theirs(bench: Bench) -> None:
    """A job's image is built with the secrets that the job names."""
    job = 'jobs:\n  seed: {build: {source: ., secrets: [TOKEN]}, command: [exit, "0"], run: on_deploy}\n'
    await keeps(bench, "shop", "production", "TOKEN", VALUE)
    web = STACK.replace("build: {source: ., secrets: [TOKEN]}", "image: hostess-test/echo:1")
    verdict = await bench.push("shop", FILES | {"hostess.yml": web + job})

    assert verdict.accepted, bench.text()
    assert handed(bench) == [{"TOKEN": VALUE}]


async def test_a_restart_needs_no_secret_of_builds(bench: Bench) -> None:
    """What is built runs on, and starts again, when the secret that its build read is gone."""
    await keeps(bench, "shop", "production", "TOKEN", VALUE)
    assert (await bench.push("shop", FILES)).accepted, bench.text()
    await bench.world.secrets.delete("shop", "production", "TOKEN")
    live = await bench.live("shop")
    assert live is not None
    await restarts(bench, "web")

    again = await bench.live("shop")
    assert again is not None
    assert again.number == live.number + 1

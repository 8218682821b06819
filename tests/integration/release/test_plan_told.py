"""`git push -o dry-run` tells exactly what the push that follows does: same build, same starts, same jobs, same routes."""

import json
import re
from collections.abc import Mapping
from typing import Any

from hostess.domain import labels
from tests.fakes.programs import task
from tests.world import Bench, web

JOBS = """
jobs:
  seed: {image: "plain:1", command: [/echo, print, seeded], run: once}
  check: {image: "plain:1", command: [/echo, print, checked], run: on_deploy}
  report: {image: "plain:1", command: [/echo, print, reported], run: manual}
"""
STACK = """version: "1.0"
services:
  web:
    type: custom
    image: "plain:1"
    ports: [8000]
    visibility: public
    health: {{http: /health}}
    env: {web_env}
  api:
    type: custom
    image: "plain:1"
    ports: [8001]
    health: {{http: /health}}
    env: {{PORT: "8001"}}
    replicas: {api}
  store:
    type: custom
    image: "plain:1"
    ports: [8002]
    health: {{http: /health}}
    env: {store_env}
    persistence: true
"""


def stack(
    web_env: str = "{A: one-value, B: two}", api: int = 1, store_env: str = '{PORT: "8002"}', more: str = JOBS
) -> dict[str, str]:
    """Return a stack."""
    return {"hostess.yml": STACK.format(web_env=web_env, api=api, store_env=store_env) + more}


async def told(bench: Bench, files: Mapping[str, str]) -> list[Any]:
    """Return the changes that a dry run tells as JSON."""
    await bench.push("shop", files, "dry-run=json")
    line = next(line for line in bench.said if line.startswith("plan: "))
    return [
        (each["verb"], each["service"], each["detail"]) for each in json.loads(line.removeprefix("plan: "))["changes"]
    ]


async def replicas(bench: Bench) -> dict[str, set[str]]:
    """Return the running replicas of each service by id."""
    found: dict[str, set[str]] = {}
    for container in await bench.world.replicas.of_place("shop", "production"):
        if labels.is_replica(container.labels) and container.state == "running":
            found.setdefault(container.labels[labels.SERVICE], set()).add(container.id)
    return found


async def test_the_first_plan_starts_everything(bench: Bench) -> None:
    """Before anything is live the plan builds, starts, routes and runs all there is, but for what runs by hand."""
    changes = await told(bench, stack())

    assert ("start", "web", "new") in changes
    assert ("volume", "store", "adds /data") in changes
    assert ("route", "web", "adds shop-web.localhost") in changes
    assert [service for verb, service, _ in changes if verb == "run"] == ["seed", "check"]
    assert not [change for change in changes if change[0] in {"keep", "remove", "env", "restart"}]
    assert await bench.live("shop") is None


async def test_the_plan_and_the_push_agree(bench: Bench) -> None:
    """What the plan restarts, replaces, scales, keeps, runs and removes is what the push does, to the container."""
    assert (await bench.push("shop", stack())).accepted, bench.text()
    before = await replicas(bench)
    changed = stack("{A: another-value, C: three}", 2, '{PORT: "8002", NEW: "1"}')

    changes = await told(bench, changed)
    assert (await bench.push("shop", changed)).accepted, bench.text()

    assert [change for change in changes if change[0] != "route"] == [
        ("restart", "web", "environment"),
        ("scale", "api", "1 -> 2 replicas"),
        ("replace", "store", "pauses; environment"),
        ("run", "check", "run: on_deploy"),
        ("env", "web", "adds C"),
        ("env", "web", "removes B"),
        ("env", "web", "changes A"),
        ("env", "store", "adds NEW"),
    ]
    after = await replicas(bench)
    assert before["api"] < after["api"]
    assert not before["store"] & after["store"]
    assert sorted(run.job for run in await bench.journal.runs("shop", "production")) == ["check", "check", "seed"]


async def test_values_are_never_told(bench: Bench) -> None:
    """The plan names the variables that change, and none of their values."""
    assert (await bench.push("shop", stack())).accepted, bench.text()

    await bench.push("shop", stack("{A: another-value}"), "dry-run")

    assert "env      web (changes A)" in bench.text()
    assert "value" not in bench.text().replace("values", "")


async def test_what_leaves_is_told(bench: Bench) -> None:
    """A service that leaves the file is removed, its volumes stay; its jobs go."""
    assert (await bench.push("shop", stack())).accepted, bench.text()
    small = web(image="plain:1")

    changes = await told(bench, small)
    assert (await bench.push("shop", small)).accepted, bench.text()

    assert [change for change in changes if change[0] == "remove"] == [
        ("remove", "api", ""),
        ("remove", "store", "its volumes stay"),
        ("remove", "seed", "a job"),
        ("remove", "check", "a job"),
        ("remove", "report", "a job"),
    ]
    live = await bench.live("shop")
    assert live is not None
    assert (list(live.workloads), list(live.jobs)) == (["web"], [])


async def test_a_push_that_changes_nothing_keeps_all(bench: Bench) -> None:
    """For the same files the plan keeps every service, and the push starts no container."""
    assert (await bench.push("shop", stack(more=""))).accepted, bench.text()
    before = await replicas(bench)

    changes = await told(bench, stack(more=""))
    assert (await bench.push("shop", stack(more=""))).accepted, bench.text()

    assert changes == [("keep", "web", ""), ("keep", "api", ""), ("keep", "store", "")]
    assert await replicas(bench) == before


async def test_what_was_restarted_is_kept(bench: Bench) -> None:
    """After a restart by hand a push of the same files keeps the restarted containers, and its plan says so."""
    assert (await bench.push("shop", stack(more=""))).accepted, bench.text()
    first = await replicas(bench)
    begun = await bench.world.deployments.restart("shop", "production", ("web", "store"), "tester")
    await bench.world.deployments.ended(begun)
    await bench.until_containers(3)
    before = await replicas(bench)

    changes = await told(bench, stack(more=""))
    assert (await bench.push("shop", stack(more=""))).accepted, bench.text()

    assert {name for name in before if before[name] != first[name]} == {"web", "store"}
    assert changes == [("keep", "web", ""), ("keep", "api", ""), ("keep", "store", "")]
    assert await replicas(bench) == before


GRAPH = """version: "1.0"
services:
  front:
    type: custom
    image: "plain:1"
    ports: [8000]
    visibility: public
    env: {{MARK: {mark}}}
    depends_on: [back, invite]
  worker:
    type: custom
    image: "plain:1"
    command: [/echo, sleep, "600"]
    health: {{command: [fine], interval: 1s}}
    env: {{MARK: {mark}}}
  back:
    type: custom
    image: "plain:1"
    ports: [8000]
    env: {{MARK: {mark}}}
    depends_on: [roles]
    lifecycle: {{migrate: {{command: [/echo, print, migrated]}}}}
  base:
    type: custom
    image: "plain:1"
    ports: [8000]
    env: {{MARK: {mark}}}
jobs:
  clean: {{image: "plain:1", command: [/echo, print, cleaned], run: on_deploy}}
  invite: {{image: "plain:1", command: [/echo, print, invited], depends_on: [back]}}
  roles: {{image: "plain:1", command: [/echo, print, made], run: once, depends_on: [base]}}
"""


def walked(bench: Bench) -> list[tuple[str, ...]]:
    """Return what the last push said that it started, migrated, ran and handed over, in order; starts at once together."""
    found = re.findall(r"-----> (starting|migrate|job|handing over) ([^:\n]+)", bench.text())
    return [(verb, *sorted(name for name in re.split(r", | x [0-9]+", names) if name)) for verb, names in found]


async def test_the_plan_has_the_order_of_the_push(bench: Bench) -> None:
    """Where services, migrations and jobs wait for each other the plan's lines come in the order in which the push does them."""
    bench.engine.commands["fine"] = task(0)
    words = {"start": "starting", "restart": "starting", "migrate": "migrate", "run": "job", "replace": "handing over"}
    for mark in ("one", "two"):
        files = {"hostess.yml": GRAPH.format(mark=mark)}
        changes = await told(bench, files)
        assert (await bench.push("shop", files)).accepted, bench.text()

        planned = [(words[verb], service) for verb, service, _ in changes if verb in words]
        assert planned == [(verb, name) for verb, *names in walked(bench) for name in names]
    assert planned == [
        ("starting", "base"),
        ("migrate", "back"),
        ("starting", "back"),
        ("job", "invite"),
        ("starting", "front"),
        ("handing over", "worker"),
        ("job", "clean"),
    ]

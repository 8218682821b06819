"""What must be true whatever happened: wanted is live, nobody got a wrong answer, and nothing is left over. Each breach is a sentence."""

import json
import sqlite3
import subprocess
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from hostess.domain import labels
from tests.system.host import docker
from tests.system.soak.asking import Asked
from tests.system.soak.world import HOSTS, PROJECTS, SERVICES, Outage, World

LOOK_AGAIN = 0.25


def settled(world: World, within: float) -> list[str]:
    """Wait until nothing is to be complained of; return what still is after *within* seconds."""
    deadline = time.monotonic() + within
    while True:
        found = _found(world)
        if not found or time.monotonic() > deadline:
            return found
        time.sleep(LOOK_AGAIN)


def judged(asked: Iterable[Asked], outages: Collection[Outage], refused: Collection[str]) -> list[str]:
    """Return what is wrong with these answers: another app's, one of a version that was *refused*, or a failure without an excuse."""
    found = []
    for one in asked:
        what = f"{one.host} at {one.began:.3f} to {one.ended:.3f}: {one.status} {one.version} {one.error}"
        project, _, service = one.host.removesuffix(".localhost").partition("-")
        if one.status == 200 and (not one.version.startswith(f"{project}/{service}/") or one.version in refused):
            found.append(f"a wrong answer: {what}")
        elif one.status == 404:
            found.append(f"a route is missing: {what}")
        elif one.status != 200 and not any(outage.excuses(one) for outage in outages):
            found.append(f"a request failed without an excuse: {what}")
    return found


def releases(world: World) -> Mapping[tuple[str, str], Mapping[str, Any] | None]:
    """Return the records of the live releases by project and environment; None where nothing is live."""
    rows = world.host.query(
        "SELECT p.project, p.environment, r.record FROM places p LEFT JOIN releases r"
        " ON r.project = p.project AND r.environment = p.environment AND r.number = p.live"
    )
    return {(str(project), str(name)): json.loads(str(record)) if record else None for project, name, record in rows}


def live(world: World, project: str) -> Mapping[str, Any]:
    """Return the record of what is live in a project's production."""
    found = releases(world)[project, "production"]
    assert found is not None, f"nothing is live in {project}"
    return found


def live_version(world: World, project: str) -> str:
    """Return which version of a project is live in production, by its release."""
    return version_of(world, project, live(world, project)["commit"])


def version_of(world: World, project: str, commit: str) -> str:
    """Return which version of a project a commit is."""
    known = world.versions.get(commit)
    if known is None:
        text = world.repositories[project].git("show", f"{commit}:Dockerfile").stdout
        known = world.versions[commit] = text.strip().rpartition("/")[2]
    return known


def _found(world: World) -> list[str]:
    """Return everything that is not as it must be."""
    try:
        containers = _containers(world)
        return [
            *_journal(world),
            *_replicas(world, containers),
            *_networks(world),
            *_routes(world, containers),
            *_answers(world),
            *_branches(world),
            *_leftovers(world),
            *_processes(world),
            *world.ledger.missing(),
        ]
    except (sqlite3.Error, subprocess.SubprocessError, OSError, ValueError, LookupError) as error:
        return [f"it cannot be seen: {error!r} {getattr(error, 'stderr', '') or ''}"]


def _journal(world: World) -> list[str]:
    path = world.host.data / "hostess.db"
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as journal:
        one: Callable[[str], Any] = lambda sql: journal.execute(sql).fetchall()  # noqa: E731
        said = [*one("PRAGMA integrity_check"), *one("PRAGMA foreign_key_check")]
        found = [] if said == [("ok",)] else [f"the journal is damaged: {said}"]
        for what, sql in (
            ("open deployments", "SELECT id FROM deployments WHERE state IN ('queued', 'running', 'switched')"),
            ("tasks", "SELECT kind, payload, error FROM tasks"),
            ("open runs", "SELECT id FROM runs WHERE outcome = ''"),
            ("locks", "SELECT record FROM locks"),
            ("open backups", "SELECT record FROM backups WHERE json_extract(record, '$.state') = 'running'"),
        ):
            rows = one(sql)
            found += [f"{what} are left: {rows}"] if rows else []
    return found


def _containers(world: World) -> list[Mapping[str, Any]]:
    ids = world.host.containers()
    return json.loads(docker("container", "inspect", *ids)) if ids else []


def _label(container: Mapping[str, Any], name: str) -> str:
    return str(container["Config"]["Labels"].get(labels.PREFIX + name, ""))


def _variable(container: Mapping[str, Any], name: str) -> str:
    return next((word.partition("=")[2] for word in container["Config"]["Env"] if word.startswith(f"{name}=")), "")


def _replicas(world: World, containers: list[Mapping[str, Any]]) -> list[str]:
    """Return what runs and is not wanted by the live releases, and what they want and does not run."""
    wanted: dict[tuple[str, ...], int] = {}
    versions = {}
    for place, release in releases(world).items():
        if release is None:
            continue
        for name, workload in release["workloads"].items():
            wanted[*place, name, workload["spec"]] = workload["replicas"]
            versions[*place, name] = f"{place[0]}/{name}/{version_of(world, place[0], release['commit'])}"
    found = []
    running: dict[tuple[str, ...], int] = {}
    for container in containers:
        service = (*_place(container), _label(container, "service"))
        key = (*service, _label(container, "spec"))
        if not labels.is_replica(container["Config"]["Labels"]) or key not in wanted:
            found.append(f"an orphan: {container['Name']} ({container['State']['Status']})")
        elif container["State"]["Status"] == "running":
            running[key] = running.get(key, 0) + 1
        else:
            found.append(f"{container['Name']} is {container['State']['Status']}")
        version = _variable(container, "VERSION")
        if service[-1] != "store" and service in versions and version != versions[service]:
            found.append(f"{container['Name']} is {version}, not {versions[service]}")
    counted = ((key, running.get(key, 0), count) for key, count in wanted.items())
    return [*found, *(f"{key}: {there} run, {count} are wanted" for key, there, count in counted if there != count)]


def _place(container: Mapping[str, Any]) -> tuple[str, str]:
    return _label(container, "project"), _label(container, "environment")


def _networks(world: World) -> list[str]:
    """Return networks and volumes of no environment, and environments without a network."""
    found = []
    places = {f"{project}.{name}": release for (project, name), release in releases(world).items()}
    template = '{{.Label "sh.hostess.project"}}.{{.Label "sh.hostess.environment"}}'
    for kind in ("network", "volume"):
        label = f"label=sh.hostess.instance={world.host.instance}"
        listed = docker(kind, "ls", "--format", template, "--filter", label).split()
        found += [f"an orphan {kind}: {place}" for place in set(listed) - places.keys()]
        if kind == "network":
            # One in which nothing was live yet may have been given up before it had one.
            least = {place: int(release is not None) for place, release in places.items()}
            counts = {place: listed.count(place) for place in places}
            found += [
                f"{place} has {count} networks" for place, count in counts.items() if not least[place] <= count <= 1
            ]
    return found


def _routes(world: World, containers: list[Mapping[str, Any]]) -> list[str]:
    """Return the hosts that do not lead to exactly the running replicas of their service."""
    table = json.loads((world.host.data / "proxy" / "table.json").read_text())
    routed = {route["host"]: {_address(target) for target in route.get("targets", ())} for route in table["routes"]}
    wanted: dict[str, set[str]] = {}
    for place, release in releases(world).items():
        if release is None:
            continue
        for name in SERVICES:
            addresses = {
                network["IPAddress"]
                for container in containers
                if (*_place(container), _label(container, "service")) == (*place, name)
                for network in container["NetworkSettings"]["Networks"].values()
            }
            for hosts in release["workloads"][name]["hosts"].values():
                wanted |= dict.fromkeys(hosts, addresses)
    known = routed.keys() & wanted.keys()
    found = [
        f"{host} is led to {routed[host]}, its replicas are {wanted[host]}"
        for host in known
        if routed[host] != wanted[host]
    ]
    found += [f"a route is missing: {host}" for host in wanted.keys() - known]
    places = {f"{project}-{name}" for project in PROJECTS for name in SERVICES}
    return found + [
        f"an orphan route: {host}" for host in routed.keys() - known if not _per_release(host, places, wanted)
    ]


def _per_release(host: str, names: Collection[str], wanted: Collection[str]) -> bool:
    """Whether a host that is not in the release's record is the one of its deployment, which ends in its commit."""
    del wanted
    name = host.partition(".")[0]
    return "staging" not in name and any(name.startswith(f"{each}-") for each in names)


def _address(target: Any) -> str:
    text = target if isinstance(target, str) else target["address"]
    return str(text).rpartition(":")[0]


def _answers(world: World) -> list[str]:
    found = []
    for name in HOSTS:
        project, _, service = name.removesuffix(".localhost").partition("-")
        wanted = f"{project}/{service}/{live_version(world, project)}"
        for _ in range(2):
            status, _, headers = world.host.get(name)
            version = headers.get("x-version")
            found += [f"{name} answers {status} {version}, not {wanted}"] if (status, version) != (200, wanted) else []
    return found


def _branches(world: World) -> list[str]:
    """Return the branches that are not where the last push that became live put them."""
    found = []
    for project, repository in world.repositories.items():
        rows = world.host.query("SELECT record FROM deployments WHERE project = ? ORDER BY seq", project)
        records = [json.loads(str(record)) for [record] in rows]
        main = [r for r in records if r["kind"] == "push" and r["ref"] == "refs/heads/main"]
        pushed = [r["commit"] for r in main if r["state"] in {"live", "degraded"}]
        listed = repository.git("ls-remote", repository.url, "refs/heads/main").stdout.split()
        found += [f"main of {project} is {listed[:1]}, not {pushed[-1]}"] if listed[:1] != pushed[-1:] else []
    return found


def _leftovers(world: World) -> list[str]:
    """Return half-written files, and what the folder of backups has too much or too little."""
    data = world.host.data
    half = [str(path) for path in data.rglob(".*.new")]
    records = [json.loads(str(record)) for [record] in world.host.query("SELECT record FROM backups")]
    kept = [f"{r['service']}-{r['id']}.tar.zst" for r in records if r["state"] in {"ok", "partial"}]
    known = {name for file in kept for name in (file, f"{file}.json")}
    there = {path.name for path in (data / "backups").rglob("*") if path.is_file()}
    return [f"a half-written file: {name}" for name in half] + [
        f"a file of no backup, or none: {name}" for name in there ^ known
    ]


def _processes(world: World) -> list[str]:
    """Return what runs beside one proxy with its two workers, one daemon, and the git of nobody."""
    words = {int(entry.name): _words(entry) for entry in Path("/proc").iterdir() if entry.name.isdecimal()}
    proxies = {pid for pid, said in words.items() if any(word.startswith("hostess_proxy") for word in said)}
    known = {world.proxy.get("pid"), *world.proxy.get("workers", ())}
    found = [f"processes of the proxy are {proxies}, known are {known}"] if proxies != known or len(known) != 3 else []
    daemons = [pid for pid, said in words.items() if "tests.system.soak.jumping" in said]
    found += [f"there are {len(daemons)} daemons"] if len(daemons) != 1 else []
    return found + [f"left over: {' '.join(said)}" for said in words.values() if said and Path(said[0]).name == "git"]


def _words(process: Path) -> list[str]:
    """Return how a process was called; nothing for one that has ended."""
    with suppress(OSError):
        return (process / "cmdline").read_text().split("\0")
    return []

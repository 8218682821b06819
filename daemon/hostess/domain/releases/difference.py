"""What a deployment changes, in words: the live release, the wanted one, and the plan between them. Names only, never values. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from hostess.domain.databases.postgres import settings_of
from hostess.domain.hostess_yml.stack import ServiceType
from hostess.domain.quantities import memory_text
from hostess.domain.releases.plan import Plan
from hostess.domain.releases.release import Inside, Release, Workload
from hostess.domain.releases.sequence import Act, sequence
from hostess.domain.routing.route_settings import changed
from hostess.domain.routing.routes import path_of

Values = Mapping[str, Mapping[str, str]]
"""Service or job -> its opened environment."""

SHORT = 7


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that is done, or deliberately not ("keep"). *service* may be a job."""

    verb: str
    service: str
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.verb:<8} {self.service}" + (f" ({self.detail})" if self.detail else "")


@dataclass(frozen=True, slots=True)
class Facts:
    """What plan and releases do not tell: images not built or pulled yet, `once` jobs that are done, what containers hold."""

    unbuilt: frozenset[str] = frozenset()
    pulled: frozenset[str] = frozenset()
    done: frozenset[str] = frozenset()
    env_before: Values = field(default_factory=dict)
    env_after: Values = field(default_factory=dict)
    files_changed: frozenset[str] = frozenset()


def changes(live: Release | None, wanted: Release, plan: Plan, facts: Facts) -> tuple[Change, ...]:
    """Return everything in the order in which it happens; what stays comes last."""
    before = live.workloads if live else {}
    return (
        *_builds(live, facts),
        *_launched(live, wanted, plan, facts),
        *_sites(before, wanted, plan),
        *_env(before, facts),
        *_routes(live, wanted),
        *(Change("post_deploy", name) for name, workload in wanted.workloads.items() if workload.post_deploy),
        *_inside(before, wanted),
        *_volumes(before, wanted),
        *_schedules(live, wanted),
        *_removals(live, wanted, plan),
        *(Change("keep", name) for name in plan.carried if not _scaled(before.get(name), wanted.workloads[name])),
    )


def _builds(live: Release | None, facts: Facts) -> Iterator[Change]:
    known = {**live.workloads, **live.jobs} if live else {}
    for name in sorted(facts.pulled):
        yield Change("pull", name)
    for name in sorted(facts.unbuilt):
        yield Change("rebuild" if name in known else "build", name)


def _launched(live: Release | None, wanted: Release, plan: Plan, facts: Facts) -> Iterator[Change]:
    """Yield what happens before the switch; what only gets fewer replicas first."""
    starts = {change.service: change for change in _starts(live.workloads if live else {}, wanted, plan, facts)}
    acts = sequence(live, wanted, plan, facts.done)
    acting = {name for act, name in acts if act in {Act.START, Act.REPLACE}}
    yield from (change for name, change in starts.items() if name not in acting)
    for act, name in acts:
        if act is Act.MIGRATE:
            yield Change("migrate", name)
        elif act is Act.RUN:
            yield Change("run", name, f"run: {wanted.jobs[name].run}")
        else:
            yield starts[name]


def _starts(before: Mapping[str, Workload], wanted: Release, plan: Plan, facts: Facts) -> Iterator[Change]:
    for name in plan.carried:
        scaled = _scaled(before.get(name), wanted.workloads[name])
        if scaled:
            yield Change("scale", name, scaled)
    for start in plan.starts:
        old, new = before.get(start.service), wanted.workloads[start.service]
        if old is None:
            yield Change("start", new.name, f"new, x {start.count}" if start.count > 1 else "new")
        elif old.spec != new.spec:
            yield Change("restart", new.name, _why(old, new, facts))
        else:
            yield Change("scale" if _scaled(old, new) else "start", new.name, _scaled(old, new) or "it does not run")
    for hand_over in plan.hand_overs:
        new = wanted.workloads[hand_over.service]
        known = before.get(new.name)
        why = _why(known, new, facts) if known else "of an earlier release"
        yield Change("replace", new.name, f"pauses; {why}")


def _sites(before: Mapping[str, Workload], wanted: Release, plan: Plan) -> Iterator[Change]:
    for name in plan.sites:
        old, new = before.get(name), wanted.workloads[name].static
        changed = old is None or old.static is None or new is None or old.static.key != new.key
        yield Change("serve", name, "new" if old is None else "other files" if changed else "its settings changed")


def _scaled(old: Workload | None, new: Workload) -> str:
    return f"{old.replicas} -> {new.replicas} replicas" if old and old.replicas != new.replicas else ""


def _why(old: Workload, new: Workload, facts: Facts) -> str:
    """Return which parts of a container's making differ."""
    reasons = ["image"] if new.name in facts.unbuilt | facts.pulled or old.image != new.image else []
    if facts.env_before.get(new.name) != facts.env_after.get(new.name):
        reasons.append("environment")
    if new.name in facts.files_changed:
        reasons.append("files")
    parts: tuple[str, ...] = ("command", "entrypoint", "ports", "health", "shutdown", "volumes", "owners")
    if new.type is ServiceType.POSTGRES:
        parts = parts[1:]
        reasons += _settings(old, new)
    reasons += [part for part in parts if getattr(old, part) != getattr(new, part)]
    if (old.cpu, old.memory) != (new.cpu, new.memory):
        reasons.append(f"resources {_size(old)} -> {_size(new)}")
    if old.restarted != new.restarted:
        reasons.append("it was restarted by hand")
    return ", ".join(reasons) or "its containers are not those of the live release"


def _settings(old: Workload, new: Workload) -> list[str]:
    """Return the settings of a server that differ, as one reason."""
    before, after = settings_of(old.command), settings_of(new.command)
    names = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    return [f"settings {' '.join(names)}"] if names else []


def _inside(before: Mapping[str, Workload], wanted: Release) -> Iterator[Change]:
    """Yield what comes and goes inside databases; nothing of it starts them anew."""
    for workload in wanted.workloads.values():
        if workload.inside is None:
            continue
        known = before.get(workload.name)
        old, new = (known and known.inside) or Inside(), workload.inside
        details = [f"adds group {group}" for group in new.groups if group not in old.groups]
        details += [f"leaves group {group}, its data stays" for group in old.groups if group not in new.groups]
        details += [f"adds extension {name}" for name in new.extensions if name not in old.extensions]
        details += [f"leaves extension {name} as it is" for name in old.extensions if name not in new.extensions]
        if old.maxmemory != new.maxmemory:
            details.append(f"maxmemory {_cap(old)} -> {_cap(new)}")
        if old.policy != new.policy:
            details.append(f"maxmemory_policy {old.policy} -> {new.policy}")
        yield from (Change("set up", workload.name, detail) for detail in details)


def _cap(inside: Inside) -> str:
    return memory_text(inside.maxmemory) if inside.maxmemory else "unlimited"


def _size(workload: Workload) -> str:
    return f"{workload.cpu:g} cpu {memory_text(workload.memory)}"


def _env(before: Mapping[str, Workload], facts: Facts) -> Iterator[Change]:
    for name, after in facts.env_after.items():
        if name not in before:
            continue
        old = facts.env_before.get(name, {})
        told = {
            "adds": sorted(after.keys() - old.keys()),
            "removes": sorted(old.keys() - after.keys()),
            "changes": sorted(key for key in after.keys() & old.keys() if after[key] != old[key]),
        }
        for what, keys in told.items():
            if keys:
                yield Change("env", name, f"{what} {', '.join(keys)}")


def _hosts(release: Release | None) -> dict[str, str]:
    """Return host and path -> service, without the addresses that carry the commit: each release has its own of them."""
    if release is None:
        return {}
    opened = {workload.opened.host: workload.name for workload in release.workloads.values() if workload.opened}
    return opened | {
        host + path_of(workload).rstrip("/"): workload.name
        for workload in release.workloads.values()
        for hosts in workload.hosts.values()
        for host in hosts
        if f"-{release.commit[:SHORT]}" not in host
    }


def _routes(live: Release | None, wanted: Release) -> Iterator[Change]:
    old, new = _hosts(live), _hosts(wanted)
    for host, service in new.items():
        if old.get(host) != service:
            yield Change("route", service, f"adds {host}" if host not in old else f"takes {host} from {old[host]}")
    for host, service in old.items():
        if host not in new:
            yield Change("route", service, f"removes {host}")
    for workload in wanted.workloads.values():
        before = live.workloads.get(workload.name) if live else None
        asked = before.sign_in if before else ()
        for port in workload.hosts:
            if (port in workload.sign_in) != (port in asked):
                what = "asks for sign-in" if port in workload.sign_in else "asks for sign-in no more"
                yield Change("route", workload.name, f"port {port} {what}")
        if keys := changed(before.proxy if before else None, workload.proxy):
            yield Change("route", workload.name, f"proxy: {', '.join(keys)}")


def _volumes(before: Mapping[str, Workload], wanted: Release) -> Iterator[Change]:
    for workload in wanted.workloads.values():
        old = before[workload.name].volumes if workload.name in before else {}
        for volume, path in workload.volumes.items():
            if volume not in old:
                yield Change("volume", workload.name, f"adds {path}")
        for volume, path in old.items():
            if volume not in workload.volumes:
                yield Change("volume", workload.name, f"no longer uses {path}; {volume} stays")


def _schedules(live: Release | None, wanted: Release) -> Iterator[Change]:
    old = live.jobs if live else {}
    for job in wanted.jobs.values():
        before = old[job.name].schedule if job.name in old else None
        if job.schedule and job.schedule != before:
            yield Change("schedule", job.name, job.schedule)


def _removals(live: Release | None, wanted: Release, plan: Plan) -> Iterator[Change]:
    if live is None:
        return
    for name in plan.removed:
        yield Change("remove", name, "its volumes stay" if live.workloads[name].volumes else "")
    for name in live.jobs:
        if name not in wanted.jobs:
            yield Change("remove", name, "a job")

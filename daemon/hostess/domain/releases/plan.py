"""What runs now + what is wanted -> what is kept, started, handed over and retired. Pure; the deployer carries it out."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from hostess.domain import labels
from hostess.domain.hostess_yml.stack import Hook, Run
from hostess.domain.ports import Container
from hostess.domain.releases.release import Release, ReleaseJob, Workload

PRESENT = frozenset({"running", "restarting", "paused"})
"""The engine's words for a container that need not be started by us."""


@dataclass(frozen=True, slots=True)
class Start:
    """Start so many new replicas of a service, beside whatever runs."""

    service: str
    count: int


@dataclass(frozen=True, slots=True)
class HandOver:
    """Stop these containers of a service, then start the new one: two of it must never run at once."""

    service: str
    stop: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything a switch to the wanted release takes, by service name or container id.

    *databases* start first, then migrations run (the deployer knows which), then *waves* of what is routed, then *workers*, then
    *hand_overs*. *kept* are the ids that serve on; *retired* the ids that go after the switch. *sites* are the static services
    whose files are others than before: nothing is started for them.
    """

    carried: tuple[str, ...]
    databases: tuple[Start, ...]
    waves: tuple[tuple[Start, ...], ...]
    workers: tuple[Start, ...]
    hand_overs: tuple[HandOver, ...]
    kept: tuple[str, ...]
    retired: tuple[str, ...]
    removed: tuple[str, ...]
    sites: tuple[str, ...] = ()

    @property
    def starts(self) -> tuple[Start, ...]:
        """All plain starts, in order."""
        return (*self.databases, *(start for wave in self.waves for start in wave), *self.workers)

    @property
    def changed(self) -> tuple[str, ...]:
        """The services that get a new container, or other files."""
        started = [start.service for start in self.starts]
        return (*started, *(hand_over.service for hand_over in self.hand_overs), *self.sites)

    @property
    def empty(self) -> bool:
        """Whether nothing at all has to be started, stopped or removed."""
        return not (self.starts or self.hand_overs or self.retired or self.sites)


def waves(workloads: Mapping[str, Workload]) -> tuple[tuple[str, ...], ...]:
    """Return the services in groups: each group depends only on those before it. The graph has no cycle (none is accepted)."""
    left = dict(workloads)
    done: set[str] = set()
    result: list[tuple[str, ...]] = []
    while left:
        ready = tuple(
            name for name, workload in left.items() if not {d for d in workload.depends_on if d in left} - done
        )
        if not ready:
            raise ValueError(f"a cycle among {sorted(left)}")
        result.append(ready)
        done.update(ready)
        for name in ready:
            del left[name]
    return tuple(result)


def needs(release: Release, service: str) -> tuple[str, ...]:
    """Return what has to be well, or done, before a service starts: its dependencies, and those of the job that is its `init`."""
    workload = release.workloads[service]
    return (*workload.depends_on, *_needs_of(release, workload.init))


def migration_needs(release: Release, service: str) -> tuple[str, ...]:
    """Return what has to be well, or done, before a service's migration runs."""
    workload = release.workloads[service]
    return (*workload.depends_on, *_needs_of(release, workload.migrate))


def needed_to_be_well(release: Release, workload: Workload) -> frozenset[str]:
    """Return without what a service may not be well, through no fault of its own: its dependencies, and databases that it uses.

    What has no replicas to be well (files, what sleeps until somebody asks for it) is none of it.
    """
    found = {name: release.workloads.get(name) for name in (*workload.depends_on, *workload.databases)}
    return frozenset(
        name for name, each in found.items() if each is not None and each.static is None and not each.asleep
    )


def _needs_of(release: Release, hook: Hook | None) -> tuple[str, ...]:
    return tuple(release.jobs[hook.job].depends_on) if hook and hook.job else ()


def migrates(live: Release | None, wanted: Release) -> tuple[str, ...]:
    """Return the services whose migration runs, in order: all but those that did this very one from this very container."""
    before = live.workloads if live else {}
    found = []
    for name in (name for wave in waves(wanted.workloads) for name in wave):
        new, old = wanted.workloads[name], before.get(name)
        if new.migrate is not None and (old is None or (old.spec, old.migrate) != (new.spec, new.migrate)):
            found.append(name)
    return tuple(found)


def runs_now(job: ReleaseJob, done: Collection[str]) -> bool:
    """Whether a job runs as a part of a deployment; *done* are the `once` jobs that have ended well as they are now."""
    return job.run is Run.ON_DEPLOY or (job.run is Run.ONCE and job.name not in done)


def present_replicas(containers: Iterable[Container]) -> list[Container]:
    """Return the replicas (not the one-off tasks) that the engine keeps running, those it is just starting again too."""
    return [c for c in containers if labels.is_replica(c.labels) and c.state in PRESENT]


def is_of(workload: Workload, container: Container) -> bool:
    """Whether a container, running or not, is a replica of *workload* as it is now."""
    marks = container.labels
    mine = (marks.get(labels.SERVICE), marks.get(labels.SPEC)) == (workload.name, workload.spec)
    return labels.is_replica(marks) and mine


def matching(workload: Workload, containers: Iterable[Container]) -> list[Container]:
    """Return the containers present that are interchangeable with what *workload* wants, lowest replica number first."""
    found = [container for container in present_replicas(containers) if is_of(workload, container)]
    return sorted(found, key=lambda container: int(container.labels.get(labels.REPLICA, "0")))


def orderly(live: Release | None, containers: Sequence[Container], leaving: Collection[str] = ()) -> bool:
    """Whether exactly what *live* wants runs, and nothing else is there, nor anything *leaving* (by container id)."""
    if live is None:
        return not containers
    staying = all(labels.is_replica(c.labels) and c.state == "running" and c.id not in leaving for c in containers)
    return staying and plan(live, live, containers).empty


def plan(live: Release | None, wanted: Release, containers: Sequence[Container], leaving: Collection[str] = ()) -> Plan:
    """Return how to get from what runs to *wanted*. *containers* are all of the environment, stopped ones too.

    Those whose ids are *leaving* are being stopped: none of them is kept, and what must not run twice waits for its end.
    """
    staying = [container for container in containers if container.id not in leaving]
    kept: list[str] = []
    carried: list[str] = []
    starts: dict[str, Start] = {}
    hand_overs: list[HandOver] = []
    before = live.workloads if live else {}
    sites: list[str] = []
    for workload in wanted.workloads.values():
        if workload.static is not None:
            old = before.get(workload.name)
            (carried if old is not None and old.spec == workload.spec else sites).append(workload.name)
            continue
        same = matching(workload, staying)[: workload.replicas]
        kept += [container.id for container in same]
        missing = workload.replicas - len(same)
        others = [c.id for c in _others(workload, containers, leaving)] if workload.singleton else []
        if missing <= 0:
            carried.append(workload.name)
        elif others:
            hand_overs.append(HandOver(workload.name, tuple(others)))
        else:
            starts[workload.name] = Start(workload.name, missing)
    handed = {container for hand_over in hand_overs for container in hand_over.stop}
    retired = [c.id for c in containers if labels.is_replica(c.labels) and c.id not in kept and c.id not in handed]
    databases, routed, workers = _grouped(wanted, starts)
    return Plan(
        carried=tuple(carried),
        databases=databases,
        waves=routed,
        workers=workers,
        hand_overs=_ordered(wanted, hand_overs),
        kept=tuple(kept),
        retired=tuple(retired),
        removed=tuple(name for name in before if name not in wanted.workloads),
        sites=tuple(sites),
    )


def _others(workload: Workload, containers: Iterable[Container], leaving: Collection[str]) -> list[Container]:
    return [
        container
        for container in present_replicas(containers)
        if container.labels.get(labels.SERVICE) == workload.name
        and (container.labels.get(labels.SPEC) != workload.spec or container.id in leaving)
    ]


def _ordered(wanted: Release, hand_overs: Iterable[HandOver]) -> tuple[HandOver, ...]:
    """Return databases first, then each after those it depends on: what is new may need what is new in them."""
    places = {name: place for place, wave in enumerate(waves(wanted.workloads)) for name in wave}
    return tuple(
        sorted(hand_overs, key=lambda each: (not wanted.workloads[each.service].is_database, places[each.service]))
    )


def _grouped(
    wanted: Release, starts: Mapping[str, Start]
) -> tuple[tuple[Start, ...], tuple[tuple[Start, ...], ...], tuple[Start, ...]]:
    databases: list[Start] = []
    routed: list[tuple[Start, ...]] = []
    workers: list[Start] = []
    for group in waves(wanted.workloads):
        wave = []
        for name in group:
            if name not in starts:
                continue
            workload = wanted.workloads[name]
            if workload.is_database:
                databases.append(starts[name])
            elif workload.ports:
                wave.append(starts[name])
            else:
                workers.append(starts[name])
        if wave:
            routed.append(tuple(wave))
    return tuple(databases), tuple(routed), tuple(workers)

"""Figures for Prometheus: of the installation, the host, and each replica; the proxy's own are added as they come."""

from collections import Counter
from collections.abc import Iterable, Sequence
from operator import attrgetter

from aiohttp import web

from hostess import __version__
from hostess.domain import labels
from hostess.domain.crash_loops import Health, health_of
from hostess.domain.host_figures import Reading
from hostess.domain.releases.release import State
from hostess.doors.api.alerts import figures_of
from hostess.doors.api.operation import TEXT, Call, Nothing, op
from hostess.services.keeping.usage import Observed, Using

RECENT = 1000

Figure = tuple[str, str, Sequence[tuple[str, float]]]
"""A name, what it means, and samples: labels as text, and a number."""


@op("GET /metrics", "read", media=(TEXT,))
async def metrics(call: Call, _: Nothing) -> web.Response:
    """Tell figures in Prometheus' text format, the proxy's too; deployments are the newest thousand."""
    call.require("read", None)
    services = call.services
    counted = await services.routing.metrics()
    figures = [
        ("hostess_proxy_up", "Whether the proxy answers.", [("", int(bool(counted)))]),
        *await _of_installation(call),
        *_of_storage(call),
        *_of_host(services.host.now()),
        *_of_disks([(use.name, use.used, use.size) for use in await services.storage.disks()]),
        *_of_replicas(call),
        *_of_states(call),
        ("hostess_alerts", "What is wrong now, by level and kind.", figures_of(await services.alerts.now())),
    ]
    return web.Response(
        body=("\n".join(_lines(figures)) + "\n" + counted).encode(),
        headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"},
    )


def _lines(figures: Iterable[Figure]) -> Iterable[str]:
    for name, meaning, samples in figures:
        yield f"# HELP {name} {meaning}"
        yield f"# TYPE {name} gauge"
        for mark, value in samples:
            yield f"{name}{mark} {value if isinstance(value, int) else round(value, 3)}"


async def _of_installation(call: Call) -> list[Figure]:
    journal = call.services.journal
    deployments = Counter(each.state for each in await journal.deployments(limit=RECENT))
    places = await journal.places()
    return [
        ("hostess_build_info", "The version that runs.", [(f'{{version="{__version__}"}}', 1)]),
        ("hostess_projects", "Projects.", [("", len(await journal.projects()))]),
        (
            "hostess_environments_live",
            "Environments with a live release.",
            [("", sum(p.live is not None for p in places))],
        ),
        (
            "hostess_deployments",
            "The newest thousand deployments by state.",
            [(f'{{state="{state}"}}', deployments[state]) for state in State],
        ),
        (
            "hostess_tasks_open",
            "Containers that wait to be retired, and other work to be done.",
            [("", len(await journal.tasks()))],
        ),
    ]


def _of_storage(call: Call) -> list[Figure]:
    measured = call.services.storage.measured()
    return [
        (
            f"hostess_storage_{what}_bytes",
            f"Bytes of {meaning}.",
            [
                (f'{{project="{use.project}",environment="{use.environment}",service="{use.service}"}}', size(use))
                for use in measured
            ],
        )
        for what, meaning, size in (
            ("used", "a database on the disk", attrgetter("used")),
            ("declared", "storage that it declares", attrgetter("size")),
        )
    ]


def _of_host(reading: Reading) -> list[Figure]:
    figures, busy = reading.figures, reading.cpu
    return [
        ("hostess_host_cpu_percent", "How busy the cores were of late.", [("", busy)] if busy is not None else []),
        ("hostess_host_load", "Load average of the last minute.", [("", figures.load)]),
        ("hostess_host_memory_bytes", "Memory of the host.", [("", figures.memory)]),
        ("hostess_host_memory_available_bytes", "Memory that can still be had.", [("", figures.available)]),
        ("hostess_host_swap_bytes", "Swap space of the host.", [("", figures.swap)]),
        ("hostess_host_swap_used_bytes", "Swap space in use.", [("", figures.swap_used)]),
        ("hostess_host_open_files", "Files that are open on the host.", [("", figures.files)]),
        ("hostess_host_open_files_limit", "Files that may be open on the host.", [("", figures.files_limit)]),
        ("hostess_daemon_open_files", "Files that the daemon has open.", [("", figures.own_files)]),
        ("hostess_daemon_open_files_limit", "Files that the daemon may have open.", [("", figures.own_files_limit)]),
        (
            "hostess_host_pressure_percent",
            "For how much of the last minute work waited for a resource: some of it, or all of it (full).",
            [
                (f'{{resource="{name}",waiting="{waiting}"}}', share)
                for name, strain in figures.strain.items()
                for waiting, share in (("some", strain.some), ("full", strain.full))
            ],
        ),
    ]


def _of_disks(disks: Sequence[tuple[str, int, int]]) -> list[Figure]:
    return [
        (
            "hostess_disk_used_bytes",
            "Used of a disk that Hostess keeps something on.",
            [(_labels(folder=folder), used) for folder, used, _ in disks],
        ),
        (
            "hostess_disk_size_bytes",
            "Size of such a disk.",
            [(_labels(folder=folder), size) for folder, _, size in disks],
        ),
    ]


def _of_replicas(call: Call) -> list[Figure]:
    usage, unwell = call.services.usage, call.services.checkups.unwell
    found = [(_mark(each, using), using) for each in usage.observed for using in usage.using(each)]
    return [
        (
            "hostess_replica_cpu_cores",
            "Cores that a replica used of late.",
            [(mark, using.cpu) for mark, using in found if using.cpu is not None],
        ),
        (
            "hostess_replica_memory_bytes",
            "Memory that a replica uses, without files that can be read again.",
            [(mark, using.memory) for mark, using in found],
        ),
        (
            "hostess_replica_healthy",
            "Whether the check of a replica goes well, or it has none.",
            [(mark, int(using.container.id not in unwell)) for mark, using in found],
        ),
    ]


def _of_states(call: Call) -> list[Figure]:
    """Return how many replicas of each service are in each state: as many samples for a service, however often it is replaced."""
    services = call.services
    checkups, loops = services.checkups, services.loops
    wanted, states = [], []
    for each in services.usage.standing:
        place, workload = each.place, each.workload
        names = {"project": place.project, "environment": place.environment, "service": workload.name}
        found = Counter(
            health_of(c.state, well=c.id not in checkups.unwell, proved=checkups.proved(c.id), looping=loops.lasts(c))
            for c in each.containers
        )
        wanted.append((_labels(**names), workload.replicas))
        states += [(_labels(**names, state=str(state)), found[state]) for state in Health]
    return [
        ("hostess_replicas_wanted", "Replicas that a service of what is live shall have.", wanted),
        ("hostess_replicas", "Replicas of a service of what is live, by their state.", states),
    ]


def _mark(observed: Observed, using: Using) -> str:
    place, container = observed.place, using.container
    return _labels(
        project=place.project,
        environment=place.environment,
        service=observed.workload.name,
        replica=container.labels.get(labels.REPLICA, ""),
        container=container.id[:12],
    )


def _labels(**named: str) -> str:
    """Return labels as the format has them; backslashes, quotes and newlines are escaped."""
    escaped = {
        name: value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n") for name, value in named.items()
    }
    return "{" + ",".join(f'{name}="{value}"' for name, value in escaped.items()) + "}"


OPERATIONS = (metrics,)

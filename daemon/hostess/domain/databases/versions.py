"""The major that a database's data is of: hostess.yml names it for new data alone, and an upgrade changes it for data there is. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from hostess.domain.databases.containers import version_of
from hostess.domain.hostess_yml.stack import ServiceType, Stack
from hostess.domain.problem import Problem
from hostess.domain.quantities import size_text
from hostess.domain.releases.release import Release, Workload

# Reads go on while an upgrade copies; what is written would be lost. It outlives a restart of the server, until it is taken back.
FENCE = "ALTER SYSTEM SET default_transaction_read_only = on;\nSELECT pg_reload_conf();\n"
UNFENCE = "ALTER SYSTEM RESET default_transaction_read_only;\nSELECT pg_reload_conf();\n"
FENCED = "SHOW default_transaction_read_only;\n"
END_SESSIONS = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
    "WHERE backend_type = 'client backend' AND pid <> pg_backend_pid();\n"
)
NUMBER = "SHOW server_version_num;\n"
SIZE = "SELECT sum(pg_database_size(oid)) FROM pg_database;\n"
ROOM = 2.5
"""What an upgrade takes on the disk for each byte of databases, at most: a dump, a second volume, and some of its log."""


@dataclass(frozen=True, slots=True)
class Data:
    """Where a database's data is: the *version* that it was made by, as hostess.yml writes it, and its *volume*."""

    version: str
    volume: str


def data_of(workload: Workload) -> Data | None:
    """Return where the data of a live postgres is; None for what is none, or of a release that did not write it down."""
    if workload.type is not ServiceType.POSTGRES or not workload.version or len(workload.volumes) != 1:
        return None
    return Data(workload.version, next(iter(workload.volumes)))


def major(version: str) -> str:
    """Return the major of a version, "16" of "16.4"."""
    return version.partition(".")[0]


def check_later(service: str, before: int, version: str, after: int) -> None:
    """Raise Problem "not-upgradable" unless postgres:*version*, of major *after*, is later than the major *before* of the data."""
    if after <= before:
        raise Problem(
            "not-upgradable",
            f"{service} is PostgreSQL {before}, and postgres:{version} is {after}: data is brought to a later major alone",
        )


def check_room(service: str, size: int, free: int) -> None:
    """Raise Problem "disk-short" when an upgrade of databases of so many bytes would fill the disk that everything is on."""
    needed = int(size * ROOM)
    if needed > free:
        raise Problem(
            "disk-short",
            f"upgrading {service} takes up to {size_text(needed)} beside its {size_text(size)}, and {size_text(free)} are free",
            serving="the database as it is; nothing was changed",
            remedy="`hostess gc` and `hostess backups delete` make room, or give the host a larger disk",
        )


def as_kept(stack: Stack, kept: Mapping[str, Data]) -> tuple[Stack, list[str]]:
    """Return the stack with databases of the major that their data is of, and a sentence for each that the file has otherwise."""
    services, notes = dict(stack.services), []
    for name, service in stack.services.items():
        known = kept.get(name)
        if service.type is not ServiceType.POSTGRES or known is None:
            continue
        written = version_of(service)
        if major(written) == major(known.version):
            continue
        services[name] = replace(service, special={**service.special, "version": known.version})
        notes.append(
            f"{name} stays at PostgreSQL {known.version}, which its data is of, not {written}: "
            f"`hostess services upgrade {name} --version {major(written)}` brings it to a later one"
        )
    return replace(stack, services=services), notes


def with_data_of(target: Release, live: Release | None) -> Release:
    """Return *target* with the databases of *live* where their data has moved on: what was written since is in the new volume alone."""
    if live is None:
        return target
    moved = {
        name: now
        for name, now in live.workloads.items()
        if name in target.workloads and now.is_database and set(now.volumes) != set(target.workloads[name].volumes)
    }
    return replace(target, workloads={**target.workloads, **moved})

"""Managed databases as containers: which image, command, environment and directory each takes (official-image contracts)."""

from collections.abc import Mapping
from dataclasses import dataclass

from hostess.domain.databases import postgres, redis
from hostess.domain.hostess_yml.stack import Service, ServiceType
from hostess.domain.releases.release import Inside

DEFAULT_VERSIONS: Mapping[ServiceType, str] = {ServiceType.POSTGRES: "18", ServiceType.REDIS: "8"}

PORTS: Mapping[ServiceType, int] = {ServiceType.POSTGRES: 5432, ServiceType.REDIS: 6379}

# Beside the image's own declared volumes: the official image moved its own from one major to the next.
POSTGRES_HOME = "/var/lib/hostess/postgres"


@dataclass(frozen=True, slots=True)
class Recipe:
    """How to run one database. *ready* is a command that exits with 0 once it takes connections."""

    image: str
    env: Mapping[str, str]
    command: tuple[str, ...]
    path: str
    port: int
    ready: tuple[str, ...]


def version_of(service: Service) -> str:
    """Return the version that a database is of, as it is written or by default."""
    return str(service.special.get("version") or DEFAULT_VERSIONS[service.type])


def recipe(service: Service, password: str) -> Recipe:
    """Return how to run *service*; its data is below `path`. Postgres: user postgres, database named like the service (spec 2.5).

    *password* is what a postgres is made with, and what a redis takes from its own container: neither is changed by a rotation.

    What `inside_of` tells is no part of it: that is made while the database runs, and changes without a restart.
    """
    version = version_of(service)
    if service.type is ServiceType.POSTGRES:
        return Recipe(
            image=f"postgres:{version}",
            env={
                "POSTGRES_PASSWORD": password,
                "POSTGRES_DB": service.name,
                "POSTGRES_INITDB_ARGS": "--data-checksums",
                "PGDATA": f"{POSTGRES_HOME}/data",
            },
            command=postgres.command(service.resources.memory, extensions(service)),
            path=POSTGRES_HOME,
            port=5432,
            # Over TCP: while the image initialises, its server listens on the unix socket alone.
            ready=("pg_isready", "-q", "-h", "127.0.0.1", "-U", "postgres", "-d", service.name),
        )
    return Recipe(
        image=f"redis:{version}",
        env={"REDIS_PASSWORD_HASH": redis.digest(password), "REDISCLI_AUTH": password},
        command=("sh", "-c", redis.START),
        path="/data",
        port=6379,
        ready=("redis-cli", "-e", "ping"),
    )


def inside_of(service: Service, indexes: Mapping[str, int]) -> Inside:
    """Return what is made inside a database; *indexes* are those of a redis's groups."""
    if service.type is ServiceType.POSTGRES:
        groups = {group: number for number, group in enumerate(service.databases or {})}
        return Inside(groups=groups, extensions=extensions(service))
    return Inside(
        groups=indexes,
        maxmemory=redis.maxmemory(service),
        policy=str(service.special.get("maxmemory_policy") or redis.KEEP_POLICY),
    )


def extensions(service: Service) -> tuple[str, ...]:
    """Return the extensions of a postgres by the names that CREATE EXTENSION knows, each once."""
    written = service.special.get("extensions")
    return tuple(dict.fromkeys(map(postgres.extension, written))) if isinstance(written, tuple) else ()

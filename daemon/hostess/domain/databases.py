"""Managed databases as containers: which image, command, environment and directory each takes (official-image contracts)."""

from collections.abc import Mapping
from dataclasses import dataclass

from hostess.domain.stack import Service, ServiceType

DEFAULT_VERSIONS: Mapping[ServiceType, str] = {ServiceType.POSTGRES: "18", ServiceType.REDIS: "8"}

PORTS: Mapping[ServiceType, int] = {ServiceType.POSTGRES: 5432, ServiceType.REDIS: 6379}

# Beside the image's own declared volumes: the official image moved its own from one major to the next.
POSTGRES_HOME = "/var/lib/hostess/postgres"

# The password must not be an argument: process lists show those. The entry point drops root's rights and runs the server.
REDIS_START = (
    'umask 077; printf "requirepass %s\\n" "$REDIS_PASSWORD" > /tmp/hostess.conf; chown redis /tmp/hostess.conf; '
    "exec docker-entrypoint.sh redis-server /tmp/hostess.conf --dir /data --appendonly yes"
)


@dataclass(frozen=True, slots=True)
class Recipe:
    """How to run one database. *ready* is a command that exits with 0 once it takes connections."""

    image: str
    env: Mapping[str, str]
    command: tuple[str, ...] | None
    path: str
    port: int
    ready: tuple[str, ...]


def recipe(service: Service, password: str) -> Recipe:
    """Return how to run *service*; its data is below `path`. Postgres: user postgres, database named like the service (spec 2.5)."""
    version = str(service.special.get("version") or DEFAULT_VERSIONS[service.type])
    if service.type is ServiceType.POSTGRES:
        return Recipe(
            image=f"postgres:{version}",
            env={
                "POSTGRES_PASSWORD": password,
                "POSTGRES_DB": service.name,
                "POSTGRES_INITDB_ARGS": "--data-checksums",
                "PGDATA": f"{POSTGRES_HOME}/data",
            },
            command=None,
            path=POSTGRES_HOME,
            port=5432,
            # Over TCP: while the image initialises, its server listens on the unix socket alone.
            ready=("pg_isready", "-q", "-h", "127.0.0.1", "-U", "postgres", "-d", service.name),
        )
    return Recipe(
        image=f"redis:{version}",
        env={"REDIS_PASSWORD": password, "REDISCLI_AUTH": password},
        command=("sh", "-c", REDIS_START),
        path="/data",
        port=6379,
        ready=("redis-cli", "-e", "ping"),
    )

"""What is streamed out of a managed database for a backup. All of it blocks: it runs on the thread that `Engine.within` gives."""

from collections.abc import Iterator
from dataclasses import replace

from hostess.domain.backups import postgres_backup, redis_backup
from hostess.domain.backups.backup import Dumped, Heard
from hostess.domain.hostess_yml.stack import ServiceType
from hostess.domain.ports import Shell
from hostess.domain.problem import Problem

Parts = Iterator[tuple[str, Iterator[bytes]]]


def dump(kind: ServiceType, shell: Shell, heard: Heard) -> Parts:
    """Yield the parts of a database's backup: name and content. *heard* is filled on the way."""
    return postgres_parts(shell, heard) if kind is ServiceType.POSTGRES else redis_parts(shell, heard)


def postgres_parts(shell: Shell, heard: Heard) -> Parts:
    """Yield roles and then each database, with the rows of its tables counted in the snapshot that is dumped.

    The programs are those of the server's own container: they fit it, and no password passes through a network.
    """
    known = postgres_backup.databases(lines(shell, postgres_backup.DATABASES), heard)
    yield postgres_backup.GLOBALS, shell.output(postgres_backup.DUMP_GLOBALS)
    for database in known:
        yield postgres_backup.part_of(database.name), _dumped(shell, database, heard)


def redis_parts(shell: Shell, heard: Heard) -> Parts:
    """Yield the snapshot that the server sends."""
    info = "\n".join(lines(shell, redis_backup.INFO))
    heard.engine = redis_backup.fields(info).get("redis_version", "")
    heard.databases += redis_backup.keyspace(info)
    lines(shell, redis_backup.AT_ONCE)
    yield redis_backup.PART, shell.output(redis_backup.DUMP)


def lines(shell: Shell, command: tuple[str, ...], env: dict[str, str] | None = None, stdin: str = "") -> list[str]:
    """Return the lines that a command writes."""
    return b"".join(shell.output(command, env=env, stdin=stdin)).decode().splitlines()


def _dumped(shell: Shell, database: Dumped, heard: Heard) -> Iterator[bytes]:
    listener = postgres_backup.Listener()
    yield from shell.output(
        postgres_backup.DUMP,
        env=postgres_backup.environment(database.name),
        stdin=postgres_backup.SCRIPT,
        hear=listener.hear,
    )
    if listener.code != 0:
        said = f"ended with exit code {listener.code}" if listener.code is not None else "did not run"
        raise Problem("command-failed", f"pg_dump of {database.name} {said}{_last(listener.said)}")
    heard.databases.append(replace(database, tables=tuple(listener.tables)))


def _last(said: str) -> str:
    return f": {said}" if said else ""

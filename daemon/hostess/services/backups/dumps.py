"""What is streamed out of a service for a backup. All of it blocks: it runs on the thread that `Engine.within` gives."""

from collections.abc import Iterator
from dataclasses import replace

from hostess.domain.backups import files_backup, postgres_backup, redis_backup
from hostess.domain.backups.backup import Dumped, Files, Heard
from hostess.domain.hostess_yml.stack import ServiceType
from hostess.domain.ports import Shell
from hostess.domain.problem import Problem
from hostess.domain.releases.release import Workload

Parts = Iterator[tuple[str, Iterator[bytes]]]


def dump(workload: Workload, shell: Shell, heard: Heard) -> Parts:
    """Yield the parts of a service's backup: name and content. *heard* is filled on the way."""
    if workload.type is ServiceType.POSTGRES:
        return postgres_parts(shell, heard)
    if workload.type is ServiceType.REDIS:
        return redis_parts(shell, heard)
    return files_parts(workload, shell, heard)


def postgres_parts(shell: Shell, heard: Heard) -> Parts:
    """Yield roles and then each database, with the rows of its tables counted in the snapshot that is dumped.

    Before it comes who may connect to it, and what is set in it.

    The programs are those of the server's own container: they fit it, and no password passes through a network.
    """
    known = postgres_backup.databases(lines(shell, postgres_backup.DATABASES), heard)
    yield postgres_backup.GLOBALS, shell.output(postgres_backup.DUMP_GLOBALS)
    for database, settings in known.items():
        yield postgres_backup.settings_part_of(database.name), iter([settings.encode()])
        yield postgres_backup.part_of(database.name), _dumped(shell, database, heard)


def redis_parts(shell: Shell, heard: Heard) -> Parts:
    """Yield the snapshot that the server sends."""
    info = "\n".join(lines(shell, redis_backup.INFO))
    heard.engine = redis_backup.fields(info).get("redis_version", "")
    heard.databases += redis_backup.keyspace(info)
    lines(shell, redis_backup.AT_ONCE)
    yield redis_backup.PART, shell.output(redis_backup.DUMP)


def files_parts(workload: Workload, shell: Shell, heard: Heard) -> Parts:
    """Yield what the service's command writes below /backup, which is empty before and afterwards; without one its volumes."""
    command = workload.backups.command if workload.backups else ()
    if command:
        lines(shell, files_backup.EMPTY, user=files_backup.ROOT)
    try:
        if command:
            for _ in shell.output(command):  # what it writes to its standard output is nobody's
                pass
        for directory in files_backup.places(command, workload.volumes):
            walk = files_backup.Walk()
            yield files_backup.part_of(directory), _archived(shell, directory, walk, heard)
            if command and walk.entries < 2:  # noqa: PLR2004 -- the directory itself is one
                raise Problem(
                    "command-failed", f"{command[0]} ended well, and has written nothing to {files_backup.DIRECTORY}"
                )
    finally:
        if command:
            lines(shell, files_backup.EMPTY, user=files_backup.ROOT)


def _archived(shell: Shell, directory: str, walk: files_backup.Walk, heard: Heard) -> Iterator[bytes]:
    for piece in shell.archive(directory):
        walk.feed(piece)
        yield piece
    if not walk.ended:
        raise Problem("command-failed", f"the archive of {directory} was cut off")
    heard.files.append(Files(directory, walk.count, walk.size))


def lines(
    shell: Shell, command: tuple[str, ...], env: dict[str, str] | None = None, stdin: str = "", user: str = ""
) -> list[str]:
    """Return the lines that a command writes."""
    return b"".join(shell.output(command, env=env, stdin=stdin, user=user)).decode().splitlines()


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

"""A daemon that dies on purpose: kill -9 of itself at one moment of a restore. `python -m tests.system.mortal_restore`.

MORTAL_AT names the moment: "before" or "after" a step (load, swap, copy, make, and of volumes: unpack, aside, put_in), or "within" it.
"""

import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from hostess import main
from hostess.adapters.engine.shell import ContainerShell
from hostess.services.backups.restore_postgres import PostgresRestore
from hostess.services.backups.restore_redis import RedisRestore
from hostess.services.backups.restore_volumes import VolumesRestore
from hostess.services.databases.setup import DatabaseSetup
from tests.system.dying import AT, die, watch


def cut(pieces: Iterable[bytes]) -> Iterable[bytes]:
    """Yield the first half of the first piece, then die."""
    for piece in pieces:
        yield piece[: len(piece) // 2]
        die("within load")


def feed(
    self: ContainerShell,
    command: Sequence[str],
    pieces: Iterable[bytes],
    size: int,
    env: Mapping[str, str] | None = None,
) -> None:
    """Feed a command, and die on the way."""
    fed(self, command, cut(pieces) if AT == "within load" else pieces, size, env)


async def until(self: RedisRestore, container: str, true: Any, what: str, run: str = "") -> None:
    """Die when the live server has just been told to copy."""
    if what == "copying":
        die("within copy")
    await waited(self, container, true, what, run)


fed, waited = ContainerShell.feed, RedisRestore._until


async def run(self: VolumesRestore, release: Any, workload: Any, mark: str, script: Any) -> None:
    """Run a script that moves files, and die before or after it."""
    die(f"before {script.__name__}")
    await ran(self, release, workload, mark, script)
    die(f"after {script.__name__}")


ran = VolumesRestore._run

if __name__ == "__main__":
    for kind, names in ((PostgresRestore, ("load", "swap")), (RedisRestore, ("copy",)), (DatabaseSetup, ("make",))):
        for each in names:
            watch(kind, each, each)
    watch(VolumesRestore, "load", "unpack")
    setattr(VolumesRestore, "_run", run)  # noqa: B010 -- the same
    setattr(ContainerShell, "feed", feed)  # noqa: B010 -- a method of a class that is not the test's
    setattr(RedisRestore, "_until", until)  # noqa: B010 -- the same
    sys.exit(main.main())

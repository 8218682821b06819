"""A program that makes one switch after the other until it is killed, and tells the number of each when it is done.

Each release n has exactly the hosts "n.x" and "common.x" and one task n, so that a torn switch can be seen.
"""

import asyncio
import sys
from datetime import UTC, datetime
from pathlib import Path

from hostess.adapters.journal.sqlite import SqliteJournal
from hostess.domain.records import Task
from hostess.domain.releases.release import Deployment, Kind, Release, State

NOW = datetime(2026, 11, 22, tzinfo=UTC)


async def write(path: Path) -> None:
    """Switch for ever."""
    journal = await SqliteJournal.open(path)
    await journal.create_project("shop", NOW)
    await journal.open_place("shop", "production", ["10.213.0.0/24"], NOW)
    while True:
        number = await journal.next_number("shop", "production")
        deployment = f"d{number}"
        await journal.add_deployment(
            Deployment(deployment, "shop", "production", Kind.PUSH, State.RUNNING, "c", "r", "0", "ann", NOW)
        )
        release = Release("shop", "production", number, "c", NOW, {}, file="#" * 20_000)
        hosts = {f"{number}.x": "api", "common.x": "api"}
        await journal.switch(deployment, release, hosts, [Task(0, "retire", {"number": number}, NOW)], NOW)
        sys.stdout.write(f"{number}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(write(Path(sys.argv[1])))

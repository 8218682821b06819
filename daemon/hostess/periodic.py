"""What the daemon does again and again, and how often."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial

from hostess.composition import World
from hostess.domain.ports import Journal

RECONCILE_EVERY = timedelta(seconds=15)
CHECK_UP_EVERY = timedelta(seconds=15)
SUPERVISE_EVERY = timedelta(seconds=5)
SCHEDULES_EVERY = timedelta(seconds=5)
EXPIRE_EVERY = timedelta(minutes=1)
ORDER_CERTIFICATES_EVERY = timedelta(minutes=1)
WATCH_CERTIFICATES_EVERY = timedelta(hours=1)
WATCH_STORAGE_EVERY = timedelta(minutes=5)
WATCH_ALERTS_EVERY = timedelta(seconds=15)
NOTIFY_EVERY = timedelta(seconds=5)
SHIP_EVERY = timedelta(seconds=5)
COMPLETE_EVERY = timedelta(minutes=5)
COLLECT_EVERY = timedelta(hours=6)
LEAD_EVERY = timedelta(seconds=15)


@contextmanager
def timers(journal: Journal, world: World) -> Iterator[None]:
    """Run what is periodic."""
    timer = world.timer
    timer.start()
    timer.every(SCHEDULES_EVERY, "follow schedules", world.schedules.sync)
    timer.every(RECONCILE_EVERY, "reconcile", world.reconciler.tick)
    timer.every(LEAD_EVERY, "lead callers inside", world.names.look)
    timer.every(CHECK_UP_EVERY, "check up on replicas", world.checkups.look)
    timer.every(SUPERVISE_EVERY, "watch the host and what runs", world.supervision.look)
    timer.every(CHECK_UP_EVERY, "look at canaries", world.canaries.look)
    timer.every(EXPIRE_EVERY, "expire environments", world.environments.expire)
    timer.every(WATCH_CERTIFICATES_EVERY, "watch imported certificates", world.imports.watch)
    timer.every(WATCH_CERTIFICATES_EVERY, "renew certificates", world.routing.renew)
    timer.every(ORDER_CERTIFICATES_EVERY, "look after certificates", world.orders.look)
    timer.every(WATCH_STORAGE_EVERY, "watch storage", world.storage.look)
    timer.every(WATCH_ALERTS_EVERY, "watch for alerts", world.alerts.look)
    timer.every(NOTIFY_EVERY, "send notices", world.notifier.look)
    timer.every(COMPLETE_EVERY, "complete partial backups", world.backups.backups.complete)
    timer.every(SHIP_EVERY, "ship the logs of databases", world.backups.wal.look)
    timer.every(COLLECT_EVERY, "collect garbage", world.collector.collect)
    timer.every(COLLECT_EVERY, "forget replicas that are gone", world.deaths.forget)
    timer.every(COLLECT_EVERY, "tidy repositories", partial(refresh_repositories, journal, world))
    try:
        yield
    finally:
        timer.stop()


async def refresh_repositories(journal: Journal, world: World) -> None:
    """Bring every repository's hook and settings up to this version, and join packs where there are many."""
    for project in await journal.projects():
        await world.repositories.create(project.name)

"""Locks of environments: who keeps deployments out, since when, and why."""

from datetime import datetime

from hostess.domain.releases.lock import Lock
from hostess.doors.api.closures import Message
from hostess.doors.api.deployments import PLACE
from hostess.doors.api.operation import Call, Given, Nothing, View, op


class LockView(View):
    """A lock; *actor* is empty where there is none."""

    project: str
    environment: str
    actor: str
    since: datetime | None
    message: str


class NewLock(Given):
    """What whoever deploys meanwhile is told."""

    message: Message = ""


@op(f"GET {PLACE}/lock", "read", returns=LockView)
async def show_lock(call: Call, _: Nothing) -> LockView:
    """Tell whether deployments are kept out of an environment."""
    return _view(call, await call.services.journal.lock(call.project, call.environment))


@op(f"PUT {PLACE}/lock", "deploy", given=NewLock, returns=LockView)
async def lock_environment(call: Call, given: NewLock) -> LockView:
    """Keep pushes, uploads, rollbacks, promotions, upgrades and rotations out of an environment, in place of a lock of before."""
    lock = Lock(call.project, call.environment, given.message, call.caller.name, call.services.clock.now())
    await call.services.journal.put_lock(lock)
    await call.audit("lock.on", f"{lock.environment} is locked: {lock.message}", {"message": lock.message})
    return _view(call, lock)


@op(f"DELETE {PLACE}/lock", "deploy", returns=LockView)
async def unlock_environment(call: Call, _: Nothing) -> LockView:
    """Let deployments in again; without a lock this changes nothing."""
    gone = await call.services.journal.drop_lock(call.project, call.environment)
    if gone is not None:
        await call.audit("lock.off", f"{gone.environment} is open again; it was {gone}", {"message": gone.message})
    return _view(call, None)


def _view(call: Call, lock: Lock | None) -> LockView:
    return LockView(
        project=call.project,
        environment=call.environment,
        actor=lock.actor if lock else "",
        since=lock.since if lock else None,
        message=lock.message if lock else "",
    )


OPERATIONS = (show_lock, lock_environment, unlock_environment)

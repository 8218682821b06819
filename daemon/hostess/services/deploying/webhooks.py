"""Webhooks of forges: what was pushed there is fetched, and deployed as if it had been pushed here."""

import asyncio
import base64
import json
import logging
from collections.abc import Coroutine, Mapping
from datetime import datetime
from weakref import WeakValueDictionary

from hostess.domain.forges import HEADS, ForgePush, Webhook, checked_url, is_signed, pushed
from hostess.domain.ports import Clock, Journal, Redactor, Repositories, Vault
from hostess.domain.ports.forges import BranchFetcher
from hostess.domain.problem import Problem
from hostess.domain.records import Task
from hostess.domain.releases.push import ZERO, Push, RefUpdate
from hostess.domain.releases.release import Deployment, final
from hostess.services.deploying.pushes import Pushes

KIND = "webhook"
"""The kind of the tasks of the journal that are events which were heard and are not carried out yet."""
LOOK_AGAIN = 0.5
"""Seconds between two looks at a deployment that a daemon before has begun."""
LIVES = 3
"""How often the daemon may end over one event before it is let be."""
RECENT = 100
_SECRET_BITS = 256
_LINES = 30
NOBODYS = "0" * 43
"""A secret that no webhook has: what is unknown takes as long to be refused as what is wrong."""

_CUT_OFF = frozenset({"interrupted", "cancelled"})
"""How a deployment ends that the daemon's end cut off, killed or stopped; one that people cancelled is forgotten with its event."""
_BY_HAND = "look at the database, then let the forge deliver the event again"

log = logging.getLogger(__name__)


class Webhooks:
    """Keeps one webhook per project, and carries out what forges tell by it. Work that was begun is ended by `stop`.

    What is heard is a task of the journal until its deployment has ended (or nothing came of it), so no end of the daemon loses it.
    """

    def __init__(
        self,
        journal: Journal,
        repositories: Repositories,
        fetcher: BranchFetcher,
        pushes: Pushes,
        vault: Vault,
        redactor: Redactor,
        clock: Clock,
    ) -> None:
        self._journal = journal
        self._repositories = repositories
        self._fetcher = fetcher
        self._pushes = pushes
        self._vault = vault
        self._redactor = redactor
        self._clock = clock
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopped = False
        # One fetch at a time per project; a lock lives as long as somebody fetches, or waits to.
        self._fetching: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def put(self, project: str, url: str, user: str, password: str) -> tuple[Webhook, str]:
        """Set a project's webhook; return it and the new secret for the forge, which is not seen again. Problem "webhook-invalid"."""
        if bool(user) != bool(password):
            raise Problem("webhook-invalid", "a private repository takes a user and a password (or an access token)")
        secret = base64.urlsafe_b64encode(bytes.fromhex(self._clock.token(_SECRET_BITS))).decode().rstrip("=")
        self._redactor.learn([each for each in (secret, password) if each])
        sealed = self._vault.seal(json.dumps({"secret": secret, "password": password}), _bound(project))
        row = Webhook(project, checked_url(url), user, sealed, self._clock.now())
        await self._journal.put_webhook(row)
        return row, secret

    async def find(self, project: str) -> Webhook:
        """Return a project's webhook; Problem "webhook-not-found"."""
        found = await self._journal.webhook(project)
        if found is None:
            raise _absent(project)
        return found

    async def remove(self, project: str) -> None:
        """Listen to the project's forge no longer; Problem "webhook-not-found"."""
        if not await self._journal.remove_webhook(project):
            raise _absent(project)

    async def take(self, project: str, headers: Mapping[str, str], body: bytes) -> ForgePush | None:
        """Write down and begin what a forge asks for; return it, None where there is nothing to do (a ping, a tag).

        Problem "unauthenticated" unless the webhook's secret is behind the request, "bad-request" for what no forge sends.
        """
        webhook = await self._journal.webhook(project)
        secret, password = (NOBODYS, "") if webhook is None else self._opened(webhook)
        if not is_signed(headers, body, secret) or webhook is None:
            raise Problem(
                "unauthenticated",
                "there is no such webhook, or its secret is another one",
                remedy="set it anew, and give the forge the secret: `hostess webhook set REPOSITORY`",
            )
        push = pushed(headers, body)
        if push is not None:
            now = self._clock.now()
            note = {"project": project, "branch": push.branch, "who": push.who, "at": now.isoformat()}
            task = await self._journal.add_task(KIND, note, now)
            self._begin(task, self._carry_out(webhook, password, push))
        return push

    async def recover(self) -> None:
        """After a restart: go on with what was heard and is not deployed, once; of several events of a branch the last stands for all."""
        last: dict[tuple[str, str], Task] = {}
        for task in sorted(await self._journal.tasks(), key=lambda task: str(task.payload.get("at", ""))):
            if task.kind != KIND:
                continue
            place = str(task.payload["project"]), str(task.payload["branch"])
            if place in last:
                await self._journal.finish_task(last[place].id)
            last[place] = task
        for (project, branch), task in last.items():
            webhook = await self._journal.webhook(project)
            if webhook is None:
                await self._journal.finish_task(task.id)
                continue
            await self._journal.postpone(task.id, self._clock.now(), "the daemon ended before it was deployed")
            push = ForgePush(branch, str(task.payload["who"]))
            self._begin(task.id, self._again(webhook, push, task))

    async def stop(self) -> None:
        """End what is being fetched, and wait for no deployment any more; what it cuts off is gone on with by `recover`."""
        self._stopped = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _begin(self, note: int, work: Coroutine[object, object, None]) -> None:
        """Carry an event out, and forget it when that has ended, however; not when the daemon's end cut it off."""

        async def kept() -> None:
            await work
            await self._journal.finish_task(note)

        if self._stopped:
            work.close()
            return
        task = asyncio.create_task(kept())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _again(self, webhook: Webhook, push: ForgePush, task: Task) -> None:
        """Carry out what was heard in a life of the daemon before."""
        if task.attempts >= LIVES:
            what = f"was not deployed: the daemon has ended {task.attempts} times over it; let the forge deliver the event again"
            await self._tell(webhook, push, "webhook.refused", what)
            return
        try:
            _, password = self._opened(webhook)
        except Problem as problem:
            await self._tell(webhook, push, "webhook.refused", f"was not deployed: {problem}")
        else:
            await self._carry_out(webhook, password, push, datetime.fromisoformat(str(task.payload["at"])))

    async def _carry_out(self, webhook: Webhook, password: str, push: ForgePush, since: datetime | None = None) -> None:
        project, actor, said = webhook.project, f"{push.who} (webhook)", list[str]()
        try:
            async with self._fetching.setdefault(project, asyncio.Lock()):
                await self._repositories.create(project)
                update = await self._fetched(webhook, password, push.branch)
            if update is None:
                return await self._tell(webhook, push, "webhook.nothing-new", "is here already")
            if since is not None and (before := await self._begun_before(project, update, since)) is not None:
                if (before.problem or {}).get("code") not in _CUT_OFF:
                    return None  # it came to its own end, which is told
                if migration := await self._in_doubt(before):
                    what = f"was not deployed again: how {migration} ended is not known; {_BY_HAND}"
                    return await self._tell(webhook, push, "webhook.refused", what)
            await self._tell(webhook, push, "webhook.fetched", f"was fetched ({update.new[:7]})")
            given = Push(self._clock.token(64), project, actor, (update,))
            [verdict] = await self._pushes.handle(given, said.append)
            if not verdict.accepted:
                text = "\n".join([verdict.reason, *said[-_LINES:]])
                await self._tell(webhook, push, "webhook.refused", f"was not deployed: {text}")
        except Problem as problem:
            await self._tell(webhook, push, "webhook.refused", f"was not deployed: {problem}")
        except Exception:
            log.exception("a webhook of %s ended in a bug", project)

    async def _begun_before(self, project: str, update: RefUpdate, since: datetime) -> Deployment | None:
        """Return the newest deployment of this that a daemon before has begun, as it ended: the reconciler finishes it or takes it back."""
        while True:
            known = await self._journal.deployments(project, limit=RECENT)
            same = (d for d in known if (d.commit, d.ref) == (update.new, update.ref) and d.created_at >= since)
            found = next(same, None)
            if found is None or final(found.state):
                return found
            await self._clock.sleep(LOOK_AGAIN)

    async def _in_doubt(self, deployment: Deployment) -> str:
        """Return a migration that was begun and is not known to have ended well, "" for none: nobody but people may begin it again."""
        steps = await self._journal.steps(deployment.id)
        return next((step.name for step in steps if step.name.startswith("migrate:") and step.outcome != "done"), "")

    async def _fetched(self, webhook: Webhook, password: str, branch: str) -> RefUpdate | None:
        """Return what a push of the branch as it is there now would be; None when it is so here, too."""
        ref = HEADS + branch
        new = await self._fetcher.fetch(webhook.project, webhook.url, branch, webhook.user, password) or ZERO
        old = await self._repositories.ref(webhook.project, ref) or ZERO
        return None if new == old else RefUpdate(ref, old, new)

    async def _tell(self, webhook: Webhook, push: ForgePush, kind: str, what: str) -> None:
        message = self._redactor.hide(f"{push.branch}, which {push.who} pushed to {webhook.url}, {what}")
        data = {"actor": f"{push.who} (webhook)", "branch": push.branch}
        await self._journal.tell(kind, message, self._clock.now(), project=webhook.project, data=data)

    def _opened(self, webhook: Webhook) -> tuple[str, str]:
        members = json.loads(self._vault.open(webhook.sealed, _bound(webhook.project)))
        self._redactor.learn([each for each in members.values() if each])
        return members["secret"], members["password"]


def _bound(project: str) -> str:
    return f"webhook of {project}"


def _absent(project: str) -> Problem:
    return Problem(
        "webhook-not-found",
        f"{project} has no webhook",
        remedy=f"set one: `hostess webhook set REPOSITORY -p {project}`",
    )

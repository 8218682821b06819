"""A push: which of its refs deploys where, the deployment, and the move of the ref once the release is live (CONTRACT section 4)."""

import json
import logging
from dataclasses import asdict, dataclass

from hostess.domain import names
from hostess.domain.environments import attributes
from hostess.domain.hostess_yml.file import environment_for, stack_for
from hostess.domain.hostess_yml.stack import Stack
from hostess.domain.hostess_yml.unsupported import notices
from hostess.domain.ports import Journal, Repositories
from hostess.domain.problem import Problem
from hostess.domain.quantities import duration_text
from hostess.domain.records import Share
from hostess.domain.releases.push import ZERO, Push, RefUpdate, Say, Verdict
from hostess.domain.releases.release import Deployment, Kind, Release, State
from hostess.domain.routing.canaries import share_of
from hostess.services.deploying.deployments import Deployments, Enter, Request
from hostess.services.deploying.preparation import Preparation
from hostess.services.deploying.preview import Preview
from hostess.services.deploying.report import Report

HEADS = "refs/heads/"
DEPLOY = "refs/deploy/"
"""What is pushed to the name of an environment below it is deployed there. No such ref is kept: so git pushes it each time."""
KEPT = "refs/hostess/deployments/"
UPLOADS = "refs/hostess/uploads/"
"""Below it, per environment: what was uploaded last and became live."""
REASON = 100
TRIES = 5
PLAN = "plan: "
"""What the line of a plan as JSON begins with, so that `hostess plan` finds it among those of git."""
LIVE = frozenset({State.LIVE, State.DEGRADED, State.CANARY})
"""The ends of a deployment that its push was for."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Options:
    """What `git push -o` can say."""

    environment: str | None = None
    fresh: bool = False
    dry_run: bool = False
    as_json: bool = False
    share: Share | None = None


@dataclass(frozen=True, slots=True)
class Deploys:
    """An update that deploys. *pushed* is the ref that the pusher named, where another one keeps the commit."""

    project: str
    actor: str
    update: RefUpdate
    environment: str
    stack: Stack
    text: str
    share: Share | None = None
    pushed: str = ""


class Pushes:
    """Handles one push at a time per caller; deployments queue behind each other per environment."""

    def __init__(
        self,
        repositories: Repositories,
        journal: Journal,
        preparation: Preparation,
        deployments: Deployments,
        report: Report,
        preview: Preview,
    ) -> None:
        self._repositories = repositories
        self._journal = journal
        self._preparation = preparation
        self._deployments = deployments
        self._report = report
        self._preview = preview

    async def handle(self, push: Push, say: Say) -> list[Verdict]:
        """Answer every ref. Refs are moved here, by compare-and-swap, after their deployment is live; never before."""
        try:
            options = _options(push.options)
            chosen = [
                await (self._asked if update.ref.startswith(DEPLOY) else self._chosen)(push, update, options, say)
                for update in push.updates
            ]
        except Problem as problem:
            self._report.failure(problem, "", await self._serving(push), say)
            return [Verdict(update.ref, accepted=False, reason=_reason(problem)) for update in push.updates]
        deploying = [one for one in chosen if isinstance(one, Deploys)]
        if len(deploying) > 1:
            refs = ", ".join(_short(one.pushed or one.update.ref) for one in deploying)
            say(f" !     {refs} would each deploy; push them one at a time. Nothing was changed")
            return [Verdict(u.ref, accepted=False, reason="several refs would deploy") for u in push.updates]
        return [
            await self._deploy(push, one, options, say)
            if isinstance(one, Deploys)
            else await self._store(push.project, one)
            for one in chosen
        ]

    # ---- which ref does what -----------------------------------------------------------------------------------------

    async def _chosen(self, push: Push, update: RefUpdate, options: Options, say: Say) -> Deploys | RefUpdate | Verdict:
        branch = update.ref.removeprefix(HEADS)
        if update.new == ZERO:
            say(f"-----> {branch} is deleted here; what it deployed runs on")
            return update
        if update.ref == branch:
            return update
        if await self._repositories.commit_of(push.project, update.new) != update.new:
            return Verdict(update.ref, accepted=False, reason="not a commit")
        is_default = branch in {"main", "master"}
        try:
            stack, text = await self._preparation.read(push.project, update.new)
        except Problem as problem:
            if problem.code == "no-hostess-yml" and not is_default and options.environment is None:
                say(f"-----> {branch} is stored, not deployed: it has no hostess.yml")
                return update
            raise
        _note(push, stack, say)
        environment = options.environment or environment_for(stack, branch)
        if environment is None:
            say(
                f"-----> {branch} is stored, not deployed: no environment in hostess.yml deploys it (main deploys production)"
            )
            say(f"       to deploy it: git push hostess {branch}:{DEPLOY}production")
            return update
        names.check_environment_name(environment)
        for notice in notices(stack_for(stack, environment)):
            say(f"       note: {notice}")
        return Deploys(push.project, push.actor, update, environment, stack, text, options.share)

    async def _asked(self, push: Push, update: RefUpdate, options: Options, say: Say) -> Deploys | Verdict:
        """Answer for a commit, or a tag, that is to be deployed whatever its branch is, and whether or not it is here already."""
        environment, project = update.ref.removeprefix(DEPLOY), push.project
        names.check_environment_name(environment)
        if options.environment not in {None, environment}:
            raise Problem("bad-push-option", f"env={options.environment} is not what {update.ref} says")
        commit = None if update.new == ZERO else await self._repositories.commit_of(project, update.new)
        if commit is None:
            return Verdict(update.ref, accepted=False, reason="not a commit")
        stack, text = await self._preparation.read(project, commit)
        _note(push, stack, say)
        for notice in notices(stack_for(stack, environment)):
            say(f"       note: {notice}")
        keeper = UPLOADS + environment
        kept = RefUpdate(keeper, await self._repositories.ref(project, keeper) or ZERO, commit)
        return Deploys(project, push.actor, kept, environment, stack, text, options.share, update.ref)

    async def _serving(self, push: Push) -> Release | None:
        """Return what serves when it is not known (the file cannot be read) which environment the push is for."""
        places = await self._journal.places(push.project)
        places.sort(key=lambda place: place.environment != "production")
        for place in places:
            live = await self._journal.live(place.project, place.environment)
            if live is not None:
                return live
        return None

    async def _store(self, project: str, one: RefUpdate | Verdict) -> Verdict:
        if isinstance(one, Verdict):
            return one
        moved = await self._repositories.move_ref(project, one.ref, one.old, one.new)
        return Verdict(one.ref, accepted=moved, reason="" if moved else "fetch first")

    # ---- the one that deploys ----------------------------------------------------------------------------------------

    async def _deploy(self, push: Push, one: Deploys, options: Options, say: Say) -> Verdict:
        update, ref = one.update, one.pushed or one.update.ref
        if options.dry_run:
            return await self._dry_run(push, one, say, as_json=options.as_json)

        say(_deploying(one))
        begun = await self.begin(one, say, fresh=options.fresh)
        ended = await self._deployments.ended(begun)
        if ended.state in LIVE:
            await self._tell_end(push.project, one, say)
            moved = await self._repositories.ref(push.project, update.ref) == update.new
            return Verdict(ref, accepted=moved, reason="" if moved else "it is live, but its branch did not move")
        what = str((ended.problem or {}).get("what", ended.state))
        return Verdict(ref, accepted=False, reason=_short_of(what))

    async def begin(
        self, one: Deploys, say: Say | None = None, *, fresh: bool = False, first: tuple[str, ...] = ()
    ) -> str:
        """Begin the deployment of a commit that is in the repository; return the deployment's id. Its ref moves when it is live.

        *first* are lines that its log begins with.
        """
        project, update = one.project, one.update

        async def prepare(deployment: Deployment, _: Release | None, tell: Say, enter: Enter) -> Release:
            for line in first:
                tell(line)
            await self._repositories.move_ref(project, KEPT + deployment.id, ZERO, update.new)
            draft = await self._preparation.draft(deployment, one.stack, one.text)
            await enter("build")
            return await self._preparation.from_draft(deployment, draft, tell, fresh=fresh)

        async def check() -> None:
            await self.check_ref(project, update)

        request = Request(
            project=project,
            environment=one.environment,
            kind=Kind.PUSH,
            actor=one.actor,
            prepare=prepare,
            commit=update.new,
            ref=update.ref,
            previous=update.old,
            migrate=True,
            check=None if update.ref.startswith(UPLOADS) else check,
            settle=self.settle,
            discard=self.drop,
            share=one.share,
        )
        return await self._deployments.begin(request, say)

    async def _tell_end(self, project: str, one: Deploys, say: Say) -> None:
        """Say when the environment will be removed, if it will."""
        kept = {each.environment: each for each in await self._journal.environment_settings(project)}
        found = attributes(one.environment, one.stack.environments.get(one.environment), kept.get(one.environment))
        if found.lifetime is not None:
            say(
                f"       {one.environment} expires in {duration_text(found.lifetime)} unless something is deployed to it"
            )

    async def check_ref(self, project: str, update: RefUpdate) -> None:
        """Raise Problem "fetch-first" when the ref has meanwhile moved to a commit that the pushed one does not contain."""
        now = await self._repositories.ref(project, update.ref) or ZERO
        if now in {update.old, update.new, ZERO}:
            return
        if not await self._repositories.contains(project, update.new, now):
            raise Problem(
                "fetch-first",
                f"fetch first: {_short(update.ref)} has meanwhile moved to {now[:7]}, which this push does not contain",
                remedy="git pull, then push again",
            )

    async def settle(self, deployment: Deployment) -> None:
        """Move the branch of a live deployment to its commit. Also what the reconciler calls after a crash.

        A commit that another push (to another environment) brought meanwhile is not lost: the branch stays there then. What is
        uploaded replaces what was uploaded before, and contains nothing but by chance.
        """
        project, ref, new = deployment.project, deployment.ref, deployment.commit
        for _ in range(TRIES):
            now = await self._repositories.ref(project, ref) or ZERO
            follows = ref.startswith(UPLOADS) or now in {deployment.previous, ZERO}
            if not follows and not await self._repositories.contains(project, new, now):
                log.warning("%s of %s stays at %s, which %s does not contain", ref, project, now[:7], new[:7])
                break
            if now == new or await self._repositories.move_ref(project, ref, now, new):
                break
        else:
            log.warning("%s of %s could not be moved: it is moved by others", ref, project)
        await self.drop(deployment)

    async def drop(self, deployment: Deployment) -> None:
        """Keep the commit of a deployment that has ended no longer for its sake. Also what the reconciler calls after a crash."""
        await self._repositories.move_ref(deployment.project, KEPT + deployment.id, deployment.commit, ZERO)

    async def unsettle(self, deployment: Deployment) -> None:
        """Move the branch of a canary that was stopped back to where it was, so that its commit can be pushed again.

        Where it has moved on meanwhile it stays.
        """
        ref = deployment.ref
        if not ref.startswith(UPLOADS):
            await self._repositories.move_ref(deployment.project, ref, deployment.commit, deployment.previous or ZERO)

    async def _dry_run(self, push: Push, one: Deploys, say: Say, *, as_json: bool) -> Verdict:
        project, commit, ref = push.project, one.update.new, one.pushed or one.update.ref
        try:
            changes = await self._preview.changes(project, one.environment, commit, one.stack, one.text)
        except Problem as problem:
            self._report.failure(problem, "dry-run", None, say)
            return Verdict(ref, accepted=False, reason=_reason(problem))
        if as_json:
            whole = {"project": project, "environment": one.environment, "commit": commit}
            say(PLAN + json.dumps({**whole, "changes": [asdict(change) for change in changes]}))
        for change in () if as_json else changes:
            say(f"       {change}")
        return Verdict(ref, accepted=False, reason="dry-run: nothing was changed")


def _options(given: tuple[str, ...]) -> Options:
    environment, fresh, dry_run, as_json, share = None, False, False, False, None
    for option in given:
        key, _, value = option.partition("=")
        if key == "env" and value:
            names.check_environment_name(value)
            environment = value
        elif option == "no-cache":
            fresh = True
        elif option in {"dry-run", "dry-run=json"}:
            dry_run, as_json = True, bool(value)
        elif key == "canary":
            share = share_of(value)
        else:
            raise Problem(
                "bad-push-option",
                f"unknown push option {option[:40]!r}",
                remedy="there are: env=NAME, no-cache, dry-run, canary=PERCENT, canary=auto",
            )
    return Options(environment, fresh, dry_run, as_json, share)


def _note(push: Push, stack: Stack, say: Say) -> None:
    """Tell what is to be known of the pushed file."""
    for notice in stack.notices:
        say(f"       note: {notice}")
    if stack.name and names.slug(stack.name) != push.project:
        say(f"       note: the file says name: {stack.name}; the repository's name, {push.project}, is what counts")


def _deploying(one: Deploys) -> str:
    branch = "" if one.pushed else f" ({_short(one.update.ref)})"
    return f"-----> deploying {one.update.new[:7]}{branch} to {one.environment} of {one.project}"


def _short(ref: str) -> str:
    return ref.removeprefix(HEADS)


def _reason(problem: Problem) -> str:
    return _short_of(str(problem))


def _short_of(text: str) -> str:
    """Return the first line of a text, of a long one the beginning."""
    line = text.splitlines()[0]
    return line if len(line) <= REASON else f"{line[: REASON - 3]}..."

"""An upload: a tree without git becomes a commit of the project's repository, and is deployed as a pushed one is (spec 9.6, 10.3)."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

from hostess.domain import names
from hostess.domain.hostess_yml.file import stack_for
from hostess.domain.hostess_yml.stack import Stack
from hostess.domain.hostess_yml.unsupported import notices
from hostess.domain.ports import Clock, Journal, NewCommit, Repositories, TreeLimits
from hostess.domain.problem import Problem
from hostess.domain.records import Share
from hostess.domain.releases.push import ZERO, RefUpdate
from hostess.services.deploying.preparation import Preparation
from hostess.services.deploying.pushes import UPLOADS, Deploys, Pushes

MESSAGE = "hostess deploy"
_BRANCHES = ("refs/heads/main", "refs/heads/master")


@dataclass(frozen=True, slots=True)
class Upload:
    """Who uploads to where. *message* is what its commit says; *fresh*: build everything anew; *share*: as a canary."""

    project: str
    environment: str
    actor: str
    message: str = ""
    fresh: bool = False
    share: Share | None = None


class Uploads:
    """Takes archives in; what they deploy is the business of `Pushes`."""

    def __init__(
        self, repositories: Repositories, journal: Journal, preparation: Preparation, pushes: Pushes, clock: Clock
    ) -> None:
        self._repositories = repositories
        self._journal = journal
        self._preparation = preparation
        self._pushes = pushes
        self._clock = clock

    async def begin(self, upload: Upload, archive: AsyncIterator[bytes]) -> str:
        """Make a commit of the archive and begin its deployment; return the deployment's id.

        Its parent is what was uploaded to this environment before, else the tip of main. An environment is made when it is
        production or named in the uploaded hostess.yml; Problem "environment-not-found" for any other that is not there.
        """
        names.check_environment_name(upload.environment)
        project, ref = upload.project, UPLOADS + upload.environment
        await self._repositories.create(project)
        before = await self._repositories.ref(project, ref)
        words = NewCommit(
            upload.actor, upload.message or MESSAGE, self._clock.now(), parent=before or await self._tip(project)
        )
        commit = await self._repositories.import_tree(project, words, archive, TreeLimits())
        stack, text = await self._preparation.read(project, commit)
        await self._check_environment(upload, stack)
        update = RefUpdate(ref, before or ZERO, commit)
        deploys = Deploys(project, upload.actor, update, upload.environment, stack, text, upload.share)
        told = [f"       note: {notice}" for notice in (*stack.notices, *notices(stack_for(stack, upload.environment)))]
        told.append(
            f"-----> deploying what {upload.actor} uploaded ({commit[:7]}) to {upload.environment} of {project}"
        )
        return await self._pushes.begin(deploys, fresh=upload.fresh, first=tuple(told))

    async def _tip(self, project: str) -> str | None:
        for branch in _BRANCHES:
            if (found := await self._repositories.ref(project, branch)) is not None:
                return found
        return None

    async def _check_environment(self, upload: Upload, stack: Stack) -> None:
        if upload.environment == "production" or upload.environment in stack.environments:
            return
        if upload.environment not in {place.environment for place in await self._journal.places(upload.project)}:
            raise Problem(
                "environment-not-found",
                f"{upload.project} has no environment {upload.environment}",
                remedy=f"make it: `hostess environments ensure {upload.environment} -p {upload.project}`",
            )

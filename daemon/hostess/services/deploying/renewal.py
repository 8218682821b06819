"""What a release of before has of passwords that were rotated since: it would come back with credentials that nobody takes any more."""

import json
from collections.abc import Mapping
from dataclasses import replace

from hostess.domain.databases import pooler
from hostess.domain.hostess_yml.file import parse, stack_for
from hostess.domain.hostess_yml.references import properties, references
from hostess.domain.hostess_yml.stack import Job, Service, ServiceType, Stack
from hostess.domain.ports import Vault
from hostess.domain.releases.fingerprint import fingerprint, seal_of
from hostess.domain.releases.release import Release, Workload
from hostess.services.databases.access import DatabaseAccess
from hostess.services.databases.workloads import as_files
from hostess.services.routing.public_urls import PublicUrls

Env = Mapping[str, Mapping[str, str]]
"""Service or job -> variable -> value."""


class Renewal:
    """Finds it, and puts the credentials of today in its place. All else of the release stays as it was."""

    def __init__(self, access: DatabaseAccess, vault: Vault, urls: PublicUrls) -> None:
        self._access = access
        self._urls = urls
        self._vault = vault

    async def outdated(self, release: Release) -> dict[str, list[str]]:
        """Return service or job -> the variables that hold what was rotated since; a pooler has its files in place of variables."""
        if not release.file or not await self._access.ever_rotated(release.project, release.environment):
            return {}
        stack = stack_for(parse(release.file, "hostess.yml"), release.environment)
        found: dict[str, list[str]] = {}
        parts: list[Service | Job] = [*stack.services.values(), *stack.jobs.values()]
        for part in parts:
            workload = _part(release, part.name)
            names = await self._variables(release, stack, part, workload) if workload else []
            if names:
                found[part.name] = names
        for name in await self._poolers(release, stack):
            found[name] = []
        return found

    async def with_servers_of(self, release: Release, live: Release | None) -> Release:
        """Return the release with a redis as it is live where its own would take the password of then from its container."""
        if not await self._access.ever_rotated(release.project, release.environment):
            return release
        kept = {}
        for name, workload in release.workloads.items():
            now = live.workloads.get(name) if live else None
            if workload.type is ServiceType.REDIS and now is not None and now.type is ServiceType.REDIS:
                internal = await self._access.internal(release.project, release.environment, name)
                if self._env(release, workload).get("REDISCLI_AUTH") != internal:
                    kept[name] = now
        return replace(release, workloads={**release.workloads, **kept})

    async def renewed(self, release: Release, outdated: Mapping[str, list[str]], today: Env) -> Release:
        """Return the release with the values of *today* for what is *outdated*."""
        stack = stack_for(parse(release.file, "hostess.yml"), release.environment)
        workloads, jobs = dict(release.workloads), dict(release.jobs)
        for name, variables in outdated.items():
            values = {variable: today[name][variable] for variable in variables}
            if name in jobs:
                workload = jobs[name].workload
                # For what runs once it is the same job as before.
                renewed = replace(self._with(release, workload, values), spec=workload.spec)
                jobs[name] = replace(jobs[name], workload=renewed)
            elif variables:
                workloads[name] = self._with(release, workloads[name], values)
            else:
                service = stack.services[pooler.database_of(name)]
                own = await self._access.own(release.project, release.environment, service)
                files = as_files(pooler.files(service, own))
                workloads[name] = self._sealed(release, workloads[name], {}, files)
        return replace(release, workloads=workloads, jobs=jobs)

    # ---- within ------------------------------------------------------------------------------------------------------

    async def _variables(self, release: Release, stack: Stack, part: Service | Job, workload: Workload) -> list[str]:
        found, running = [], self._env(release, workload)
        for variable, text in part.env.items():
            for reference in references(text):
                database = stack.services.get(reference.target)
                if database is None or not database.is_database:
                    continue
                access = await self._access.of(release.project, release.environment, database, part.name)
                urls = self._external(release, database)
                values = properties(database, external_urls=urls, access=access) if access else {}
                if values.get(reference.property, "") not in running.get(variable, ""):
                    found.append(variable)
                    break
        return found

    def _external(self, release: Release, database: Service) -> dict[int, str]:
        """Return the port of a database -> its URL outside, as this release has it."""
        workload = release.workloads.get(database.name)
        opened = workload.opened if workload else None
        return {workload.ports[0]: self._urls.of_database(workload.type, opened.host)} if workload and opened else {}

    async def _poolers(self, release: Release, stack: Stack) -> list[str]:
        found = []
        for service in stack.services.values():
            workload = release.workloads.get(pooler.pooler_name(service.name))
            if service.type is ServiceType.POSTGRES and workload is not None and pooler.has_pooler(service):
                own = await self._access.own(release.project, release.environment, service)
                users = as_files(pooler.files(service, own))[pooler.USERS]
                if self._files(release, workload).get(pooler.USERS) != users:
                    found.append(workload.name)
        return found

    def _with(self, release: Release, workload: Workload, values: Mapping[str, str]) -> Workload:
        return self._sealed(
            release, workload, {**self._env(release, workload), **values}, self._files(release, workload)
        )

    def _sealed(
        self, release: Release, workload: Workload, env: Mapping[str, str], files: Mapping[str, tuple[int, str]]
    ) -> Workload:
        bound_to = seal_of(release.project, release.environment, workload.name)
        return replace(
            workload,
            sealed_env=self._vault.seal(json.dumps(dict(env)), bound_to),
            sealed_files=self._vault.seal(json.dumps(dict(files)), bound_to) if files else "",
            spec=self._vault.digest(fingerprint(workload, env, files)),
        )

    def _env(self, release: Release, workload: Workload) -> dict[str, str]:
        found: dict[str, str] = json.loads(self._opened(release, workload, workload.sealed_env))
        return found

    def _files(self, release: Release, workload: Workload) -> dict[str, tuple[int, str]]:
        if not workload.sealed_files:
            return {}
        found: dict[str, tuple[int, str]] = json.loads(self._opened(release, workload, workload.sealed_files))
        return {path: (mode, content) for path, (mode, content) in found.items()}

    def _opened(self, release: Release, workload: Workload, sealed: str) -> str:
        return self._vault.open(sealed, seal_of(release.project, release.environment, workload.name))


def _part(release: Release, name: str) -> Workload | None:
    if name in release.jobs:
        return release.jobs[name].workload
    found = release.workloads.get(name)
    return None if found is None or found.is_database or found.static is not None else found

"""A pushed commit (or a release that was live before) -> the release that is wanted, complete and sealed."""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

from hostess.domain import labels
from hostess.domain.environments import with_settings
from hostess.domain.host_limits import above_host
from hostess.domain.hostess_yml.file import parse, stack_for
from hostess.domain.hostess_yml.openings import refuse_closed
from hostess.domain.hostess_yml.stack import Job, Service, ServiceType, Stack
from hostess.domain.hostess_yml.unsupported import refuse_unsupported
from hostess.domain.ports import Clock, Engine, Journal, Repositories, TreeLimits, Vault
from hostess.domain.problem import Problem
from hostess.domain.releases.counts import as_scaled
from hostess.domain.releases.fingerprint import fingerprint, seal_of
from hostess.domain.releases.push import Say
from hostess.domain.releases.release import Deployment, Release, ReleaseJob, StaticSite, Workload
from hostess.domain.releases.rollback import check_data
from hostess.services.building.builder import Builder, Source
from hostess.services.building.lost_images import LostImages
from hostess.services.building.static_sites import StaticSites, static_services
from hostess.services.building.tree_values import TreeValues
from hostess.services.databases.workloads import (
    DatabaseWorkloads,
    Made,
    after_poolers,
    databases_used,
    images_of,
    poolers_used,
)
from hostess.services.deploying.renewal import Renewal
from hostess.services.environment_values import Context, EnvironmentValues
from hostess.services.routing.host_names import HostNames, Hosts
from hostess.services.routing.route_values import RouteValues

FILE = "hostess.yml"
FILE_LIMIT = 64 * 1024

Files = Mapping[str, tuple[int, str]]
"""Path inside the container -> mode and content in base64."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A checked stack on its way to a release: nothing is built yet. *build_secrets*: service or job -> id -> value."""

    stack: Stack
    text: str
    hosts: Hosts
    notes: tuple[str, ...] = ()
    build_secrets: Mapping[str, Mapping[str, str]] = field(default_factory=dict, repr=False)


class Preparation:
    """Reads, checks and resolves; builds through the builder. It changes nothing that serves."""

    def __init__(  # noqa: PLR0913, PLR0917 -- the composition root names what it needs, once
        self,
        repositories: Repositories,
        journal: Journal,
        engine: Engine,
        images: LostImages,
        vault: Vault,
        clock: Clock,
        builder: Builder,
        values: EnvironmentValues,
        tree: TreeValues,
        sites: StaticSites,
        databases: DatabaseWorkloads,
        asked: RouteValues,
        renewal: Renewal,
        openable: Collection[ServiceType],
        *,
        instance: str,
        base_domain: str,
        own_hosts: Mapping[str, tuple[str, str, str]],
    ) -> None:
        self._repositories = repositories
        self._journal = journal
        self._engine = engine
        self._images = images
        self._vault = vault
        self._clock = clock
        self._builder = builder
        self._values = values
        self._tree = tree
        self._sites = sites
        self._databases = databases
        self._asked = asked
        self._renewal = renewal
        self._openable = openable
        self._instance = instance
        self._hosts = HostNames(journal, base_domain, own_hosts)

    async def read(self, project: str, commit: str) -> tuple[Stack, str]:
        """Return the stack of a commit and its text; InvalidStack lists every mistake."""
        raw = await self._repositories.read_file(project, commit, FILE, FILE_LIMIT)
        if raw is None:
            raise Problem(
                "no-hostess-yml",
                f"there is no {FILE} at the root of the pushed commit",
                remedy="add one (the smallest: `services: {web: {type: fastapi, build: {source: .}}}`), commit and push again",
            )
        kept = await self._journal.environment_settings(project)
        return with_settings(parse(raw, FILE), kept), raw.decode()

    async def draft(self, deployment: Deployment, stack: Stack, text: str, *, builds: bool = True) -> Draft:
        """Check everything that can be known before a build: bounds, unsupported parts, hosts, secrets (of builds where it *builds*)."""
        await self._repositories.check_tree(deployment.project, deployment.commit, TreeLimits())
        stack, notes = await self._databases.as_kept(deployment, stack_for(stack, deployment.environment))
        refuse_unsupported(stack)
        refuse_closed(stack, text, FILE, self._openable)
        hosts = await self._hosts.of(deployment, stack)
        project, environment = deployment.project, deployment.environment
        await self._values.check_secrets(project, environment, stack)
        handed = await self._values.build_secrets(project, environment, stack, text, FILE) if builds else {}
        stack = await self._with_env_files(deployment, stack)
        for part in _parts(stack):
            await self._files(deployment, part)
        for service in stack.services.values():
            await self._asked.of(deployment, service)
        return Draft(stack, text, hosts, tuple(notes), handed)

    async def _with_env_files(self, deployment: Deployment, stack: Stack) -> Stack:
        """Return the stack with the variables of `env_file` in `env`, as the text that they are."""
        services, jobs = dict(stack.services), dict(stack.jobs)
        for service in stack.services.values():
            values = await self._tree.env(deployment.project, deployment.commit, service)
            services[service.name] = replace(service, env={**_literal(values), **service.env})
        for job in stack.jobs.values():
            values = await self._tree.env(deployment.project, deployment.commit, job)
            jobs[job.name] = replace(job, env={**_literal(values), **job.env})
        return replace(stack, services=services, jobs=jobs)

    async def from_draft(self, deployment: Deployment, draft: Draft, say: Say, *, fresh: bool) -> Release:
        """Build what is missing and return the wanted release."""
        facts = await self._engine.facts()
        for notice in (*draft.notes, *above_host(draft.stack, facts.cpus, facts.memory)):
            say(f"       note: {notice}")
        source = _source(deployment, draft, fresh=fresh)
        images = await self._builder.images(source, buildable(draft.stack), say)
        sites: dict[str, StaticSite] = {}
        live = await self._journal.live(deployment.project, deployment.environment)
        if static_services(draft.stack):
            env = await self._values.resolve(draft.stack, await self._context(deployment, draft))
            sites = await self._sites.publish(source, draft.stack, env, say)
            sites = {name: site.after(_site_of(live, name)) for name, site in sites.items()}
        return await self._release(deployment, draft, images, sites, restarted=_restarts(live))

    async def unbuilt(self, deployment: Deployment, draft: Draft) -> tuple[Release, tuple[str, ...]]:
        """Return what `from_draft` would, without building or numbering anything, and the services that are not built yet."""
        source = _source(deployment, draft)
        images = await self._builder.known(source, buildable(draft.stack))
        found = {name: image or "not built yet" for name, image in images.items()}
        env = await self._values.resolve(draft.stack, await self._context(deployment, draft))
        known = await self._sites.known(source, draft.stack, env)
        sites = {name: site or StaticSite("not built yet") for name, site in known.items()}
        live = await self._journal.live(deployment.project, deployment.environment)
        release = await self._release(deployment, draft, found, sites, restarted=_restarts(live), number=0)
        return release, tuple(name for name, made in {**images, **known}.items() if made is None)

    async def restarted(self, deployment: Deployment, live: Release, services: tuple[str, ...]) -> Release:
        """Return the live release with today's secrets and fresh containers of *services* (none given: of all but databases)."""
        chosen = services or tuple(n for n, w in live.workloads.items() if not w.is_database)
        unknown = [name for name in chosen if name not in live.workloads]
        if unknown:
            raise Problem("service-not-found", f"{live.title} has no service {unknown[0]}", remedy="see `hostess ps`")
        return await self.refreshed(deployment, live, restarted=dict.fromkeys(chosen, deployment.id))

    async def refreshed(
        self, deployment: Deployment, live: Release, *, restarted: Mapping[str, str] | None = None
    ) -> Release:
        """Return the live release with today's secrets and credentials; who has none that changed is the same as before."""
        deployment = replace(deployment, commit=live.commit)
        draft = await self.draft(deployment, parse(live.file, FILE), live.file, builds=False)
        images = {name: workload.image for name, workload in live.workloads.items()}
        images |= {name: job.workload.image for name, job in live.jobs.items()}
        nonces = {**_restarts(live), **(restarted or {})}
        sites = {name: workload.static for name, workload in live.workloads.items() if workload.static is not None}
        release = await self._release(deployment, draft, images, sites, restarted=nonces)
        return as_scaled(release, live)

    async def renumbered(self, release: Release) -> Release:
        """Return *release* under a new number: same images (made again where they were removed), environment and secret versions."""
        for workload in release.workloads.values():
            if workload.static is not None:
                await self._sites.need(workload.name, workload.static, release.title)
        live = await self._journal.live(release.project, release.environment)
        owned = labels.of_place(self._instance, release.project, release.environment)
        check_data(release, live, await self._engine.volumes(owned))
        number = await self._journal.next_number(release.project, release.environment)
        workloads = {
            name: replace(w, static=w.static.after(_site_of(live, name)))
            if w.static
            else replace(w, image=await self._images.image(release, w))
            for name, w in release.workloads.items()
        }
        return replace(release, number=number, created_at=self._clock.now(), workloads=workloads)

    async def brought_back(self, deployment: Deployment, release: Release, live: Release | None, say: Say) -> Release:
        """Return a release of before under a new number, with the passwords of today in place of those that were rotated since."""
        outdated = await self._renewal.outdated(release)
        if outdated:
            deployment = replace(deployment, commit=release.commit)
            draft = await self.draft(deployment, parse(release.file, FILE), release.file, builds=False)
            today = await self._values.resolve(draft.stack, await self._context(deployment, draft))
            say(f"       {', '.join(outdated)}: with the passwords of databases of today, for they were rotated since")
            release = await self._renewal.renewed(release, outdated, today)
        return await self.renumbered(await self._renewal.with_servers_of(release, live))

    async def _release(
        self,
        deployment: Deployment,
        draft: Draft,
        images: Mapping[str, str],
        sites: Mapping[str, StaticSite],
        *,
        restarted: Mapping[str, str],
        number: int | None = None,
    ) -> Release:
        project, environment = deployment.project, deployment.environment
        env = await self._values.resolve(draft.stack, await self._context(deployment, draft))
        files = {part.name: await self._files(deployment, part) for part in _parts(draft.stack)}
        workloads = {}
        for service in draft.stack.services.values():
            name = service.name
            if service.is_database:
                parts = await self._databases.of(deployment, service, images, draft.hosts.get(name, {}))
            elif service.type is ServiceType.STATIC:
                # What its environment says is in the files already, and nothing else ever reads it.
                parts = [Made(self._static(service, sites[name], draft), {}, files[name])]
            else:
                parts = [Made(self._app(deployment, service, images[name], draft), env[name], files[name])]
            proxy = await self._asked.of(deployment, service)
            for made in parts:
                workload = replace(made.workload, restarted=restarted.get(made.workload.name, ""), proxy=proxy)
                workloads[workload.name] = self._sealed(deployment, workload, made.env, made.files)
        return Release(
            project=project,
            environment=environment,
            number=await self._journal.next_number(project, environment) if number is None else number,
            commit=deployment.commit,
            created_at=self._clock.now(),
            workloads=workloads,
            file=draft.text,
            jobs={
                job.name: await self._job(
                    deployment, after_poolers(job, draft.stack), images[job.name], env[job.name], files[job.name]
                )
                for job in draft.stack.jobs.values()
            },
        )

    async def _context(self, deployment: Deployment, draft: Draft) -> Context:
        tag = await self._repositories.tag_of(deployment.project, deployment.commit)
        return Context(deployment, tag or deployment.commit[:7], draft.hosts)

    def _static(self, service: Service, site: StaticSite, draft: Draft) -> Workload:
        return Workload(
            name=service.name,
            type=service.type,
            image="",
            spec="",
            sealed_env="",
            replicas=0,
            cpu=0.0,
            memory=0,
            singleton=False,
            ports=tuple(port.number for port in service.ports),
            hosts=draft.hosts.get(service.name, {}),
            depends_on=tuple(service.depends_on),
            static=site,
            sign_in=service.team_ports,
        )

    async def _job(
        self, deployment: Deployment, job: Job, image: str, env: Mapping[str, str], files: Files
    ) -> ReleaseJob:
        workload = Workload(
            name=job.name,
            type=ServiceType.CUSTOM,
            image=image,
            spec="",
            sealed_env="",
            replicas=0,
            cpu=job.resources.cpu,
            memory=job.resources.memory,
            singleton=True,
            command=job.command,
            entrypoint=job.entrypoint,
        )
        sealed = self._sealed(deployment, workload, env, files)
        # A job that runs once does not run again because somebody rotated a password.
        unchanged = await self._values.unrotated(deployment, env)
        return ReleaseJob(
            workload=replace(sealed, spec=self._vault.digest(fingerprint(workload, unchanged, files))),
            run=job.run,
            depends_on=job.depends_on,
            schedule=job.schedule,
            timeout=job.timeout,
            retries=job.retries,
            concurrency=job.concurrency,
        )

    async def _files(self, deployment: Deployment, part: Service | Job) -> Files:
        return await self._tree.files(deployment.project, deployment.environment, deployment.commit, part)

    def _sealed(self, deployment: Deployment, workload: Workload, env: Mapping[str, str], files: Files) -> Workload:
        bound_to = seal_of(deployment.project, deployment.environment, workload.name)
        return replace(
            workload,
            sealed_env=self._vault.seal(json.dumps(dict(env)), bound_to),
            sealed_files=self._vault.seal(json.dumps(dict(files)), bound_to) if files else "",
            spec=self._vault.digest(fingerprint(workload, env, files)),
        )

    def _app(self, deployment: Deployment, service: Service, image: str, draft: Draft) -> Workload:
        volumes = {self._volume(deployment, service.name, mount.name): mount.path for mount in service.persistence}
        return Workload(
            name=service.name,
            type=service.type,
            image=image,
            spec="",
            sealed_env="",
            replicas=max(service.replicas.low, 1),  # what may sleep begins awake
            scaling=service.replicas if service.replicas.scales else None,
            cpu=service.resources.cpu,
            memory=service.resources.memory,
            singleton=service.is_singleton,
            command=service.command,
            entrypoint=service.entrypoint,
            ports=tuple(port.number for port in service.ports),
            hosts=draft.hosts.get(service.name, {}),
            health=service.health,
            backups=service.backups,
            volumes=volumes,
            owners={mount.path: mount.owner for mount in service.persistence if mount.owner},
            depends_on=(*service.depends_on, *poolers_used(service, draft.stack)),
            databases=databases_used(service, draft.stack),
            init=service.lifecycle.init,
            migrate=service.lifecycle.migrate,
            post_deploy=service.lifecycle.post_deploy,
            shutdown=service.lifecycle.shutdown,
            sign_in=service.team_ports,
        )

    def _volume(self, deployment: Deployment, service: str, mount: str) -> str:
        return labels.volume_name(self._instance, deployment.project, deployment.environment, service, mount)


def _parts(stack: Stack) -> list[Service | Job]:
    return [*stack.services.values(), *stack.jobs.values()]


def _source(deployment: Deployment, draft: Draft, *, fresh: bool = False) -> Source:
    return Source(deployment.project, deployment.commit, fresh, deployment.environment, draft.build_secrets)


def buildable(stack: Stack) -> dict[str, Service]:
    """Return everything that has an image: services, and jobs as the services that they would be."""
    jobs = {
        job.name: Service(job.name, ServiceType.CUSTOM, job.resources, build=job.build, image=job.image)
        for job in stack.jobs.values()
    }
    static = {service.name for service in static_services(stack)}
    return {name: part for name, part in {**stack.services, **images_of(stack), **jobs}.items() if name not in static}


def _literal(values: Mapping[str, str]) -> dict[str, str]:
    """Return values that mean themselves where magic variables are resolved."""
    return {name: value.replace("${", "$${") for name, value in values.items()}


def _site_of(release: Release | None, name: str) -> StaticSite | None:
    workload = release.workloads.get(name) if release else None
    return workload.static if workload else None


def _restarts(release: Release | None) -> dict[str, str]:
    """Return which restart the containers of each service come from: those that were restarted by hand are not stale for that."""
    return {name: workload.restarted for name, workload in release.workloads.items()} if release else {}

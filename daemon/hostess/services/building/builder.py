"""Services of a pushed tree -> image ids: what was built from the same content before is never built again."""

import asyncio
import hashlib
import json
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from weakref import WeakValueDictionary

from hostess.domain import labels
from hostess.domain.hostess_yml.stack import Build, Service
from hostess.domain.ports import (
    BuildOrder,
    BuildSecrets,
    Clock,
    Engine,
    EngineFacts,
    Journal,
    Meter,
    Railpack,
    Repositories,
)
from hostess.domain.ports.repositories import NO_FILES
from hostess.domain.problem import Problem
from hostess.domain.recognisers import dockerfiles
from hostess.domain.recognisers.secret_mounts import wants_secrets
from hostess.domain.registries import base_images
from hostess.domain.releases.push import Say
from hostess.domain.room import short_of, strained
from hostess.domain.settings import BuildSettings
from hostess.services.building.generated_builds import GeneratedBuilds
from hostess.services.building.railpack_builds import RailpackBuilds
from hostess.services.building.registries import Registries

MOST_DOCKERFILE = 1024**2
LOOK_AGAIN = 5.0
PATIENCE = timedelta(minutes=5)
"""How long a build waits for a host that is short of memory to get well."""


@dataclass(frozen=True, slots=True)
class Source:
    """The tree that is built: *fresh* means `-o no-cache`.

    *secrets*: name of a service or job -> id -> value of what its build may read; they are those of *environment*.
    """

    project: str
    commit: str
    fresh: bool = False
    environment: str = ""
    secrets: Mapping[str, Mapping[str, str]] = field(default_factory=dict, repr=False)


class Builder:
    """Makes or finds the image of every service. Builds run one after the other (`build.concurrency`), limited."""

    def __init__(  # noqa: PLR0913 -- wired in one place
        self,
        engine: Engine,
        repositories: Repositories,
        journal: Journal,
        meter: Meter,
        clock: Clock,
        *,
        settings: BuildSettings,
        railpack: Railpack,
        registries: Registries,
    ) -> None:
        self._engine = engine
        self._repositories = repositories
        self._generated_builds = GeneratedBuilds(repositories)
        self._railpack_builds = RailpackBuilds(railpack, engine)
        self._journal = journal
        self._meter = meter
        self._clock = clock
        self._settings = settings
        self._registries = registries
        self._slots = asyncio.Semaphore(settings.concurrency)
        # A lock lives as long as somebody builds by its key, or waits to.
        self._building: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def images(self, source: Source, services: Mapping[str, Service], say: Say) -> dict[str, str]:
        """Return service -> image id for every service that has `build:`, `source:` or `image:`; all are looked at before one is built.

        Problems: "build-failed", "image-not-found", "dockerfile-missing", "build-context-missing", "disk-short", and those of
        `recognition.recognise` where there is no Dockerfile.
        """
        works = await self._works(source, services)
        result: dict[str, str] = {}
        made: dict[str, str] = {}
        for service in services.values():
            if (work := works.get(service.name)) is not None:
                for line in work.lines:
                    say(f"       {service.name}: {line}")
                if work.key not in made:
                    made[work.key] = await self.built(source, work, say)
                else:
                    say(f"       {service.name}: same source as another service, built once")
                result[service.name] = made[work.key]
                await self._engine.tag(made[work.key], _tag(source, work))
            elif service.image is not None:
                result[service.name] = (await self._registries.image(service.image, say)).id
        return result

    async def known(self, source: Source, services: Mapping[str, Service]) -> dict[str, str | None]:
        """Return what `images` would without building or pulling: None for an image that is not there yet."""
        works = await self._works(source, services)
        result: dict[str, str | None] = {}
        for service in services.values():
            if service.name in works:
                built = await self._journal.built(works[service.name].key)
                result[service.name] = built if built and await self._engine.image(built) else None
            elif service.image is not None:
                found = await self._engine.image(service.image)
                result[service.name] = found.id if found else None
        return result

    async def _works(self, source: Source, services: Mapping[str, Service]) -> dict[str, "Work"]:
        works = {}
        for service in services.values():
            if service.build is not None:
                works[service.name] = await self._written(source, service.name, service.build)
            elif service.source is not None:
                works[service.name] = await self._generated(source, service, service.source)
        return works

    async def _written(self, source: Source, name: str, build: Build) -> "Work":
        """Return the build by a Dockerfile of the pushed tree."""
        place = f"services.{name}.build.source"
        context = await self.context(source, place, build.source, build.dockerfile)
        path = build.dockerfile if build.source in {".", ""} else f"{build.source}/{build.dockerfile}"
        if await self._repositories.tree_id(source.project, source.commit, path) is None:
            raise Problem(
                "dockerfile-missing",
                f"services.{name}.build: there is no {path} in the pushed commit",
                remedy="commit a Dockerfile there, or name it in build.dockerfile",
            )
        text = await self._repositories.read_file(source.project, source.commit, path, MOST_DOCKERFILE)
        dockerfile = (text or b"").decode(errors="replace")
        handed = wants_secrets(dockerfile, path, build.secrets, name) or bool(build.secrets)
        told = sorted(build.args.items())
        if handed:
            # What was made with one environment's secrets is not given to another; none of the names can be an argument's.
            told += [
                ("environment:", source.environment),
                *sorted((f"secret:{k}", v) for k, v in build.secrets.items()),
            ]
        key = digest(source.project, context, build.dockerfile, told)
        owner = f"{await self._journal.instance()}/{source.project}/{source.environment}"
        secrets = BuildSecrets(owner, source.secrets.get(name, {}))
        return Work(name, key, build.source, build.dockerfile, args=build.args, secrets=secrets if handed else None)

    async def _generated(self, source: Source, service: Service, path: str) -> "Work":
        """Return the build by Railpack, or else by a Dockerfile that is written for what the folder holds."""
        version = await self._railpack_builds.version()
        if version is not None:
            return await self._packed(source, service, path, version)
        tree = await self._tree(source, f"services.{service.name}.source", path)
        made = await self._generated_builds.of(source.project, source.commit, tree, service)
        context = await self.context(source, f"services.{service.name}.source", path, dockerfiles.NAME, made.extra)
        key = digest(source.project, context, made.dockerfile, [])
        return Work(service.name, key, path, dockerfiles.NAME, extra=made.extra, lines=made.lines)

    async def _packed(self, source: Source, service: Service, path: str, version: str) -> "Work":
        await self._tree(source, f"services.{service.name}.source", path)
        ignore = ".dockerignore" if path in {".", ""} else f"{path}/.dockerignore"
        written = await self._repositories.tree_id(source.project, source.commit, ignore)
        extra = NO_FILES if written else {f"{dockerfiles.NAME}.dockerignore": dockerfiles.IGNORED.encode()}
        context = await self.context(source, f"services.{service.name}.source", path, dockerfiles.NAME, extra)
        commanded = service.command is not None or service.entrypoint is not None
        key = digest(source.project, context, f"railpack {version}", [("commanded", str(commanded))])
        lines = (f"Railpack {version} builds it",)
        return Work(
            service.name, key, path, dockerfiles.NAME, extra=extra, lines=lines, railpack=True, commanded=commanded
        )

    async def _tree(self, source: Source, place: str, path: str) -> str:
        return _there(await self._repositories.tree_id(source.project, source.commit, path), place, path)

    async def context(
        self, source: Source, place: str, path: str, dockerfile: str, extra: Mapping[str, bytes] = NO_FILES
    ) -> str:
        """Return a digest of what is sent for a build; Problem "build-context-missing" names *place*."""
        found = await self._repositories.context_id(source.project, source.commit, path, dockerfile, extra)
        return _there(found, place, path)

    async def built(self, source: Source, work: "Work", say: Say) -> str:
        """Return the image of one build, made unless it is there."""
        async with self._building.setdefault(work.key, asyncio.Lock()):
            known = None if source.fresh else await self._journal.built(work.key)
            if known is not None and await self._engine.image(known) is not None:
                say(f"       {work.name}: unchanged, image {_short(known)}")
                return known
            if self._slots.locked():
                say(f"       {work.name}: waiting for another build to end")
            async with self._slots:
                image = await self._make(source, work, say)
            await self._journal.remember_build(work.key, image, source.project, self._clock.now())
            say(f"       {work.name}: built image {_short(image)}")
            return image

    async def _make(self, source: Source, work: "Work", say: Say) -> str:
        facts = await self._engine.facts()
        await self._room(work, facts, say)
        by = (
            "Railpack"
            if work.railpack
            else "a generated Dockerfile: `hostess detect` shows it"
            if work.extra
            else work.dockerfile
        )
        say(f"-----> building {work.name} from {work.path} ({by})")
        order = BuildOrder(
            tag=_tag(source, work),
            context=lambda: self._repositories.context(
                source.project, source.commit, work.path, work.dockerfile, work.extra
            ),
            dockerfile=work.dockerfile,
            args=work.args,
            labels={**labels.of_project(await self._journal.instance(), source.project), labels.BUILD: work.key},
            cpus=self._settings.cpus or max(facts.cpus / 2, 0.5),
            memory=self._settings.memory or facts.memory // 2,
            timeout=self._settings.timeout,
            no_cache=source.fresh,
            secrets=work.secrets,
        )
        try:
            if work.railpack:
                cache = f"hostess-{source.project}"
                logins = await self._registries.logins()
                return await self._railpack_builds.build(
                    order, say, cache=cache, commanded=work.commanded, logins=logins
                )
            await self._fetch_bases(source, work, say)
            return await self._engine.build(order, say)
        except Problem as problem:
            what = f"the build of {work.name} failed: {problem.what}"
            shown = (
                f"; its Dockerfile is what `hostess detect {work.path}` prints"
                if work.extra and not work.railpack
                else ""
            )
            raise Problem(problem.code, what, remedy=problem.remedy + shown, tail=problem.tail) from problem

    async def _fetch_bases(self, source: Source, work: "Work", say: Say) -> None:
        """Fetch what the Dockerfile, theirs or ours, begins with from registries that are signed in at."""
        text = work.extra.get(work.dockerfile)
        if text is None:
            path = work.dockerfile if work.path in {".", ""} else f"{work.path}/{work.dockerfile}"
            text = await self._repositories.read_file(source.project, source.commit, path, MOST_DOCKERFILE)
        references = base_images((text or b"").decode(errors="replace"), work.args)
        await self._registries.prepare(references, lambda line: say(f"       {line}"))

    async def _room(self, work: "Work", facts: EngineFacts, say: Say) -> None:
        """Wait while the host is short of memory, and begin nothing that it has no room for.

        Problems: "disk-short", "memory-short", "host-strained".
        """
        until, told = self._clock.now() + PATIENCE, False
        while why := strained(self._meter.figures().strain):
            if self._clock.now() >= until:
                raise Problem(
                    "host-strained",
                    f"{work.name} is not built: {why}",
                    remedy="scale something down, or give the host more memory, then push again; `hostess usage` shows what uses it",
                )
            if not told:
                say(f"       {work.name}: waiting until the host has memory again ({why})")
                told = True
            await self._clock.sleep(LOOK_AGAIN)
        _, available = self._meter.memory()
        if lack := short_of(self._meter.free_disk(facts.root), available):
            raise lack


@dataclass(frozen=True, slots=True)
class Work:
    """One build, decided: what is sent to the engine, and *key*, by which its image is found again.

    *railpack*: Railpack makes it, and there is no Dockerfile; *commanded*: hostess.yml says what starts.
    """

    name: str
    key: str
    path: str
    dockerfile: str
    args: Mapping[str, str] = field(default_factory=dict)
    extra: Mapping[str, bytes] = field(default_factory=dict)
    lines: tuple[str, ...] = ()
    railpack: bool = False
    commanded: bool = False
    secrets: BuildSecrets | None = None


def _there(found: str | None, place: str, path: str) -> str:
    if found is None:
        raise Problem(
            "build-context-missing",
            f"{place}: there is no folder {path!r} in the pushed commit",
            remedy=f"commit the folder, or correct {place.split('.', 2)[2]} in hostess.yml",
        )
    return found


def digest(project: str, tree: str, dockerfile: str, args: Sequence[tuple[str, str]]) -> str:
    """Return the key of a build: equal keys give equal images."""
    content = json.dumps([project, tree, dockerfile, args, platform.machine()])
    return hashlib.sha256(content.encode()).hexdigest()


def _tag(source: Source, work: Work) -> str:
    return f"hostess/{source.project}/{work.name}:{work.key[:12]}"


def _short(image: str) -> str:
    return image.removeprefix("sha256:")[:12]

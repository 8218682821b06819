"""Services of a pushed tree -> image ids: what was built from the same content before is never built again."""

import asyncio
import hashlib
import json
import platform
from collections.abc import Mapping
from dataclasses import dataclass

from hostess.domain import labels
from hostess.domain.ports import BuildOrder, Clock, Engine, EngineFacts, Journal, Meter, Repositories
from hostess.domain.problem import Problem
from hostess.domain.push import Say
from hostess.domain.settings import BuildSettings
from hostess.domain.stack import Build, Service

MIN_FREE_DISK = 1024**3
MIN_FREE_MEMORY = 256 * 1024**2


@dataclass(frozen=True, slots=True)
class Source:
    """The tree that is built: *fresh* means `-o no-cache`."""

    project: str
    commit: str
    fresh: bool = False


class Builder:
    """Makes or finds the image of every service. Builds run one after the other (`build.concurrency`), limited."""

    def __init__(
        self,
        engine: Engine,
        repositories: Repositories,
        journal: Journal,
        meter: Meter,
        clock: Clock,
        *,
        settings: BuildSettings,
    ) -> None:
        self._engine = engine
        self._repositories = repositories
        self._journal = journal
        self._meter = meter
        self._clock = clock
        self._settings = settings
        self._slots = asyncio.Semaphore(settings.concurrency)
        self._building: dict[str, asyncio.Lock] = {}

    async def images(self, source: Source, services: Mapping[str, Service], say: Say) -> dict[str, str]:
        """Return service -> image id for every service that has `build:` or `image:`.

        Problems: "build-failed", "image-not-found", "dockerfile-missing", "build-context-missing", "disk-short".
        """
        result: dict[str, str] = {}
        made: dict[str, str] = {}
        for service in services.values():
            if service.build is not None:
                key = await self._key(source, service.name, service.build)
                if key not in made:
                    made[key] = await self._build(source, service, key, say)
                else:
                    say(f"       {service.name}: same source as another service, built once")
                result[service.name] = made[key]
                await self._engine.tag(made[key], f"hostess/{source.project}/{service.name}:{key[:12]}")
            elif service.image is not None:
                result[service.name] = await self.image(service.image, say)
        return result

    async def known(self, source: Source, services: Mapping[str, Service]) -> dict[str, str | None]:
        """Return what `images` would without building or pulling: None for an image that is not there yet."""
        result: dict[str, str | None] = {}
        for service in services.values():
            if service.build is not None:
                result[service.name] = await self._journal.built(await self._key(source, service.name, service.build))
            elif service.image is not None:
                found = await self._engine.image(service.image)
                result[service.name] = found.id if found else None
        return result

    async def image(self, reference: str, say: Say) -> str:
        """Return the id of a ready-made image: the local one of that name, else pulled."""
        found = await self._engine.image(reference)
        if found is None:
            say(f"       pulling {reference}")
            found = await self._engine.pull(reference, say)
        return found.id

    async def _key(self, source: Source, name: str, build: Build) -> str:
        tree = await self._repositories.tree_id(source.project, source.commit, build.source)
        if tree is None:
            raise Problem(
                "build-context-missing",
                f"services.{name}.build.source: there is no folder {build.source!r} in the pushed commit",
                remedy="commit the folder, or correct build.source in hostess.yml",
            )
        path = build.dockerfile if build.source in {".", ""} else f"{build.source}/{build.dockerfile}"
        if await self._repositories.tree_id(source.project, source.commit, path) is None:
            raise Problem(
                "dockerfile-missing",
                f"services.{name}.build: there is no {path} in the pushed commit",
                remedy="commit a Dockerfile there, or name it in build.dockerfile",
            )
        content = json.dumps([source.project, tree, build.dockerfile, sorted(build.args.items()), platform.machine()])
        return hashlib.sha256(content.encode()).hexdigest()

    async def _build(self, source: Source, service: Service, key: str, say: Say) -> str:
        async with self._building.setdefault(key, asyncio.Lock()):
            known = None if source.fresh else await self._journal.built(key)
            if known is not None and await self._engine.image(known) is not None:
                say(f"       {service.name}: unchanged, image {_short(known)}")
                return known
            if self._slots.locked():
                say(f"       {service.name}: waiting for another build to end")
            async with self._slots:
                image = await self._make(source, service, key, say)
            await self._journal.remember_build(key, image, source.project, self._clock.now())
            say(f"       {service.name}: built image {_short(image)}")
            return image

    async def _make(self, source: Source, service: Service, key: str, say: Say) -> str:
        build = service.build
        assert build is not None  # noqa: S101 -- the caller asked only for what is built
        facts = await self._engine.facts()
        self._check_room(facts)
        say(f"-----> building {service.name} from {build.source} ({build.dockerfile})")
        order = BuildOrder(
            tag=f"hostess/{source.project}/{service.name}:{key[:12]}",
            context=lambda: self._repositories.context(source.project, source.commit, build.source, build.dockerfile),
            dockerfile=build.dockerfile,
            args=build.args,
            labels={**labels.of_project(await self._journal.instance(), source.project), labels.BUILD: key},
            cpus=self._settings.cpus or max(facts.cpus / 2, 0.5),
            memory=self._settings.memory or facts.memory // 2,
            timeout=self._settings.timeout,
            no_cache=source.fresh,
        )
        try:
            return await self._engine.build(order, say)
        except Problem as problem:
            what = f"the build of {service.name} failed: {problem.what}"
            raise Problem(problem.code, what, remedy=problem.remedy, tail=problem.tail) from problem

    def _check_room(self, facts: EngineFacts) -> None:
        free = self._meter.free_disk(facts.root)
        if free < MIN_FREE_DISK:
            raise Problem(
                "disk-short",
                f"only {free // 1024**2} MB are free where images are kept; a build needs at least {MIN_FREE_DISK // 1024**2} MB",
                remedy="free some space (`hostess gc` removes images that no kept release needs), then push again",
            )
        _, available = self._meter.memory()
        if available < MIN_FREE_MEMORY:
            raise Problem(
                "memory-short",
                f"only {available // 1024**2} MB of memory are available; a build needs at least {MIN_FREE_MEMORY // 1024**2} MB",
                remedy="scale something down, or build on a larger host, then push again",
            )


def _short(image: str) -> str:
    return image.removeprefix("sha256:")[:12]

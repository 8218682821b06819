"""Static services of a pushed tree -> folders of files that the proxy serves: copied from git, or built and taken out of an image."""

import asyncio
import hashlib
import io
import json
import tarfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from types import MappingProxyType

from hostess.domain import labels
from hostess.domain.hostess_yml.references import is_secret, references
from hostess.domain.hostess_yml.stack import Service, ServiceType, Stack
from hostess.domain.ports import Container, Engine, Journal, Repositories, Sites
from hostess.domain.problem import Problem
from hostess.domain.recognisers import dockerfiles
from hostess.domain.releases.push import Say
from hostess.domain.releases.release import StaticSite
from hostess.services.building.builder import Builder, Source, Work, digest
from hostess.services.building.generated_builds import GeneratedBuilds

PAGES = (".html", ".htm")
PAGE_BYTES = 16 * 1024**2
FORMAT = 1
"""Counts up when the same source is to make other files than before."""

_EVERYTHING = MappingProxyType({f"{dockerfiles.NAME}.dockerignore": b"# a site is served as it is\n"})
Env = Mapping[str, Mapping[str, str]]


class StaticSites:
    """Makes or finds the files of static services. Equal sources share a folder, which never changes."""

    def __init__(
        self, engine: Engine, repositories: Repositories, journal: Journal, builder: Builder, sites: Sites
    ) -> None:
        self._engine = engine
        self._repositories = repositories
        self._journal = journal
        self._builder = builder
        self._sites = sites
        self._generated = GeneratedBuilds(repositories)

    async def publish(self, source: Source, stack: Stack, env: Env, say: Say) -> dict[str, StaticSite]:
        """Return service -> site for the static services of *stack*; their files are on disk then. *env* is resolved.

        Problems: "source-missing", "secret-in-site", "build-script-missing", those of builds and of `Sites.put`.
        """
        result = {}
        for service in static_services(stack):
            key = await self._publish(source, stack, service, env.get(service.name, {}), say)
            result[service.name] = StaticSite(key, spa=bool(service.special.get("spa")))
        return result

    async def known(self, source: Source, stack: Stack, env: Env) -> dict[str, StaticSite | None]:
        """Return what `publish` would without building or copying: None for what has to be built first."""
        result: dict[str, StaticSite | None] = {}
        for service in static_services(stack):
            key = await self._page(source, service) or await self._copy(source, service)
            if key is None:
                work = await self._work(source, stack, service, env.get(service.name, {}))
                image = await self._journal.built(work.key)
                key = _key("image", image) if image else None
            result[service.name] = StaticSite(key, spa=bool(service.special.get("spa"))) if key else None
        return result

    async def need(self, service: str, site: StaticSite, title: str) -> None:
        """Raise Problem "files-gone" unless the files of a site are still there."""
        if not await self._sites.has(site.key):
            raise Problem(
                "files-gone",
                f"the files of {service} in {title} are no longer on this host",
                remedy="push that commit again to make them anew",
            )

    async def _publish(self, source: Source, stack: Stack, service: Service, env: Mapping[str, str], say: Say) -> str:
        name = service.name
        key, archive, below = await self._ready(source, service)
        if key is not None:
            if await self._sites.has(key):
                say(f"       {name}: unchanged, its files are there")
                return key
            say(f"-----> copying {name} from {service.source}")
            if not await self._put(service, key, archive, below):
                say(f"       note: {name} has no index.html, so its address alone leads to nothing")
            return key
        work = await self._work(source, stack, service, env)
        known = None if source.fresh else await self._journal.built(work.key)
        if known is not None and await self._sites.has(_key("image", known)):
            say(f"       {name}: unchanged, its files are there")
            return _key("image", known)
        for line in work.lines:
            say(f"       {name}: {line}")
        image = await self._builder.built(source, work, say)
        key = _key("image", image)
        if not await self._sites.has(key):
            await self._engine.export(image, f"/{dockerfiles.SITE}", partial(self._taken, service, key))
        say(f"       {name}: {_output(service, 'dist')} is ready to be served")
        return key

    async def _ready(self, source: Source, service: Service) -> tuple[str | None, Callable[[], Iterable[bytes]], str]:
        """Return the key of files that need no build, what gives them, and the folder in it; no key where a build makes them."""
        path = service.source or "."
        if (page := await self._page(source, service)) is not None:
            content = await self._repositories.read_file(source.project, source.commit, path, PAGE_BYTES) or b""
            return page, partial(_one_page, content), "."
        archive = partial(
            self._repositories.context, source.project, source.commit, path, dockerfiles.NAME, _EVERYTHING
        )
        return await self._copy(source, service), archive, _output(service, ".")

    def _taken(self, service: Service, key: str, archive: Iterable[bytes]) -> None:
        with _named(service):
            self._sites.put(key, archive, dockerfiles.SITE)

    async def _put(self, service: Service, key: str, archive: Callable[[], Iterable[bytes]], below: str) -> bool:
        """Put files away, unless they are there; return whether there is a page at the site's own address."""

        def work() -> bool:
            with _named(service):
                return self._sites.put(key, archive(), below)

        return await asyncio.to_thread(work)

    async def _page(self, source: Source, service: Service) -> str | None:
        """Return the key of a source that is one page; None for a folder."""
        path = service.source or "."
        if not path.lower().endswith(PAGES):
            return None
        content = await self._repositories.read_file(source.project, source.commit, path, PAGE_BYTES)
        return _key("page", hashlib.sha256(content).hexdigest()) if content is not None else None

    async def _copy(self, source: Source, service: Service) -> str | None:
        """Return the key of a folder that is served as it is; None for one that is built."""
        path = service.source or "."
        if "package.json" in await self._repositories.files(source.project, source.commit, path, 1):
            return None
        found = await self._repositories.context_id(source.project, source.commit, path, dockerfiles.NAME, _EVERYTHING)
        if found is None:
            raise Problem(
                "source-missing",
                f"services.{service.name}.source: there is no folder or page {path!r} in the pushed commit",
                remedy="commit it, or correct source in hostess.yml",
            )
        return _key("copy", found, _output(service, "."))

    async def _work(self, source: Source, stack: Stack, service: Service, env: Mapping[str, str]) -> Work:
        """Return the build of a Node project; what is in its environment ends in files that everybody can read."""
        path = service.source or "."
        secret = [
            f"{name} ({reference})"
            for name, value in service.env.items()
            for reference in references(value)
            if is_secret(reference, stack.services)
        ]
        if secret:
            raise Problem(
                "secret-in-site",
                f"services.{service.name}.env: {', '.join(secret)} would end in files that everybody can read",
                remedy="take it out: what a page needs secrets for has to be done by another service that it asks",
            )
        made = await self._generated.of_site(source.project, source.commit, service, tuple(sorted(env)))
        place = f"services.{service.name}.source"
        context = await self._builder.context(source, place, path, dockerfiles.NAME, made.extra)
        key = digest(source.project, context, made.dockerfile, sorted(env.items()))
        return Work(service.name, key, path, dockerfiles.NAME, args=env, extra=made.extra, lines=made.lines)


def static_services(stack: Stack) -> list[Service]:
    """Return the static services, in the order of the file."""
    return [service for service in stack.services.values() if service.type is ServiceType.STATIC]


def leftovers(containers: Iterable[Container]) -> list[str]:
    """Return the containers that files were being taken out of when the daemon died."""
    return [c.id for c in containers if labels.BUILD in c.labels and labels.ENVIRONMENT not in c.labels]


def _output(service: Service, default: str) -> str:
    return str(service.special.get("output") or default)


def _key(*parts: str) -> str:
    return hashlib.sha256(json.dumps([FORMAT, *parts]).encode()).hexdigest()


def _one_page(content: bytes) -> Iterable[bytes]:
    info = tarfile.TarInfo("index.html")
    info.size = len(content)
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        tar.addfile(info, io.BytesIO(content))
    return [buffer.getvalue()]


@contextmanager
def _named(service: Service) -> Iterator[None]:
    """Let a Problem name the service."""
    try:
        yield
    except Problem as problem:
        raise Problem(problem.code, f"services.{service.name}: {problem.what}", remedy=problem.remedy) from problem

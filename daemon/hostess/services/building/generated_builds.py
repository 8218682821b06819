"""A service's `source:` -> what it is built from: a folder of the commit that is recognised, and the Dockerfile that is written for it."""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, replace

from hostess.domain.hostess_yml.stack import Service
from hostess.domain.ports import Repositories
from hostess.domain.problem import Problem
from hostess.domain.recognisers import dockerfiles, node
from hostess.domain.recognisers.recognition import DEPTH, recognise, wanted
from hostess.domain.recognisers.values import Folder, Purpose

_IGNORE = ".dockerignore"
_REMEMBERED = 200


@dataclass(frozen=True, slots=True)
class Generated:
    """A Dockerfile that was written, the files that go into the build context with it, and what to tell."""

    dockerfile: str
    lines: tuple[str, ...]
    ignored: str = ""

    @property
    def extra(self) -> Mapping[str, bytes]:
        """Name -> content of what goes into the context; an ignore file only where the folder has none."""
        files = {dockerfiles.NAME: self.dockerfile.encode()}
        return {**files, f"{dockerfiles.NAME}{_IGNORE}": self.ignored.encode()} if self.ignored else files


class GeneratedBuilds:
    """Recognises source folders. What was recognised in a tree is remembered, since equal trees hold the same."""

    def __init__(self, repositories: Repositories) -> None:
        self._repositories = repositories
        self._known: dict[tuple[str, str, Purpose], Generated] = {}

    async def of(self, project: str, commit: str, tree: str, service: Service) -> Generated:
        """Return how the folder `source` of *commit*, whose tree is *tree*, becomes the image of *service*.

        Problems: those of `recognise`, each with the service's name.
        """
        purpose = purpose_of(service)
        key = (project, tree, purpose)
        if key not in self._known:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            self._known[key] = await self._written(project, commit, service, purpose)
        return self._known[key]

    async def _written(self, project: str, commit: str, service: Service, purpose: Purpose) -> Generated:
        source = service.source or "."
        folder = await self._folder(project, commit, source)
        try:
            recipe = recognise(folder, purpose)
        except Problem as problem:
            raise Problem(
                problem.code, f"services.{service.name}.source ({source}): {problem.what}", remedy=problem.remedy
            ) from problem
        start = f"; start: {recipe.start.shown}" if recipe.start else "; start: the command in hostess.yml"
        return Generated(
            dockerfile=dockerfiles.dockerfile(recipe, project),
            lines=(f"recognised {recipe.summary}{start}", *recipe.notices),
            ignored="" if folder.has(_IGNORE) else dockerfiles.IGNORED,
        )

    async def of_site(self, project: str, commit: str, service: Service, arguments: tuple[str, ...]) -> Generated:
        """Return how the Node project in `source` becomes the files of a static service; *arguments* are the build's.

        Problems: "build-script-missing", "package-json-invalid".
        """
        folder = await self._folder(project, commit, service.source or ".")
        recipe = node.recipe(folder, replace(purpose_of(service), commanded=True))
        written = service.special.get("build_command")
        command = ("sh", "-c", str(written)) if written else recipe.build
        if not command:
            raise Problem(
                "build-script-missing",
                f"services.{service.name}.source ({service.source}): package.json has no `build` script",
                remedy="add one, or set special.build_command",
            )
        recipe = replace(recipe, build=command)
        output = str(service.special.get("output") or "dist")
        return Generated(
            dockerfile=dockerfiles.site(recipe, project, output, arguments),
            lines=(f"recognised {recipe.summary}; {shlex.join(command)} makes {output}", *recipe.notices),
            ignored="" if folder.has(_IGNORE) else dockerfiles.IGNORED,
        )

    async def _folder(self, project: str, commit: str, source: str) -> Folder:
        files = frozenset(await self._repositories.files(project, commit, source, DEPTH))
        prefix = "" if source in {".", ""} else f"{source}/"
        limits = {f"{prefix}{name}": limit for name, limit in wanted(files).items()}
        read = await self._repositories.read_files(project, commit, limits)
        return Folder(files, {path.removeprefix(prefix): text(content) for path, content in read.items()})


def purpose_of(service: Service) -> Purpose:
    """Return what a service's folder is to become."""
    port = service.ports[0].number if service.ports else None
    commanded = service.command is not None or service.entrypoint is not None
    return Purpose(service.type, port, commanded, tuple(mount.path for mount in service.persistence))


def text(content: bytes) -> str:
    """Return a file's bytes as text, whatever they are."""
    return content.decode("utf-8-sig", errors="replace")

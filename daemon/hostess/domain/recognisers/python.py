"""Python projects: which tool installs them, which version of Python they want, what starts them."""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from hostess.domain.hostess_yml.stack import ServiceType
from hostess.domain.recognisers import asgi, requirements
from hostess.domain.recognisers.requirements import table
from hostess.domain.recognisers.start import of_procfile
from hostess.domain.recognisers.values import Folder, Installer, Purpose, PythonRecipe, Start

MANIFESTS = (
    "uv.lock",
    "poetry.lock",
    "Pipfile.lock",
    "Pipfile",
    "requirements.txt",
    "pyproject.toml",
    "setup.py",
)
TOLD_BY = ("pyproject.toml", ".python-version", "runtime.txt", "Procfile", *MANIFESTS)
SCRIPTS = ("main.py", "app.py")
_PLAIN = re.compile(r"[ -~]+")


def is_project(folder: Folder) -> bool:
    """Whether there is a file that lists a Python project's dependencies."""
    return folder.first(*MANIFESTS) is not None


def start(folder: Folder, purpose: Purpose) -> Start | None:
    """Return what serves: the Procfile's web process, else the FastAPI application, else a script at the root."""
    if procfile := of_procfile(folder):
        return procfile
    pyproject = requirements.toml(folder.text("pyproject.toml"))
    entry = table(pyproject, "tool", "fastapi").get("entrypoint")
    if isinstance(entry, str) and re.fullmatch(r"[\w.]+:\w+", entry):
        return Start(asgi.Application(entry, "").command(purpose.port), "pyproject.toml", ("uvicorn",))
    if application := asgi.find(folder):
        return Start(application.command(purpose.port), application.file, ("uvicorn",), application.path)
    if purpose.type is ServiceType.CUSTOM and (script := folder.first(*SCRIPTS)):
        return Start(("python", script), script)
    return None


def recipe(folder: Folder, purpose: Purpose) -> PythonRecipe:
    """Return how the project is installed, and started unless hostess.yml has the command."""
    pyproject = requirements.toml(folder.text("pyproject.toml"))
    made = _installation(folder, pyproject)
    dependencies = _dependencies(folder, made, pyproject)
    made = replace(
        made,
        version=requirements.python_version(folder, pyproject),
        system=requirements.system(dependencies, [folder.text(name) for name in (made.manifest, *made.early)]),
        port=purpose.port,
        writable=purpose.writable,
    )
    if purpose.commanded:
        return made
    found = start(folder, purpose)
    missing = tuple(name for name in (found.needs if found else ()) if name not in dependencies)
    notices = tuple(f"{name} is not among the dependencies: it is added, in its newest version" for name in missing)
    return replace(made, start=found, additions=missing, notices=(*made.notices, *notices))


def _installation(folder: Folder, pyproject: Mapping[str, Any]) -> PythonRecipe:
    manifest = folder.first(*MANIFESTS)
    early: tuple[str, ...]
    match manifest:
        case "uv.lock" if folder.has("pyproject.toml"):
            early = () if _needs_all(pyproject, "uv", "sources") else ("pyproject.toml", manifest)
            return PythonRecipe("", Installer.UV, manifest, early, installed="build-system" in pyproject)
        case "poetry.lock" if folder.has("pyproject.toml"):
            early = () if _needs_all(pyproject, "poetry", "dependencies") else ("pyproject.toml", manifest)
            return PythonRecipe("", Installer.POETRY, manifest, early, installed=_has_scripts(pyproject))
        case "Pipfile.lock" | "Pipfile":
            early = tuple(name for name in ("Pipfile", "Pipfile.lock") if folder.has(name))
            locked = folder.has("Pipfile.lock")
            return PythonRecipe(
                "", Installer.PIPENV, manifest, early, locked=locked, notices=_unlocked(locked, "pipenv lock")
            )
    if folder.has("requirements.txt"):
        early = requirements.included(folder, "requirements.txt") or ()
        return PythonRecipe("", Installer.PIP, "requirements.txt", early)
    if folder.has("pyproject.toml") or folder.has("setup.py"):
        return _project(folder, pyproject)
    return PythonRecipe("", Installer.NONE, "no list of dependencies")


def _project(folder: Folder, pyproject: Mapping[str, Any]) -> PythonRecipe:
    """Return how a project without a lock is installed: its dependencies alone, when nothing says how to build it."""
    manifest = "pyproject.toml" if folder.has("pyproject.toml") else "setup.py"
    listed = table(pyproject, "project").get("dependencies", [])
    plain = isinstance(listed, list) and all(isinstance(line, str) and _PLAIN.fullmatch(line) for line in listed)
    local = plain and any("file:" in line for line in listed)
    told = plain and not local and "project" in pyproject and "dependencies" not in _dynamic(pyproject)
    installed = "build-system" in pyproject or not told
    return PythonRecipe(
        "",
        Installer.PROJECT,
        manifest,
        requirements=tuple(line.strip() for line in listed) if told else (),
        installed=installed,
    )


def _dynamic(pyproject: Mapping[str, Any]) -> list[str]:
    dynamic = table(pyproject, "project").get("dynamic")
    return dynamic if isinstance(dynamic, list) else []


def _needs_all(pyproject: Mapping[str, Any], tool: str, key: str) -> bool:
    """Whether other folders of the project are among its dependencies."""
    sources = table(pyproject, "tool", tool, key).values()
    return bool(table(pyproject, "tool", tool, "workspace")) or any(
        isinstance(source, Mapping) and "path" in source for source in sources
    )


def _has_scripts(pyproject: Mapping[str, Any]) -> bool:
    return bool(table(pyproject, "project", "scripts") or table(pyproject, "tool", "poetry", "scripts"))


def _unlocked(locked: bool, command: str) -> tuple[str, ...]:  # noqa: FBT001 -- the only question it answers
    return () if locked else (f"there is no lock file: two builds may differ (`{command}` makes one)",)


def _dependencies(folder: Folder, made: PythonRecipe, pyproject: Mapping[str, Any]) -> set[str]:
    """Return the names of what is installed, as far as the files tell."""
    match made.installer:
        case Installer.UV | Installer.POETRY:
            found = requirements.locked(folder.text(made.manifest))
        case Installer.PIPENV:
            listed = table(requirements.toml(folder.text("Pipfile")), "packages")
            found = requirements.locked(folder.text("Pipfile.lock")) | requirements.names(listed)
        case Installer.PIP:
            files = made.early or ("requirements.txt",)
            found = requirements.names(line for name in files for line in folder.text(name).splitlines())
        case _:
            old = table(pyproject, "tool", "poetry", "dependencies")
            found = requirements.names([*made.requirements, *old])
    return found | ({"uvicorn"} if {"fastapi[standard]", "fastapi[all]"} & found else set())

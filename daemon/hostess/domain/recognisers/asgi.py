"""Where a FastAPI project keeps its application: `FastAPI(` in a Python file, and the module name that uvicorn imports it by."""

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from hostess.domain.problem import Problem
from hostess.domain.recognisers.values import Folder

_USUAL = ("app/main.py", "main.py", "src/app/main.py", "src/main.py", "app.py", "app/app.py", "app/__init__.py")
_USUAL_NAMES = ("app", "application", "api")
_PASSED = re.compile(
    r"(?:^|/)(?:tests?|docs|examples?|scripts|migrations|alembic|node_modules|\.[^/]*)/|(?:^|/)(?:test_[^/]*|conftest|setup)\.py$"
)
_MODULE = re.compile(r"(?:[\w-]+/)?(?:\w+/)*\w+\.py", re.ASCII)
_MADE = re.compile(r"^(\w+)\s*(?::[^=\n]+)?=\s*(?:\w+\.)?FastAPI\(", re.MULTILINE)
_FROM_FACTORY = re.compile(
    r"^(\w+)\s*(?::[^=\n]+)?=\s*(?:\w+\.)?(?:create|make|get|build)_(?:app|application)\(", re.MULTILINE
)
_FACTORY = re.compile(r"^def ((?:create|make|get|build)_(?:app|application)|app_factory)\(\s*\)", re.MULTILINE)
_CALLED = re.compile(r"\bFastAPI\(")
MOST = 60
"""As many Python files are looked into."""


@dataclass(frozen=True, slots=True)
class Application:
    """An ASGI application. *path* is the folder to import from, relative to the project ("" = the project)."""

    target: str
    file: str
    path: str = ""
    factory: bool = False

    def command(self, port: int | None) -> tuple[str, ...]:
        """Return how uvicorn serves it."""
        where = ("--host", "0.0.0.0", "--port", str(port or 8000))  # noqa: S104 -- inside a container of its own
        return ("uvicorn", *(("--factory",) if self.factory else ()), self.target, *where)


def candidates(files: Iterable[str]) -> list[str]:
    """Return the Python files that may hold the application, the likeliest first, at most MOST."""
    python = [path for path in files if _MODULE.fullmatch(path) and not _PASSED.search(path)]
    return sorted(python, key=_rank)[:MOST]


def find(folder: Folder) -> Application | None:
    """Return the application; None when no file has one. Problem "start-ambiguous" when several are equally likely."""
    for pattern, factory in ((_MADE, False), (_FROM_FACTORY, False), (_FACTORY, True)):
        found = {path: names for path in candidates(folder.files) if (names := _names(folder, path, pattern))}
        if pattern is _FACTORY:
            found = {path: names for path, names in found.items() if _CALLED.search(folder.text(path))}
        if found:
            return _chosen(folder, found, factory=factory)
    return None


def _names(folder: Folder, path: str, pattern: re.Pattern[str]) -> list[str]:
    return pattern.findall(folder.text(path))


def _chosen(folder: Folder, found: dict[str, list[str]], *, factory: bool) -> Application:
    best = min(map(_likelihood, found))
    likely = [path for path in found if _likelihood(path) == best]
    if len(likely) > 1:
        raise Problem(
            "start-ambiguous",
            f"several files make a FastAPI application: {', '.join(likely[:5])}",
            remedy=f"say which: `command: [uvicorn, {_module(folder, likely[0])[0]}:app, --host, 0.0.0.0, --port, ...]` in "
            "hostess.yml, or a `web:` line in a Procfile",
        )
    [path] = likely
    names = found[path]
    name = next((usual for usual in _USUAL_NAMES if usual in names), names[0])
    module, root = _module(folder, path)
    return Application(f"{module}:{name}", path, root, factory)


def _likelihood(path: str) -> tuple[int, int]:
    if path in _USUAL:
        return _USUAL.index(path), 0
    main = path.endswith(("/main.py", "/asgi.py")) or path == "asgi.py"
    return len(_USUAL) + (not main), path.count("/")


def _rank(path: str) -> tuple[int, int, str]:
    return (*_likelihood(path), path)


def _module(folder: Folder, path: str) -> tuple[str, str]:
    """Return the module's name and the folder to import it from.

    That is the project, unless the outermost folder is no package, and what stands in it is imported by the names it has there.
    """
    root, *inner = path.removesuffix(".py").removesuffix("/__init__").split("/")
    if not root.isidentifier():
        return ".".join(inner), root
    if inner and not folder.has(f"{root}/__init__.py") and not _imports(folder, path, {root}):
        beside = {other.split("/")[1].removesuffix(".py") for other in folder.files if other.startswith(f"{root}/")}
        package = len(inner) > 1 and folder.has(f"{root}/{inner[0]}/__init__.py")
        if root == "src" or package or _imports(folder, path, beside):
            return ".".join(inner), root
    return ".".join([root, *inner]), ""


def _imports(folder: Folder, path: str, names: Collection[str]) -> bool:
    """Whether the file imports something by one of *names*, so that they must be found."""
    imported = re.findall(r"^[ \t]*(?:from|import)[ \t]+(\w+)", folder.text(path), re.MULTILINE)
    return not set(names).isdisjoint(imported)

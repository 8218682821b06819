"""What kind of project a source folder holds, told by the names and contents of its files; pure.

The caller lists the folder, reads what `wanted` names, and hands both to `recognise`.
"""

import re
from collections.abc import Iterable

from hostess.domain.hostess_yml.stack import ServiceType
from hostess.domain.problem import Problem
from hostess.domain.recognisers import asgi, node, python
from hostess.domain.recognisers.start import of_procfile
from hostess.domain.recognisers.values import Folder, Purpose, PythonRecipe, Recipe

DEPTH = 4
"""Files in so many folders below each other are looked at."""
_LARGE, _SMALL = 4 * 1024**2, 256 * 1024  # lock files; everything else
_REQUIREMENTS = re.compile(r"(?:requirements/)?[\w.+-]+\.(?:txt|in)")
_MOST = 40
_NODE = ("node", "npm", "npx", "pnpm", "yarn", "next")
_OTHERS = {
    "go.mod": "Go",
    "Gemfile": "Ruby",
    "composer.json": "PHP",
    "Cargo.toml": "Rust",
    "mix.exs": "Elixir",
    "pom.xml": "Java",
    "build.gradle": "Java",
    "build.gradle.kts": "Java",
    "deno.json": "Deno",
}


def wanted(files: Iterable[str]) -> dict[str, int]:
    """Return which of *files* have to be read, a bounded number, and with how many bytes at most; larger ones are done without."""
    there = frozenset(files)
    named = [name for name in (*python.TOLD_BY, *node.TOLD_BY) if name in there]
    listed = sorted(name for name in there if _REQUIREMENTS.fullmatch(name))[:_MOST]
    small = dict.fromkeys([*listed, *asgi.candidates(there)], _SMALL)
    return small | {name: _LARGE if "lock" in name else _SMALL for name in named}


def recognise(folder: Folder, purpose: Purpose) -> Recipe:
    """Return how the folder becomes an image for *purpose*.

    Problems: "source-not-recognised" (says what was looked for), "source-is-static", "start-not-found", "start-ambiguous",
    "package-json-invalid".
    """
    match purpose.type:
        case ServiceType.NEXTJS:
            found = _next(folder, purpose)
        case ServiceType.FASTAPI:
            found = _fastapi(folder, purpose)
        case _:
            found = _custom(folder, purpose)
    if found.start is None and not purpose.commanded:
        raise _without_start(found, purpose)
    return found


def likely_type(folder: Folder) -> ServiceType:
    """Return the service type that suits the folder best."""
    if node.is_project(folder):
        content = node.package(folder)
        listed = [content.get(key) for key in ("dependencies", "devDependencies")]
        if any(isinstance(names, dict) and "next" in names for names in listed):
            return ServiceType.NEXTJS
    made = any("FastAPI(" in folder.text(path) for path in asgi.candidates(folder.files))
    return ServiceType.FASTAPI if made and python.is_project(folder) else ServiceType.CUSTOM


def _next(folder: Folder, purpose: Purpose) -> Recipe:
    if node.is_project(folder):
        return node.recipe(folder, purpose)
    raise Problem(
        "source-not-recognised",
        "type nextjs needs a package.json in its source folder, and there is none",
        remedy="correct `source`, or use `build:` with a Dockerfile",
    )


def _fastapi(folder: Folder, purpose: Purpose) -> Recipe:
    if python.is_project(folder):
        return python.recipe(folder, purpose)
    raise Problem(
        "source-not-recognised",
        f"type fastapi needs a list of its dependencies; looked for {', '.join(python.MANIFESTS)}, and found none of them",
        remedy="add a requirements.txt that names fastapi, or use `build:` with a Dockerfile",
    )


def _custom(folder: Folder, purpose: Purpose) -> Recipe:
    """Return the recipe of the language that has a start command; Python when both have one, or neither."""
    if node.is_project(folder):
        procfile = of_procfile(folder)
        by_node = procfile is not None and procfile.argv[0] in _NODE
        if not python.is_project(folder) or by_node or not (purpose.commanded or python.start(folder, purpose)):
            return node.recipe(folder, purpose)
    if (
        python.is_project(folder)
        or folder.first(*python.SCRIPTS)
        or (folder.has("Procfile") and any(path.endswith(".py") for path in folder.files))
    ):
        return python.recipe(folder, purpose)
    raise _unknown(folder)


def _unknown(folder: Folder) -> Problem:
    if folder.first("index.html", "index.htm", "public/index.html", "dist/index.html"):
        return Problem(
            "source-is-static",
            "the source folder holds static files (an index.html, and no package.json and no list of Python dependencies)",
            remedy="use `type: static` for it",
        )
    other = next((f"{name} ({language})" for name, language in _OTHERS.items() if folder.has(name)), None)
    seen = f"found {other}, and only Python and Node are built without a Dockerfile" if other else "found none of them"
    looked = ", ".join([*python.MANIFESTS, *python.SCRIPTS, "package.json"])
    return Problem(
        "source-not-recognised",
        f"looked for {looked}; {seen}",
        remedy="correct `source`, or write a Dockerfile and use `build:`",
    )


def _without_start(found: Recipe, purpose: Purpose) -> Problem:
    looked = {
        ServiceType.FASTAPI: "a Procfile with a `web:` line, and a Python file with `app = FastAPI(` at the start of a line",
        ServiceType.CUSTOM: "a Procfile with a `web:` line, a Python file with `app = FastAPI(`, main.py and app.py"
        if isinstance(found, PythonRecipe)
        else "a Procfile with a `web:` line, a start script or `main` in package.json, server.js, index.js and app.js",
    }.get(purpose.type, "a start script in package.json")
    return Problem(
        "start-not-found",
        f"recognised {found.summary}, but not what starts it; looked for {looked}",
        remedy="add one of these, or `command:` in hostess.yml",
    )

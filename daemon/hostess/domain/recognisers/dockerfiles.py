"""Recipes written as Dockerfiles: what generated builds are made with, and what `hostess detect` prints.

They are for every BuildKit since Docker 20.10 without a `# syntax` line: cache mounts, but no heredocs and no `COPY --link`.
"""

import json
import posixpath
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import groupby

from hostess.domain.recognisers.values import Installer, Manager, NodeRecipe, PythonRecipe, Recipe

NAME = "Dockerfile.hostess"
"""What the generated file is called in a build context; a file of that name in the pushed tree is not used."""

SITE = "site"
"""The folder of an image that holds the files of a static service."""

IGNORED = """\
.git
.gitignore
.hg
.github
**/node_modules
**/__pycache__
**/*.pyc
**/.venv
**/venv
**/.pytest_cache
**/.mypy_cache
**/.ruff_cache
**/.next
**/.env
**/.env.*
!**/.env.example
**/.DS_Store
"""
"""The .dockerignore of folders that have none."""


def dockerfile(recipe: Recipe, project: str) -> str:
    """Return the Dockerfile; caches are shared only by the builds of *project*."""
    lines = _python(recipe, project) if isinstance(recipe, PythonRecipe) else _node(recipe, project)
    head = f"# {recipe.summary}; written by Hostess. To change it, commit it as Dockerfile and use `build:`."
    return "\n".join([head, *lines, ""])


def site(recipe: NodeRecipe, project: str, output: str, arguments: Sequence[str]) -> str:
    """Return the Dockerfile of an image that holds nothing but the files which the project's build makes in *output*, in SITE.

    *arguments* are the build arguments that the build finds in its environment; the installation before it is kept without them.
    """
    made = posixpath.join("/app", output)
    advice = f"the build made no folder {output}: set special.output to the one it makes"
    lines = [
        f"# {recipe.summary}, static files; written by Hostess.",
        f"FROM node:{recipe.version}-slim AS build",
        "WORKDIR /app",
        *_system(recipe.system.build),
        *_node_installation(replace(recipe, build=(), pruned=False), _Caches(project)),
        *(f"ARG {name}" for name in arguments),
        f"RUN {shlex.join(recipe.build)}",
        f"RUN test -d {shlex.quote(made)} || {{ echo {shlex.quote(advice)}; exit 1; }}",
        "",
        "FROM scratch",
        f"COPY --from=build {json.dumps([made, f'/{SITE}'])}",
    ]
    return "\n".join([*lines, ""])


def _python(recipe: PythonRecipe, project: str) -> list[str]:
    image = f"FROM python:{recipe.version}-slim"
    writable = " ".join(map(shlex.quote, ("/app", *recipe.writable)))
    env = ["PATH=/venv/bin:$PATH", "PYTHONUNBUFFERED=1", "PYTHONDONTWRITEBYTECODE=1", "FORWARDED_ALLOW_IPS=*"]
    if recipe.start and recipe.start.path:
        env.append(f"PYTHONPATH=/app/{recipe.start.path}")
    return [
        f"{image} AS build",
        "WORKDIR /app",
        "ENV PATH=/venv/bin:$PATH PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_PROGRESS_BAR=off PIP_ROOT_USER_ACTION=ignore",
        *_system(recipe.system.build),
        "RUN python -m venv /venv",
        *_python_installation(recipe, _Caches(project)),
        "",
        image,
        "WORKDIR /app",
        *_system(recipe.system.run),
        f"RUN useradd --uid 1000 --create-home app && mkdir -p {writable} && chown app:app {writable}",
        _env(env, recipe.port),
        "COPY --from=build /venv /venv",
        "COPY --chown=app:app . .",
        "USER app",
        *_ending(recipe),
    ]


def _python_installation(recipe: PythonRecipe, caches: "_Caches") -> list[str]:
    """Return the steps that fill /venv: the tool, what it reads, the dependencies, what is missing, the project."""
    pip = f"RUN {caches.mount('pip', '/root/.cache/pip')} "
    uv = f"RUN {caches.mount('uv', '/root/.cache/uv')} "
    tool: list[str] = []
    itself, added = "", f"{pip}pip install "
    match recipe.installer:
        case Installer.UV:
            tool = [
                "ENV UV_PROJECT_ENVIRONMENT=/venv UV_LINK_MODE=copy UV_PYTHON_DOWNLOADS=never UV_COMPILE_BYTECODE=1",
                f"{pip}/usr/local/bin/pip install uv",
            ]
            sync = f"{uv}uv sync --frozen --no-dev"
            steps = [f"{sync} --no-install-project" if recipe.early else sync]
            itself, added = f"{sync} --inexact" if recipe.early else "", f"{uv}uv pip install --python /venv "
        case Installer.POETRY:
            tool = [f"{pip}/usr/local/bin/pip install poetry poetry-plugin-export"]
            steps = [f"{pip}poetry export --only main --output /tmp/locked.txt && pip install -r /tmp/locked.txt"]
            itself = f"{pip}pip install --no-deps ."
        case Installer.PIPENV:
            lock = "" if recipe.locked else "pipenv lock && "
            tool = ["ENV PIPENV_VERBOSITY=-1", f"{pip}/usr/local/bin/pip install pipenv"]
            steps = [f"{pip}{lock}pipenv requirements > /tmp/locked.txt && pip install -r /tmp/locked.txt"]
        case Installer.PIP:
            steps = [f"{pip}pip install -r {recipe.manifest}"]
        case _:
            named = " ".join(map(shlex.quote, recipe.requirements))
            steps, itself = [f"{pip}pip install {named}"] if named else [], f"{pip}pip install ."
    read = copies(recipe.early) if recipe.early else ["COPY . ."]
    before = read if steps and not recipe.requirements else []
    more = [added + " ".join(map(shlex.quote, recipe.additions))] if recipe.additions else []
    own = [*([] if before == ["COPY . ."] else ["COPY . ."]), itself] if recipe.installed and itself else []
    return [*tool, *before, *steps, *more, *own]


def _node(recipe: NodeRecipe, project: str) -> list[str]:
    image = f"FROM node:{recipe.version}-slim"
    writable = " ".join(map(shlex.quote, ("/app", *recipe.writable)))
    env = ["NODE_ENV=production", *(["NEXT_TELEMETRY_DISABLED=1"] if recipe.next else [])]
    # Next.js takes HOSTNAME for the address to listen on, and containers have one that is a name.
    env.append("HOSTNAME=0.0.0.0" if recipe.standalone else "PATH=/app/node_modules/.bin:$PATH")
    return [
        f"{image} AS build",
        "WORKDIR /app",
        *_system(recipe.system.build),
        *_node_installation(recipe, _Caches(project)),
        "",
        image,
        "WORKDIR /app",
        *_system(recipe.system.run),
        *(_package_manager(recipe, _Caches(project)) if _starts_by_it(recipe) else []),
        f"RUN mkdir -p {writable} && chown node:node {writable}",
        _env(env, recipe.port),
        *_node_files(recipe),
        "USER node",
        *_ending(recipe),
    ]


def _node_installation(recipe: NodeRecipe, caches: "_Caches") -> list[str]:
    cached = f"RUN {_node_cache(recipe.manager, caches)} "
    build = []
    if recipe.build:
        mount = f"{caches.mount('next', '/app/.next/cache')} " if recipe.next else ""
        build = [f"RUN {mount}{shlex.join(recipe.build)}"]
    prune = [f"{cached}{_PRUNE[recipe.manager]}"] if recipe.pruned and recipe.manager in _PRUNE else []
    return [
        "ENV PATH=/app/node_modules/.bin:$PATH" + (" NEXT_TELEMETRY_DISABLED=1" if recipe.next else ""),
        *_package_manager(recipe, caches),
        *(copies(recipe.early) if recipe.early else ["COPY . ."]),
        f"{cached}{_install(recipe)}",
        *(["COPY . ."] if recipe.early else []),
        *build,
        *prune,
    ]


_PRUNE = {
    Manager.NPM: "npm prune --omit=dev --ignore-scripts",
    Manager.PNPM: "CI=true pnpm install --store-dir /root/.pnpm --frozen-lockfile --prod --ignore-scripts",
    Manager.YARN: "yarn install --production --frozen-lockfile --ignore-scripts",
}


def _install(recipe: NodeRecipe) -> str:
    lean = recipe.lean
    match recipe.manager:
        case Manager.PNPM:
            frozen = " --frozen-lockfile" if recipe.locked else " --no-frozen-lockfile"
            return f"pnpm install --store-dir /root/.pnpm{frozen}" + (" --prod" if lean else "")
        case Manager.YARN:
            return "yarn install" + (" --frozen-lockfile" if recipe.locked else "") + (" --production" if lean else "")
        case Manager.BERRY:
            return "yarn install" + (" --immutable" if recipe.locked else " --no-immutable")
        case _:
            return ("npm ci" if recipe.locked else "npm install") + (" --omit=dev" if lean else "")


def _node_cache(manager: Manager, caches: "_Caches") -> str:
    match manager:
        case Manager.PNPM:
            return caches.mount("pnpm", "/root/.pnpm")
        case Manager.YARN | Manager.BERRY:
            return caches.mount("yarn", "/root/.yarn-cache")
        case _:
            return caches.mount("npm", "/root/.npm")


def _package_manager(recipe: NodeRecipe, caches: "_Caches") -> list[str]:
    """Return how another package manager than npm is got: by npm, since Corepack left Node, and asks more hosts than the registry."""
    if not recipe.program:
        return []
    env = {
        Manager.YARN: ["ENV YARN_CACHE_FOLDER=/root/.yarn-cache"],
        Manager.BERRY: [
            "ENV YARN_CACHE_FOLDER=/root/.yarn-cache YARN_ENABLE_GLOBAL_CACHE=false YARN_NODE_LINKER=node-modules"
        ],
    }.get(recipe.manager, [])
    # Forced, because many images of Node come with a yarn of their own.
    get = f"npm install --global --force --loglevel=error {recipe.program}"
    return [*env, f"RUN {caches.mount('npm', '/root/.npm')} {get}"]


def _starts_by_it(recipe: NodeRecipe) -> bool:
    """Whether the start command calls the package manager, so that it must be there, too."""
    return recipe.start is not None and bool({"pnpm", "yarn"} & set(" ".join(recipe.start.argv).split()))


def _node_files(recipe: NodeRecipe) -> list[str]:
    if not recipe.standalone:
        return ["COPY --from=build --chown=node:node /app ./"]
    return [
        *(["COPY --from=build --chown=node:node /app/public ./public"] if recipe.public else []),
        "COPY --from=build --chown=node:node /app/.next/standalone ./",
        "COPY --from=build --chown=node:node /app/.next/static ./.next/static",
    ]


def _system(packages: Sequence[str]) -> list[str]:
    if not packages:
        return []
    install = f"apt-get install --yes --no-install-recommends {' '.join(packages)}"
    return [f"RUN apt-get update && {install} && rm -rf /var/lib/apt/lists/*"]


def _env(values: Sequence[str], port: int | None) -> str:
    return "ENV " + " ".join([*values, *([f"PORT={port}"] if port else [])])


def _ending(recipe: Recipe) -> list[str]:
    expose = [f"EXPOSE {recipe.port}"] if recipe.port else []
    return [*expose, *([f"CMD {json.dumps(list(recipe.start.argv))}"] if recipe.start else [])]


def copies(paths: Iterable[str]) -> list[str]:
    """Return the COPY lines that bring each file to where it was."""
    folders = groupby(sorted(paths, key=lambda path: (posixpath.dirname(path), path)), key=posixpath.dirname)
    return [f"COPY {' '.join(names)} ./{folder + '/' if folder else ''}" for folder, names in folders]


class _Caches:
    """The cache mounts of one project: those of equal id are shared by everything on the host."""

    def __init__(self, project: str) -> None:
        self._project = project

    def mount(self, what: str, target: str) -> str:
        """Return the option of RUN."""
        return f"--mount=type=cache,id=hostess-{self._project}-{what},target={target}"

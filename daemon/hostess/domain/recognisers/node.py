"""Node projects: which package manager installs them, which version of Node they want, whether they are built, what starts them."""

import json
import re
from collections.abc import Mapping
from typing import Any

from hostess.domain.hostess_yml.stack import ServiceType
from hostess.domain.problem import Problem
from hostess.domain.recognisers.start import argv, of_procfile
from hostess.domain.recognisers.values import Folder, Manager, NodeRecipe, Purpose, Start, System
from hostess.domain.recognisers.versions import best

DEFAULT = "22"
LOCKS = ("pnpm-lock.yaml", "yarn.lock", "package-lock.json", "npm-shrinkwrap.json")
NEXT_CONFIGS = tuple(f"next.config.{ending}" for ending in ("js", "mjs", "cjs", "ts", "mts"))
TOLD_BY = ("package.json", ".nvmrc", ".node-version", "Procfile", *LOCKS[:2], *NEXT_CONFIGS)
_SERIES = ((22,), (24,), (20,), (23,), (21,), (18,), (19,), (16,), (26,), (25,))
_CODENAMES = {"iron": "20", "jod": "22", "hydrogen": "18", "gallium": "16", "krypton": "24"}
_OWN_SCRIPTS = ("preinstall", "install", "postinstall", "prepare")
_BESIDE = (".npmrc", ".yarnrc", ".yarnrc.yml", ".pnpmfile.cjs")
_STANDALONE = re.compile(r"""\boutput\b['"]?\s*:\s*['"`]standalone['"`]""")
_EXPORT = re.compile(r"""\boutput\b['"]?\s*:\s*['"`]export['"`]""")
_COMMENT = re.compile(r"/\*.*?(?:\*/|\Z)|^[ \t]*//[^\n]*", re.DOTALL | re.MULTILINE)


def is_project(folder: Folder) -> bool:
    """Whether there is a package.json."""
    return folder.has("package.json")


def package(folder: Folder) -> Mapping[str, Any]:
    """Return package.json; Problem "package-json-invalid" when it cannot be read as one."""
    try:
        content = json.loads(folder.text("package.json").removeprefix("\ufeff") or "{}")
    except (ValueError, RecursionError) as error:
        raise Problem("package-json-invalid", f"package.json is no JSON: {error}", remedy="correct it") from error
    return content if isinstance(content, dict) else {}


def start(folder: Folder, purpose: Purpose) -> Start | None:
    """Return what serves: the Procfile's web process, else Next.js, else package.json's start script, else server.js or its like."""
    if procfile := of_procfile(folder):
        return procfile
    content = package(folder)
    script = _scripts(content).get("start", "")
    if purpose.type is ServiceType.NEXTJS and script.split()[:2] in ([], ["next", "start"]):
        return _next_start(folder, purpose)
    if script:
        around = {"prestart", "poststart"} & _scripts(content).keys()
        words = ("npm", "start") if around else argv(script)
        return Start(words, "package.json's start script")
    main = content.get("main")
    told = (str(main), f"{main}.js") if isinstance(main, str) and re.fullmatch(r"[\w./-]+", main) else ()
    file = folder.first(*(name.removeprefix("./") for name in told), "server.js", "index.js", "app.js")
    return Start(("node", file), file) if file else None


def recipe(folder: Folder, purpose: Purpose) -> NodeRecipe:
    """Return how the project is installed, built, and started unless hostess.yml has the command."""
    content = package(folder)
    is_next = "next" in _names(content, "dependencies", "devDependencies")
    if purpose.type is ServiceType.NEXTJS:
        _check_next(folder, is_next=is_next)
    begun = None if purpose.commanded else start(folder, purpose)
    manager, lock = _manager(folder, content)
    build = "build" in _scripts(content) or purpose.type is ServiceType.NEXTJS
    own = bool(_scripts(content).keys() & set(_OWN_SCRIPTS))
    plain = begun is not None and _is_plain(begun, content)
    standalone = begun is not None and begun.told_by == _STANDALONE_START
    return NodeRecipe(
        version=_version(folder, content),
        manager=manager,
        manifest=lock or "package.json",
        early=_early(folder, content, lock, own=own),
        locked=lock is not None,
        program=_program(folder, content, manager),
        lean=plain and not build and not own,
        build=_build_command(content, manager) if build else (),
        pruned=plain and (build or own) and not standalone,
        next=is_next and purpose.type is ServiceType.NEXTJS,
        standalone=standalone,
        public=any(path.startswith("public/") for path in folder.files),
        start=begun,
        system=_PRISMA
        if _names(content, "dependencies", "devDependencies") & {"prisma", "@prisma/client"}
        else System(),
        port=purpose.port,
        writable=purpose.writable,
        notices=_notices(folder, lock),
    )


_PRISMA = System(("openssl",), ("openssl",))
_STANDALONE_START = "its standalone output"


def _next_start(folder: Folder, purpose: Purpose) -> Start:
    if _STANDALONE.search(_config(folder)):
        return Start(("node", "server.js"), _STANDALONE_START)
    return Start(("next", "start", "-H", "0.0.0.0", "-p", str(purpose.port or 3000)), "package.json")  # noqa: S104 -- in a container


def _check_next(folder: Folder, *, is_next: bool) -> None:
    if not is_next:
        raise Problem(
            "source-not-recognised",
            "type nextjs needs `next` among the dependencies in package.json, and it is not there",
            remedy="add it, or use `type: custom` for another kind of Node project",
        )
    if _EXPORT.search(_config(folder)):
        raise Problem(
            "source-is-static",
            "next.config says output: 'export', so that `next build` makes static files and nothing that could be started",
            remedy="use `type: static` for it, or take the line out of next.config",
        )


def _config(folder: Folder) -> str:
    return _COMMENT.sub("", folder.text(folder.first(*NEXT_CONFIGS) or ""))


def _scripts(content: Mapping[str, Any]) -> dict[str, str]:
    scripts = content.get("scripts")
    pairs = scripts.items() if isinstance(scripts, dict) else ()
    return {name: text.strip() for name, text in pairs if isinstance(text, str) and text.strip()}


def _names(content: Mapping[str, Any], *keys: str) -> set[str]:
    return {name for key in keys if isinstance(content.get(key), dict) for name in content[key]}


def _manager(folder: Folder, content: Mapping[str, Any]) -> tuple[Manager, str | None]:
    """Return the package manager and its lock file; where there are several locks, packageManager decides."""
    asked = str(content.get("packageManager", "")).partition("@")[0]
    locks = [lock for lock in LOCKS if folder.has(lock)]
    fitting = {"pnpm": LOCKS[:1], "yarn": LOCKS[1:2], "npm": LOCKS[2:]}.get(asked, LOCKS)
    lock = next((lock for lock in locks if lock in fitting), None)
    if lock == "pnpm-lock.yaml" or (lock is None and asked == "pnpm"):
        return Manager.PNPM, lock
    if lock == "yarn.lock" or (lock is None and asked == "yarn"):
        classic = "# yarn lockfile v1" in folder.text("yarn.lock")[:500] or "@1." in str(content.get("packageManager"))
        return (Manager.YARN if classic else Manager.BERRY), lock
    return Manager.NPM, lock


def _program(folder: Folder, content: Mapping[str, Any], manager: Manager) -> str:
    """Return the npm package that the package manager is got by, in the version that the project asks for; "" for npm itself."""
    asked = re.match(r"(?:pnpm|yarn)@(\d[\w.-]*)", str(content.get("packageManager", "")))
    lock = re.search(r"lockfileVersion:\s*'?(\d+)", folder.text("pnpm-lock.yaml"))
    usual = {"5": "7", "6": "8"}.get(lock[1] if lock else "", "10")
    name, version = {
        Manager.PNPM: ("pnpm", usual),
        Manager.YARN: ("yarn", "1"),
        Manager.BERRY: ("@yarnpkg/cli-dist", "4"),
        Manager.NPM: ("", ""),
    }[manager]
    return f"{name}@{asked[1] if asked else version}" if name else ""


def _early(folder: Folder, content: Mapping[str, Any], lock: str | None, *, own: bool) -> tuple[str, ...]:
    """Return the files that an installation reads; none when scripts of the project or other folders take part in it."""
    local = any(
        isinstance(version, str) and version.startswith(("file:", "link:", "workspace:", "portal:", "patch:"))
        for key in ("dependencies", "devDependencies", "optionalDependencies")
        for version in (content.get(key) or {}).values()
    )
    more = own or local or "workspaces" in content or folder.has("pnpm-workspace.yaml")
    if more or any(path.startswith((".yarn/", "patches/")) for path in folder.files):
        return ()
    return tuple(name for name in ("package.json", lock, *_BESIDE) if name and folder.has(name))


def _build_command(content: Mapping[str, Any], manager: Manager) -> tuple[str, ...]:
    if "build" not in _scripts(content):
        return ("next", "build")
    return ({Manager.NPM: "npm", Manager.PNPM: "pnpm"}.get(manager, "yarn"), "run", "build")


def _is_plain(begun: Start, content: Mapping[str, Any]) -> bool:
    """Whether nothing is needed to start but the dependencies: other commands may well come from the devDependencies."""
    words = begun.argv
    if words[0] == "next":
        return "next" in _names(content, "dependencies")
    return words[0] == "node" and not words[1].startswith("-")


def _notices(folder: Folder, lock: str | None) -> tuple[str, ...]:
    if lock is not None:
        return ()
    bun = " (Bun's is not used)" if folder.first("bun.lock", "bun.lockb") else ""
    return (f"there is no lock file{bun}: two builds may differ (`npm install` makes one)",)


def _version(folder: Folder, content: Mapping[str, Any]) -> str:
    for name in (".nvmrc", ".node-version"):
        asked = folder.text(name).strip().removeprefix("v")
        asked = _CODENAMES.get(asked.removeprefix("lts/").lower(), asked)
        if found := re.match(r"\d+", asked):
            return found[0]
    engines = content.get("engines")
    range_text = engines.get("node") if isinstance(engines, dict) else None
    allowed = best(range_text, _SERIES) if isinstance(range_text, str) else None
    return str(allowed[0]) if allowed else DEFAULT

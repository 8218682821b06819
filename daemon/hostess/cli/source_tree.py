"""What of a folder is uploaded: .gitignore files, .hostessignore (or .dockerignore), what is never sent, what hostess.yml needs.

The rules are those of the hostess.yml specification, section "Source upload rules".
"""

import os
import posixpath
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from hostess.adapters.engine.dockerignore import DockerIgnore
from hostess.cli.failure import USAGE, Failure
from hostess.domain.gitignore import GitIgnore
from hostess.domain.hostess_yml.stack import Job, Stack
from hostess.domain.problem import Problem

HOSTESS, DOCKER = ".hostessignore", ".dockerignore"
STACK_FILE = "hostess.yml"
_SAMPLES = (".example", ".sample", ".template")


@dataclass(frozen=True, slots=True)
class Source:
    """One file or symlink (*target*) that is uploaded; *path* is "/"-joined, below the root."""

    path: str
    size: int = 0
    executable: bool = False
    target: str | None = None


@dataclass
class Tree:
    """What is uploaded, by path, and what is left out with a reason that people should know."""

    sources: list[Source] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)


def never_sent(path: str) -> str:
    """Return the fixed rule that keeps *path* from ever being uploaded, "" for none."""
    for name in path.split("/"):
        if name in {".git", ".env"}:
            return name
        if name.startswith(".env.") and not name.endswith(_SAMPLES):
            return ".env.*"
    return ""


def needed(stack: Stack) -> dict[str, str]:
    """Return the paths that hostess.yml names, each with where it does: they are uploaded, or nothing is."""
    found: dict[str, str] = {}
    for kind, parts in (("services", stack.services), ("jobs", stack.jobs)):
        for part in parts.values():
            place = f"{kind}.{part.name}"
            if part.build is not None:
                found.setdefault(part.build.source, f"{place}.build.source")
                dockerfile = posixpath.join(part.build.source, part.build.dockerfile)
                found.setdefault(posixpath.normpath(dockerfile), f"{place}.build.dockerfile")
            if not isinstance(part, Job) and part.source is not None:
                found.setdefault(part.source, f"{place}.source")
            if not isinstance(part, Job) and part.proxy is not None and part.proxy.error_pages:
                found.setdefault(part.proxy.error_pages, f"{place}.proxy.error_pages")
            found |= {path: f"{place}.env_file" for path in part.env_file if path not in found}
            for file in part.files:
                if file.source is not None:
                    found.setdefault(file.source, f"{place}.files.{file.name}")
    return {posixpath.normpath(path): place for path, place in found.items()}


def tree(root: Path, required: Mapping[str, str]) -> Tree:
    """Return what is uploaded of *root*; Failure with every required path that is missing, or left out by a rule."""
    rules = _Rules(root, required)
    if rules.mistakes:
        count = len(rules.mistakes)
        raise Failure(
            rules.mistakes[0] if count == 1 else f"{count} paths that {STACK_FILE} needs cannot be uploaded",
            exit_code=USAGE,
            remedy=f"correct {STACK_FILE} or the rule; nothing was uploaded",
            tail=tuple(rules.mistakes) if count > 1 else (),
        )
    found = Tree()
    for source in _walk(root, "", rules, (), found.notices):
        found.sources.append(source)
    _leave_out_escaping(found)
    return found


class _Rules:
    """Whether a path is uploaded. *mistakes*: required paths that cannot be."""

    def __init__(self, root: Path, required: Mapping[str, str]) -> None:
        self._strict = (root / HOSTESS).is_file()
        name = HOSTESS if self._strict else DOCKER
        files = frozenset(path for path in required if (root / path).is_file())
        always = {STACK_FILE} if self._strict else {STACK_FILE, DOCKER, *files}
        try:
            self._ignore = DockerIgnore(_text(root / name), frozenset(always))
        except Problem as problem:
            raise Failure(f"{name}: {problem.what}", exit_code=USAGE) from problem
        self._required = frozenset(required) - {"."}
        self._above = {folder for path in self._required for folder in _folders(path)}
        self.mistakes = [fault for path, place in required.items() if (fault := self._fault(root, path, place))]
        if not self._strict:
            for path in self._required - files:
                self._ignore.lift(path)

    def asked_for(self, path: str) -> bool:
        """Whether hostess.yml names the path itself."""
        return path in self._required

    def leads_to_asked_for(self, path: str) -> bool:
        """Whether something below the path is named in hostess.yml."""
        return path in self._above

    def leaves_out(self, path: str, *, folder: bool) -> bool:
        """Whether .hostessignore, .dockerignore or a fixed rule leaves a path out; a folder only with all that is in it."""
        if never_sent(path):
            return True
        if not self._strict and self.asked_for(path):
            return False
        if folder and (self._ignore.includes or self.leads_to_asked_for(path)):
            return False
        return self._ignore.excludes(path)

    def _fault(self, root: Path, path: str, place: str) -> str:
        if rule := never_sent(path):
            instead = "; secrets belong into `hostess secrets`, other variables into a file of another name"
            return f"{place}: {path} is never uploaded (rule: {rule}){instead if place.endswith('.env_file') else ''}"
        if not (root / path).exists():
            return f"{place}: there is no {path}"
        if self._strict and path != "." and self._ignore.excludes(path):
            return f"{place}: {path} is left out by {HOSTESS} (rule: {self._ignore.rule(path)})"
        return ""


Chain = tuple[tuple[str, GitIgnore], ...]
"""The .gitignore files that hold in a folder, the deepest first, each with the folder it is in."""


def _walk(
    root: Path, folder: str, rules: _Rules, chain: Chain, notices: list[str], *, hidden: bool = False
) -> Iterator[Source]:
    """Yield what is uploaded of a folder. *hidden*: git leaves the folder out, only what hostess.yml names in it is uploaded."""
    own = GitIgnore(_text(root / folder / ".gitignore")) if not hidden else GitIgnore("")
    chain = ((folder, own), *chain)
    try:
        entries = sorted(os.scandir(root / folder), key=lambda entry: entry.name)
    except OSError as error:
        raise Failure(f"{folder or root} cannot be read: {error.strerror}", exit_code=USAGE) from error
    for entry in entries:
        path = posixpath.join(folder, entry.name)
        inside = entry.is_dir(follow_symlinks=False)
        if rules.leaves_out(path, folder=inside):
            continue
        out = not rules.asked_for(path) and (hidden or _git_leaves_out(chain, path, folder=inside))
        if inside:
            if not out or rules.leads_to_asked_for(path):
                yield from _walk(root, path, rules, chain, notices, hidden=out)
        elif not out or path == STACK_FILE:
            yield from _source(entry, path, notices)


def _git_leaves_out(chain: Chain, path: str, *, folder: bool) -> bool:
    for place, ignore in chain:
        decision = ignore.decision(path[len(place) :].lstrip("/"), folder=folder)
        if decision is not None:
            return decision
    return False


def _source(entry: os.DirEntry[str], path: str, notices: list[str]) -> Iterator[Source]:
    if entry.is_symlink():
        yield Source(path, target=str(Path(entry.path).readlink()))
        return
    found = entry.stat(follow_symlinks=False)
    if stat.S_ISREG(found.st_mode):
        yield Source(path, found.st_size, bool(found.st_mode & stat.S_IXUSR))
    else:
        notices.append(f"{path} is neither file, folder nor symlink, and left out")


def _leave_out_escaping(found: Tree) -> None:
    """Leave out symlinks that lead out of the tree; the daemon would refuse all of it for one of them."""
    from hostess.adapters.git.tree_check import escaping

    links = {source.path: source.target for source in found.sources if source.target is not None}
    while links and (path := escaping(links)) is not None:
        found.notices.append(f"the symlink {path} -> {links.pop(path)} leads out of the project, and is left out")
    found.sources = [source for source in found.sources if source.target is None or source.path in links]


def _folders(path: str) -> Iterator[str]:
    while path := posixpath.dirname(path):
        yield path


def _text(path: Path) -> str:
    """Return a file's text, "" when there is none."""
    try:
        return path.read_bytes().decode(errors="surrogateescape")
    except OSError:
        return ""

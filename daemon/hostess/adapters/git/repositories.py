"""The bare repositories, one per project: dulwich reads single objects and refs, git's plumbing what is many, large or written."""

import asyncio
import logging
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import lru_cache
from pathlib import Path

from dulwich.errors import NotTreeError
from dulwich.object_store import tree_lookup_path
from dulwich.objects import Commit, SubmoduleEncountered
from dulwich.refs import DiskRefsContainer, Ref
from dulwich.repo import Repo

from hostess.adapters.engine.context_tar import context_id, context_tar, inside
from hostess.adapters.git.import_tar import Feed, import_tar, sweep
from hostess.adapters.git.objects import find, listing, objects, run
from hostess.adapters.git.tree_check import check_tree
from hostess.domain.names import check_project_name
from hostess.domain.ports import NewCommit, TreeLimits
from hostess.domain.ports.repositories import NO_FILES
from hostess.domain.problem import Problem
from hostess.domain.releases.push import ZERO

_COMMIT_BYTES = 1024 * 1024  # a commit is read whole
_IMPORTS = 4  # threads of their own, since an upload takes as long as its sender does; others wait for their turn
_PACKS = 50  # as many pushes leave as many packs; more make every look-up slower
_log = logging.getLogger(__name__)
_CONFIG = """\
# Written by Hostess, and written again when it differs.
[core]
	repositoryformatversion = 0
	filemode = true
	bare = true
	# Larger blobs are neither compressed against others nor held in memory as a whole.
	bigFileThreshold = 16777216
	fsync = committed,loose-object,reference
	fsyncMethod = batch
	useReplaceRefs = false
[gc]
	auto = 0
[receive]
	# The hook proc-receive, and behind it the daemon, decides about branches and moves them, and deploys what is pushed to refs/deploy.
	procReceiveRefs = refs/heads
	procReceiveRefs = refs/deploy
	advertisePushOptions = true
	# A pushed pack is kept as it is; unpacked, large files would be compressed anew.
	unpackLimit = 1
	# Branches are moved one by one, so nothing can be promised about all of them together.
	advertiseAtomic = false
	autogc = false
	updateServerInfo = false
	maxInputSize = {max_pack}
	# While the hook is quiet, an empty packet per so many seconds keeps connections open.
	keepAlive = {keep_alive}
	fsckObjects = true
	hideRefs = refs/replace
[receive "fsck"]
	# Found in the history of many a healthy repository.
	missingSpaceBeforeDate = ignore
	zeroPaddedFilemode = ignore
	badTimezone = ignore
	missingTaggerEntry = ignore
[transfer]
	hideRefs = refs/hostess
[uploadpack]
	allowFilter = true
[pack]
	threads = 1
	windowMemory = 67108864
"""


class DulwichRepositories:
    """Repositories (domain/ports.py) below the folder *root*.

    *hook* is the program that git calls for each push (`hostess-proc-receive`); *max_pack* bounds what one push sends, in bytes;
    *keep_alive* is how many seconds a waiting pusher's connection may be silent.
    """

    def __init__(self, root: Path, hook: Path, *, max_pack: int = 2 * 1024**3, keep_alive: int = 5) -> None:
        self._root = root
        self._hook = hook
        self._config = _CONFIG.format(max_pack=max_pack, keep_alive=keep_alive)
        self._imports = ThreadPoolExecutor(_IMPORTS, "import")
        self._swept = False

    def path(self, project: str) -> Path:
        """Return the folder of a project's repository, whether it exists or not; Problem "invalid-name"."""
        check_project_name(project)
        return self._root / f"{project}.git"

    async def create(self, project: str) -> None:
        """Make the repository; bring hook and settings of an existing one up to date, and join its packs when there are many.

        A crash leaves the whole of it, or nothing.
        """
        await asyncio.to_thread(self._create, self.path(project))

    async def remove(self, project: str) -> None:
        """Delete a repository; an absent one is no error."""
        await asyncio.to_thread(_remove, self.path(project))

    async def commit_of(self, project: str, revision: str) -> str | None:
        """Return the commit id (40 hex) that an object id, ref or tag stands for; None when it is no commit."""
        found = await asyncio.to_thread(find, self._existing(project), f"{revision}^{{commit}}")
        if found is not None and found.size > _COMMIT_BYTES:
            raise Problem("commit-too-large", f"the commit {found.id[:12]} has a message of {found.size} bytes")
        return found.id if found else None

    async def read_file(self, project: str, commit: str, path: str, limit: int) -> bytes | None:
        """Return a file of the commit (through symlinks inside it), None when absent; Problem "file-too-large" beyond *limit* bytes."""
        return await asyncio.to_thread(
            _read_file, self._existing(project), f"{commit}:{inside(path, 'the path')}", path, limit
        )

    async def files(self, project: str, commit: str, path: str, depth: int) -> dict[str, int]:
        """Return the files below the folder *path* with their sizes, in *depth* folders at most; none when it is absent.

        Their paths are relative to the folder. Symlinks are files; submodules are left out.
        """
        return await asyncio.to_thread(_files, self._existing(project), commit, inside(path, "the path"), depth)

    async def read_files(self, project: str, commit: str, limits: Mapping[str, int]) -> dict[str, bytes]:
        """Return the files of the commit, of those named in *limits*, that are there and have at most so many bytes.

        Symlinks are followed inside the commit.
        """
        return await asyncio.to_thread(_read_files, self._existing(project), commit, limits)

    async def tree_id(self, project: str, commit: str, path: str) -> str | None:
        """Return the id of the tree (or blob) at *path* ("." = root), None when absent. Equal ids mean equal content."""
        return await asyncio.to_thread(_tree_id, self._existing(project), commit, inside(path, "the path"))

    async def check_tree(self, project: str, commit: str, limits: TreeLimits) -> None:
        """Problem when the tree breaks a bound, holds an unsafe path, a submodule, an LFS pointer or a symlink that escapes."""
        await asyncio.to_thread(check_tree, self._existing(project), commit, limits)

    async def context_id(
        self, project: str, commit: str, path: str, dockerfile: str, extra: Mapping[str, bytes] = NO_FILES
    ) -> str | None:
        """Return a digest of what `context` sends, None when there is no folder at *path*."""
        repository, name = self._existing(project), inside(dockerfile, "the Dockerfile")
        tree = await self.tree_id(project, commit, path)
        if tree is None:
            return None
        return await asyncio.to_thread(_context_id, repository, tree, name, tuple(extra.items()))

    def context(
        self, project: str, commit: str, path: str, dockerfile: str, extra: Mapping[str, bytes] = NO_FILES
    ) -> Iterator[bytes]:
        """Yield the tree at *path* as a tar stream, symlinks kept, `.dockerignore` honoured by Docker's rules. Blocking: use a thread.

        *dockerfile* is its path inside the context; *extra* are files at its root that are not in the tree, or stand in for what is.
        Problem "context-not-found", "path-unsafe", "dockerignore-invalid" at the first piece.
        """
        repository = self._existing(project)
        name = inside(dockerfile, "the Dockerfile")
        tree = _tree_id(repository, commit, inside(path, "the build context"))
        found = find(repository, tree) if tree else None
        if found is None or found.kind != "tree":
            raise Problem(
                "context-not-found", f"there is no folder {path} in commit {commit[:12]}", remedy="check build.source"
            )
        yield from context_tar(repository, found.id, name, extra)

    async def import_tree(
        self, project: str, words: NewCommit, archive: AsyncIterator[bytes], limits: TreeLimits
    ) -> str:
        """Make a commit of a tar archive (gzip or not) that comes in pieces; return its id. No ref leads to it."""
        repository, feed = self._existing(project), Feed(archive)
        if not self._swept:
            self._swept = True
            sweep(self._root)
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._imports, import_tar, repository, words, feed, limits)
        finally:
            feed.close()

    async def ref(self, project: str, ref: str) -> str | None:
        """Return the object id a ref points to."""
        return await asyncio.to_thread(_ref, self._existing(project), ref)

    async def move_ref(self, project: str, ref: str, old: str, new: str) -> bool:
        """Move a ref if it still is *old* (ZERO: absent); *new* ZERO deletes. False when it was something else.

        Problem "ref-refused" when git does not take it: not a ref's name, not a commit on a branch, `a` where `a/b` exists.
        """
        return await asyncio.to_thread(_move_ref, self._existing(project), ref, old, new)

    async def contains(self, project: str, descendant: str, ancestor: str) -> bool:
        """Whether *ancestor* can be reached from *descendant*; never, when either is missing."""
        done = await asyncio.to_thread(
            run, self._existing(project), "merge-base", "--is-ancestor", ancestor, descendant
        )
        return done.returncode == 0

    async def title(self, project: str, commit: str) -> str:
        """Return the first line of the commit's message."""
        return await asyncio.to_thread(_title, self._existing(project), commit)

    async def tag_of(self, project: str, commit: str) -> str | None:
        """Return a tag that points at the commit, if any (the first by name)."""
        arguments = ("for-each-ref", f"--points-at={commit}", "--count=1", "--format=%(refname:strip=2)", "refs/tags")
        done = await asyncio.to_thread(run, self._existing(project), *arguments)
        return done.stdout.strip() or None

    def _existing(self, project: str) -> Path:
        repository = self.path(project)
        if not repository.is_dir():
            raise Problem("project-not-found", f"there is no project {project}", remedy="push to it, or check its name")
        return repository

    def _create(self, repository: Path) -> None:
        if not repository.is_dir():
            self._root.mkdir(parents=True, exist_ok=True)
            new = Path(tempfile.mkdtemp(prefix=".new-", dir=self._root))
            done = run(new, "init", "--quiet", "--bare", "--template=", "--initial-branch=main")
            if done.returncode:
                raise OSError(f"git init failed: {done.stderr.strip()}")
            (new / "hooks").mkdir(exist_ok=True)
            self._refresh(new)
            try:
                new.rename(repository)
            except OSError:  # somebody else was faster; anything else shows below
                shutil.rmtree(new)
        self._refresh(repository)
        _tidy(repository)

    def _refresh(self, repository: Path) -> None:
        """Write settings and hook anew where they differ; a reader sees the old or the new, whole."""
        config = repository / "config"
        if config.read_text() != self._config:
            _replace(config, lambda beside: beside.write_text(self._config))
        hook = repository / "hooks" / "proc-receive"
        if not hook.is_symlink() or hook.readlink() != self._hook:
            _replace(hook, lambda beside: beside.symlink_to(self._hook))


def _replace(path: Path, make: Callable[[Path], object]) -> None:
    with tempfile.TemporaryDirectory(prefix=".new-", dir=path.parent) as beside:
        new = Path(beside) / path.name
        make(new)
        new.replace(path)


def _tidy(repository: Path) -> None:
    """Join the packs of a repository when there are many. Nothing is lost: not even what no ref leads to, such as a push that waits."""
    if sum(1 for _ in (repository / "objects" / "pack").glob("*.pack")) < _PACKS:
        return
    done = run(repository, "repack", "-d", "-q", "--geometric=2", "--no-write-bitmap-index", within=600)
    if done.returncode:
        _log.warning("the packs of %s were not joined: %s", repository.name, done.stderr.strip())


def _remove(repository: Path) -> None:
    if repository.is_dir():
        # Renamed first: what a crash leaves behind is no repository any more.
        gone = repository.with_name(f".{repository.name}.gone")
        shutil.rmtree(gone, ignore_errors=True)
        repository.rename(gone)
        shutil.rmtree(gone)


def _read_file(repository: Path, name: str, path: str, limit: int) -> bytes | None:
    with objects(repository) as blobs:
        opened = blobs.open(name)
        if opened is None or opened[0].kind != "blob":
            return None
        found, content = opened
        if found.size > limit:
            raise Problem("file-too-large", f"{path} has {found.size} bytes, {limit} are allowed")
        return b"".join(content)


def _files(repository: Path, commit: str, path: str, depth: int) -> dict[str, int]:
    tree = _tree_id(repository, commit, path)
    found = find(repository, tree) if tree else None
    if found is None or found.kind != "tree":
        return {}
    entries = (entry for entry in listing(repository, found.id) if not entry.is_submodule)
    return {entry.path: entry.size for entry in entries if entry.path.count("/") <= depth}


def _read_files(repository: Path, commit: str, limits: Mapping[str, int]) -> dict[str, bytes]:
    result = {}
    with objects(repository) as blobs:
        for path, limit in limits.items():
            opened = blobs.open(f"{commit}:{inside(path, 'the path')}")
            if opened is None:
                continue
            found, pieces = opened
            content = [piece for piece in pieces if found.size <= limit]
            if found.kind == "blob" and found.size <= limit:
                result[path] = b"".join(content)
    return result


def _tree_id(repository: Path, commit: str, path: str) -> str | None:
    with closing(Repo(repository)) as repo:
        at = repo[commit.encode()]
        if not isinstance(at, Commit):
            return None
        tree = at.tree
        if not path:
            return str(tree.decode())
        try:
            _, found = tree_lookup_path(repo.object_store.__getitem__, tree, path.encode(errors="surrogateescape"))
        except (KeyError, NotTreeError, SubmoduleEncountered):
            return None
        return str(found.decode())


def _title(repository: Path, commit: str) -> str:
    with closing(Repo(repository)) as repo:
        found = repo[commit.encode()]
        message = found.message if isinstance(found, Commit) else b""
    return message.strip().partition(b"\n")[0].decode(errors="replace").strip()


@lru_cache(maxsize=1024)
def _context_id(repository: Path, tree: str, dockerfile: str, extra: tuple[tuple[str, bytes], ...]) -> str:
    return context_id(repository, tree, dockerfile, dict(extra))


def _ref(repository: Path, ref: str) -> str | None:
    try:
        found = DiskRefsContainer(repository)[Ref(ref.encode(errors="surrogateescape"))]
    except KeyError:
        return None
    return found.decode()


def _move_ref(repository: Path, ref: str, old: str, new: str) -> bool:
    if new == ZERO and old == ZERO:
        return _ref(repository, ref) is None
    target = ("-d", ref) if new == ZERO else (ref, new)
    if not ref.startswith("refs/"):  # nothing that a pusher chose is taken for an option
        raise Problem("ref-refused", f"{ref!r} is not the full name of a ref")
    done = run(repository, "update-ref", "--no-deref", *target, old)
    if done.returncode == 0:
        return True
    if (_ref(repository, ref) or ZERO) != old:
        return False
    complaint = done.stderr.strip().removeprefix("fatal: ").removeprefix("error: ")
    raise Problem("ref-refused", f"git refuses to move {ref}: {complaint}")

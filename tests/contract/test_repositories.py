"""What every Repositories must do; real git makes the repositories' content."""

import io
import os
import subprocess
import tarfile
from pathlib import Path

import pytest

from hostess.adapters.git.repositories import DulwichRepositories
from hostess.domain.ports import Repositories, TreeLimits
from hostess.domain.problem import Problem
from hostess.domain.releases.push import ZERO

LIMITS = TreeLimits()
LFS = "version https://git-lfs.github.com/spec/v1\noid sha256:" + "0" * 64 + "\nsize 12345\n"


class Source:
    """A working copy whose commits go straight into the project "shop", past any hook."""

    def __init__(self, folder: Path, target: Path) -> None:
        folder.mkdir()
        self.folder = folder
        self.target = target
        self.git("init", "-q", "-b", "main")
        for key, value in (("user.name", "a"), ("user.email", "a@example.org"), ("core.protectNTFS", "false")):
            self.git("config", key, value)

    def git(self, *arguments: str, stdin: bytes = b"") -> str:
        """Run git here."""
        environment = {"PATH": os.environ["PATH"], "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull}
        done = subprocess.run(
            ["git", *arguments], cwd=self.folder, env=environment, input=stdin, capture_output=True, check=True
        )
        return done.stdout.decode(errors="surrogateescape").strip()

    def commit(self, files: dict[str, str | bytes] | None = None, message: str = "m", *, loose: bool = True) -> str:
        """Commit files (a text that begins with "-> " is a symlink) and send the objects; return the commit's id."""
        for name, content in (files or {}).items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.unlink(missing_ok=True)
            if isinstance(content, str) and content.startswith("-> "):
                path.symlink_to(content[3:])
            else:
                path.write_bytes(content.encode() if isinstance(content, str) else content)
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", message)
        return self.send(self.git("rev-parse", "HEAD"), loose=loose)

    def forged(self, *entries: str) -> str:
        """Commit a tree of raw entries ("mode type id<TAB>path"), which git would not add; return the commit's id."""
        tree = self.git("mktree", "-z", "--missing", stdin="\0".join(entries).encode())
        return self.send(self.git("commit-tree", "-m", "forged", tree))

    def send(self, commit: str, *, loose: bool = True) -> str:
        """Copy an object, and all that it needs, to the project, as loose objects or as a pack."""
        pack = subprocess.run(
            ["git", "pack-objects", "--revs", "--stdout", "-q"],
            cwd=self.folder,
            input=commit.encode(),
            capture_output=True,
            check=True,
        )
        subprocess.run(
            ["git", "unpack-objects", "-q"] if loose else ["git", "index-pack", "--stdin"],
            cwd=self.target,
            input=pack.stdout,
            check=True,
        )
        return commit


@pytest.fixture
async def repositories(tmp_path: Path) -> Repositories:
    """Give the adapter, with a project "shop"."""
    made = DulwichRepositories(tmp_path / "repos", tmp_path / "hook")
    await made.create("shop")
    return made


@pytest.fixture
def source(tmp_path: Path, repositories: Repositories) -> Source:
    """Give a working copy that fills "shop"."""
    assert isinstance(repositories, DulwichRepositories)
    return Source(tmp_path / "work", repositories.path("shop"))


def unpacked(pieces: list[bytes]) -> dict[str, tarfile.TarInfo]:
    """Return name -> header of a tar stream."""
    with tarfile.open(fileobj=io.BytesIO(b"".join(pieces))) as tar:
        return {member.name: member for member in tar.getmembers()}


async def test_create_again_repairs(repositories: Repositories, tmp_path: Path) -> None:
    """Creating a project again brings back its hook and settings, and keeps its refs."""
    repository = tmp_path / "repos" / "shop.git"
    settings = (repository / "config").read_text()
    (repository / "config").write_text("[core]\n\tbare = true\n")
    (repository / "hooks" / "proc-receive").unlink()
    await repositories.create("shop")

    assert (repository / "config").read_text() == settings
    assert (repository / "hooks" / "proc-receive").readlink() == tmp_path / "hook"
    assert sorted(path.name for path in (tmp_path / "repos").iterdir()) == ["shop.git"]


async def test_many_packs_are_joined(repositories: Repositories, source: Source) -> None:
    """A project with many packs has few after it was created again, and all its objects, also those that no ref leads to."""
    commits = [source.commit(loose=False) for _ in range(60)]
    await repositories.create("shop")

    assert len(list((source.target / "objects" / "pack").glob("*.pack"))) < 10
    assert [await repositories.commit_of("shop", commit) for commit in commits] == commits


async def test_remove(repositories: Repositories) -> None:
    """A removed project is gone, and removing it again is no error."""
    await repositories.remove("shop")
    await repositories.remove("shop")

    with pytest.raises(Problem, match="no project shop"):
        await repositories.ref("shop", "refs/heads/main")


@pytest.mark.parametrize("name", ["..", "a/b", "A", "x", "-a", "a-", "a.b", "a" * 64, "", "a\n"])
async def test_project_names_cannot_leave_the_folder(repositories: Repositories, name: str) -> None:
    """A name that is no project name reaches no file."""
    with pytest.raises(Problem, match="is not a valid name"):
        await repositories.create(name)


async def test_refs_move_by_compare_and_swap(repositories: Repositories, source: Source) -> None:
    """A ref moves from what it is, and from nothing else; this holds for branches and for refs that Hostess keeps for itself."""
    one, two = source.commit(), source.commit()
    for ref in ("refs/heads/main", "refs/hostess/deployments/d1", "refs/heads/größe"):
        assert not await repositories.move_ref("shop", ref, two, one)
        assert await repositories.move_ref("shop", ref, ZERO, one)
        assert not await repositories.move_ref("shop", ref, ZERO, two)
        assert await repositories.move_ref("shop", ref, one, two)
        assert await repositories.ref("shop", ref) == two
        assert not await repositories.move_ref("shop", ref, one, ZERO)
        assert await repositories.move_ref("shop", ref, two, ZERO)
        assert await repositories.move_ref("shop", ref, ZERO, ZERO)
        assert await repositories.ref("shop", ref) is None


async def test_packed_refs_are_refs(repositories: Repositories, source: Source) -> None:
    """Refs that git has packed are read and moved like others."""
    one, two = source.commit(), source.commit()
    assert await repositories.move_ref("shop", "refs/heads/main", ZERO, one)
    source.git(f"--git-dir={source.target}", "pack-refs", "--all")

    assert await repositories.ref("shop", "refs/heads/main") == one
    assert await repositories.move_ref("shop", "refs/heads/main", one, two)
    assert await repositories.ref("shop", "refs/heads/main") == two


async def test_what_git_refuses_is_a_problem(repositories: Repositories, source: Source) -> None:
    """A blob on a branch, a branch below another, an object that is missing and a bad name are refused with git's reason."""
    commit = source.commit({"a": "a"})
    blob = source.git("rev-parse", "HEAD:a")
    assert await repositories.move_ref("shop", "refs/heads/main", ZERO, commit)
    for ref, new in (("refs/heads/b", blob), ("refs/heads/main/x", commit), ("refs/heads/c", "1" * 40), ("-d", commit)):
        with pytest.raises(Problem) as caught:
            await repositories.move_ref("shop", ref, ZERO, new)
        assert caught.value.code == "ref-refused"
        assert await repositories.ref("shop", ref) is None


async def test_revisions(repositories: Repositories, source: Source) -> None:
    """Ids, branches and tags name commits; blobs, trees and what is absent do not."""
    first = source.commit({"a": "a"}, "first line\n\nmore")
    second = source.commit(message="second")
    await repositories.move_ref("shop", "refs/heads/main", ZERO, second)
    source.git("tag", "-a", "-m", "t", "v2")
    tag = source.send(source.git("rev-parse", "v2"))
    await repositories.move_ref("shop", "refs/tags/v2", ZERO, tag)
    await repositories.move_ref("shop", "refs/tags/v10", ZERO, second)

    for name in (second, second[:10], "main", "refs/heads/main", "v2", tag):
        assert await repositories.commit_of("shop", name) == second
    for name in ("nope", "HEAD:a", "1" * 40, "main\nmain", "-h", ""):
        assert await repositories.commit_of("shop", name) is None
    assert await repositories.contains("shop", second, first)
    assert await repositories.contains("shop", second, second)
    assert not await repositories.contains("shop", first, second)
    assert not await repositories.contains("shop", second, "1" * 40)
    assert await repositories.title("shop", first) == "first line"
    assert await repositories.tag_of("shop", second) == "v10"
    assert await repositories.tag_of("shop", first) is None


async def test_files_are_read_from_the_commit(repositories: Repositories, source: Source) -> None:
    """A file is read whole up to the limit, through links inside the tree; never what is outside."""
    files: dict[str, str | bytes] = {"a/b": "text", "in": "-> a/b", "out": "-> /etc/hostname", "up": "-> ../x"}
    commit = source.commit(files)

    assert await repositories.read_file("shop", commit, "a/b", 4) == b"text"
    assert await repositories.read_file("shop", commit, "./a//b", 4) == b"text"
    assert await repositories.read_file("shop", commit, "in", 4) == b"text"
    for absent in ("a", "a/b/c", "x", "out", "up"):
        assert await repositories.read_file("shop", commit, absent, 99) is None
    with pytest.raises(Problem, match="4 bytes, 3 are allowed"):
        await repositories.read_file("shop", commit, "a/b", 3)
    with pytest.raises(Problem, match="outside"):
        await repositories.read_file("shop", commit, "../a", 3)


async def test_tree_ids_tell_content(repositories: Repositories, source: Source) -> None:
    """Equal folders have equal ids, whatever changes beside them."""
    one = source.commit({"api/x": "1", "web/x": "1"})
    two = source.commit({"web/x": "2"})

    assert await repositories.tree_id("shop", one, "api") == await repositories.tree_id("shop", two, "./api/")
    assert await repositories.tree_id("shop", one, "web") != await repositories.tree_id("shop", two, "web")
    assert await repositories.tree_id("shop", one, ".") != await repositories.tree_id("shop", two, ".")
    assert await repositories.tree_id("shop", one, "api/x") == source.git("rev-parse", "HEAD:api/x")
    for absent in ("nope", "api/x/y", "api/nope"):
        assert await repositories.tree_id("shop", one, absent) is None


async def test_sound_tree_passes(repositories: Repositories, source: Source) -> None:
    """A tree with links inside it and unusual, harmless names passes."""
    files: dict[str, str | bytes] = {
        "a/b": "x" * 130,
        "l": "-> a/b",
        "a/l": "-> ../l",
        "a/ü \\:\n": "",
        ".gitignore": "",
        "...": "",
    }

    await repositories.check_tree("shop", source.commit(files), LIMITS)


@pytest.mark.parametrize(
    ("files", "code"),
    [
        ({"l": "-> /etc/passwd"}, "symlink-escapes"),
        ({"a/l": "-> ../../x"}, "symlink-escapes"),
        ({"big.bin": LFS}, "lfs-unsupported"),
        ({"large": "x" * 2000}, "file-too-large"),
        ({"a": "x" * 900, "b": "x" * 900, "c": "x" * 900, "d": "x" * 900}, "tree-too-large"),
        ({f"f{number}": "" for number in range(11)}, "tree-too-many-files"),
        ({"d/" * 40 + "f": ""}, "path-too-long"),
    ],
)
async def test_unsafe_tree_is_refused(
    repositories: Repositories, source: Source, files: dict[str, str | bytes], code: str
) -> None:
    """Links that lead out, LFS pointers and whatever is out of bounds are refused by name (scenarios 8 and 9)."""
    limits = TreeLimits(files=10, bytes=3000, file_bytes=1000, path=60)
    commit = source.commit(files)

    with pytest.raises(Problem) as caught:
        await repositories.check_tree("shop", commit, limits)
    assert caught.value.code == code


@pytest.mark.parametrize("name", ["..", ".git", ".GIT", "."])
async def test_forged_names_are_refused(repositories: Repositories, source: Source, name: str) -> None:
    """A tree made by hand, with a name that no checkout may have, is refused (scenario 8)."""
    blob = source.git("hash-object", "-w", "--stdin", stdin=b"x")
    commit = source.forged(f"100644 blob {blob}\t{name}")

    with pytest.raises(Problem, match="not safe"):
        await repositories.check_tree("shop", commit, LIMITS)


async def test_submodule_is_refused(repositories: Repositories, source: Source) -> None:
    """A submodule is refused by name, in the check as in a context (scenario 9)."""
    commit = source.forged(f"160000 commit {'1' * 40}\tlib")

    with pytest.raises(Problem, match="lib is a git submodule"):
        await repositories.check_tree("shop", commit, LIMITS)
    with pytest.raises(Problem, match="lib is a git submodule"):
        list(repositories.context("shop", commit, ".", "Dockerfile"))


async def test_context_is_the_tree(repositories: Repositories, source: Source) -> None:
    """A context has the files, links and executable bits of its folder, and nothing of the machine or the hour."""
    (source.folder / "api").mkdir()
    (source.folder / "api" / "run").touch(mode=0o755)
    long = "n" * 200 + "/" + "m" * 200
    commit = source.commit({"api/src/a.py": "print()", "api/l": "-> src/a.py", f"api/{long}": "x", "other": "x"})
    pieces = list(repositories.context("shop", commit, "api", "Dockerfile"))
    members = unpacked(pieces)

    assert set(members) == {"run", "src", "src/a.py", "l", "n" * 200, long}
    assert (members["l"].type, members["l"].linkname) == (tarfile.SYMTYPE, "src/a.py")
    assert (members["run"].mode, members["src/a.py"].mode, members["src"].mode) == (0o755, 0o644, 0o755)
    assert members["src"].isdir()
    assert {(member.uid, member.gid, member.uname, member.mtime > 315_532_800) for member in members.values()} == {
        (0, 0, "", True)
    }
    again = source.commit({"other": "y"})
    assert list(repositories.context("shop", again, "api", "Dockerfile")) == pieces
    with tarfile.open(fileobj=io.BytesIO(b"".join(pieces))) as tar:
        file = tar.extractfile("src/a.py")
        assert file is not None
        assert file.read() == b"print()"


async def test_context_leaves_out_what_is_ignored(repositories: Repositories, source: Source) -> None:
    """What .dockerignore names is left out; the Dockerfile and the file itself are always sent."""
    commit = source.commit(
        {
            ".dockerignore": "*\n!src\nsrc/**/cache\n!kept/in/here\nempty/*\n!empty",
            "docker/Dockerfile": "FROM scratch",
            "src/a/cache/x": "x",
            "src/a/b": "b",
            "kept/in/here": "x",
            "kept/in/not": "x",
            "empty/x": "x",
            "gone": "x",
        }
    )
    members = unpacked(list(repositories.context("shop", commit, ".", "docker/Dockerfile")))

    assert set(members) == {
        ".dockerignore",
        "docker",
        "docker/Dockerfile",
        "src",
        "src/a",
        "src/a/b",
        "kept",
        "kept/in",
        "kept/in/here",
        "empty",
        "empty/x",
    }


async def test_a_contexts_id_is_that_of_what_is_sent(repositories: Repositories, source: Source) -> None:
    """What is ignored, and hostess.yml itself, does not count; a changed file that is sent does."""
    base = {"Dockerfile": "FROM x\n", ".dockerignore": "*.md\n", "app.py": "1", "README.md": "a", "hostess.yml": "a"}
    changes: list[dict[str, str | bytes]] = [{}, {"README.md": "b"}, {"hostess.yml": "b"}, {"app.py": "2"}]
    commits = [source.commit({**base, **change}) for change in changes]

    first, readme, stack, code = [
        await repositories.context_id("shop", commit, ".", "Dockerfile") for commit in commits
    ]

    assert first == readme == stack
    assert code not in {first, None}
    assert await repositories.context_id("shop", commits[0], "gone", "Dockerfile") is None


async def test_ignore_file_of_a_dockerfile_takes_precedence(repositories: Repositories, source: Source) -> None:
    """A file named after the Dockerfile is used instead of .dockerignore."""
    commit = source.commit(
        {".dockerignore": "a", "web.Dockerfile.dockerignore": "b", "a": "", "b": "", "web.Dockerfile": ""}
    )
    web = unpacked(list(repositories.context("shop", commit, ".", "web.Dockerfile")))
    other = unpacked(list(repositories.context("shop", commit, ".", "Dockerfile")))

    assert ("a" in web, "b" in web) == (True, False)
    assert ("a" in other, "b" in other) == (False, True)


@pytest.mark.parametrize(
    ("path", "dockerfile", "code"),
    [
        ("..", "Dockerfile", "path-unsafe"),
        ("/", "Dockerfile", "path-unsafe"),
        (".", "../Dockerfile", "path-unsafe"),
        (".", "/etc/passwd", "path-unsafe"),
        ("nope", "Dockerfile", "context-not-found"),
        ("file", "Dockerfile", "context-not-found"),
    ],
)
async def test_context_outside_is_refused(
    repositories: Repositories, source: Source, path: str, dockerfile: str, code: str
) -> None:
    """Neither a context nor a Dockerfile is taken from outside, and a context is a folder."""
    commit = source.commit({"file": "x"})

    with pytest.raises(Problem) as caught:
        list(repositories.context("shop", commit, path, dockerfile))
    assert caught.value.code == code


async def test_files_of_a_folder(repositories: Repositories, source: Source) -> None:
    """The files below a folder are listed with their sizes, relative to it, as deep as was asked; an absent one has none."""
    commit = source.commit(
        {"a/one": "1", "a/b/two": "22", "a/b/c/three": "333", "four": "-> a/one", "a/link": "-> one"}
    )

    assert await repositories.files("shop", commit, "a", 1) == {"one": 1, "b/two": 2, "link": 3}
    assert await repositories.files("shop", commit, ".", 9) == {
        "a/one": 1,
        "a/b/two": 2,
        "a/b/c/three": 3,
        "a/link": 3,
        "four": 5,
    }
    assert await repositories.files("shop", commit, "nope", 9) == {}
    assert await repositories.files("shop", commit, "a/one", 9) == {}


async def test_reading_several_files(repositories: Repositories, source: Source) -> None:
    """Files are read through symlinks inside the commit; what is absent, a folder, or too large, is left out."""
    commit = source.commit({"a/one": "1", "b": "-> a/one", "large": "x" * 100, "c": "-> /etc/passwd", "d e\tf": "2"})

    names = ["large", "a/one", "b", "a", "nope", "c", "d e\tf"]

    read = await repositories.read_files("shop", commit, dict.fromkeys(names, 10))

    assert read == {"a/one": b"1", "b": b"1", "d e\tf": b"2"}
    assert await repositories.read_files("shop", commit, {}) == {}


async def test_a_context_with_files_of_its_own(repositories: Repositories, source: Source) -> None:
    """Extra files come into the context, in place of those of the tree; an ignore file among them holds and is not sent."""
    commit = source.commit({"app/x": "1", "Made": "theirs", "secret": "s", ".dockerignore": "app\n"})
    extra = {"Made": b"ours", "Made.dockerignore": b"secret\nMade\n"}

    sent = list(repositories.context("shop", commit, ".", "Made", extra))

    assert unpacked(sent).keys() == {"Made", ".dockerignore", "app", "app/x"}
    with tarfile.open(fileobj=io.BytesIO(b"".join(sent))) as tar:
        made = tar.extractfile("Made")
        assert made
        assert made.read() == b"ours"

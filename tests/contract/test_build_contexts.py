"""What is taken out of a commit: files, the context of a build, what it leaves out."""

import io
import tarfile

import pytest

from hostess.domain.ports import Repositories
from hostess.domain.problem import Problem
from tests.contract.source_repository import Source


def unpacked(pieces: list[bytes]) -> dict[str, tarfile.TarInfo]:
    """Return name -> header of a tar stream."""
    with tarfile.open(fileobj=io.BytesIO(b"".join(pieces))) as tar:
        return {member.name: member for member in tar.getmembers()}


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

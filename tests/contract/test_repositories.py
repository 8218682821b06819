"""What every Repositories must do; real git makes the repositories' content."""

from pathlib import Path

import pytest

from hostess.domain.ports import Repositories, TreeLimits
from hostess.domain.problem import Problem
from hostess.domain.releases.push import ZERO
from tests.contract.source_repository import LIMITS, Source

LFS = "version https://git-lfs.github.com/spec/v1\noid sha256:" + "0" * 64 + "\nsize 12345\n"


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

"""`hostess deploy` against a daemon."""

import os
from collections.abc import Mapping
from pathlib import Path

from tests.integration.api.stage import FILE, Ran, Stage

NAMED = "name: Shop\n" + FILE


def folder(stage: Stage, files: Mapping[str, str]) -> Path:
    """Write a folder without git."""
    root = stage.folder / "work"
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


async def deploy(stage: Stage, root: Path, *words: str, given: str = "") -> Ran:
    """Run the command there."""
    return await stage.hostess("deploy", *words, cwd=root, given=given)


async def test_a_folder_is_deployed(stage: Stage) -> None:
    """The folder goes live; its log is told; what is ignored was not sent; the project is the file's name."""
    await stage.project()
    await stage.secret("hello")
    root = folder(stage, {"hostess.yml": NAMED, ".gitignore": "*.log\n", "a.log": "", "b": "1", ".env": "SECRET=1"})

    ran = await deploy(stage, root)

    assert ran.code == 0, ran.err
    assert ran.out == "v1 is live in production of shop\n"
    assert "-----> shop (production): web, worker" in ran.err
    assert "-----> uploading 3 files, " in ran.err
    assert "uploaded (" in ran.err
    [newest] = await stage.journal.deployments(limit=1)
    assert set(await stage.world.repositories.files("shop", newest.commit, ".", 9)) == {
        "hostess.yml",
        ".gitignore",
        "b",
    }
    assert await stage.world.repositories.title("shop", newest.commit) == "hostess deploy"


async def test_another_file_of_another_folder(stage: Stage) -> None:
    """--file names a stack file by any name; its folder is what is uploaded, and it is its hostess.yml."""
    await stage.project()
    await stage.secret("hello")
    root = folder(
        stage, {"deploy/stack.yml": FILE, "deploy/hostess.yml": "services: {}", "deploy/a": "1", "other": "2"}
    )

    ran = await deploy(stage, root, "--file", "deploy/stack.yml", "-p", "shop", "-o", "json")

    assert ran.code == 0, ran.err
    files = await stage.world.repositories.files("shop", ran.json["commit"], ".", 9)
    assert set(files) == {"hostess.yml", "stack.yml", "a"}
    assert files["hostess.yml"] == len(FILE)


async def test_mistakes_come_before_everything(stage: Stage) -> None:
    """A file with mistakes, or a path that is missing, is told without asking any daemon."""
    wrong = folder(stage, {"hostess.yml": "services: {web: {type: nope, prots: 1}}"})

    mistakes = await stage.hostess("deploy", cwd=wrong, environ={"HOSTESS_URL": "http://127.0.0.1:1"})
    folder(stage, {"hostess.yml": "services: {web: {type: fastapi, source: api}}"})
    missing = await deploy(stage, wrong, "-p", "shop")
    none = await deploy(stage, stage.folder, "-p", "shop")

    assert mistakes.code == missing.code == none.code == 2
    assert mistakes.err.count("hostess.yml:1:") == 2
    assert "services.web.source: there is no api" in missing.err
    assert "hostess.yml cannot be read" in none.err


async def test_what_is_not_there(stage: Stage) -> None:
    """A project or environment that is not there is an error that tells how to make it."""
    root = folder(stage, {"hostess.yml": NAMED})

    project = await deploy(stage, root, "--no-interactive")
    await stage.project()
    environment = await deploy(stage, root, "--env", "staging")

    assert project.code == environment.code == 3
    assert "hostess projects create shop" in project.err
    assert "hostess environments ensure staging -p shop" in environment.err


async def test_a_deployment_that_fails(stage: Stage) -> None:
    """The command fails with it."""
    await stage.project()

    ran = await deploy(stage, folder(stage, {"hostess.yml": NAMED}))

    assert ran.code == 1
    assert "GREETING" in ran.err


async def test_who_may_not(stage: Stage) -> None:
    """A refusal reaches the caller while much is still to be sent."""
    await stage.project()
    root = folder(stage, {"hostess.yml": NAMED})
    (root / "random").write_bytes(os.urandom(30_000_000))

    ran = await stage.hostess("deploy", cwd=root, environ={"HOSTESS_TOKEN": await stage.a_token("viewer")})

    assert ran.code == 4, ran.err
    assert "may not do this" in ran.err


async def test_commits_are_named(stage: Stage) -> None:
    """In a git checkout the upload says of which commit it is, unless told not to look."""
    await stage.project()
    await stage.secret("hello")
    root = folder(stage, {"hostess.yml": NAMED})
    for words in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "a title"]):
        await stage._git("shop", "-C", str(root), *words)
    folder(stage, {"b": "2"})

    plain = await deploy(stage, root, "--no-git", "-o", "json")
    named = await deploy(stage, root, "-o", "json")

    assert (plain.code, named.code) == (0, 0), named.err
    assert await stage.world.repositories.title("shop", plain.json["commit"]) == "hostess deploy"
    title = await stage.world.repositories.title("shop", named.json["commit"])
    assert title.startswith("hostess deploy of ")
    assert title.endswith(" a title, with changes that are not committed")

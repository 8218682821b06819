"""Railpack as a child process, with a program in its place that follows its documented command line (it is not there to be tried)."""

import asyncio
import base64
import io
import json
import os
import shutil
import sys
import tarfile
from collections.abc import Iterable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from hostess.adapters.railpack_process import RailpackProcess
from hostess.domain.ports import SourceOrder
from hostess.domain.problem import Problem
from hostess.domain.registries import RegistryLogin

STAND_IN = Path(__file__).parents[1] / "stand_in_railpack.py"
BUILDKIT = "docker-container://buildkit"


class Packed:
    """A Railpack on a PATH of its own."""

    def __init__(self, folder: Path) -> None:
        self.bin = folder / "bin"
        self.bin.mkdir()
        self.folder = folder / "data"
        program = self.bin / "railpack"
        program.write_text(STAND_IN.read_text().replace("/usr/bin/env python3", sys.executable))
        program.chmod(0o755)
        self.said: list[str] = []

    def process(self, **environment: str) -> RailpackProcess:
        """Return the adapter in an environment."""
        given = {"PATH": f"{self.bin}:{os.environ['PATH']}", "BUILDKIT_HOST": BUILDKIT, **environment}
        return RailpackProcess(self.folder, given)

    def calls(self) -> list[dict[str, Any]]:
        """Return what the program was called with."""
        noted = self.bin / "calls.jsonl"
        return [json.loads(line) for line in noted.read_text().splitlines()] if noted.exists() else []

    async def build(self, wanted: Mapping[str, object], process: RailpackProcess | None = None, **changes: Any) -> str:
        """Build a folder that wants this."""
        files = {"stand-in.json": json.dumps(wanted).encode(), "deep/main.go": b"package main\n"}
        fields: dict[str, Any] = {
            "tag": "hostess/shop/api:1-railpack",
            "cache": "hostess-shop",
            "timeout": timedelta(seconds=20),
        }
        order = SourceOrder(context=lambda: packed(files), **{**fields, **changes})
        return await (process or self.process()).build(order, self.said.append)


def packed(files: Mapping[str, bytes]) -> Iterable[bytes]:
    """Yield a tar of files, and of a symlink, in small pieces."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.SYMTYPE, "deep/main.go"
        tar.addfile(link)
    data = archive.getvalue()
    for at in range(0, len(data), 700):
        yield data[at : at + 700]


@pytest.fixture
def railpack(tmp_path: Path) -> Packed:
    """Give a Railpack."""
    return Packed(tmp_path)


async def test_it_is_used_only_where_it_is(railpack: Packed) -> None:
    """The version is that of the program on PATH; without one there is none; one that does not answer is told."""
    assert await railpack.process().version() == "0.15.4"
    assert await railpack.process(PATH="/nowhere").version() is None
    (railpack.bin / "railpack").write_text("#!/bin/sh\nexit 3\n")
    with pytest.raises(Problem, match="does not tell a version"):
        await railpack.process().version()


async def test_it_plans_and_builds_the_folder(railpack: Packed) -> None:
    """It is called as its documentation says, with the files of the folder; its lines are passed on; what it laid out is gone."""
    start = await railpack.build(
        {"start": "./app --port ${PORT:-8080}", "say": "\x1b[32mdetected Go\x1b[0m"}, no_cache=True
    )

    prepare, build = railpack.calls()
    assert start == "./app --port ${PORT:-8080}"
    assert [word for word in prepare["argv"] if not word.startswith("/")] == ["prepare", "--plan-out", "--info-out"]
    named = [
        "--name",
        "hostess/shop/api:1-railpack",
        "--progress",
        "plain",
        "--cache-key",
        "hostess-shop",
        "--no-cache",
    ]
    assert build["argv"][:-1] == ["build", *named]
    assert build["files"] == ["deep", "deep/main.go", "link", "stand-in.json"]
    assert railpack.said == ["       detected Go"] * 2
    assert list(railpack.folder.iterdir()) == []


async def test_nothing_of_the_daemons_environment_comes_along(railpack: Packed) -> None:
    """Of the environment it sees where things are, and no variable of another name: no secret of the host, no setting of Hostess."""
    process = railpack.process(
        HOSTESS_BACKUPS__S3__SECRET="sentinel", GITHUB_TOKEN="sentinel", HTTPS_PROXY="http://proxy.test"
    )

    await railpack.build({"start": "x"}, process)

    for call in railpack.calls():
        assert "sentinel" not in str(call)
        assert call["environment"]["HTTPS_PROXY"] == "http://proxy.test"
        assert call["environment"]["BUILDKIT_HOST"] == BUILDKIT


@pytest.mark.parametrize(
    ("wanted", "code", "what"),
    [
        (
            {"fail": "prepare", "say": "no provider matched"},
            "railpack-failed",
            "`railpack prepare` ended with exit code 1",
        ),
        (
            {"fail": "build", "start": "x", "say": "npm ERR!"},
            "railpack-failed",
            "`railpack build` ended with exit code 1",
        ),
        ({}, "start-not-found", "not what starts it"),
    ],
)
async def test_a_failure_is_told_with_its_last_lines(
    railpack: Packed, wanted: dict[str, str], code: str, what: str
) -> None:
    """A plan or build that fails is told with what it said last and what to do; nothing is left behind."""
    with pytest.raises(Problem, match=what) as failed:
        await railpack.build(wanted)

    assert failed.value.code == code
    assert failed.value.remedy
    assert wanted.get("say") in {None, *failed.value.tail}
    assert list(railpack.folder.iterdir()) == []


async def test_a_service_with_a_command_needs_no_start(railpack: Packed) -> None:
    """Where hostess.yml says what starts, Railpack need not know it."""
    assert await railpack.build({}, commanded=True) == ""


@pytest.mark.parametrize(
    ("host", "what"), [("", "BUILDKIT_HOST is not set"), ("docker-container://nowhere", "does not reach the BuildKit")]
)
async def test_a_buildkit_that_is_not_there(railpack: Packed, host: str, what: str) -> None:
    """Without BuildKit the error says how to start one, and how to do without Railpack."""
    with pytest.raises(Problem, match=what) as failed:
        await railpack.build({"start": "x"}, railpack.process(BUILDKIT_HOST=host))

    assert failed.value.code == "buildkit-unreachable"
    assert "moby/buildkit" in failed.value.remedy
    assert "PATH" in failed.value.remedy


async def test_its_time_is_limited(railpack: Packed) -> None:
    """At its timeout the program and its children are killed."""
    with pytest.raises(Problem, match="longer than 1 s") as failed:
        await railpack.build({"start": "x", "sleep": 600}, timeout=timedelta(seconds=1))

    assert failed.value.code == "build-timeout"
    assert not alive(railpack.calls()[0]["pid"])
    assert list(railpack.folder.iterdir()) == []


async def test_a_cancelled_build_is_really_dead(railpack: Packed) -> None:
    """Cancelling kills the program before it returns (scenario 28)."""
    building = asyncio.create_task(railpack.build({"start": "x", "sleep": 600, "say": "here"}))
    async with asyncio.timeout(25):
        while not railpack.said:
            await asyncio.sleep(0.01)

    building.cancel()
    await asyncio.gather(building, return_exceptions=True)

    assert building.cancelled()
    assert not alive(railpack.calls()[0]["pid"])
    assert list(railpack.folder.iterdir()) == []


async def test_what_a_dead_daemon_left_is_removed(railpack: Packed) -> None:
    """A source folder that a daemon which was killed had laid out goes with the next build."""
    (railpack.folder / "1-left" / "source").mkdir(parents=True)

    await railpack.build({"start": "x"})

    assert list(railpack.folder.iterdir()) == []
    assert shutil.which("railpack", path=str(railpack.bin))


def alive(pid: int) -> bool:
    """Whether a process runs."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def test_it_fetches_with_the_logins(railpack: Packed, tmp_path: Path) -> None:
    """What builds finds the logins where Docker's client keeps them, beside those of the host; nothing of it is left, or shown."""
    home = tmp_path / "home"
    (home / ".docker" / "contexts").mkdir(parents=True)
    known = {
        "auths": {"old.test": {"auth": "b2xk"}},
        "credsStore": "desktop",
        "credHelpers": {"new.test": "x", "o.test": "y"},
    }
    (home / ".docker" / "config.json").write_text(json.dumps(known))
    logins = (RegistryLogin("new.test", "octocat", "open sesame"), RegistryLogin("docker.io", "me", "hush"))

    await railpack.build({"start": "x"}, railpack.process(HOME=str(home)), logins=logins)
    await railpack.build({"start": "x"}, railpack.process(HOME=str(home)))

    _, build, _, without = railpack.calls()
    folder = build["docker"]
    assert {host: base64.b64decode(each["auth"]).decode() for host, each in folder["config"]["auths"].items()} == {
        "old.test": "old",
        "new.test": "octocat:open sesame",
        "https://index.docker.io/v1/": "me:hush",
    }
    assert folder["config"]["credHelpers"] == {"o.test": "y"}
    assert "credsStore" not in folder["config"]
    assert (folder["mode"], folder["entries"]) == (0o600, ["config.json", "contexts"])
    assert without["docker"] is None
    assert not any("sesame" in word for word in [*build["argv"], *build["environment"].values()])
    assert list(railpack.folder.iterdir()) == []
    assert json.loads((home / ".docker" / "config.json").read_text()) == known

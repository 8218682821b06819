"""`source:` where the host has Railpack: a program in its place, by its documented command line, and a real engine."""

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.acting import done, pushed
from tests.system.host import Host, a_host, a_repository, docker

STAND_IN = Path(__file__).parents[1] / "stand_in_railpack.py"
STACK = """version: "1.0"
services:
  go:
    type: custom
    source: ./go
    visibility: public
    health: {http: /, interval: 1s, retries: 5}
    env: {KEY: "${secret:KEY}"}
    resources: {cpu: 0.5, memory: 256Mi}
    lifecycle: {migrate: {command: [python3, -c, "import sys; print('migrated', sys.argv[1])", "two words"]}}
  worker:
    type: custom
    source: ./go
    command: [python3, -c, "import time; print('at work', flush=True); time.sleep(1000)"]
    resources: {cpu: 0.5, memory: 256Mi}
"""
WANTED = {"image": "python:3.12-slim", "start": "python3 -m http.server ${PORT:-1}", "say": "detected Go"}


@pytest.fixture
def railpack(tmp_path: Path) -> Path:
    """Give a folder for PATH with the stand-in."""
    folder = tmp_path / "bin"
    folder.mkdir()
    program = folder / "railpack"
    program.write_text(STAND_IN.read_text().replace("/usr/bin/env python3", sys.executable))
    program.chmod(0o755)
    return folder


@pytest.fixture
def host(tmp_path_factory: pytest.TempPathFactory, railpack: Path) -> Iterator[Host]:
    """Give an installation whose daemon has it on PATH."""
    settings = {"PATH": f"{railpack}:{os.environ['PATH']}", "BUILDKIT_HOST": "docker-container://buildkit"}
    with a_host(tmp_path_factory.mktemp("host"), settings) as running:
        yield running


def test_railpack_builds_what_hostess_does_not_know(host: Host, railpack: Path) -> None:
    """Its image serves, runs hooks and commands word by word, is built once for equal sources, is ours to collect, and knows no secret."""
    done(host, "projects", "create", "packed")
    assert host.hostess("secrets", "add", "KEY", "--project", "packed", stdin="sentinel-of-mine").returncode == 0
    files = {
        "hostess.yml": STACK,
        "go/go.mod": "module app\n",
        "go/.env": "A=1\n",
        "go/stand-in.json": json.dumps(WANTED),
    }
    repository = a_repository(host, "packed", files)

    first = repository.push()

    assert first.returncode == 0, first.stderr
    assert "go: Railpack 0.15.4 builds it" in first.stderr
    assert "detected Go" in first.stderr
    assert "migrated two words" in first.stderr
    status, body, _ = host.get("packed-go.localhost")
    assert (status, "go.mod" in body, ".env" in body) == (200, True, False)
    ran = host.hostess("run", "go", "--project", "packed", "--", "python3", "-c", "print('one', 'two')")
    assert (ran.returncode, ran.stdout) == (0, "one two\n")
    assert "at work" in done(host, "logs", "worker", "--project", "packed")
    noted = [json.loads(line) for line in (railpack / "calls.jsonl").read_text().splitlines()]
    assert [call["argv"][0] for call in noted] == [
        "prepare",
        "build",
    ] * 2  # with a start command, and without the need of one
    assert "sentinel-of-mine" not in str(noted)
    labelled = docker("image", "ls", "--quiet", "--filter", f"label=sh.hostess.instance={host.instance}").split()
    tags = docker("image", "ls", "--format", "{{.Repository}}:{{.Tag}}", "hostess/packed/*").split()
    assert len(set(labelled)) >= 1
    assert not [tag for tag in tags if tag.endswith("-railpack")]
    assert "sentinel-of-mine" not in docker("image", "history", "--no-trunc", labelled[0])

    again = pushed(repository, {"README": "nothing of the source"})
    assert "go: unchanged" in again
    failing = {"go/stand-in.json": json.dumps({**WANTED, "fail": "build"})}
    repository.write(failing)
    repository.commit()
    failed = repository.push()
    assert failed.returncode != 0
    assert "the build of go failed: `railpack build` ended with exit code 1" in failed.stderr
    assert "build went wrong" in failed.stderr
    assert host.get("packed-go.localhost")[0] == 200

"""`hostess deploy`: a folder without git becomes a running app, on real parts."""

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.system.host import Host, Repository, echo_files


def written(folder: Path, files: Mapping[str, str]) -> None:
    """Write files, making folders."""
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def deploy(host: Host, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run the command in a folder."""
    return subprocess.run(
        [sys.executable, "-m", "hostess", "deploy", *words],
        cwd=folder,
        env={**host.environment, "HOSTESS_URL": f"http://{host.api}", "HOSTESS_TOKEN": host.token},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_a_folder_then_a_change_then_a_push(host: Host) -> None:
    """A folder goes live; a change of it replaces that without touching it before; a push from elsewhere replaces both."""
    folder = host.folder / "plain"
    written(folder, {**echo_files(), ".gitignore": "*.log\n", "a.log": "x", ".env": "SECRET=1\n"})
    assert host.hostess("projects", "create", "plain").returncode == 0

    first = deploy(host, folder, "-p", "plain")
    assert first.returncode == 0, first.stderr + host.log()
    assert "v1 is live in production of plain" in first.stdout
    assert host.get("plain-web.localhost")[2]["x-version"] == "1"

    same = deploy(host, folder, "-p", "plain")
    assert same.returncode == 0, same.stderr
    assert "web: unchanged, carried over" in same.stderr

    written(folder, echo_files("2"))
    second = deploy(host, folder, "-p", "plain", "-o", "json")
    assert second.returncode == 0, second.stderr
    assert host.get("plain-web.localhost")[2]["x-version"] == "2"
    bare = host.data / "repos" / "plain.git"
    listed = subprocess.run(
        ["git", f"--git-dir={bare}", "ls-tree", "-r", "--name-only", json.loads(second.stdout)["commit"]],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    assert sorted(listed) == [".gitignore", "Dockerfile", "hostess.yml"]

    checkout = Repository(host.folder / "checkout", host, "plain")
    checkout.folder.mkdir()
    checkout.git("init", "--quiet", "--initial-branch=main")
    checkout.write(echo_files("3"))
    checkout.commit("from git")
    pushed = checkout.push()
    assert pushed.returncode == 0, pushed.stderr
    assert host.get("plain-web.localhost")[2]["x-version"] == "3"
    assert not list(bare.parent.glob(".import-*"))


def test_a_folder_that_does_not_build(host: Host) -> None:
    """A failed build fails the command, and what ran before goes on running."""
    folder = host.folder / "broken"
    written(folder, echo_files())
    assert host.hostess("projects", "create", "broken").returncode == 0
    assert deploy(host, folder, "-p", "broken").returncode == 0
    written(folder, echo_files("2", dockerfile=["RUN absent"]))

    failed = deploy(host, folder, "-p", "broken")

    assert failed.returncode == 1
    assert host.get("broken-web.localhost")[2]["x-version"] == "1"
    refs = subprocess.run(
        ["git", f"--git-dir={host.data / 'repos' / 'broken.git'}", "for-each-ref", "--format=%(refname)"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    assert refs == ["refs/hostess/uploads/production"]

"""A daemon of its own for a measurement, on free ports and a folder that goes afterwards, and repositories to push to it."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

ROOT = Path(__file__).parents[1]
HOSTESS = Path(sys.executable).with_name("hostess")
START_WITHIN = 60.0
STOP_WITHIN = 60.0
# Nobody's own git settings, and no proxy between us and ourselves.
PLAIN = {
    **os.environ,
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_AUTHOR_NAME": "Bench",
    "GIT_AUTHOR_EMAIL": "bench@localhost",
    "GIT_COMMITTER_NAME": "Bench",
    "GIT_COMMITTER_EMAIL": "bench@localhost",
    "no_proxy": "127.0.0.1,localhost",
}


def run(*command: str | Path, cwd: Path | None = None, env: Mapping[str, str] = PLAIN) -> str:
    """Run a program; return what it printed. Its errors are shown when it fails."""
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, timeout=1200, check=False)
    if done.returncode != 0:
        sys.stderr.write(done.stdout + done.stderr)
        done.check_returncode()
    return done.stdout


def seconds(*command: str | Path, cwd: Path | None = None) -> float:
    """Return how long a program takes."""
    began = time.perf_counter()
    run(*command, cwd=cwd)
    return time.perf_counter() - began


@dataclass(frozen=True, slots=True)
class Repository:
    """A repository whose remote `hostess` deploys and whose remote `plain` is a bare repository on the same disk."""

    folder: Path

    def commit(self, message: str, *options: str) -> None:
        """Commit everything."""
        run("git", "add", ".", cwd=self.folder)
        run("git", "commit", "--quiet", "--message", message, *options, cwd=self.folder)

    def push(self, remote: str) -> float:
        """Push main; return the seconds."""
        return seconds("git", "push", "--quiet", remote, "main", cwd=self.folder)


@dataclass(frozen=True, slots=True)
class Installation:
    """A daemon that runs, and where."""

    data: Path
    api: str
    proxy: str
    token: str
    instance: str

    def repository(self, project: str, files: Mapping[str, str] | Path) -> Repository:
        """Make a repository with these files (path to text, or a folder to copy) and one commit."""
        folder = self.data / "work" / project
        if isinstance(files, Path):
            shutil.copytree(files, folder)
        else:
            for name, text in files.items():
                path = folder / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, encoding="utf-8")
        bare = self.data / "plain" / f"{project}.git"
        run("git", "init", "--quiet", "--bare", bare)
        run("git", "init", "--quiet", "--initial-branch=main", cwd=folder)
        run("git", "config", "credential.helper", f"store --file={self.data / 'credentials'}", cwd=folder)
        run("git", "remote", "add", "hostess", f"http://x@{self.api}/git/{project}.git", cwd=folder)
        run("git", "remote", "add", "plain", bare, cwd=folder)
        made = Repository(folder)
        made.commit("First")
        return made

    def ask(self, host: str, path: str = "/") -> int:
        """Return the status of a request through the proxy."""
        request = urllib.request.Request(f"http://{self.proxy}{path}", headers={"Host": host})
        with urllib.request.urlopen(request, timeout=10) as answer:
            return int(answer.status)

    def objects(self, *kind: str) -> list[str]:
        """Return the ids of this installation's containers ("ps", "--all"), images ("image", "ls") and so on."""
        label = f"label=sh.hostess.instance={self.instance}"
        return sorted(set(run("docker", *kind, "--quiet", "--filter", label).split()))


@contextmanager
def installation(more: Mapping[str, str] = MappingProxyType({})) -> Iterator[Installation]:
    """Start a daemon and its proxy, with *more* settings; at the end remove them and everything that carries their label."""
    data = Path(tempfile.mkdtemp(prefix="hostess-bench."))
    settings = {
        "HOSTESS_DATA_DIR": str(data),
        "HOSTESS_API__LISTEN": "127.0.0.1:0",
        "HOSTESS_PROXY__HTTP": "127.0.0.1:0",
        "HOSTESS_PROXY__HTTPS": "",
        "HOSTESS_ACME__DIRECTORY": "",
        **more,
    }
    with (data / "daemon.log").open("wb") as log:
        daemon = subprocess.Popen([HOSTESS, "daemon"], env={**PLAIN, **settings}, stdout=log, stderr=log)
    made: Installation | None = None
    try:
        api = _fact(data / "run" / "daemon.json", "api", daemon)
        proxy = _fact(data / "run" / "proxy.json", "http", daemon)
        token = (data / "owner-token").read_text(encoding="utf-8").strip()
        credentials = data / "credentials"
        credentials.touch(mode=0o600)
        credentials.write_text(f"http://x:{token}@{api}\n", encoding="utf-8")
        instance = _fact(data / "run" / "daemon.json", "instance", daemon)
        made = Installation(data, api, proxy, token, instance)
        yield made
    finally:
        daemon.send_signal(signal.SIGINT)  # this one ends the proxy, too
        daemon.wait(STOP_WITHIN)
        if made is not None:
            _remove(made)
        shutil.rmtree(data)


def _fact(file: Path, name: str, daemon: subprocess.Popen[bytes]) -> str:
    give_up = time.monotonic() + START_WITHIN
    while not file.exists():
        if daemon.poll() is not None or time.monotonic() > give_up:
            sys.stderr.write((file.parents[1] / "daemon.log").read_text(encoding="utf-8"))
            raise SystemExit("the daemon did not start")
        time.sleep(0.05)
    return str(json.loads(file.read_text(encoding="utf-8"))[name])


def _remove(made: Installation) -> None:
    removals: Sequence[tuple[tuple[str, ...], tuple[str, ...]]] = (
        (("ps", "--all"), ("rm", "--force", "--volumes")),
        (("network", "ls"), ("network", "rm")),
        (("volume", "ls"), ("volume", "rm")),
        (("image", "ls"), ("image", "rm", "--force")),
    )
    for listing, removal in removals:
        if found := made.objects(*listing):
            run("docker", *removal, *found)

"""A whole installation for tests: a real daemon and proxy as processes, a real engine, real git; all of it thrown away afterwards."""

import http.client
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from hostess.adapters.firewall_iptables import clear
from tests.side_by_side import own_subnets

GIT = {
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_AUTHOR_NAME": "Test",
    "GIT_AUTHOR_EMAIL": "test@localhost",
    "GIT_COMMITTER_NAME": "Test",
    "GIT_COMMITTER_EMAIL": "test@localhost",
    "no_proxy": "127.0.0.1,localhost",
}
UP_WITHIN = 40.0
PATIENCE = 3


class SlowError(Exception):
    """Something did not happen in time."""


def until(true: Callable[[], object], within: float, what: str) -> None:
    """Return once *true* is; SlowError after PATIENCE times *within* seconds, which are those of a host that does little else.

    Looking may cost more than what is waited for (a command in a container): each look is followed by a pause of twice its length, up to
    a quarter of a second.
    """
    deadline = time.monotonic() + PATIENCE * within
    while True:
        looked = time.monotonic()
        if true():
            return
        now = time.monotonic()
        if now > deadline:
            raise SlowError(f"{what} did not happen within {PATIENCE * within} s")
        time.sleep(min(max(0.02, 2 * (now - looked)), 0.25))


@dataclass
class Host:
    """One installation. *command* is how the daemon is started (a test may bring a daemon that dies on purpose)."""

    folder: Path
    settings: Mapping[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None

    @property
    def data(self) -> Path:
        """The data folder."""
        return self.folder / "data"

    @property
    def environment(self) -> dict[str, str]:
        """What the daemon is started with."""
        return {
            **os.environ,
            **GIT,
            "HOSTESS_DATA_DIR": str(self.data),
            "HOSTESS_API__LISTEN": "127.0.0.1:0",
            "HOSTESS_PROXY__HTTP": "127.0.0.1:0",
            "HOSTESS_PROXY__HTTPS": "",
            "HOSTESS_PROXY__WORKERS": "2",
            "HOSTESS_ACME__DIRECTORY": "",
            "HOSTESS_ENGINE__SUBNETS": own_subnets(),
            "HOSTESS_LOG__FORMAT": "console",
            **self.settings,
        }

    def start(
        self,
        *arguments: str,
        module: str = "hostess",
        extra: Mapping[str, str] | None = None,
        within: float = UP_WITHIN,
    ) -> None:
        """Start the daemon and return once it takes requests."""
        (self.data / "run" / "daemon.json").unlink(missing_ok=True)
        with (self.folder / "daemon.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", module, *(arguments or ("daemon",))],
                env={**self.environment, **(extra or {})},
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        until(self.ready, within, f"the start of the daemon\n{self.log()}")

    def ready(self) -> bool:
        """Whether the daemon takes requests; an error when it has died."""
        assert self.process is not None
        assert self.process.poll() is None, self.log()
        return (self.data / "run" / "daemon.json").exists()

    def log(self) -> str:
        """Return the end of what the daemon said."""
        path = self.folder / "daemon.log"
        return path.read_text(errors="replace")[-4000:] if path.exists() else ""

    def stop(self) -> int:
        """Tell the daemon to stop (SIGTERM) and return its exit code; the proxy serves on."""
        assert self.process is not None
        self.process.terminate()
        return self.process.wait(180)

    def kill(self) -> None:
        """Kill -9 the daemon alone."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(60)

    @property
    def api(self) -> str:
        """Where the API listens."""
        return str(json.loads((self.data / "run" / "daemon.json").read_text())["api"])

    @property
    def proxy(self) -> tuple[str, int]:
        """Where the proxy's HTTP listener is."""
        address, _, port = json.loads((self.data / "run" / "proxy.json").read_text())["http"].rpartition(":")
        return address, int(port)

    @property
    def token(self) -> str:
        """The owner's token."""
        return (self.data / "owner-token").read_text().strip()

    @property
    def instance(self) -> str:
        """What everything of this installation is labelled with."""
        [[value]] = self.query("SELECT value FROM facts WHERE name = 'instance'")
        return str(value)

    def query(self, sql: str, *values: object) -> list[tuple[object, ...]]:
        """Read from the journal."""
        with sqlite3.connect(f"file:{self.data / 'hostess.db'}?mode=ro", uri=True) as journal:
            return journal.execute(sql, values).fetchall()

    def hostess(self, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Run the command line against this host."""
        return subprocess.run(
            [sys.executable, "-m", "hostess", *arguments],
            env={**self.environment, "HOSTESS_URL": f"http://{self.api}", "HOSTESS_TOKEN": self.token},
            input=stdin,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def begin(self, *arguments: str) -> subprocess.Popen[str]:
        """Start the command line against this host and return its process."""
        return subprocess.Popen(
            [sys.executable, "-m", "hostess", *arguments],
            env={**self.environment, "HOSTESS_URL": f"http://{self.api}", "HOSTESS_TOKEN": self.token},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def get(self, host: str, path: str = "/") -> tuple[int, str, Mapping[str, str]]:
        """Ask the proxy for a page; return status, body and headers (lower-case names)."""
        address, port = self.proxy
        connection = http.client.HTTPConnection(address, port, timeout=120)
        try:
            connection.request("GET", path, headers={"Host": host})
            answer = connection.getresponse()
            body = answer.read().decode(errors="replace")
            return answer.status, body, {name.lower(): value for name, value in answer.getheaders()}
        finally:
            connection.close()

    def containers(self, *labels: str, running: bool = False) -> list[str]:
        """Return the ids of this installation's containers that carry *labels* ("service=api")."""
        filters = [f"label=sh.hostess.instance={self.instance}", *(f"label=sh.hostess.{label}" for label in labels)]
        command = ["docker", "ps", "--quiet", "--no-trunc", *([] if running else ["--all"])]
        return docker(*command[1:], *(word for one in filters for word in ("--filter", one))).split()

    def remove(self) -> None:
        """End all processes and remove everything in the engine that is this installation's."""
        proxies = [path for path in [self.data / "run" / "proxy.json"] if path.exists()]
        if self.process is not None and self.process.poll() is None:
            self.kill()
        for path in proxies:
            pid = int(json.loads(path.read_text())["pid"])
            os.kill(pid, signal.SIGKILL) if alive(pid) and runs_hostess(pid) else None
        if not (self.data / "hostess.db").exists():
            return
        clear(self.instance)
        label = f"label=sh.hostess.instance={self.instance}"
        for listing, removing in (
            (("ps", "--all", "--quiet"), ("rm", "--force", "--volumes")),
            (("network", "ls", "--quiet"), ("network", "rm")),
            (("volume", "ls", "--quiet"), ("volume", "rm")),
            (("image", "ls", "--quiet"), ("image", "rm", "--force")),
        ):
            found = sorted(set(docker(*listing, "--filter", label).split()))
            if found:
                subprocess.run(["docker", *removing, *found], capture_output=True, check=False, timeout=120)


@dataclass
class Repository:
    """A developer's checkout with a remote called hostess."""

    folder: Path
    host: Host
    project: str

    def git(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run git here."""
        return subprocess.run(
            ["git", *arguments],
            cwd=self.folder,
            env={**os.environ, **GIT},
            capture_output=True,
            text=True,
            check=check,
            timeout=300,
        )

    @property
    def url(self) -> str:
        """Where this project is pushed to; it changes when the daemon is started anew on port 0."""
        return f"http://x:{self.host.token}@{self.host.api}/git/{self.project}.git"

    def write(self, files: Mapping[str, str]) -> None:
        """Write files, making folders."""
        for name, text in files.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    def commit(self, message: str = "change") -> str:
        """Commit everything; return the commit id."""
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", message)
        return self.git("rev-parse", "HEAD").stdout.strip()

    def push(self, *arguments: str, ref: str = "main") -> subprocess.CompletedProcess[str]:
        """Push; the result's stderr is what the pusher read."""
        return self.git("push", *arguments, self.url, ref, check=False)

    def begin_push(self, *arguments: str, ref: str = "main") -> subprocess.Popen[str]:
        """Start a push and return its process."""
        return subprocess.Popen(
            ["git", "push", *arguments, self.url, ref],
            cwd=self.folder,
            env={**os.environ, **GIT},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )


@contextmanager
def a_host(folder: Path, settings: Mapping[str, str] | None = None) -> Iterator[Host]:
    """Give a running host; nothing of it is left afterwards."""
    host = Host(folder, settings or {})
    folder.mkdir(parents=True, exist_ok=True)
    try:
        host.start()
        yield host
    finally:
        host.remove()


def a_repository(host: Host, project: str, files: Mapping[str, str]) -> Repository:
    """Make a repository with one commit of these files."""
    folder = host.folder / "work" / project
    folder.mkdir(parents=True)
    repository = Repository(folder, host, project)
    repository.git("init", "--quiet", "--initial-branch=main")
    repository.write(files)
    repository.commit("first")
    return repository


def docker(*arguments: str) -> str:
    """Run the engine's own client."""
    return subprocess.run(["docker", *arguments], capture_output=True, text=True, check=True, timeout=120).stdout


def runs_hostess(pid: int) -> bool:
    """Whether a process is one of ours: the number of one that has ended may be somebody else's by now."""
    try:
        return b"hostess" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def alive(pid: int) -> bool:
    """Whether a process exists."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def echo_files(version: str = "1", services: str = "", dockerfile: Sequence[str] = ()) -> dict[str, str]:
    """Return a tiny app that builds in no time: FROM hostess-test/echo:1, answering X-Version."""
    return {
        "hostess.yml": (
            'version: "1.0"\nservices:\n  web:\n    type: custom\n    build: {source: .}\n    ports: [8000]\n'
            "    visibility: public\n    health: {http: /health, interval: 1s, retries: 3}\n"
            "    resources: {cpu: 0.5, memory: 128Mi}\n" + services
        ),
        "Dockerfile": "\n".join(["FROM hostess-test/echo:1", f"ENV VERSION={version}", *dockerfile, ""]),
    }

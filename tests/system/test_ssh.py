"""Git over SSH, through a real sshd on loopback that has the settings we ship."""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.side_by_side import free_ports
from tests.system import with_login_user
from tests.system.acting import held, let_go
from tests.system.host import GIT, Host, Repository, a_repository, echo_files, until

ROOT = Path(__file__).parents[2]
LAUNCHER = """#!/usr/bin/python3
import sys
sys.path.insert(0, "/mnt")
from hostess_hooks.ssh import main
sys.exit(main())
"""
SETTINGS = """
Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host_key
PidFile none
UsePAM yes
StrictModes yes
LogLevel VERBOSE
"""


@dataclass
class SshHost:
    """An installation, and an sshd before it. *port* is sshd's."""

    host: Host
    folder: Path
    port: int

    def key(self, name: str, *arguments: str) -> Path:
        """Make a key and give it to the installation; return the private one's path."""
        path = self.unknown_key(name)
        added = self.host.hostess("keys", "add", name, f"{path}.pub", *arguments)
        assert added.returncode == 0, added.stderr
        return path

    def unknown_key(self, name: str) -> Path:
        """Make a key that nobody knows."""
        path = self.folder / f"key_{name}"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path], check=True)
        return path

    def command(self, key: Path) -> list[str]:
        """Return the beginning of a command line of ssh with this key."""
        options = ("IdentitiesOnly=yes", "StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR")
        words = [word for option in (*options, "BatchMode=yes") for word in ("-o", option)]
        return ["ssh", "-F", "none", "-i", str(key), "-p", str(self.port), *words]

    def ssh(self, key: Path, *arguments: str, options: Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
        """Run ssh, with these options, to the user hostess."""
        return subprocess.run(
            [*self.command(key), *options, "hostess@127.0.0.1", *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=180,
        )

    def url(self, project: str) -> str:
        """Return where a project is pushed to."""
        return f"ssh://hostess@127.0.0.1/{project}.git"

    def environment(self, key: Path) -> Mapping[str, str]:
        """Return git's environment for this key."""
        return {**os.environ, **GIT, "GIT_SSH_COMMAND": " ".join(self.command(key))}

    def git(self, key: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run git in a folder with this key."""
        return subprocess.run(
            ["git", *arguments],
            cwd=folder,
            env=self.environment(key),
            capture_output=True,
            text=True,
            check=False,
            timeout=200,
        )

    def push(self, key: Path, repository: Repository, *refs: str) -> subprocess.CompletedProcess[str]:
        """Push main, or *refs*, over SSH."""
        return self.git(key, repository.folder, "push", self.url(repository.project), *(refs or ("main",)))

    def begin_push(self, key: Path, repository: Repository) -> subprocess.Popen[str]:
        """Start a push of main and return its process, which leads a group of its own."""
        return subprocess.Popen(
            ["git", "push", self.url(repository.project), "main"],
            cwd=repository.folder,
            env=self.environment(key),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def start(self) -> None:
        """Start the daemon."""
        arguments = (sys.executable, "-m", "hostess", "daemon")
        self.host.start(*arguments, module="tests.system.with_login_user", extra={"LOGIN_USER": str(self.folder)})


def start_sshd(folder: Path, data: Path) -> tuple[subprocess.Popen[bytes], int]:
    """Start sshd with the shipped settings behind a few of the test's own; return it and its port, which somebody else may take first."""
    shipped = (ROOT / "systemd" / "hostess.sshd.conf").read_text()
    assert "/usr/local/bin/hostess-ssh" in shipped
    ours = shipped.replace("/usr/local/bin/hostess-ssh", "/mnt/hostess-ssh").replace("/var/lib/hostess", str(data))
    Path("/run/sshd").mkdir(exist_ok=True, mode=0o755)  # where sshd locks its unprivileged half in
    for port in free_ports(5):
        (folder / "sshd_config").write_text(SETTINGS.format(port=port, folder=folder) + ours)
        if sshd := tried_sshd(folder):
            return sshd, port
    raise AssertionError((folder / "sshd.log").read_text())


def tried_sshd(folder: Path) -> subprocess.Popen[bytes] | None:
    """Start sshd with the settings in a folder; None when it ends instead of listening."""
    log = folder / "sshd.log"
    command = [sys.executable, "-m", "tests.system.with_login_user", "/usr/sbin/sshd", "-D", "-e", "-f"]
    with log.open("wb") as out:
        sshd = subprocess.Popen(
            [*command, folder / "sshd_config"],
            cwd=ROOT,
            env={**os.environ, "LOGIN_USER": str(folder)},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
        )
    until(lambda: sshd.poll() is not None or b"Server listening" in log.read_bytes(), 20, "the start of sshd")
    return sshd if sshd.poll() is None else None


@pytest.fixture(scope="module")
def there() -> Iterator[SshHost]:
    """Give an installation and its sshd, in a folder that the user hostess may pass through."""
    folder = Path(tempfile.mkdtemp(prefix="ht-ssh-"))
    folder.chmod(0o711)
    with_login_user.prepare(folder, LAUNCHER, ROOT / "hooks" / "hostess_hooks")
    host = Host(folder)
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / "host_key"], check=True)
    sshd, port = start_sshd(folder, host.data)
    try:
        there = SshHost(host, folder, port)
        there.start()
        yield there
    finally:
        sshd.terminate()
        sshd.wait(60)
        host.remove()
        shutil.rmtree(folder, ignore_errors=True)


def told(pushed: subprocess.CompletedProcess[str], project: str) -> Sequence[str]:
    """Return the lines that the pusher read of Hostess, without what differs each time: names, times, ids, ports, the builder's steps."""
    lines = [line.strip() for line in pushed.stderr.splitlines() if line.startswith("remote: ") and "] " not in line]
    return [re.sub(r"\b[0-9a-f]{7,40}\b|[\d.:]+", "*", line.replace(project, "PROJECT")) for line in lines]


def test_a_push_over_ssh_deploys_as_one_over_http_does(there: SshHost) -> None:
    """The first push makes the project and deploys it, a clone gives it back, and the pusher reads what one over HTTP reads."""
    key = there.key("first")
    over_ssh = a_repository(there.host, "over-ssh", echo_files())
    over_http = a_repository(there.host, "over-web", echo_files())

    pushed, other = there.push(key, over_ssh), over_http.push()
    cloned = there.git(key, there.folder, "-c", "protocol.version=2", "clone", there.url("over-ssh"), "cloned")

    assert pushed.returncode == 0, pushed.stderr
    assert there.host.get("over-ssh-web.localhost")[0] == 200
    assert told(pushed, "over-ssh") == told(other, "over-web")
    assert cloned.returncode == 0, cloned.stderr
    assert (there.folder / "cloned" / "hostess.yml").read_text() == echo_files()["hostess.yml"]
    [[actor]] = there.host.query("SELECT json_extract(record, '$.actor') FROM deployments WHERE project = 'over-ssh'")
    [[used]] = there.host.query("SELECT used_at FROM ssh_keys WHERE name = 'first'")
    assert (actor, used is not None) == ("first", True)


def test_a_refused_push_fails(there: SshHost) -> None:
    """A push that cannot be deployed ends with git's own refusal of the ref and exit code 1, and moves nothing."""
    key = there.key("refused")
    repository = a_repository(
        there.host, "refused", {"hostess.yml": "version: '1.0'\nservices: {web: {type: nothing}}\n"}
    )

    pushed = there.push(key, repository)
    listed = there.git(key, repository.folder, "ls-remote", there.url("refused"))

    assert pushed.returncode == 1
    assert "[remote rejected] main -> main" in pushed.stderr
    assert (listed.returncode, listed.stdout) == (0, "")


def test_a_key_may_what_its_role_and_projects_say(there: SshHost) -> None:
    """A viewer fetches and does not push; a key of one project opens no other; an unknown or removed one opens nothing."""
    owner, viewer = there.key("scopes"), there.key("viewer", "--role", "viewer")
    elsewhere, unknown = there.key("elsewhere", "-p", "other"), there.unknown_key("unknown")
    repository = a_repository(there.host, "scoped", echo_files())
    assert there.push(owner, repository).returncode == 0
    listing = ("ls-remote", there.url("scoped"))

    assert "refs/heads/main" in there.git(viewer, repository.folder, *listing).stdout
    refused = there.push(viewer, repository, "main:next")
    assert refused.returncode != 0
    assert "remote error: this key must not push scoped; use a key of another role or scope" in refused.stderr
    assert "must not fetch scoped" in there.git(elsewhere, repository.folder, *listing).stderr
    assert "Permission denied (publickey)" in there.git(unknown, repository.folder, *listing).stderr
    [[row]] = there.host.query("SELECT id FROM ssh_keys WHERE name = 'viewer'")
    assert there.host.hostess("keys", "remove", str(row), "--force").returncode == 0
    assert "Permission denied (publickey)" in there.git(viewer, repository.folder, *listing).stderr


@pytest.mark.parametrize(
    "command",
    [
        (),
        ("sh",),
        ("git-upload-archive 'scoped.git'",),
        ("git-receive-pack --version",),
        ("git-upload-pack 'x.git'; id",),
        ("git-upload-pack '../../etc'",),
        ("git-receive-pack 'a' 'b'",),
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("options", [(), ("-tt",), ("-s",)], ids=["plain", "terminal", "subsystem"])
def test_there_is_nothing_but_git(there: SshHost, command: Sequence[str], options: Sequence[str]) -> None:
    """No shell, no terminal, no other program and no other folder: whatever is asked for beside git's two programs is refused."""
    key = there.folder / "key_shell"
    if not key.exists():
        there.key("shell")

    done = there.ssh(key, *command, options=options)

    assert done.returncode != 0
    assert "uid=" not in done.stdout
    assert done.stdout == "" or done.stdout[4:].startswith(
        ("ERR there is no project", 'ERR "--version" is not a valid name')
    )


def test_nothing_is_forwarded(there: SshHost) -> None:
    """A tunnel through the host is not made."""
    key = there.key("tunnel")

    done = there.ssh(key, options=("-W", there.host.api))

    assert done.returncode != 0
    assert done.stdout == ""
    assert "forwarding failed" in done.stderr


def test_two_pushes_at_once(there: SshHost) -> None:
    """Of two pushes to one branch that begin together each is told its own end, and what is live is what the branch says."""
    key = there.key("both")
    repository = a_repository(there.host, "both", echo_files())
    assert there.push(key, repository).returncode == 0
    pushes = []
    for version in ("2", "3"):
        repository.write(echo_files(version))
        repository.commit()
        pushes.append(there.begin_push(key, repository))
    ends = [push.communicate(timeout=120)[1] for push in pushes]

    assert any(push.returncode == 0 for push in pushes), ends
    branch = there.git(key, repository.folder, "ls-remote", there.url("both"), "refs/heads/main").stdout.split()[0]
    shown = repository.git("show", f"{branch}:Dockerfile").stdout
    assert f"VERSION={there.host.get('both-web.localhost')[2]['x-version']}" in shown


def test_a_pusher_who_leaves_does_not_stop_the_push(there: SshHost) -> None:
    """A signal ends the command, as Ctrl-C does; what was pushed completely is carried to its end, as over HTTP."""
    key = there.key("leaver")
    repository = a_repository(there.host, "leaver", held("1"))
    push = there.begin_push(key, repository)
    until(lambda: there.host.query("SELECT 1 FROM deployments WHERE project = 'leaver'"), 60, "the deployment")

    os.killpg(push.pid, signal.SIGTERM)  # a shell may have had SIGINT ignored, and that is inherited
    push.communicate(timeout=180)

    assert push.returncode != 0
    let_go(there.host, "leaver")
    until(lambda: there.host.get("leaver-web.localhost")[0] == 200, 90, "the release")


def test_the_socket_is_for_one_user(there: SshHost) -> None:
    """Besides root nobody but the user hostess can connect to the socket that says whose a key is."""
    path = there.host.data / "run" / "ssh.sock"
    connect = f"import socket; socket.socket(socket.AF_UNIX).connect({str(path)!r})"

    done = {
        user: subprocess.run(
            ["/usr/bin/python3", "-c", connect],
            user=user,
            group=user,
            extra_groups=[],
            capture_output=True,
            check=False,
        )
        for user in (64321, 65534)
    }

    assert done[64321].returncode == 0, done[64321].stderr
    assert b"PermissionError" in done[65534].stderr


def test_a_daemon_that_is_away_is_told(there: SshHost) -> None:
    """While the daemon is stopped, git says so in one sentence; when it dies in the middle, too; and back again it takes pushes."""
    key = there.key("patient")
    repository = a_repository(there.host, "patient", echo_files())
    there.host.stop()

    away = there.push(key, repository)
    shell = there.ssh(key)
    there.start()
    back = there.push(key, repository)

    assert away.returncode != 0
    assert "remote error: the Hostess daemon on this host does not answer; apps that are live serve on" in away.stderr
    assert (shell.returncode, "does not answer" in shell.stderr) == (1, True)
    assert back.returncode == 0, back.stderr


def test_a_daemon_that_dies_in_the_middle_is_told(there: SshHost) -> None:
    """A push whose daemon is killed ends at once, with a sentence that says what to do; pushed again it goes through."""
    key = there.key("survivor")
    repository = a_repository(there.host, "survivor", held("1"))
    push = there.begin_push(key, repository)
    until(lambda: there.host.query("SELECT 1 FROM deployments WHERE project = 'survivor'"), 60, "the deployment")

    there.host.kill()
    said = push.communicate(timeout=180)[1]
    there.start()
    repository.write(echo_files("2"))
    repository.commit()
    again = there.push(key, repository)

    assert push.returncode != 0
    assert "the daemon went away in the middle of this" in said
    assert again.returncode == 0, again.stderr

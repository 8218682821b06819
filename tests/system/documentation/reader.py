"""Somebody who reads a page and types its commands into a shell, one after the other."""

import os
import re
import signal
import socket
import subprocess
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryFile
from typing import Self

from tests.documented import ROOT, Command
from tests.system.documentation.reading import Told, names
from tests.system.documentation.world import checkout, environment, fact, newest
from tests.system.host import Host, until

WITHIN = 240
TOLD_AT_MOST = 1500
SSHD = """Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/.ssh/id_ed25519.pub
PermitRootLogin yes
PidFile none
UsePAM yes
StrictModes no
"""
FOR_SSH = "-F none -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR"


def free_port() -> int:
    """Return a port that nobody has now."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def ended(group: int) -> None:
    """End all processes of a group that may be gone already."""
    with suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)


@dataclass
class Reader:
    """A reader of one page of the guide. *folder* is home; *work* is where the shell is."""

    host: Host
    page: str
    folder: Path
    told: Mapping[str, Told]
    work: Path = field(init=False)
    environ: dict[str, str] = field(init=False)
    closing: ExitStack = field(default_factory=ExitStack)
    tunnel: int = field(default_factory=free_port)

    def __enter__(self) -> Self:
        """Take a seat: a folder with the project, a key, a shell."""
        keys = self.folder / ".ssh"
        keys.mkdir(parents=True, mode=0o700)
        for path in (keys / "id_ed25519", self.folder / "host_key"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path], check=True)
        self.work = checkout(self.host, self.page, self.folder)
        self.environ = dict(environment(self.host, self.folder))
        if self.page == "api.md":  # whose commands may come from anywhere
            self.environ["HOSTESS_TOKEN"] = self.host.token
        return self

    def __exit__(self, *_: object) -> None:
        """Leave nothing behind that runs."""
        self.closing.close()

    @property
    def values(self) -> Mapping[str, Callable[[], str]]:
        """What stands in braces in the table, or for a word of the pages."""
        host = self.host
        return {
            "api": lambda: host.api,
            "https": lambda: fact(host, "proxy", "https").rpartition(":")[2],
            "instance": lambda: host.instance,
            "token": lambda: host.token,
            "tunnel": lambda: str(self.tunnel),
            "sshd": self.sshd,
            "identity": lambda: str(host.folder.parent / "host-key.txt"),
            "folder": lambda: str(self.folder),
            "root": lambda: str(ROOT),
            "notices": lambda: str(host.folder.parent / "notices"),
            "token_id": lambda: newest(host, "tokens", "list", name="guest"),
            "key_id": lambda: newest(host, "keys", "list", name="ci"),
            "backup": lambda: newest(host, "backups", "list", "-p", "shop", service="database", state="ok"),
            "deployment": lambda: newest(host, "deployments", "list", "-p", "shop", "--all"),
        }

    def filled(self, text: str) -> str:
        """Return a command with the words of this host."""
        # README's reader is not on the server, and has a tunnel that leads there.
        where = f"127.0.0.1:{self.tunnel}" if self.page == "README.md" else self.host.api
        text = text.replace("127.0.0.1:7654", where).replace("INSTALLATION", "{instance}")
        text = text.replace("https://hostess.example.com", "https://localhost:{https}")
        values = self.values
        return re.sub(r"\{(\w+)\}", lambda word: values[word[1]]() if word[1] in values else word[0], text)

    def types(self, command: Command) -> str:
        """Do what the page says in one command; return what is wrong about it, "" if nothing is."""
        told = next((self.told[name] for name in names(command) if name in self.told), Told())
        if wrong := self.prepares(told.before):
            return f"{command.place}\n  before it: {wrong}"
        line = self.filled(told.instead or command.text)
        code, said = self.interrupts(line, told.until) if told.until else self.runs(line, self.filled(told.typed))
        if code not in told.codes:
            return f"{command.place}\n  `{line}` ended with {code}\n{said[-TOLD_AT_MOST:]}"
        if not re.search(self.filled(told.says), said):
            return f"{command.place}\n  `{line}` did not say {told.says!r}\n{said[-TOLD_AT_MOST:]}"
        wrong = self.prepares(told.then)
        return f"{command.place}\n  after it: {wrong}" if wrong else ""

    def prepares(self, script: str) -> str:
        """Run a script of the table, which has to end with 0; return how it failed, "" if it did not."""
        code, said = self.runs(self.filled(f"set -e; {script}"), "") if script else (0, "")
        return f"`{script}` ended with {code}\n{said[-TOLD_AT_MOST:]}" if code else ""

    def runs(self, line: str, typed: str) -> tuple[int, str]:
        """Run a line in the shell; return exit code and output.

        What it exports stays; what it leaves in the background ends with the page.
        """
        keeps = line.startswith("export ")
        with TemporaryFile("w+", encoding="utf-8", errors="replace") as out:
            shell = subprocess.Popen(
                ["bash", "-o", "pipefail", "-c", f"{line} && env -0" if keeps else line],
                cwd=self.work,
                env=self.environ,
                stdin=subprocess.PIPE,
                stdout=out,
                stderr=out,
                text=True,
                start_new_session=True,
            )
            if line.rstrip().endswith("&"):
                self.closing.callback(ended, shell.pid)
            try:
                shell.communicate(typed, timeout=WITHIN)
            except subprocess.TimeoutExpired:
                ended(shell.pid)
                shell.wait(60)
            out.seek(0)
            said = out.read()
        if keeps:
            self.environ |= dict(one.split("=", 1) for one in said.split("\0") if "=" in one)
        return shell.returncode, said

    def interrupts(self, line: str, expected: str) -> tuple[int, str]:
        """Run a line that goes on until somebody presses Ctrl+C, and press it when it has said what is expected."""
        path = self.folder / "said"
        with path.open("w") as out:
            shell = subprocess.Popen(
                ["bash", "-c", f"exec {line}"],
                cwd=self.work,
                env=self.environ,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )
            try:
                seen = re.compile(expected, re.MULTILINE)
                until(lambda: seen.search(path.read_text()) or shell.poll() is not None, 20, f"{expected!r} of {line}")
                shell.send_signal(signal.SIGINT)
                code = shell.wait(WITHIN)
            finally:
                shell.kill()
        said = path.read_text()
        return code if seen.search(said) else -1, said

    def sshd(self) -> str:
        """Let root come in with the reader's key, and return at which port."""
        port = free_port()
        settings, log = self.folder / "sshd_config", self.folder / "sshd.log"
        settings.write_text(SSHD.format(port=port, folder=self.folder))
        Path("/run/sshd").mkdir(exist_ok=True, mode=0o755)
        with log.open("wb") as out:
            server = subprocess.Popen(["/usr/sbin/sshd", "-D", "-e", "-f", settings], stdout=out, stderr=out)
        self.closing.callback(server.wait, 60)
        self.closing.callback(server.terminate)
        until(lambda: server.poll() is not None or b"Server listening" in log.read_bytes(), 20, "the start of sshd")
        return str(port)

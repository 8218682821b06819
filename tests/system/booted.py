"""Debian booted by systemd in a container: where units and installations are tried."""

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]
IMAGE = "hostess-test/systemd:1"
DEBIAN_13 = "hostess-test/systemd:13"
# What systemd needs in order to boot, and nothing beyond.
OPTIONS = (
    "--cap-add",
    "SYS_ADMIN",
    "--tmpfs",
    "/run",
    "--tmpfs",
    "/tmp",
    "--volume",
    "/sys/fs/cgroup:/sys/fs/cgroup:ro",
    # Newer ones refuse control groups of version 1 otherwise, which the machine of the tests may have.
    "--env",
    "SYSTEMD_CGROUP_ENABLE_LEGACY_FORCE=1",
)
WITHIN = 120.0
LONGEST = 540.0
"""Seconds that a command may take: an installation does, on a machine that does much else."""


def run(*command: str | Path, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run a program; its output is part of the failure."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=LONGEST, check=False)
    assert not check or done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done


class Booted:
    """A container in which systemd runs. *data* is the data folder of the Hostess in it."""

    def __init__(self, container: str, data: str = "/var/lib/hostess") -> None:
        self._container = container
        self.data = data

    @property
    def address(self) -> str:
        """Its address on the engine's default bridge."""
        template = "{{.NetworkSettings.IPAddress}}"
        return run("docker", "container", "inspect", "--format", template, self._container).stdout.strip()

    def execute(self, *command: str, check: bool = True) -> str:
        """Run a command inside; return what it said."""
        done = run("docker", "exec", self._container, *command, check=check)
        return (done.stdout + done.stderr).strip()

    def put(self, file: Path, path: str, mode: str = "644") -> None:
        """Copy a file or a folder in; it is root's."""
        run("docker", "cp", file, f"{self._container}:{path}")
        self.execute("chown", "--recursive", "root:root", path)
        if file.is_file():
            self.execute("chmod", mode, path)

    def fetch(self, path: str, target: Path) -> None:
        """Copy a file out."""
        run("docker", "cp", f"{self._container}:{path}", target)

    def write(self, text: str, path: str) -> None:
        """Write a file inside."""
        self.execute("sh", "-c", 'mkdir -p "$(dirname "$2")" && printf %s "$1" > "$2"', "sh", text, path)

    def reboot(self) -> None:
        """End everything inside and boot again; what is in /run and /tmp is gone."""
        run("docker", "restart", "--time", "60", self._container)
        self.await_running()

    def await_running(self) -> None:
        """Wait until systemd has booted."""
        give_up = time.monotonic() + WITHIN
        while self.execute("systemctl", "is-system-running", check=False) not in {"running", "degraded"}:
            assert time.monotonic() < give_up, "systemd did not boot"
            time.sleep(0.1)


@contextmanager
def a_booted_debian(*options: str, image: str = IMAGE) -> Iterator[Booted]:
    """Boot one, with more options of `docker run`; it is removed afterwards."""
    run(ROOT / "tests" / "images" / "images.sh", image)
    label = ("--label", "hostess.test=booted")
    container = run("docker", "run", "--detach", *label, *OPTIONS, *options, image).stdout.strip()
    try:
        system = Booted(container)
        system.await_running()
        yield system
    finally:
        run("docker", "rm", "--force", "--volumes", container)

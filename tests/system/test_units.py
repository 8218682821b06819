"""The systemd units: without a fault by systemd's own check, and doing in a booted systemd what they promise."""

import json
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
UNITS = ROOT / "systemd"
PROGRAM = Path(__file__).with_name("stand_in_program.py")
IMAGE = "hostess-test/systemd:1"
WITHIN = 30.0

needs_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not here")


def run(*command: str | Path, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run a program; its output is part of the failure."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert not check or done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done


@needs_systemd
def test_systemd_finds_no_fault_in_the_units(tmp_path: Path) -> None:
    """`systemd-analyze verify` accepts service and socket files without a word, unknown keys included."""
    for unit in [*UNITS.glob("*.service"), *UNITS.glob("*.socket")]:
        # The check wants the program to exist; which one it is matters nothing.
        text = unit.read_text(encoding="utf-8").replace("/usr/local/bin/hostess", "/bin/true")
        (tmp_path / unit.name).write_text(text, encoding="utf-8")
    done = run("systemd-analyze", "verify", "--man=no", *sorted(tmp_path.iterdir()))
    assert done.stdout + done.stderr == ""


@needs_systemd
@pytest.mark.parametrize(("unit", "at_most"), [("hostess-proxy.service", 20), ("hostess.service", 35)])
def test_the_services_are_confined(unit: str, at_most: int) -> None:
    """Systemd rates the exposure of the proxy at 2.0 and of the daemon at 3.5 of 10 or better."""
    run("systemd-analyze", "security", "--offline=true", f"--threshold={at_most}", UNITS / unit)


class Booted:
    """A container in which systemd runs with our units and a program that stands in for Hostess."""

    def __init__(self, container: str) -> None:
        self._container = container
        self.address = run(
            "docker", "container", "inspect", "--format", "{{.NetworkSettings.IPAddress}}", container
        ).stdout.strip()

    def execute(self, *command: str, check: bool = True) -> str:
        """Run a command inside; return what it said."""
        return run("docker", "exec", self._container, *command, check=check).stdout.strip()

    def put(self, file: Path, path: str, mode: str = "644") -> None:
        """Copy a file in."""
        run("docker", "cp", file, f"{self._container}:{path}")
        self.execute("chmod", mode, path)
        self.execute("chown", "root:root", path)

    def ask(self) -> dict[str, object]:
        """Ask the proxy's port; the answer tells what the proxy's process is and may."""
        with urllib.request.urlopen(f"http://{self.address}/", timeout=10) as answer:
            facts: dict[str, object] = json.load(answer)
        return facts

    def await_running(self) -> None:
        """Wait until systemd has booted."""
        give_up = time.monotonic() + WITHIN
        while self.execute("systemctl", "is-system-running", check=False) not in {"running", "degraded"}:
            assert time.monotonic() < give_up, "systemd did not boot"
            time.sleep(0.1)


@pytest.fixture(scope="module")
def booted() -> Iterator[Booted]:
    """Boot, install the units as the README says, start them."""
    run(ROOT / "tests" / "images" / "images.sh", IMAGE)
    options = [
        "--cap-add",
        "SYS_ADMIN",
        "--tmpfs",
        "/run",
        "--tmpfs",
        "/tmp",
        "--volume",
        "/sys/fs/cgroup:/sys/fs/cgroup:ro",
    ]
    container = run("docker", "run", "--detach", "--label", "hostess.test=units", *options, IMAGE).stdout.strip()
    try:
        system = Booted(container)
        system.await_running()
        for unit in [*UNITS.glob("*.service"), *UNITS.glob("*.socket")]:
            system.put(unit, f"/etc/systemd/system/{unit.name}")
        system.put(UNITS / "hostess.sysusers", "/usr/lib/sysusers.d/hostess.conf")
        system.put(UNITS / "hostess.tmpfiles", "/usr/lib/tmpfiles.d/hostess.conf")
        system.put(PROGRAM, "/usr/local/bin/hostess", mode="755")
        system.execute("systemd-sysusers")
        system.execute("systemd-tmpfiles", "--create", "/usr/lib/tmpfiles.d/hostess.conf")
        system.execute("systemctl", "daemon-reload")
        system.execute(
            "systemctl", "enable", "--now", "hostess-proxy.socket", "hostess-proxy.service", "hostess.service"
        )
        yield system
    finally:
        with suppress(subprocess.TimeoutExpired):
            run("docker", "rm", "--force", "--volumes", container)


@pytest.mark.docker
def test_the_daemon_is_up_when_it_says_so(booted: Booted) -> None:
    """`systemctl start hostess` returns when the daemon has said READY=1, and the unit is active then."""
    assert booted.execute("systemctl", "is-active", "hostess.service") == "active"


@pytest.mark.docker
def test_the_proxy_serves_strangers_as_a_user_that_can_read_no_secret(booted: Booted) -> None:
    """The proxy answers on port 80 as a user of its own, writes its three folders, and neither reads the key nor writes beside it."""
    booted.execute("systemctl", "restart", "hostess-proxy.service")  # now that the key is there
    facts = booted.ask()
    assert facts["uid"] == int(booted.execute("id", "-u", "hostess-proxy"))
    assert facts["names"] == "http"
    assert (facts["writes_run"], facts["writes_table"], facts["writes_log"]) == (True, True, True)
    assert (facts["reads_key"], facts["writes_data"]) == (False, False)


@pytest.mark.docker
def test_a_killed_proxy_costs_no_connection_that_waits(booted: Booted) -> None:
    """After kill -9 of the proxy a connection made at once is answered by the next one, because systemd holds the port."""
    before = booted.ask()["pid"]
    booted.execute("systemctl", "kill", "--signal=KILL", "hostess-proxy.service")
    assert booted.ask()["pid"] != before


@pytest.mark.docker
def test_stopping_the_daemon_leaves_the_proxy_serving(booted: Booted) -> None:
    """While the daemon is stopped the same proxy process answers."""
    before = booted.ask()["pid"]
    booted.execute("systemctl", "stop", "hostess.service")
    assert booted.ask()["pid"] == before
    booted.execute("systemctl", "start", "hostess.service")

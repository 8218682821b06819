"""The systemd units: without a fault by systemd's own check, and doing in a booted systemd what they promise."""

import json
import shutil
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.booted import ROOT, Booted, a_booted_debian, run

UNITS = ROOT / "systemd"
PROGRAM = Path(__file__).with_name("stand_in_program.py")

MORE_THAN_SYSTEMD_TRIES = 7
"""By itself systemd gives a unit up that was started five times within ten seconds."""

needs_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not here")


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
@pytest.mark.parametrize(("unit", "at_most"), [("hostess-proxy.service", 15), ("hostess.service", 30)])
def test_the_services_are_confined(unit: str, at_most: int) -> None:
    """Systemd rates the exposure of the proxy at 1.5 and of the daemon at 3.0 of 10 or better."""
    run("systemd-analyze", "security", "--offline=true", f"--threshold={at_most}", UNITS / unit)


def ask(system: Booted) -> dict[str, object]:
    """Ask the proxy's port; the answer tells what the proxy's process is and may."""
    with urllib.request.urlopen(f"http://{system.address}/", timeout=60) as answer:
        facts: dict[str, object] = json.load(answer)
    return facts


@pytest.fixture(scope="module")
def booted() -> Iterator[Booted]:
    """Boot, install the units with a program that stands in for Hostess, start them."""
    with a_booted_debian() as system:
        for unit in [*UNITS.glob("*.service"), *UNITS.glob("*.socket")]:
            system.put(unit, f"/etc/systemd/system/{unit.name}")
        system.put(UNITS / "hostess.sysusers", "/usr/lib/sysusers.d/hostess.conf")
        system.put(UNITS / "hostess.tmpfiles", "/usr/lib/tmpfiles.d/hostess.conf")
        system.put(PROGRAM, "/usr/local/bin/hostess", mode="755")
        system.execute("systemd-sysusers")
        system.execute("systemd-tmpfiles", "--create", "hostess.conf")
        system.execute("systemctl", "daemon-reload")
        system.execute(
            "systemctl", "enable", "--now", "hostess-proxy.socket", "hostess-proxy.service", "hostess.service"
        )
        yield system


def test_the_daemon_is_up_when_it_says_so(booted: Booted) -> None:
    """`systemctl start hostess` returns when the daemon has said READY=1, and the unit is active then."""
    assert booted.execute("systemctl", "is-active", "hostess.service") == "active"


@pytest.mark.parametrize("unit", ["hostess.service", "hostess-proxy.service"])
def test_they_are_killed_last(booted: Booted, unit: str) -> None:
    """When the host has no memory left the kernel kills nearly everything else before the daemon and the proxy.

    Systemd is asked, not the process: inside a container it may lower no score, and goes on without a word.
    """
    assert booted.execute("systemctl", "show", "--property=OOMScoreAdjust", "--value", unit) == "-900"


def test_the_proxy_serves_strangers_as_a_user_that_can_read_no_secret(booted: Booted) -> None:
    """The proxy answers on port 80 as a user of its own, writes its three folders, and neither reads the key nor writes beside it."""
    booted.execute("systemctl", "restart", "hostess-proxy.service")  # now that the key is there
    facts = ask(booted)
    assert facts["uid"] == int(booted.execute("id", "-u", "hostess-proxy"))
    assert facts["names"] == ["http", "https", "inside"]
    assert (facts["writes_run"], facts["writes_table"], facts["writes_log"]) == (True, True, True)
    assert (facts["reads_key"], facts["writes_data"]) == (False, False)


def test_the_proxy_reads_the_keys_of_its_certificates_only(booted: Booted) -> None:
    """The proxy reads a certificate's key and cannot change it; that of the authority which signs certificates it cannot read."""
    booted.execute("systemctl", "restart", "hostess-proxy.service")
    facts = ask(booted)
    assert (facts["reads_certificate"], facts["writes_certificate"]) == (True, False)
    assert facts["reads_authority"] is False
    assert booted.execute("stat", "--format=%a", "/var/lib/hostess/certs") == "710"


def test_a_killed_proxy_costs_no_connection_that_waits(booted: Booted) -> None:
    """After kill -9 of the proxy a connection made at once is answered by the next one, because systemd holds the port."""
    before = ask(booted)["pid"]
    booted.execute("systemctl", "kill", "--signal=KILL", "hostess-proxy.service")
    assert ask(booted)["pid"] != before


def test_stopping_the_daemon_leaves_the_proxy_serving(booted: Booted) -> None:
    """While the daemon is stopped the same proxy process answers."""
    before = ask(booted)["pid"]
    booted.execute("systemctl", "stop", "hostess.service")
    assert ask(booted)["pid"] == before
    booted.execute("systemctl", "start", "hostess.service")


def test_neither_is_given_up(booted: Booted) -> None:
    """However often daemon and proxy fail to start, both are there again by themselves when the cause is gone, and so are the ports."""
    program = "/usr/local/bin/hostess"
    booted.execute("mv", program, f"{program}.away")
    booted.write("#!/bin/sh\nexit 1\n", program)
    booted.execute("chmod", "755", program)
    units = ("hostess-proxy.service", "hostess.service")
    for unit in units:
        booted.execute("systemctl", "kill", "--signal=KILL", unit)
    give_up = time.monotonic() + 60
    while min(restarts(booted, unit) for unit in units) < MORE_THAN_SYSTEMD_TRIES:
        assert time.monotonic() < give_up, booted.execute("systemctl", "status", *units, check=False)
        time.sleep(0.1)
    booted.execute("mv", f"{program}.away", program)

    assert ask(booted)["names"] == ["http", "https", "inside"]
    booted.execute("systemctl", "start", "hostess.service")  # returns when it is up, whoever has started it
    names = (*units, "hostess-proxy.socket")
    assert booted.execute("systemctl", "is-active", *names).split() == ["active"] * 3


def restarts(system: Booted, unit: str) -> int:
    """Return how often systemd has started a unit anew by itself."""
    return int(system.execute("systemctl", "show", "--value", "-p", "NRestarts", unit))

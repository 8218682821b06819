"""What hostess doctor makes of what it finds."""

import json
import os
import socket
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from click.testing import CliRunner

from hostess.adapters.installation.looking import journal_faults, reads_snippets
from hostess.adapters.journal.database import newer_migrations
from hostess.adapters.journal.sqlite import SqliteJournal
from hostess.cli.checks.engine import kernel, live_restore, root
from hostess.cli.checks.host import connections, memory
from hostess.cli.checks.proxy import holder, proxy
from hostess.cli.checks.state import daemon, journal
from hostess.cli.checks.ways_in import closed_by_iptables, closed_by_ufw, kept_out, leads_here, open_to_others
from hostess.cli.main import cli
from hostess.domain.settings import Settings, load

PUBLIC = ("9.9.9.9",)
MEMINFO = "MemTotal:        2000000 kB\nMemAvailable:    {} kB\nSwapTotal:       {} kB\n"


@pytest.mark.parametrize(
    ("available", "swap", "state", "remedy"),
    [
        (1_000_000, 0, "ok", ""),
        (300_000, 0, "warn", "swapon"),
        (300_000, 500_000, "warn", "docker stats"),
        (50_000, 0, "fail", "swapon"),
    ],
)
def test_memory(tmp_path: Path, available: int, swap: int, state: str, remedy: str) -> None:
    """Little memory is a warning, next to none a failure; where there is no swap the remedy makes some."""
    file = tmp_path / "meminfo"
    file.write_text(MEMINFO.format(available, swap))

    (found,) = memory(Settings(), file)

    assert found.state == state
    assert remedy in found.remedy


def test_a_proxy_on_all_addresses_of_a_host_without_ipv6(tmp_path: Path) -> None:
    """A proxy that listens at [::] is well where it answers by IPv4 alone; one that answers nowhere is not."""
    server = HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    serving = threading.Thread(target=server.serve_forever)
    serving.start()
    settings = load(None, tmp_path, {"HOSTESS_PROXY__HTTPS": ""})
    (tmp_path / "run").mkdir()
    facts = {"pid": os.getpid(), "http": f"[::]:{server.server_port}", "inside": "198.18.0.1:7655"}
    (tmp_path / "run" / "proxy.json").write_text(json.dumps(facts))
    well = [found.state for found in proxy(settings) if found.topic == "proxy"]
    server.shutdown()
    serving.join()
    server.server_close()

    assert well == ["ok"]
    assert [found.state for found in proxy(settings) if found.topic == "proxy"] == ["fail"]


def test_databases_from_outside(tmp_path: Path) -> None:
    """What is set and not listened for is told: who has the port, or that the proxy is to be restarted."""
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "proxy.json").write_text(json.dumps({"pid": os.getpid(), "redis": "127.0.0.1:6379"}))

    def told(port: int) -> list[tuple[str, str]]:
        values = {"HOSTESS_PROXY__POSTGRES": f":{port}", "HOSTESS_PROXY__REDIS": ":6379", "HOSTESS_PROXY__HTTPS": ""}
        found = proxy(load(None, tmp_path, values))
        return [(each.what, each.remedy) for each in found if "from outside" in each.what]

    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]
        [(what, remedy)] = told(port)
    assert what.startswith("leads nobody to postgres from outside: ")
    assert what.endswith(f"(process {os.getpid()}) has port {port}")
    assert remedy.endswith("; then systemctl restart hostess-proxy")
    assert told(port) == [
        (f"leads nobody to postgres from outside at port {port}", "systemctl restart hostess-proxy"),
    ]


def test_connections_that_may_wait(tmp_path: Path) -> None:
    """A kernel that lets few connections wait is told of with the command that changes it; one that lets enough is not."""
    file = tmp_path / "somaxconn"
    file.write_text("128\n")
    (found,) = connections(Settings(), file)
    file.write_text("4096\n")

    assert (found.state, "sysctl --system" in found.remedy) == ("warn", True)
    assert list(connections(Settings(), file)) == []


def test_where_the_engine_keeps_its_data(tmp_path: Path) -> None:
    """A disk of the engine's own is looked at; one that cannot be seen from here, as from within a container, is told of."""
    (gone,) = root({"DockerRootDir": str(tmp_path / "elsewhere")})
    (seen,) = root({"DockerRootDir": str(tmp_path)})

    assert (gone.state, f"show it {tmp_path / 'elsewhere'} at the same path" in gone.remedy) == ("warn", True)
    assert (seen.topic, f"free in {tmp_path}" in seen.what) == ("disk", True)


def test_a_kernel_that_limits_nothing() -> None:
    """An engine that says that memory cannot be limited is a failure; one that says nothing of it is not accused."""
    bad = list(kernel({"MemoryLimit": False, "PidsLimit": True, "KernelVersion": "6.1", "Driver": "overlay2"}))
    good = list(kernel({"MemoryLimit": True, "KernelVersion": "6.1", "CgroupVersion": "2", "CgroupDriver": "systemd"}))

    assert [(each.state, "update-grub" in each.remedy) for each in bad] == [("fail", True)]
    assert [(each.state, each.what) for each in good] == [("ok", "Linux 6.1, control groups 2 (systemd): limits hold")]


@pytest.mark.parametrize("before", [None, {}, {"log-driver": "local"}])
def test_the_command_for_live_restore(tmp_path: Path, before: dict[str, str] | None) -> None:
    """What doctor says to type sets live-restore and keeps every other setting of the engine."""
    file = tmp_path / "daemon.json"
    if before is not None:
        file.write_text(json.dumps(before))
    command, _, then = live_restore(file).rpartition(" && ")

    assert os.system(command) == 0
    assert json.loads(file.read_text()) == {**(before or {}), "live-restore": True}
    assert then == "systemctl reload docker"


@pytest.mark.parametrize(
    ("found", "own", "state", "word"),
    [
        ({"9.9.9.9"}, PUBLIC, "ok", "leads here"),
        ({"8.8.8.8"}, PUBLIC, "warn", "this host is 9.9.9.9"),
        ({"9.9.9.9", "8.8.8.8"}, PUBLIC, "warn", "and to 8.8.8.8, too"),
        (set(), PUBLIC, "warn", "leads nowhere"),
        ({"8.8.8.8"}, ("10.0.0.5",), "ok", "cannot tell more"),
    ],
)
def test_where_the_base_domain_leads(found: set[str], own: tuple[str, ...], state: str, word: str) -> None:
    """Hosts that lead elsewhere or nowhere are told with the record to make; behind address translation nobody is accused."""
    said = leads_here("apps.example.com", found, own, "not known")

    assert (said.state, word in said.what) == (state, True)
    assert (said.state == "ok") == (said.remedy == "")
    assert said.state == "ok" or "*.apps.example.com A 9.9.9.9" in said.remedy


@pytest.mark.parametrize(
    ("rules", "closed"),
    [
        ("22/tcp                     ALLOW IN    Anywhere", [80, 443]),
        ("80/tcp                     ALLOW       Anywhere\n443                        ALLOW       Anywhere", []),
        ("80,443/tcp                 ALLOW       Anywhere", []),
        ("Nginx HTTP                 ALLOW       Anywhere", [443]),
        ("8080/tcp                   ALLOW       Anywhere\n80/tcp                     DENY        Anywhere", [80, 443]),
    ],
)
def test_ports_that_ufw_keeps_closed(rules: str, closed: list[int]) -> None:
    """What ufw lets in, by number, list or application, is known; what it denies, and other ports, do not count."""
    header = (
        "Status: active\n\nTo                         Action      From\n--                         ------      ----\n"
    )

    assert closed_by_ufw(header + rules + "\n", [80, 443]) == closed


@pytest.mark.parametrize(
    ("rules", "closed"),
    [
        ("-P INPUT ACCEPT", []),
        ("-P INPUT DROP\n-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT", [80, 443]),
        ("-P INPUT DROP\n-A INPUT -p tcp -m multiport --dports 80,443 -j ACCEPT", []),
        (
            "-P INPUT ACCEPT\n-A INPUT -p tcp -m tcp --dport 80 -j ACCEPT\n-A INPUT -j REJECT --reject-with icmp-host-prohibited",
            [443],
        ),
        ("-P INPUT DROP\n-A INPUT -p tcp -m tcp --dport 80 -j DROP", [80, 443]),
    ],
)
def test_ports_that_iptables_keeps_closed(rules: str, closed: list[int]) -> None:
    """A chain that lets nothing in by itself closes the ports for which it has no rule that lets them in."""
    assert closed_by_iptables(rules, [80, 443]) == closed


def test_who_has_a_port() -> None:
    """The program that listens on a port is found; a port on which nobody listens is nobody's."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        pid, name = holder(port)
    again, _ = holder(port)

    assert (pid, bool(name)) == (os.getpid(), True)
    assert again == 0


def test_a_program_that_others_may_write(tmp_path: Path) -> None:
    """Whoever may write a folder on the way to sshd's command would be asked whose a key is: such folders are told."""
    program = tmp_path / "bin" / "hostess-ssh"
    program.parent.mkdir(mode=0o777)
    program.parent.chmod(0o777)
    program.touch(mode=0o755)

    assert program.parent in open_to_others(program)
    assert open_to_others(Path("/usr/bin/env")) == []


@pytest.mark.parametrize(
    ("line", "reads"),
    [
        ("Include /etc/ssh/sshd_config.d/*.conf", True),
        ("include sshd_config.d/*.conf", True),
        ('Include "/etc/ssh/sshd_config.d/*.conf"', True),
        ("Include /etc/ssh/other.conf /etc/ssh/sshd_config.d/*", True),
        ("#Include /etc/ssh/sshd_config.d/*.conf", False),
        ("Include /etc/ssh/my_sshd_config.d/*.conf", False),
        ("Include /etc/ssh/other.conf", False),
    ],
)
def test_an_sshd_that_reads_snippets(tmp_path: Path, line: str, reads: bool) -> None:
    """Keywords of sshd know no case, and paths need not begin with its folder."""
    (tmp_path / "sshd_config").write_text(f"Port 22\n{line}\nPasswordAuthentication no\n", encoding="utf-8")

    assert reads_snippets(tmp_path / "sshd_config") is reads


@pytest.mark.parametrize(
    ("shown", "who"),
    [
        ("port 22\nallowusers root\nallowusers admin@192.0.2.1\n", "AllowUsers root admin@192.0.2.1"),
        ("allowusers root\nallowusers host*@*\n", ""),
        ("allowgroups ssh-users\n", "AllowGroups ssh-users"),
        ("allowgroups ssh-users hostess\n", ""),
        ("denyusers hostess\nallowusers hostess\n", "DenyUsers hostess"),
        ("denygroups guests\npermitrootlogin no\n", ""),
    ],
)
def test_whom_sshd_keeps_out(shown: str, who: str) -> None:
    """The setting by which the user of pushes may not come in is named, with what it says."""
    assert kept_out(shown) == who


def test_who_has_the_apis_port(tmp_path: Path) -> None:
    """Where no daemon answers, the program that has its port is named."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        found = list(daemon(load(None, tmp_path, {"HOSTESS_API__LISTEN": f"127.0.0.1:{port}"})))

    assert [each.state for each in found] == ["fail", "fail"]
    assert f"(process {os.getpid()}) has port {port}" in found[1].what


async def test_a_journal(tmp_path: Path) -> None:
    """A whole journal is ok; one that is damaged, or that a newer version changed, is a failure with what to do."""
    await (await SqliteJournal.open(tmp_path / "hostess.db")).close()
    settings = load(None, tmp_path, {})
    (whole,) = journal(settings)
    data = (tmp_path / "hostess.db").read_bytes()
    (tmp_path / "hostess.db").write_bytes(data[:4096] + b"\x99" * 8192 + data[12288:])
    (damaged,) = journal(settings)

    assert (whole.state, whole.what) == ("ok", "is whole")
    assert (damaged.state, "systemctl stop hostess" in damaged.remedy) == ("fail", True)
    assert journal_faults(tmp_path / "none") is None
    assert newer_migrations(tmp_path / "none.db") == ()


def test_doctor_looks_at_a_bare_host(tmp_path: Path) -> None:
    """On a host without a daemon, doctor says what is missing and what to do, and ends with exit code 1."""
    environ = {
        "HOSTESS_DATA_DIR": str(tmp_path),
        "DOCKER_HOST": f"unix://{tmp_path}/none.sock",
        "PATH": os.environ["PATH"],
    }

    result = CliRunner().invoke(cli, ["doctor"], env=environ)

    assert result.exit_code == 1
    assert "git version" in result.stdout
    assert "systemctl start docker" in result.stdout
    assert "systemctl start hostess" in result.stdout

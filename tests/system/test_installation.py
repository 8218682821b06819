"""The README's way from a bare server to the first push, and on to upgrades and the end, in a booted Debian."""

import json
import re
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

from tests.side_by_side import free_ports
from tests.system.booted import DEBIAN_13, IMAGE, Booted, run
from tests.system.documentation.on_a_server import type_all
from tests.system.installed import (
    HOST,
    a_shared_folder,
    answer,
    coded,
    fact,
    installed,
    instance_of,
    is_well,
    mortal,
    objects_of,
    push,
    push_again,
    remove_everything,
    until,
)
from tests.system.load import load
from tests.system.moving import BUNDLE, KEY, Lost, data, is_active, recover, stocked

pytestmark = pytest.mark.timeout(1200)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Booted]:
    """Give an installation on Debian 12 that the tests share; each leaves it set up. Its data folder is the machine's outside."""
    with a_shared_folder() as data, installed(tmp_path_factory.mktemp("source"), IMAGE, data) as system:
        yield system


def test_the_readme_leads_to_a_first_push_and_the_app_outlives_daemon_and_proxy(server: Booted) -> None:
    """After the README's commands a push deploys; the app answers while the daemon is stopped, and after the proxy was killed."""
    assert server.execute("systemctl", "is-active", "hostess", "hostess-proxy").split() == ["active", "active"]
    assert "release v1 of first (production) is live" in push(server, "first")
    assert '"hello":"world"' in answer(server, "first")
    server.execute("systemctl", "stop", "hostess.service")
    assert '"hello":"world"' in answer(server, "first")
    server.execute("systemctl", "kill", "--signal=KILL", "hostess-proxy.service")
    assert '"hello":"world"' in answer(server, "first")
    server.execute("systemctl", "start", "hostess.service")
    assert "first" in server.execute("hostess", "status")


@pytest.fixture(scope="module")
def lost(server: Booted, tmp_path_factory: pytest.TempPathFactory) -> Lost:
    """Give what is left of a host: its bundle with the key, and what was there. Then the machine is set up anew."""
    folder = tmp_path_factory.mktemp("lost")
    stocked(server)
    before = data(server)
    public = server.execute("sh", "-c", f"hostess host key {KEY} 2>/dev/null")
    server.execute("hostess", "host", "backup", "--to", public, "--output", BUNDLE)
    code, said = recover(server)
    assert (code, is_active(server)) == (7, ["active", "active"]), said
    assert data(server) == before
    for path in (BUNDLE, KEY):
        server.fetch(path, folder)
    program, instance = server.execute("readlink", "/usr/local/bin/hostess"), instance_of(server)
    settings = remove_everything(server)
    assert objects_of(instance) == []
    for path, text in settings.items():
        server.write(text, path)
    server.execute(program, "setup")
    return Lost(folder, instance, before)


def test_a_lost_host_comes_back_on_debian_13(lost: Lost, tmp_path: Path) -> None:
    """The README's command leads to a host on Debian 13, too; one more, killed at every turn, brings the lost one back there."""
    with installed(tmp_path, DEBIAN_13) as system:
        assert "nothing to do" in system.execute("hostess", "setup")
        for path in (BUNDLE, KEY):
            system.put(lost.folder / Path(path).name, path, "600")
        system.execute("hostess", "host", "key", "/root/other.txt")
        code, said = recover(system, key="/root/other.txt")
        assert (code, is_active(system)) == (1, ["active", "active"]), said

        for moment in ("before put", "in put", "after rebuilt", "before swap"):
            code, said = recover(system, killed_at=moment)
            assert code == 128 + signal.SIGKILL, said
            if moment == "in put":
                system.execute("systemctl", "start", "hostess", check=False)  # as the next boot would
                assert "recover` again" in system.execute("journalctl", "--no-pager", "--unit", "hostess")
        code, said = recover(system)

        assert code == 0, said
        assert "environments serve again" in said  # other tests may have pushed more of them
        assert (instance_of(system), is_active(system)) == (lost.instance, ["active", "active"])
        assert data(system) == lost.data
        system.execute("hostess", "doctor")
        assert "nothing to do" in system.execute("hostess", "setup")
        assert "release v2 of kept (production) is live" in push_again(system, "kept")
        system.execute("hostess", "setup", "--remove", "--data", "--force")
        assert objects_of(lost.instance) == []


def test_a_reload_replaces_the_proxys_program(server: Booted) -> None:
    """`systemctl reload` starts the program anew in the place of the old one; systemd follows it, and starts another when it is killed."""
    for _ in range(2):
        before = fact(server, "proxy", "pid")
        server.execute("systemctl", "reload", "hostess-proxy.service")
        after = fact(server, "proxy", "pid")
        assert after != before
        assert server.execute("systemctl", "show", "--value", "-p", "MainPID", "hostess-proxy.service") == after
        assert server.execute("systemctl", "is-active", "hostess-proxy.service") == "active"
    server.execute("systemctl", "kill", "--signal=KILL", "--kill-who=main", "hostess-proxy.service")
    until(lambda: fact(server, "proxy", "pid") != after)
    server.execute("systemctl", "start", "hostess-proxy.service")  # returns when the next one accepts connections
    assert server.execute("systemctl", "is-active", "hostess-proxy.service") == "active"


NEXT = r"""
set -e
rm -rf /source-next && cp -r /source /source-next && cd /source-next
changed() { ! cmp -s "$1" "/source/$1" || { echo "$1 is not what it was"; exit 1; } }
sed -i 's/^version = .*/version = "0.99.0"/' pyproject.toml
sed -i 's/^__version__ = .*/__version__ = "0.99.0"/' daemon/hostess/__init__.py
cat >>daemon/hostess/adapters/journal/schema.py <<'END'


@migrations()
def m099_next(db: Database) -> None:
    db.executescript("CREATE TABLE next (id TEXT PRIMARY KEY) STRICT;")
END
sed -i 's/^    generation: int = 0$/&\n    next: str = ""/' proxy/hostess_proxy/tables/table.py
changed proxy/hostess_proxy/tables/table.py
sed -i 's/^        if inside:$/        table["next"] = "x"\n&/' daemon/hostess/adapters/proxy/router_socket.py
changed daemon/hostess/adapters/proxy/router_socket.py
"""


def make_next(system: Booted) -> None:
    """Make /source-next: a newer version, with one more table in its journal, and a key in its routes that older proxies refuse."""
    system.write(NEXT, "/next.sh")
    system.execute("bash", "/next.sh")


def test_what_the_pages_say_to_do_on_a_server(server: Booted) -> None:
    """Each command of the pages that needs systemd, or changes what is installed, ends well; the app answers after them all."""
    is_well(server)
    type_all(server)
    is_well(server)


def test_the_services_are_confined_as_they_run(server: Booted) -> None:
    """Of the units as systemd has loaded them it rates the proxy at 1.5 and the daemon at 3.0 of 10 or better."""
    for unit, at_most in (("hostess-proxy.service", 15), ("hostess.service", 30)):
        server.execute("systemd-analyze", "security", "--no-pager", f"--threshold={at_most}", unit)
    assert server.execute("systemctl", "show", "--value", "-p", "WatchdogUSec", "hostess", "hostess-proxy").split() == [
        "3min",
        "1min",
    ]


def test_doctor_finds_nothing_wrong_with_a_new_installation(server: Booted) -> None:
    """After an installation doctor fails at nothing, and has looked at each part, also at what runs."""
    found = json.loads(server.execute("hostess", "doctor", "-o", "json"))

    assert [each for each in found if each["state"] == "fail"] == []
    whole = {each["topic"] for each in found if each["state"] == "ok"}
    assert {"git", "engine", "kernel", "memory", "disk", "installation", "journal", "daemon", "proxy"} <= whole
    assert all(each["remedy"] for each in found if each["state"] != "ok")


def test_a_second_setup_has_nothing_to_do(server: Booted) -> None:
    """Where all is there `hostess setup` does nothing, and nobody is restarted; what is missing is made again, and only that."""
    before = fact(server, "daemon", "pid"), fact(server, "proxy", "pid")

    assert "nothing to do" in server.execute("hostess", "setup")

    server.execute("rm", "/etc/ssh/sshd_config.d/hostess.conf")
    server.execute("chmod", "777", server.data)
    said = server.execute("hostess", "setup")
    assert re.findall(r"^\[\d/3\] (\w+)", said, re.MULTILINE) == ["write", "make", "check"]
    assert server.execute("stat", "--format=%a", server.data) == "711"
    assert "hostess-ssh keys" in server.execute("sshd", "-T", "-C", "user=hostess,host=h,addr=192.0.2.1")
    assert (fact(server, "daemon", "pid"), fact(server, "proxy", "pid")) == before


def test_a_person_is_asked_first(server: Booted) -> None:
    """On a terminal setup shows its steps and does nothing before somebody has typed yes."""
    said = server.execute("sh", "-c", "echo no | script -qec 'hostess setup --remove' /dev/null", check=False)

    assert "stop and disable hostess.service" in said
    assert "nothing was done" in said
    assert "nothing to do" in server.execute("hostess", "setup")


@pytest.mark.parametrize("unit", ["hostess", "hostess-proxy"])
def test_who_hangs_is_started_anew(server: Booted, unit: str) -> None:
    """A daemon, or a proxy, that no longer says that it is alive is replaced by systemd, and the app is reached through the next."""
    is_well(server)
    # Shorter than the unit says, for this test.
    folder = f"/run/systemd/system/{unit}.service.d"
    server.write("[Service]\nWatchdogSec=5\nTimeoutAbortSec=1\n", f"{folder}/shorter.conf")
    server.execute("systemctl", "daemon-reload")
    server.execute("systemctl", "restart", unit)
    pid = main_pid(server, unit)
    server.execute("kill", "-STOP", pid)

    until(lambda: main_pid(server, unit) not in {"0", pid})
    until(lambda: server.execute("systemctl", "is-active", unit, check=False) == "active")
    assert '"hello":"world"' in answer(server)
    server.execute("rm", "-r", folder)
    server.execute("systemctl", "daemon-reload")
    server.execute("systemctl", "restart", unit)


def main_pid(system: Booted, unit: str) -> str:
    """Return the main process of a unit; "0" for none."""
    return system.execute("systemctl", "show", "--value", "-p", "MainPID", unit)


def test_sshd_is_never_left_broken(server: Booted) -> None:
    """What `sshd -t` refuses is taken away again, and setup says so: nobody is locked out."""
    server.write("Nonsense yes\n", "/etc/ssh/sshd_config.d/aaa.conf")
    server.execute("rm", "-f", "/etc/ssh/sshd_config.d/hostess.conf")
    said = server.execute("hostess", "setup", check=False)
    server.execute("rm", "/etc/ssh/sshd_config.d/aaa.conf")

    assert "still serving: sshd as before" in said
    assert "hostess.conf" not in server.execute("ls", "/etc/ssh/sshd_config.d")
    server.execute("hostess", "setup")
    assert "hostess.conf" in server.execute("ls", "/etc/ssh/sshd_config.d")


def test_an_sshd_that_its_socket_starts(server: Booted) -> None:
    """Where no sshd runs before somebody comes, as on Ubuntu 24.04, doctor knows that one will, and who comes is asked of the daemon."""
    [port] = free_ports()
    server.write(f"[Socket]\nListenStream=\nListenStream=127.0.0.1:{port}\n", "/etc/systemd/system/ssh.socket.d/x.conf")
    server.execute("systemctl", "daemon-reload")
    server.execute("systemctl", "start", "ssh.socket")
    server.execute("rm", "-rf", "/run/sshd", "/root/.ssh/comes", "/root/.ssh/comes.pub")
    found = json.loads(server.execute("hostess", "doctor", "-o", "json"))
    server.execute("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", "/root/.ssh/comes")
    server.execute("hostess", "keys", "add", "comes", "/root/.ssh/comes.pub")
    words = ("-o", "StrictHostKeyChecking=no", "-i", "/root/.ssh/comes", "-p", str(port), "hostess@127.0.0.1")
    said = server.execute("ssh", *words, check=False)
    server.execute("systemctl", "stop", "ssh.socket")
    server.execute("mkdir", "-p", "/run/sshd")

    assert "ssh.socket starts it" in next(each["what"] for each in found if each["topic"] == "git over SSH")
    assert "Hostess gives no shell" in said


def test_upgrade_and_downgrade_under_load(server: Booted, tmp_path: Path) -> None:
    """A newer version takes over, and the older one again, while a client keeps asking: each request is answered by the app."""
    is_well(server)
    make_next(server)
    port = int(fact(server, "proxy", "http").rpartition(":")[2])
    before = fact(server, "daemon", "version")
    with load(("127.0.0.1", port), HOST.format("kept", "api"), tmp_path / "seen", rate=100) as asked:
        server.execute("env", "DOCKER_HOST=unix:///engine.sock", "/source-next/scripts/install")
        assert fact(server, "daemon", "version") == "0.99.0"
        until(lambda: '"next"' in server.execute("cat", f"{server.data}/proxy/table.json"))
        upgraded_at = asked.answered()
        upgraded = server.execute("cat", f"/proc/{fact(server, 'proxy', 'pid')}/cmdline")
        server.execute(f"/opt/hostess/{before}/bin/hostess", "setup")
        assert fact(server, "daemon", "version") == before
        seen = asked.end()

    until(lambda: '"next"' not in server.execute("cat", f"{server.data}/proxy/table.json"))
    assert upgraded.startswith("/opt/hostess/0.99.0/bin/python")
    assert min(upgraded_at, len(seen) - upgraded_at) > 100
    assert [each for each in seen if each.status != 200] == []
    assert f"hostess version {before}" in server.execute("hostess", "--version")


def test_a_reboot_brings_everything_back(server: Booted) -> None:
    """After a reboot, which ends every app and gives its address to another, all is there without anybody's doing, in order."""
    is_well(server)
    ours = ("--quiet", "--filter", f"label=sh.hostess.instance={instance_of(server)}")
    server.execute("systemctl", "stop", "hostess.service")
    run("docker", "kill", *run("docker", "ps", *ours).stdout.split())
    networks = run("docker", "network", "ls", *ours).stdout.split()
    options = ("--detach", "--label", "hostess.test=booted", "hostess-test/echo:1")
    others = [run("docker", "run", "--network", each, *options).stdout.strip() for each in networks]
    try:
        server.reboot()
        until(lambda: is_active(server) == ["active", "active"])
        until(lambda: '"hello":"world"' in answer(server, check=False))

        units = ("hostess-proxy.socket", "hostess-proxy", "hostess")
        shown = [
            server.execute("systemctl", "show", "--value", "-p", "ActiveEnterTimestampMonotonic", each)
            for each in units
        ]
        assert sorted(shown, key=int) == shown
        server.execute("hostess", "doctor")
    finally:
        run("docker", "rm", "--force", *others)


def test_a_proxy_that_is_restarted_refuses_nobody(server: Booted) -> None:
    """While the proxy is stopped and started, connections wait for it, each new one; nobody is refused."""
    is_well(server)
    address = fact(server, "proxy", "http")
    asked = Request(f"http://{address}/", headers={"Host": HOST.format("kept", "api")})
    over = threading.Event()

    def ask() -> list[int]:
        seen = []
        while not over.is_set():
            with urlopen(asked, timeout=30) as answered:
                seen.append(answered.status)
        return seen

    with ThreadPoolExecutor() as pool:
        asking = pool.submit(ask)
        try:
            for verb in ("restart", "stop", "start", "restart"):
                server.execute("systemctl", verb, "hostess-proxy.service")
        finally:
            over.set()
    assert set(asking.result()) == {200}


def test_removing_leaves_data_which_the_next_setup_takes_up(server: Booted) -> None:
    """After `--remove` no unit, link or way in for sshd is left, and data and app are; `hostess setup` takes both up again."""
    is_well(server)
    program = server.execute("readlink", "/usr/local/bin/hostess")
    instance = instance_of(server)
    server.execute("hostess", "setup", "--remove")

    left = server.execute("find", "/etc/systemd", "/etc/ssh", "/usr/local/bin", "-name", "*hostess*")
    assert [line for line in left.splitlines() if not line.endswith((".d", "port.conf"))] == []
    assert objects_of(instance)
    server.execute(program, "setup")
    assert '"hello":"world"' in answer(server)


def test_another_program_that_has_the_port_is_named(server: Booted) -> None:
    """Setup names the program that has the port and the unit that it is of, and goes on when that has ended."""
    port = fact(server, "proxy", "http").rpartition(":")[2]
    server.execute("systemctl", "stop", "hostess-proxy.service", "hostess-proxy.socket")
    server.execute("systemd-run", "--unit=nginx", "python3", "-m", "http.server", "--bind", "127.0.0.1", port)
    until(lambda: "LISTEN" in server.execute("ss", "-Hltn", f"sport = :{port}"))
    said = server.execute("hostess", "setup", check=False)
    server.execute("systemctl", "stop", "nginx")

    assert re.search(rf"python3 \(process \d+\) has port {port}, which the proxy needs", said), said
    assert "systemctl disable --now nginx.service; then run the same command again" in said
    server.execute("hostess", "setup")
    is_well(server)


def test_a_setup_that_is_killed_goes_on(server: Booted) -> None:
    """Killed with -9 after one step, then after two, and so on, the same command ends a removal and a setup, and nothing is lost."""
    is_well(server)
    for words, last in (("setup --remove", "left as they are"), ("setup", "finds nothing that fails")):
        deaths = 0
        code, said = 128 + signal.SIGKILL, ""
        while code == 128 + signal.SIGKILL:
            deaths += 1
            code, said = coded(server, f"{mortal('setup', str(deaths))} {words}")
        assert (code, last in said, deaths > 3) == (0, True, True), said
    assert is_active(server) == ["active", "active"]
    assert '"hello":"world"' in answer(server)


def test_removing_everything(server: Booted) -> None:
    """After `--remove --data` the engine has nothing of the installation, and the host neither data nor users; setup begins anew."""
    is_well(server)
    program = server.execute("readlink", "/usr/local/bin/hostess")
    instance = instance_of(server)
    settings = remove_everything(server)

    assert objects_of(instance) == []
    assert "hostess" not in server.execute("getent", "passwd", check=False)
    assert server.execute("ls", "--almost-all", server.data) == ""  # a disk of its own is emptied
    assert "cannot access" in server.execute("ls", "/etc/hostess", check=False)
    server.execute("useradd", "--create-home", "hostess")
    said = server.execute(program, "setup", check=False)
    server.execute(program, "setup", "--remove", "--data", "--force")
    server.execute("userdel", "--remove", "hostess")  # it is still there
    assert "hostess is somebody's account on this host" in said
    for path, text in settings.items():
        server.write(text, path)
    server.execute(program, "setup", "--base-domain", "apps.example.com", "--no-start")
    assert server.execute("systemctl", "is-active", "hostess", check=False) == "inactive"
    assert "start hostess.service" in server.execute(program, "setup")
    assert instance_of(server) != instance

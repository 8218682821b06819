"""The README's way from a bare server to the first push, and on to upgrades and the end, in a booted Debian."""

import json
import re
import shutil
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.system.booted import DEBIAN_13, IMAGE, ROOT, Booted, a_booted_debian, run
from tests.system.load import load

pytestmark = pytest.mark.timeout(1200)

HOST = "{}-api.apps.example.com"
LEFT_OUT = shutil.ignore_patterns(".venv", ".git", ".cache", ".*_cache", ".hypothesis", "__pycache__")


def overrides() -> dict[str, str]:
    """Return what must differ here: free ports, and the engine outside, whose folder is not this Debian's."""
    with socket.socket() as http, socket.socket() as https, socket.socket() as inside:
        free = {"hostess-proxy": http, "hostess-proxy-https": https, "hostess-proxy-inside": inside}
        for each in free.values():
            each.bind(("127.0.0.1", 0))  # systemd takes no port 0
        ports = {name: each.getsockname()[1] for name, each in free.items()}
    hosts = dict.fromkeys(ports, "127.0.0.1") | {"hostess-proxy-inside": "198.18.213.1"}
    return {
        **{
            f"/etc/systemd/system/{name}.socket.d/port.conf": f"[Socket]\nListenStream=\nListenStream={hosts[name]}:{port}\n"
            for name, port in ports.items()
        },
        "/etc/hostess/daemon.env": "HOSTESS_API__LISTEN=127.0.0.1:0\nHOSTESS_ENGINE__URL=unix:///engine.sock\n",
        "/var/lib/docker/.keep": "",
    }


def readme_steps() -> str:
    """Return the command that the README has for the server, with our repository."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    block = re.search(r"On the server, as root:\n\n((?:    .*\n)+)", readme)
    assert block
    assert "REPOSITORY" in block[1]
    return "set -e\n" + re.sub(r"^    ", "", block[1].replace("REPOSITORY", "/source"), flags=re.MULTILINE)


@contextmanager
def installed(folder: Path, image: str) -> Iterator[Booted]:
    """Install as the README says; at the end everything of it in the engine is removed."""
    source = folder / "source"
    shutil.copytree(ROOT, source, ignore=LEFT_OUT)
    options = ("--network", "host", "--volume", "/var/run/docker.sock:/engine.sock")
    with a_booted_debian(*options, image=image) as system:
        system.put(source, "/source")
        for path, text in overrides().items():
            system.write(text, path)
        # The source becomes a repository, since the README clones one. The port of sshd is the machine's.
        system.write(
            "apt-get update -qq && apt-get install -y -qq git openssh-server\n"
            "systemctl disable -q --now ssh\n"
            "cd /source && git init -q && git add . \n"
            "git -c user.name=a -c user.email=a@localhost commit -qm a\n",
            "/before.sh",
        )
        system.execute("bash", "-e", "/before.sh")
        system.write(readme_steps(), "/steps.sh")
        try:
            # The engine is outside; without this one would be installed.
            system.execute("env", "DOCKER_HOST=unix:///engine.sock", "bash", "/steps.sh")
            yield system
        finally:
            system.execute("hostess", "setup", "--remove", "--data", "--force", check=False)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Booted]:
    """Give an installation on Debian 12 that the tests share; each leaves it set up."""
    with installed(tmp_path_factory.mktemp("source"), IMAGE) as system:
        yield system


def instance_of(system: Booted) -> str:
    """Return the id that everything of this installation is labelled with."""
    status = json.loads(system.execute("hostess", "status", "--format", "json"))
    return str(status["host"]["instance"])


def objects_of(instance: str) -> list[str]:
    """Return what the engine has of an installation."""
    label = f"label=sh.hostess.instance={instance}"
    listings = (("ps", "--all"), ("network", "ls"), ("volume", "ls"), ("image", "ls"))
    return [each for words in listings for each in run("docker", *words, "--quiet", "--filter", label).stdout.split()]


def fact(system: Booted, file: str, name: str) -> str:
    """Return what daemon or proxy tell about themselves."""
    return str(json.loads(system.execute("cat", f"/var/lib/hostess/run/{file}.json"))[name])


def answer(system: Booted, project: str = "kept") -> str:
    """Ask a deployed app through the proxy's port."""
    port = fact(system, "proxy", "http").rpartition(":")[2]
    program = (
        "import sys, urllib.request as u; "
        "print(u.urlopen(u.Request(sys.argv[1], headers={'Host': sys.argv[2]}), timeout=10).read().decode())"
    )
    return system.execute("python3", "-c", program, f"http://127.0.0.1:{port}/", HOST.format(project))


def push(system: Booted, project: str) -> str:
    """Push the smallest example as a new project; return what git said."""
    address = fact(system, "daemon", "api")
    system.write(
        f"rm -rf /work && cp -r /source/examples/fastapi-minimal /work && cd /work && git init -q -b main && git add .\n"
        "git -c user.name=a -c user.email=a@localhost commit -qm a\n"
        f'git push "http://x:$(cat /var/lib/hostess/owner-token)@{address}/git/{project}.git" main\n',
        "/push.sh",
    )
    return system.execute("bash", "-e", "/push.sh")


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


def test_debian_13(tmp_path: Path) -> None:
    """The README's command leads to a first push on Debian 13, too, and doctor fails at nothing there."""
    with installed(tmp_path, DEBIAN_13) as system:
        assert "release v1 of first (production) is live" in push(system, "first")
        assert '"hello":"world"' in answer(system, "first")
        assert "nothing to do" in system.execute("hostess", "setup")
        system.execute("hostess", "doctor")
        instance = instance_of(system)
        system.execute("hostess", "setup", "--remove", "--data", "--force")
        assert objects_of(instance) == []


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


def is_well(system: Booted) -> None:
    """Have an app deployed, unless there is one, and see that it answers."""
    if "kept" not in system.execute("hostess", "projects", "list"):
        push(system, "kept")
    assert '"hello":"world"' in answer(system)


def until(holds: Callable[[], bool]) -> None:
    """Return when something holds."""
    give_up = time.monotonic() + 180
    while not holds():
        assert time.monotonic() < give_up
        time.sleep(0.2)


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
    server.execute("chmod", "777", "/var/lib/hostess")
    said = server.execute("hostess", "setup")
    assert re.findall(r"^\[\d/3\] (\w+)", said, re.MULTILINE) == ["write", "make", "check"]
    assert server.execute("stat", "--format=%a", "/var/lib/hostess") == "711"
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
    server.write("[Service]\nWatchdogSec=2\nTimeoutAbortSec=1\n", f"{folder}/shorter.conf")
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


def test_upgrade_and_downgrade_under_load(server: Booted, tmp_path: Path) -> None:
    """A newer version takes over, and the older one again, while a client keeps asking: each request is answered by the app."""
    is_well(server)
    make_next(server)
    port = int(fact(server, "proxy", "http").rpartition(":")[2])
    before = fact(server, "daemon", "version")
    with load(("127.0.0.1", port), HOST.format("kept"), tmp_path / "seen", rate=100) as asked:
        server.execute("env", "DOCKER_HOST=unix:///engine.sock", "/source-next/scripts/install")
        assert fact(server, "daemon", "version") == "0.99.0"
        until(lambda: '"next"' in server.execute("cat", "/var/lib/hostess/proxy/table.json"))
        upgraded_at = asked.answered()
        upgraded = server.execute("cat", f"/proc/{fact(server, 'proxy', 'pid')}/cmdline")
        server.execute(f"/opt/hostess/{before}/bin/hostess", "setup")
        assert fact(server, "daemon", "version") == before
        seen = asked.end()

    assert '"next"' not in server.execute("cat", "/var/lib/hostess/proxy/table.json")
    assert upgraded.startswith("/opt/hostess/0.99.0/bin/python")
    assert min(upgraded_at, len(seen) - upgraded_at) > 100
    assert [each for each in seen if each.status != 200] == []
    assert f"hostess version {before}" in server.execute("hostess", "--version")


def test_a_reboot_brings_everything_back(server: Booted) -> None:
    """After a reboot daemon, proxy and app are there without anybody's doing."""
    is_well(server)
    server.reboot()

    assert server.execute("systemctl", "is-active", "hostess", "hostess-proxy").split() == ["active", "active"]
    assert '"hello":"world"' in answer(server)


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


def test_removing_everything(server: Booted) -> None:
    """After `--remove --data` the engine has nothing of the installation, and the host neither data nor users; setup begins anew."""
    is_well(server)
    program = server.execute("readlink", "/usr/local/bin/hostess")
    instance = instance_of(server)
    kept = server.execute("cat", "/etc/hostess/daemon.env")
    server.execute("hostess", "setup", "--remove", "--data", "--force")

    assert objects_of(instance) == []
    assert "hostess" not in server.execute("getent", "passwd", check=False)
    assert "cannot access" in server.execute("ls", "/var/lib/hostess", "/etc/hostess", check=False)
    server.write(kept, "/etc/hostess/daemon.env")
    server.execute(program, "setup", "--base-domain", "apps.example.com", "--no-start")
    assert server.execute("systemctl", "is-active", "hostess", check=False) == "inactive"
    assert "start hostess.service" in server.execute(program, "setup")
    assert instance_of(server) != instance

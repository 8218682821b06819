"""The README's way from a bare server to the first push, on a Debian booted by systemd, with the real units."""

import json
import re
import shutil
import socket
from collections.abc import Iterator

import pytest

from tests.system.booted import ROOT, Booted, a_booted_debian, run

HOST = "first-api.apps.example.com"
LEFT_OUT = shutil.ignore_patterns(".venv", ".git", ".cache", ".*_cache", ".hypothesis", "__pycache__")


def overrides() -> dict[str, str]:
    """Return what must differ here: free ports, and the engine outside, whose folder is not this Debian's."""
    with socket.socket() as http, socket.socket() as https:
        for free in (http, https):
            free.bind(("127.0.0.1", 0))  # systemd takes no port 0
        listen = "[Socket]\nListenStream=\nListenStream=127.0.0.1:{}\n"
        ports = [listen.format(free.getsockname()[1]) for free in (http, https)]
    return {
        "/etc/systemd/system/hostess-proxy.socket.d/port.conf": ports[0],
        "/etc/systemd/system/hostess-proxy-https.socket.d/port.conf": ports[1],
        "/etc/hostess/daemon.env": "HOSTESS_API__LISTEN=127.0.0.1:0\nHOSTESS_ENGINE__URL=unix:///engine.sock\n",
        "/var/lib/docker/.keep": "",
    }


def readme_steps() -> str:
    """Return the commands that the README has for the server, with our repository and without installing an engine."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    block = re.search(r"On the server, as root:\n\n((?:    .*\n)+)", readme)
    assert block
    assert "REPOSITORY" in block[1]
    assert " docker.io" in block[1]
    steps = block[1].replace("REPOSITORY", "/source").replace(" docker.io", "")
    return "set -e\n" + re.sub(r"^    ", "", steps, flags=re.MULTILINE)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Booted]:
    """Install as the README says; at the end remove what the installation made in the engine."""
    source = tmp_path_factory.mktemp("source") / "source"
    shutil.copytree(ROOT, source, ignore=LEFT_OUT)
    with a_booted_debian("--network", "host", "--volume", "/var/run/docker.sock:/engine.sock") as system:
        system.put(source, "/source")
        for path, text in overrides().items():
            system.write(text, path)
        # The source becomes a repository, since the README clones one.
        system.write(
            "apt-get update -qq && apt-get install -y -qq git\ncd /source && git init -q && git add . \n"
            "git -c user.name=a -c user.email=a@localhost commit -qm a\n",
            "/before.sh",
        )
        system.execute("bash", "-e", "/before.sh")
        system.write(readme_steps(), "/steps.sh")
        system.execute("bash", "/steps.sh")
        yield system
        remove_everything_of(instance_of(system))


def instance_of(system: Booted) -> str:
    """Return the id that everything of this installation is labelled with."""
    status = json.loads(system.execute("hostess", "status", "--format", "json"))
    return str(status["host"]["instance"])


def remove_everything_of(instance: str) -> None:
    """Remove the containers, networks and images of an installation."""
    for listing, removal in (
        (("ps", "--all"), ("rm", "--force", "--volumes")),
        (("network", "ls"), ("network", "rm")),
        (("image", "ls"), ("image", "rm", "--force")),
    ):
        label = f"label=sh.hostess.instance={instance}"
        if found := run("docker", *listing, "--quiet", "--filter", label).stdout.split():
            run("docker", *removal, *sorted(set(found)))


def fact(system: Booted, file: str, name: str) -> str:
    """Return what daemon or proxy tell about themselves."""
    return str(json.loads(system.execute("cat", f"/var/lib/hostess/run/{file}.json"))[name])


def answer(system: Booted) -> str:
    """Ask the deployed app through the proxy's port."""
    port = fact(system, "proxy", "http").rpartition(":")[2]
    program = (
        "import sys, urllib.request as u; "
        "print(u.urlopen(u.Request(sys.argv[1], headers={'Host': sys.argv[2]}), timeout=10).read().decode())"
    )
    return system.execute("python3", "-c", program, f"http://127.0.0.1:{port}/", HOST)


def push(system: Booted, example: str) -> str:
    """Push an example as the project `first`; return what git said."""
    address = fact(system, "daemon", "api")
    system.write(
        f"rm -rf /work && cp -r /source/examples/{example} /work && cd /work && git init -q -b main && git add .\n"
        "git -c user.name=a -c user.email=a@localhost commit -qm a\n"
        f'git push "http://x:$(cat /var/lib/hostess/owner-token)@{address}/git/first.git" main\n',
        "/push.sh",
    )
    return system.execute("bash", "-e", "/push.sh")


def test_the_readme_leads_to_a_first_push_and_the_app_outlives_daemon_and_proxy(server: Booted) -> None:
    """After the README's commands a push deploys; the app answers while the daemon is stopped, and after the proxy was killed."""
    assert server.execute("systemctl", "is-active", "hostess", "hostess-proxy").split() == ["active", "active"]
    assert "release v1 of first (production) is live" in push(server, "fastapi-minimal")
    assert '"hello":"world"' in answer(server)
    server.execute("systemctl", "stop", "hostess.service")
    assert '"hello":"world"' in answer(server)
    server.execute("systemctl", "kill", "--signal=KILL", "hostess-proxy.service")
    assert '"hello":"world"' in answer(server)
    server.execute("systemctl", "start", "hostess.service")
    assert "first" in server.execute("hostess", "status")


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
    server.execute("systemctl", "start", "hostess-proxy.service")  # returns when the next one accepts connections
    assert fact(server, "proxy", "pid") != after

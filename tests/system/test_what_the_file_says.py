"""What hostess.yml says of owners, limits, files and variables holds for the container that really runs."""

import json

from tests.system.acting import SHELL, pushed
from tests.system.host import Host, a_repository, docker, echo_files, until

USER = """FROM hostess-test/echo:1-sh
RUN echo keeper:x:1500:1500::/:/bin/sh >> /etc/passwd && echo keeper:x:1500: >> /etc/group
USER keeper
ENTRYPOINT []
CMD ["/echo"]
"""
FILES = """    env_file: [base.env, deploy/more.env]
    env: {PLAIN: from-env, REFERENCE: "${service.name} of ${deployment.environment}", LITERAL: "$${HOME}"}
    files:
      - {name: conf, mount: /etc/deep/er/app.conf, source: deploy/app.conf, mode: "0400"}
      - {name: script, mount: /opt/run, content: "echo ${NAME:-x}\\n", mode: "0555"}
"""


def inspected(host: Host, project: str) -> dict[str, dict[str, object]]:
    """Return what the engine knows of the running container of each service."""
    found = json.loads(docker("inspect", *host.containers(f"project={project}", running=True)))
    return {each["Config"]["Labels"]["sh.hostess.service"]: each["HostConfig"] for each in found}


def inside(host: Host, project: str, *command: str) -> str:
    """Run a command in the one container of a project, as the image's own user."""
    [container] = host.containers(f"project={project}", running=True)
    return docker("exec", container, *command).strip()


def test_an_owner_holds_on_a_volume_that_exists(host: Host) -> None:
    """A folder that root has written to is its new owner's with all that is in it, whether the owner is written in numbers or names."""
    files = {**echo_files(services="    persistence: {mount: /kept/data}\n"), "Dockerfile": SHELL.format(version="1")}
    repository = a_repository(host, "owned", files)
    pushed(repository, files)
    inside(host, "owned", "sh", "-c", "mkdir /kept/data/folder && echo root > /kept/data/folder/file")
    for owner in ("keeper:keeper", "1500:1500"):
        told = f'    persistence: {{mount: /kept/data, owner: "{owner}"}}\n'
        pushed(repository, {**echo_files(services=told), "Dockerfile": USER})

        assert inside(host, "owned", "sh", "-c", "echo mine >> /kept/data/folder/file; cat /kept/data/folder/file")
        assert inside(host, "owned", "stat", "-c", "%U:%G", "/kept/data/folder/file") == "keeper:keeper"
    assert inside(host, "owned", "cat", "/kept/data/folder/file").split() == ["root", "mine", "mine"]


def test_an_owner_holds_for_an_image_without_a_shell(host: Host) -> None:
    """An image with neither shell nor chown can write to its folder when the owner is written in numbers."""
    files = echo_files(services='    persistence: {mount: /data, owner: "1500:1500"}\n', dockerfile=["USER 1500"])
    repository = a_repository(host, "bare", files)

    pushed(repository, files)

    [container] = host.containers("project=bare", running=True)
    assert host.get("bare-web.localhost", "/fetch?url=http://127.0.0.1:8000/health")[0] == 200
    docker("exec", container, "/echo", "print", "alive")
    ours = [f"label=sh.hostess.{label}" for label in (f"instance={host.instance}", "project=bare")]
    [volume] = docker("volume", "ls", "--quiet", "--filter", ours[0], "--filter", ours[1]).split()
    look = docker("run", "--rm", "--volume", f"{volume}:/v", "busybox:1", "stat", "-c", "%u:%g", "/v")
    assert look.strip() == "1500:1500"


def test_limits_hold_in_every_form(host: Host) -> None:
    """A preset, a preset as an object, numbers, nothing at all, and more than the host has: each is a limit of the container."""
    forms = {
        "preset": "small",
        "long": "{preset: medium}",
        "numbers": "{cpu: 0.3, memory: 200Mi}",
        "none": "",
        "vast": "{cpu: 16, memory: 64Gi}",
    }
    services = "".join(
        f"  {name}:\n    type: custom\n    build: {{source: .}}\n    ports: [8000]\n"
        + (f"    resources: {form}\n" if form else "")
        for name, form in forms.items()
    )
    repository = a_repository(host, "limits", echo_files(services=services))

    said = pushed(repository, {})

    facts = json.loads(docker("info", "--format", "{{json .}}"))
    found = {name: (host["NanoCpus"], host["Memory"]) for name, host in inspected(host, "limits").items()}
    cores, memory = facts["NCPU"] * 10**9, facts["MemTotal"]
    assert found == {
        "web": (5 * 10**8, 128 * 2**20),
        "preset": (5 * 10**8, 512 * 2**20),
        "long": (min(10**9, cores), 2**30),
        "numbers": (3 * 10**8, 200 * 2**20),
        "none": (min(10**9, cores), 2**30),
        "vast": (min(16 * 10**9, cores), min(64 * 2**30, memory)),
    }
    assert "note: vast may use 16 cores and this host has" in said or facts["NCPU"] >= 16
    assert "note: vast may use 64Gi of memory and this host has" in said or facts["MemTotal"] >= 64 * 2**30


def test_files_and_variables_are_inside(host: Host) -> None:
    """Files are there with content and mode, folders above them made; `env` wins over a later file, that over an earlier one."""
    tree = {
        **echo_files(services=FILES),
        "Dockerfile": SHELL.format(version="1"),
        "base.env": "PLAIN=from-base\nBASE=base # a comment\nQUOTED='a # b'\nBOTH=base\n",
        "deploy/more.env": "\ufeffBOTH=more\r\nDOLLAR=${NOT_RESOLVED}\r\n",
        "deploy/app.conf": "level = 3\n",
    }
    repository = a_repository(host, "files", tree)

    pushed(repository, {})

    variables = dict(line.split("=", 1) for line in inside(host, "files", "env").splitlines())
    wanted = {
        "PLAIN": "from-env",
        "REFERENCE": "web of production",
        "LITERAL": "${HOME}",
        "BASE": "base",
        "QUOTED": "a # b",
        "BOTH": "more",
        "DOLLAR": "${NOT_RESOLVED}",
        "PORT": "8000",
    }
    assert {name: variables.get(name) for name in wanted} == wanted
    assert inside(host, "files", "cat", "/etc/deep/er/app.conf", "/opt/run") == "level = 3\necho ${NAME:-x}"
    modes = inside(host, "files", "stat", "-c", "%a", "/etc/deep/er/app.conf", "/opt/run", "/etc/deep")
    assert modes.split() == ["400", "555", "755"]


def test_a_replica_that_stops_answering_is_replaced(host: Host) -> None:
    """A replica that has failed its check as often as the file allows is replaced beside, told by events, and the service answers again."""
    repository = a_repository(host, "restarted", echo_files())
    pushed(repository, {})
    containers = host.containers("project=restarted", running=True)

    assert host.get("restarted-web.localhost", "/unhealthy")[0] == 200
    until(lambda: host.get("restarted-web.localhost", "/health")[0] == 200, 60, "it is not replaced")

    until(
        lambda: len(now := host.containers("project=restarted", running=True)) == 1 and now != containers,
        60,
        "its successor alone",
    )
    kinds = [kind for (kind,) in host.query("SELECT kind FROM events WHERE project = 'restarted' ORDER BY id")]
    assert [kind for kind in kinds if str(kind).startswith("service.")][:2] == [
        "service.unhealthy",
        "service.replaced",
    ]

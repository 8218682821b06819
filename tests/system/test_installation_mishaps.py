"""What goes wrong with installations: builds that do not start, containers of others on networks of ours."""

from collections.abc import Iterator

import pytest

from tests.system.booted import IMAGE, Booted, run
from tests.system.installed import answer, coded, fact, installed, instance_of, is_well, objects_of, remove_everything

pytestmark = pytest.mark.timeout(1200)

ANOTHER = """
set -e
rm -rf /source-other && cp -r /source /source-other && cd /source-other
{change}
"""
INSTALL = "env DOCKER_HOST=unix:///engine.sock /source-other/scripts/install"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Booted]:
    """Give an installation that the tests share; each leaves it set up."""
    with installed(tmp_path_factory.mktemp("source"), IMAGE) as system:
        yield system


def make_another(system: Booted, change: str) -> None:
    """Make /source-other: the sources with a change, in the same version."""
    system.write(ANOTHER.format(change=change), "/other.sh")
    system.execute("bash", "/other.sh")


def runs(system: Booted) -> tuple[str, str, str]:
    """Return the program that the links lead to, and the processes of daemon and proxy."""
    link = system.execute("readlink", "/usr/local/bin/hostess")
    return link, fact(system, "daemon", "pid"), fact(system, "proxy", "pid")


def test_a_build_that_cannot_begin_changes_nothing(server: Booted) -> None:
    """Where the new program lacks a part, it is said which, and what runs is not even restarted."""
    is_well(server)
    before = runs(server)
    make_another(server, "sed -i '1a import no_such_module' daemon/hostess/main.py")
    code, said = coded(server, INSTALL)

    assert code == 1
    assert "this version cannot start: ModuleNotFoundError: No module named 'no_such_module'" in said
    assert "nothing was changed" in said
    assert runs(server) == before
    assert "nothing to do" in server.execute("hostess", "setup")
    assert '"hello":"world"' in answer(server)


def test_what_others_have_of_ours_is_named_and_left(server: Booted) -> None:
    """Where somebody's container is on a network of ours, removing names that network; the container runs on, and the command goes on."""
    is_well(server)
    program, instance = server.execute("readlink", "/usr/local/bin/hostess"), instance_of(server)
    ours = ("--quiet", "--filter", f"label=sh.hostess.instance={instance}")
    network = run("docker", "network", "ls", "--format", "{{.Name}}", *ours[1:]).stdout.split()[0]
    options = ("--detach", "--label", "hostess.test=booted", "--network", network)
    other = run("docker", "run", *options, "hostess-test/echo:1").stdout.strip()
    try:
        code, said = coded(server, "hostess setup --remove --data --force")
        running = run("docker", "inspect", "--format", "{{.State.Running}}", other).stdout.strip()
    finally:
        run("docker", "rm", "--force", other)
    left = objects_of(instance)
    settings = remove_everything(server, program)

    assert (code, running, len(left)) == (1, "true", 1), said
    assert f"containers that are not Hostess's, which are left alone, use {network}" in said
    assert "run the same command again" in said
    assert objects_of(instance) == []
    for path, text in settings.items():
        server.write(text, path)
    server.execute(program, "setup")

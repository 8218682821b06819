"""`hostess rm` on a real engine: nothing runs, data stays, and a rollback has it again."""

from tests.system.host import Host, a_repository, docker, echo_files

DATA = """  data:
    type: postgres
    resources: small
"""


def ask(host: Host, statement: str) -> str:
    """Ask the database; return what it answers."""
    [container] = host.containers("project=taken", "service=data", running=True)
    return docker("exec", container, "psql", "-U", "postgres", "-tAc", statement).strip()


def test_taken_down_and_brought_back(host: Host) -> None:
    """All containers go and no page is there; a rollback serves again, with the data of before, and nothing was deployed anew."""
    pushed = a_repository(host, "taken", echo_files("one", services=DATA)).push()
    assert pushed.returncode == 0, pushed.stderr
    ask(host, "CREATE TABLE kept AS SELECT 42 AS number")

    removed = host.hostess("deployments", "remove", "-p", "taken", "--force")
    left = host.containers("project=taken")
    gone = host.get("taken-web.localhost")[0]
    again = host.hostess("rm", "-p", "taken", "--force")
    back = host.hostess("rollback", "-p", "taken")

    assert (removed.returncode, left, gone) == (0, [], 404), removed.stderr
    assert again.returncode == 7, again.stderr
    assert back.returncode == 0, back.stderr
    status, _, headers = host.get("taken-web.localhost")
    assert (status, headers["x-version"]) == (200, "one")
    assert ask(host, "SELECT number FROM kept") == "42"

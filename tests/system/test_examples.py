"""The smaller examples of the FastAPI page, pushed as they are in examples/; their second version; their way back."""

from collections.abc import Mapping
from pathlib import Path

from tests.system.host import Host, docker, until
from tests.system.load import load
from tests.system.sources import ask, built, carried, checkout, deployed, example, ids, inspected, only, revised
from tests.system.watching import deployments, settled, steps

SECRETS = {"JWT_SECRET": "the-first-signing-key-0123456789abcdef"}


def database(host: Host, project: str, sql: str) -> str:
    """Return what the project's database answers."""
    return docker(
        "exec", only(host, project, "database"), "psql", "-U", "postgres", "-d", "database", "-tAc", sql
    ).strip()


def signed_in(host: Host, project: str) -> str:
    """Return a token of the example's own."""
    status, answer = ask(host, f"{project}-api", "/sessions", {"name": "ada"})
    assert status == 201, answer
    return str(answer["token"])


def without_domain(files: Mapping[str, str]) -> dict[str, str]:
    """Return an example without its custom domain: only one project can have that."""
    changed = files["hostess.yml"].replace("    domains:\n      - api.myapp.com\n", "    visibility: public\n")
    assert "api.myapp.com" not in changed
    return {**files, "hostess.yml": changed}


def test_the_minimal_example_runs(host: Host) -> None:
    """The smallest file that works is public, answers through the proxy, and is limited as its type's page says (1)."""
    output = deployed(host, "minimal", example("fastapi-minimal"))

    assert "release v1 of minimal (production) is live" in output
    assert "http://minimal-api.localhost" in output
    status, answer = ask(host, "minimal-api", "/")
    container = only(host, "minimal", "api")
    assert (status, answer) == (200, {"hello": "world", "host": inspected(container, "{{.Config.Hostname}}")})
    limits = inspected(container, "{{.HostConfig.NanoCpus}} {{.HostConfig.Memory}}")
    assert limits == f"{10**9} {1024**3}"


def test_the_database_example_its_second_version_and_the_way_back(host: Host) -> None:
    """Version 2 adds a column; version 1 comes back with neither build nor migration, with all data, and told how far it is behind."""
    deployed(host, "my-api", example("fastapi-postgres"), SECRETS)
    assert len(ids(host, "my-api", "api")["api"]) == 2
    token = signed_in(host, "my-api")
    assert ask(host, "my-api-api", "/items", {"name": "first"}, token)[0] == 201
    kept = only(host, "my-api", "database")

    output = revised(checkout(host, "my-api"), example("fastapi-postgres-v2"))

    assert built(output) == ["api"]
    assert carried(output) == {"database"}
    assert database(host, "my-api", "SELECT version_num FROM alembic_version") == "0002"
    assert ask(host, "my-api-api", "/items", {"name": "second", "note": "new"}, token)[0] == 201

    back = host.hostess("rollback", "v1", "--project", "my-api")

    assert back.returncode == 0, back.stderr
    assert "the database is ahead of v1: migrate of api ran in v2" in back.stderr
    assert "-----> migrate" not in back.stderr
    assert not built(back.stderr)
    last = deployments(host, "my-api")[-1]
    assert not [name for name in steps(host, str(last["id"])) if name.startswith("migrate")]
    assert ask(host, "my-api-api", "/")[1]["version"] == "1"
    assert database(host, "my-api", "SELECT version_num FROM alembic_version") == "0002"
    assert ask(host, "my-api-api", "/items", {"name": "third"}, token)[0] == 201
    assert [item["name"] for item in ask(host, "my-api-api", "/items")[1]] == ["first", "second", "third"]
    assert only(host, "my-api", "database") == kept


def test_a_changed_secret_comes_in_with_a_restart(host: Host, tmp_path: Path) -> None:
    """A secret's change is pending until `services restart`, which builds nothing and fails no request under load (26)."""
    deployed(host, "keys", without_domain(example("fastapi-postgres")), SECRETS)
    old = signed_in(host, "keys")
    before, kept = ids(host, "keys", "api")["api"], only(host, "keys", "database")

    edited = host.hostess(
        "secrets", "edit", "JWT_SECRET", "--project", "keys", stdin="the-second-signing-key-0123456789abc"
    )
    assert edited.returncode == 0, edited.stderr
    assert "pending restart in keys (production): api" in host.hostess("status").stderr
    assert "running, pending restart" in host.hostess("ps", "--project", "keys").stdout
    assert ids(host, "keys", "api")["api"] == before

    with load(host.proxy, "keys-api.localhost", tmp_path / "seen", rate=100) as running:
        until(lambda: running.answered() > 20, 20, "the load")
        restarted = host.hostess("services", "restart", "--project", "keys")
        settled(host, "keys")
        asked = running.answered()
        until(lambda: running.answered() > asked + 20, 20, "answers after the restart")
        seen = running.end()

    assert restarted.returncode == 0, restarted.stderr
    assert not built(restarted.stderr)
    assert [one for one in seen if one.status != 200] == []
    assert not set(ids(host, "keys", "api")["api"]) & set(before)
    assert only(host, "keys", "database") == kept
    assert ask(host, "keys-api", "/items", {"name": "x"}, old)[0] == 401
    assert ask(host, "keys-api", "/items", {"name": "x"}, signed_in(host, "keys"))[0] == 201
    assert "pending restart" not in host.hostess("ps", "--project", "keys").stdout
    assert "pending restart" not in host.hostess("status").stderr

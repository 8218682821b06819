"""Who may do what: every operation of the table is tried by those who must not."""

import io
import logging
import re
import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import cast

import aiohttp
import pytest

from hostess.adapters.addresses_system import own_addresses
from hostess.domain.releases.release import State
from hostess.doors.api.app import BODY, OPERATIONS
from hostess.doors.api.operation import Operation
from hostess.services.keeping.collector import Collector
from hostess.services.tokens import MAY, Role
from tests.integration.api.stage import Stage, served

GUARDED = [operation for operation in OPERATIONS if operation.action is not None]
PATHS = {
    "project": "shop",
    "environment": "production",
    "service": "web",
    "job": "report",
    "name": "GREETING",
    "token": "0",
    "key": "0",
    "registry": "ghcr.io",
    "deployment": "0",
    "certificate": "0",
    "host": "shop.example.com",
    "backup": "0",
    "bundle": "0",
    "restore": "0",
}
BODIES = {
    "create_project": {"name": "other"},
    "add_secret": {"name": "A", "value": "b"},
    "edit_secret": {"value": "b"},
    "scale": {"services": {"web": 2}},
    "run_command": {"command": ["print"]},
    "create_environment": {"name": "staging"},
    "create_token": {"name": "x"},
    "add_ssh_key": {"name": "x", "key": "x"},
    "retry_certificate": {"host": "x"},
    "sign_in_at_registry": {"user": "a", "password": "b"},
    "add_domain": {"host": "shop.example.com", "service": "web"},
    "import_certificate": {"chain": "x", "key": "y"},
}


def route(operation: Operation, **changes: str) -> str:
    """Return "METHOD /path" of an operation with its parameters filled in."""
    filled = re.sub(r"\{(\w+)\}", lambda found: {**PATHS, **changes}[found[1]], operation.path)
    return f"{operation.method} {filled}"


async def test_nobody_comes_in_without_a_known_token(stage: Stage) -> None:
    """Every guarded operation answers 401 to no token, to an unknown one and to one that has expired."""
    expired = await stage.world.tokens.create("old", "owner", lifetime=timedelta(microseconds=1))
    await stage.project()

    for operation in GUARDED:
        for token in ("", "hst_" + "x" * 43, "nonsense", expired[1]):
            said = await stage.ask(route(operation), BODIES.get(operation.name), token=token)
            assert (said.status, said.code) == (401, "unauthenticated"), operation.name
            assert "WWW-Authenticate" in said.headers


async def test_a_token_is_good_where_nothing_can_be_written(stage: Stage) -> None:
    """Who comes in to make room on a full disk comes in, though it cannot be written down that the token was used."""
    token = await stage.a_token("owner")
    with closing(sqlite3.connect(stage.folder / "hostess.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")  # SQLite refuses every write of the daemon until this ends

        said = await stage.ask("GET /v1/whoami", token=token)
        made = await stage.ask("POST /v1/projects", {"name": "shop"}, token=token)

    assert (said.status, said.json["role"]) == (200, "owner")
    assert made.code == "journal-failed"


async def test_a_role_may_do_what_it_may_and_nothing_else(stage: Stage) -> None:
    """Every operation answers 403 to exactly those roles that lack its action."""
    await stage.live()
    tokens = {role: await stage.a_token(role) for role in Role}

    for role, token in tokens.items():
        for operation in GUARDED:
            if operation.action in MAY[role] and operation.method != "GET":
                continue  # it would really be done
            said = await stage.ask(route(operation), BODIES.get(operation.name), token=token)
            allowed = operation.action in MAY[role]
            assert (said.status != 403) is allowed, (role, operation.name, said.text)
            assert allowed or said.code == "not-allowed"


async def test_other_projects_do_not_exist_for_a_scoped_token(stage: Stage) -> None:
    """To a token of another project, each operation on this one answers as if it did not exist."""
    await stage.live()
    token = await stage.a_token("owner", ["other"])

    for operation in [each for each in GUARDED if "{project}" in each.path]:
        said = await stage.ask(route(operation), BODIES.get(operation.name), token=token)
        absent = await stage.ask(route(operation, project="nothing-here"), BODIES.get(operation.name), token=token)
        assert (said.status, said.code) == (404, "project-not-found"), operation.name
        assert said.json["detail"].replace("shop", "nothing-here") == absent.json["detail"]


async def test_deployments_of_other_projects_do_not_exist_either(stage: Stage) -> None:
    """A token of another project neither finds nor lists a deployment, a release, an event or a status of this one."""
    deployment = await stage.live()
    token = await stage.a_token("owner", ["other"])

    for operation in [each for each in GUARDED if "{deployment}" in each.path]:
        said = await stage.ask(route(operation, deployment=deployment), token=token)
        assert (said.status, said.code) == (404, "deployment-not-found"), operation.name
    for path in ("projects", "deployments", "releases", "events"):
        assert (await stage.ask(f"GET /v1/{path}", token=token)).json["items"] == [], path
    for path in ("deployments", "releases", "events"):
        assert (await stage.ask(f"GET /v1/{path}?project=shop", token=token)).code == "project-not-found", path
    assert (await stage.ask("GET /v1/status", token=token)).json["places"] == []


async def test_the_beginning_of_an_id_tells_nothing_of_other_projects(stage: Stage) -> None:
    """Who asks for a deployment by the beginning of its id is told none of the ids that others have, nor that there are any."""
    first = await stage.live()
    own = await stage.journal.deployment(first)
    assert own is not None
    twin = replace(own, id=f"{first[:-1]}{'0' if first[-1] != '0' else '1'}", state=State.FAILED)
    await stage.journal.add_deployment(twin)
    everybody = await stage.ask(f"GET /v1/deployments/{first[:-1]}")
    token = await stage.a_token("owner", ["other"])

    theirs = await stage.ask(f"GET /v1/deployments/{first[:-1]}", token=token)
    absent = await stage.ask("GET /v1/deployments/nothing", token=token)

    assert (everybody.status, everybody.code) == (409, "deployment-ambiguous")
    assert (theirs.status, theirs.code) == (absent.status, absent.code) == (404, "deployment-not-found")
    assert first not in theirs.text


@pytest.mark.parametrize("path", ["/metrics", "/v1/tokens", "/v1/config"])
async def test_the_host_is_no_matter_of_a_scoped_token(stage: Stage, path: str) -> None:
    """An owner of one project is not an owner of the host."""
    token = await stage.a_token("owner", ["shop"])

    said = await stage.ask(f"GET {path}", token=token)

    assert (said.status, said.code) == (403, "not-allowed")


async def test_a_scoped_token_works_in_its_project(stage: Stage) -> None:
    """A developer of one project sees it, and deploys and keeps secrets there; others make no project in its name."""
    await stage.live()
    token = await stage.a_token("developer", ["shop"])

    shown = await stage.ask("GET /v1/projects", token=token)
    added = await stage.ask("POST /v1/projects/shop/secrets", {"name": "B", "value": "c"}, token=token)
    made = await stage.ask("POST /v1/projects", {"name": "another"}, token=token)

    assert [project["name"] for project in shown.json["items"]] == ["shop"]
    assert added.status == 201
    assert made.status in {403, 409}
    assert [p["name"] for p in (await stage.get("/v1/projects"))["items"]] == ["shop"]


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "localhost.evil.example", "", "[::1"])
async def test_other_host_names_are_refused(stage: Stage, host: str) -> None:
    """A request to a name that is not the API's is refused, token or not (DNS rebinding)."""
    said = await stage.ask("GET /v1/projects", headers={"Host": host})

    assert (said.status, said.code) == (421, "wrong-host")


@pytest.mark.parametrize("host", ["localhost", "localhost:7654", "127.0.0.1", "[::1]:80", "192.0.2.1"])
async def test_own_names_and_addresses_are_answered(stage: Stage, host: str) -> None:
    """Addresses and localhost cannot be rebound, so they are answered."""
    assert (await stage.ask("GET /v1/projects", headers={"Host": host})).status == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://[evil"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
async def test_pages_of_other_origins_are_refused(stage: Stage, headers: dict[str, str]) -> None:
    """A request that a browser made for another origin's page is refused, and nothing lets that page read the answer."""
    said = await stage.ask("GET /v1/projects", headers=headers)

    assert (said.status, said.code) == (403, "cross-origin")
    assert not [name for name in said.headers if name.lower().startswith("access-control-")]


async def test_basic_carries_a_token_as_password(stage: Stage) -> None:
    """Basic authentication with the token as password is taken on loopback, whatever the user name."""
    auth = aiohttp.encode_basic_auth("anybody", stage.token)

    said = await stage.ask("GET /v1/whoami", token="", headers={"Authorization": auth})

    assert said.json["name"] == "the owner"


async def test_basic_over_a_network_in_clear_is_refused(stage: Stage, tmp_path: Path) -> None:
    """At an address that is not loopback, Basic over plain HTTP is refused; on loopback it is not."""
    address = next((each for each in own_addresses() if "." in each), None)
    if address is None:
        pytest.skip("this host has no address but loopback")
    basic = {"Authorization": aiohttp.encode_basic_auth("anybody", stage.token)}

    async with served(stage.services, tmp_path, "0.0.0.0") as url:
        there = url.replace("127.0.0.1", address)
        async with stage.session.get(f"{there}/v1/whoami", headers=basic) as response:
            problem = await response.json(content_type=None)
        async with stage.session.get(f"{url}/v1/whoami", headers=basic) as near:
            pass

    assert (response.status, problem["code"]) == (403, "insecure-basic")
    assert near.status == 200


@pytest.mark.parametrize(
    "claims",
    [
        {"X-Forwarded-Proto": "https"},
        {"X-Forwarded-Proto": "https", "X-Forwarded-For": "127.0.0.1", "Forwarded": "proto=https"},
        {"X-Forwarded-Proto": "https", "X-Hostess-Voucher": ""},
        {"X-Forwarded-Proto": "https", "X-Hostess-Voucher": "0" * 64},
        {"X-Forwarded-Proto": "https", "X-Hostess-Voucher": "é"},
    ],
)
async def test_nobody_else_passes_for_the_proxy(stage: Stage, tmp_path: Path, claims: dict[str, str]) -> None:
    """Who says that it came by TLS, and is not the proxy, is taken for what it is: a password in the clear, which is refused."""
    address = next((each for each in own_addresses() if "." in each), None)
    if address is None:
        pytest.skip("this host has no address but loopback")
    basic = {"Authorization": aiohttp.encode_basic_auth("anybody", stage.token)}

    async with served(stage.services, tmp_path, "0.0.0.0") as url:
        there = url.replace("127.0.0.1", address)
        async with stage.session.get(f"{there}/v1/whoami", headers={**basic, **claims}) as response:
            problem = await response.json(content_type=None)

    assert (response.status, problem["code"]) == (403, "insecure-basic")


@pytest.mark.parametrize(
    ("proto", "status", "code"), [("https", 200, None), ("http", 403, "https-only"), (None, 403, "https-only")]
)
async def test_the_proxy_is_believed(
    stage: Stage, tmp_path: Path, proto: str | None, status: int, code: str | None
) -> None:
    """What shows the voucher came through the proxy: by TLS it is taken, at whatever address; without, it is refused everywhere."""
    address = next((each for each in own_addresses() if "." in each), "127.0.0.1")
    headers = {
        "Authorization": aiohttp.encode_basic_auth("anybody", stage.token),
        "X-Hostess-Voucher": stage.services.voucher,
        **({"X-Forwarded-Proto": proto} if proto else {}),
    }

    async with served(stage.services, tmp_path, "0.0.0.0") as url:
        for base in (url, url.replace("127.0.0.1", address)):
            async with stage.session.get(f"{base}/v1/whoami", headers=headers) as response:
                said = await response.json(content_type=None)
            assert (response.status, said.get("code")) == (status, code)


@pytest.mark.parametrize("header", ["Basic", "Basic !!!", "Basic /////w==", "Bearer", "Digest x", "é"])
async def test_malformed_credentials_are_nobody(stage: Stage, header: str) -> None:
    """An Authorization header that cannot be read is the same as an unknown token."""
    said = await stage.ask("GET /v1/whoami", token="", headers={"Authorization": header})

    assert (said.status, said.code) == (401, "unauthenticated")


async def test_the_owner_of_the_process_needs_no_token_on_the_socket(stage: Stage) -> None:
    """On the unix socket the kernel's word for who asks is enough; a token that is sent counts instead."""
    viewer = await stage.a_token("viewer")
    connector = aiohttp.UnixConnector(str(stage.folder / "run" / "api.sock"))

    async with aiohttp.ClientSession(connector=connector) as session:
        async with session.get("http://any.name/v1/whoami") as response:
            owner = await response.json()
        async with session.get("http://any.name/v1/whoami", headers={"Authorization": f"Bearer {viewer}"}) as response:
            other = await response.json()

    assert owner["role"] == "owner"
    assert other["role"] == "viewer"


async def test_a_stranger_on_the_socket_is_refused(stage: Stage, tmp_path: Path) -> None:
    """A process of a user that is no admin is refused on the unix socket, and told how to get in."""
    strangers = replace(stage.services, admin_peer=lambda _uid, _gid: False)

    async with served(strangers, tmp_path):
        connector = aiohttp.UnixConnector(str(tmp_path / "run" / "api.sock"))
        async with (
            aiohttp.ClientSession(connector=connector) as session,
            session.get("http://localhost/v1/projects") as response,
        ):
            problem = await response.json(content_type=None)

    assert (response.status, problem["code"]) == (403, "not-allowed")
    assert "hostess-admin" in problem["remedy"]


async def test_large_and_malformed_bodies_are_refused(stage: Stage) -> None:
    """A body that is too large, no JSON, of another type or not UTF-8 gets an answer of its own, never a 500."""
    json = {"Content-Type": "application/json"}

    large = await stage.ask("POST /v1/projects", data=io.BytesIO(b" " * (BODY + 1)), headers=json)
    broken = await stage.ask("POST /v1/projects", data=b"{", headers=json)
    typed = await stage.ask("POST /v1/projects", data=b"name=shop", headers={"Content-Type": "text/plain"})
    binary = await stage.ask("POST /v1/projects", data=b"\xff\xfe{", headers=json)
    deep = await stage.ask("POST /v1/projects", data=b"[" * 100_000, headers=json)
    listed = await stage.ask("POST /v1/projects", data=b"[]", headers=json)

    assert (large.status, large.code) == (413, "body-too-large")
    assert (broken.status, broken.code) == (400, "bad-request")
    assert (typed.status, typed.code) == (415, "not-json")
    assert (binary.status, binary.code) == (400, "bad-request")
    assert (deep.status, deep.code) == (400, "bad-request")
    assert (listed.status, listed.code) == (422, "invalid-request")


async def test_every_mistake_is_told(stage: Stage) -> None:
    """A query with several mistakes gets all of them in one answer."""
    said = await stage.ask("GET /v1/deployments?limit=0&colour=red")

    assert said.status == 422
    assert len(said.json["mistakes"]) == 2
    assert {mistake.split(":")[0] for mistake in said.json["mistakes"]} == {"limit", "colour"}


async def test_unknown_places_and_methods(stage: Stage) -> None:
    """What does not exist is told in the same form as all problems, with an id to look for in the log."""
    missing = await stage.ask("GET /v1/nothing")
    method = await stage.ask("DELETE /v1/projects")

    assert (missing.status, missing.code) == (404, "not-found")
    assert (method.status, method.code) == (405, "method-not-allowed")
    assert missing.headers["Content-Type"].startswith("application/problem+json")
    assert missing.json["request_id"] == missing.headers["X-Request-Id"] != ""


async def test_a_bug_tells_no_details(stage: Stage, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """An error that is a mistake of ours is a 500 without details; the log has them under the request's id."""

    class Broken:
        async def collect(self) -> None:
            raise RuntimeError("the inside of it")

    broken = replace(stage.services, collector=cast("Collector", Broken()))
    headers = {"Authorization": f"Bearer {stage.token}"}

    async with served(broken, tmp_path) as url, stage.session.post(f"{url}/v1/gc", headers=headers) as response:
        text = await response.text()

    assert response.status == 500
    assert "the inside of it" not in text
    assert "the inside of it" in caplog.text
    assert response.headers["X-Request-Id"] in caplog.text
    assert [record.levelno for record in caplog.records if record.name.startswith("hostess")] == [logging.ERROR]

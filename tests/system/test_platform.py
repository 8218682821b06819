"""The platform of examples/: twelve services behind one gateway that call each other by their bare names, pushed for real."""

import json
import os
import re
import socket
import struct
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from tests.system.host import Host, Repository, docker, until
from tests.system.sources import built, carried, example, ids, only, planned, prepared, pushed, revised, send
from tests.system.watching import settled

PROJECT, GATEWAY, STUDIO = "platform", "platform-gateway", "platform-studio"
BUILT = ("auth", "rest", "realtime", "storage", "analytics", "mailer")
SERVICES = (*BUILT, "gateway", "functions", "studio", "collector", "database", "cache")
SECRET = "the-key-that-signs-tokens-0123456789"


@dataclass(frozen=True)
class Platform:
    """The example, live; what `hostess plan` said of its first push, and what that printed."""

    host: Host
    repository: Repository
    plan: list[tuple[str, str, str]]
    output: str

    def call(self, method: str, path: str, body: object = None, token: str = "") -> tuple[int, str]:
        """Ask the gateway; return status and body. What is not bytes is sent as JSON."""
        sent = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return send(self.host, GATEWAY, method, path, sent, headers)[:2]

    def signed_in(self, email: str) -> str:
        """Sign somebody up and return a token."""
        account = {"email": email, "password": f"the password of {email}"}
        assert self.call("POST", "/auth/signup", account)[0] == 201
        status, body = self.call("POST", "/auth/token", account)
        assert status == 200
        return str(json.loads(body)["token"])

    def sql(self, statement: str) -> str:
        """Return what PostgreSQL answers."""
        psql = ("psql", "-U", "postgres", "-d", "database", "-tAc", statement)
        return docker("exec", only(self.host, PROJECT, "database"), *psql).strip()


@pytest.fixture(scope="module")
def platform(host: Host) -> Platform:
    """Ask for the plan of the example, with its secret, and push it."""
    repository = prepared(host, PROJECT, example("platform"), {"JWT_SECRET": SECRET})
    return Platform(host, repository, planned(repository), pushed(repository))


def test_twelve_services_run_after_one_push(platform: Platform) -> None:
    """Each of the twelve runs once, what comes of one folder is built once, and two of them have URLs."""
    assert len(SERVICES) == 12
    assert {name: len(found) for name, found in ids(platform.host, PROJECT, *SERVICES).items()} == dict.fromkeys(
        SERVICES, 1
    )
    assert len(built(platform.output)) == 3
    assert sum(f"{name}: same source as another service" in platform.output for name in BUILT) == len(BUILT) - 1
    urls = [line.split()[1] for line in platform.output.splitlines() if "  http://" in line]
    assert sorted(urls) == ["gateway", "studio"]
    assert SECRET not in platform.output


def test_the_first_plan_is_what_the_first_push_did(platform: Platform) -> None:
    """Before anything was there the plan named each build, start, job, migration, route and volume, starts in the push's order."""
    told = {verb: [name for each, name, _ in platform.plan if each == verb] for verb, _, _ in platform.plan}
    started = re.findall(r"-----> starting (.+?) *$", platform.output, re.MULTILINE)

    assert {*told} == {"build", "start", "run", "migrate", "route", "volume"}
    assert {*told["build"]} == {*BUILT, "functions", "studio"}
    assert told["start"] == [name for names in started for name in names.split(", ")]
    assert {*told["start"]} == {*SERVICES}
    assert (told["run"], told["migrate"]) == (["roles"], ["auth"])
    assert told["route"] == ["gateway", "studio"]
    words = ("--filter", f"label=sh.hostess.instance={platform.host.instance}", "--format", "{{.Name}}")
    assert {*told["volume"]} == {name.split(".")[-2] for name in docker("volume", "ls", *words).split()}


def test_the_roles_are_made_before_what_needs_them(platform: Platform) -> None:
    """The job, whose loop and roles are its shell's own, ran after the database and before the migration that grants to its roles."""
    marks = (
        "starting database",
        "role anonymous is there",
        "role authenticated is there",
        "migrate auth",
        "starting auth",
    )
    places = [re.search(mark, platform.output) for mark in marks]

    assert all(places)
    assert [place.start() for place in places if place] == sorted(place.start() for place in places if place)
    roles = "SELECT string_agg(rolname, ' ' ORDER BY rolname) FROM pg_roles WHERE rolname !~ '^(pg_|postgres)'"
    assert platform.sql(roles) == "anonymous authenticated"


def test_the_gateway_leads_to_auth_rest_and_postgres(platform: Platform) -> None:
    """Who signs up through the gateway is in PostgreSQL and gets a token; with it todos are stored and read back, one's own only."""
    ada, eve = platform.signed_in("ada@example.org"), platform.signed_in("eve@example.org")
    assert platform.call("POST", "/auth/token", {"email": "ada@example.org", "password": "a guess"})[0] == 401
    assert platform.call("POST", "/rest/todos", {"text": "buy milk"})[0] == 401

    assert platform.call("POST", "/rest/todos", {"text": "buy milk"}, ada)[0] == 200

    assert platform.call("GET", "/rest/todos", token=ada) == (200, '["buy milk"]')
    assert platform.call("GET", "/rest/todos", token=eve) == (200, "[]")
    assert platform.sql("SELECT owner, text FROM todos") == "ada@example.org|buy milk"


def test_a_letter_goes_through_redis_to_the_mailer(platform: Platform) -> None:
    """A sign-up puts a letter onto a list in Redis, and the worker that listens on nothing delivers it."""
    platform.signed_in("grace@example.org")

    sent = "SELECT text FROM outbox WHERE address = 'grace@example.org'"
    until(lambda: platform.sql(sent) == "Welcome!", 20, "the letter")


def test_objects_and_functions_answer_behind_the_gateway(platform: Platform) -> None:
    """An object is stored in a volume and read back; a function that was built without a Dockerfile is called by name."""
    token = platform.signed_in("alan@example.org")

    assert platform.call("PUT", "/storage/logo.svg", b"<svg/>")[0] == 401
    assert platform.call("PUT", "/storage/logo.svg", b"<svg/>", token)[0] == 201
    assert platform.call("GET", "/storage/logo.svg") == (200, "<svg/>")
    assert platform.call("POST", "/functions/total", {"numbers": [1, 2, 39]}) == (200, '{"total": 42}')


@contextmanager
def listening(host: Host) -> Iterator[socket.socket]:
    """Open a WebSocket to the realtime service through proxy and gateway."""
    with socket.create_connection(host.proxy, timeout=20) as stream:
        key = b64encode(os.urandom(16)).decode()
        head = f"GET /realtime/ HTTP/1.1\r\nHost: {GATEWAY}.localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        stream.sendall(f"{head}Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode())
        answer = b""
        while not answer.endswith(b"\r\n\r\n"):
            answer += stream.recv(1)
        assert answer.startswith(b"HTTP/1.1 101 "), answer
        yield stream


def said(stream: socket.socket, text: bytes) -> None:
    """Send a text, with a mask as clients have to."""
    mask = os.urandom(4)
    masked = bytes(byte ^ mask[at % 4] for at, byte in enumerate(text))
    stream.sendall(struct.pack("BB", 0x81, 0x80 | len(text)) + mask + masked)


def heard(stream: socket.socket) -> bytes:
    """Return the next text."""
    [kind, length] = stream.recv(2, socket.MSG_WAITALL)
    assert kind == 0x81
    return stream.recv(length, socket.MSG_WAITALL)


def test_what_one_client_says_the_other_hears(platform: Platform) -> None:
    """Two WebSockets through the proxy and the gateway meet in the realtime service."""
    with listening(platform.host) as one, listening(platform.host) as other:
        said(one, b"hello")
        assert heard(one) == b"hello"
        assert heard(other) == b"hello"
        said(other, b"hello yourself")
        assert heard(one) == b"hello yourself"


def test_services_on_one_port_number_are_told_apart(platform: Platform) -> None:
    """Rest and studio listen on 3000, realtime and analytics on 4000; the studio's page has what rest and analytics answered it."""
    counted = "".join(
        rf"(?=.*<li>collector:{name}:up: \d+)" for name in ("auth", "rest", "realtime", "storage", "functions")
    )

    def page() -> str:
        return platform.host.get(f"{STUDIO}.localhost")[1]

    until(lambda: re.search(counted, page()), 30, f"what the collector's script counts\n{page()}")
    assert f"API: http://{GATEWAY}.localhost:{platform.host.proxy[1]}, rest is well" in page()


def test_a_change_of_one_of_twelve_leaves_eleven_alone(platform: Platform) -> None:
    """The studio's page changes: the plan is one build and one restart, and the ids of eleven containers stay."""
    before = ids(platform.host, PROJECT, *SERVICES)
    source = (platform.repository.folder / "studio/server.js").read_text()
    platform.repository.write({"studio/server.js": source.replace("<title>Studio", "<title>The studio")})
    platform.repository.commit()

    plan = planned(platform.repository)
    output = pushed(platform.repository)
    settled(platform.host, PROJECT)

    assert [change for change in plan if change[0] != "keep"] == [
        ("rebuild", "studio", ""),
        ("restart", "studio", "image"),
    ]
    assert built(output) == ["studio"]
    assert carried(output) == {name for verb, name, _ in plan if verb == "keep"} == {*SERVICES} - {"studio"}
    assert "roles: ran before and has not changed" in output
    after = ids(platform.host, PROJECT, *SERVICES)
    assert {name for name in SERVICES if after[name] != before[name]} == {"studio"}
    assert "<title>The studio" in platform.host.get(f"{STUDIO}.localhost")[1]


def test_the_gateway_finds_a_new_auth(platform: Platform) -> None:
    """Nginx looks names up once, when it starts; carried over as it runs it leads to the auth that a later push has started."""
    before = ids(platform.host, PROJECT, *SERVICES)
    text = (platform.repository.folder / "hostess.yml").read_text()
    mark = "      CACHE_URL: ${cache.url}\n      JWT_SECRET"
    output = revised(platform.repository, {"hostess.yml": text.replace(mark, f"      TZ: UTC\n{mark}")})
    settled(platform.host, PROJECT)

    assert carried(output) == {*SERVICES} - {"auth"}
    after = ids(platform.host, PROJECT, *SERVICES)
    assert {name for name in SERVICES if after[name] != before[name]} == {"auth"}
    assert platform.call("GET", "/rest/todos", token=platform.signed_in("edsger@example.org")) == (200, "[]")


def test_a_push_of_the_same_files_keeps_all_twelve(platform: Platform) -> None:
    """A commit that changes nothing keeps every container, and the plan says so beforehand."""
    before = ids(platform.host, PROJECT, *SERVICES)
    platform.repository.commit("nothing")

    plan = planned(platform.repository)
    output = pushed(platform.repository)

    assert {change[0] for change in plan} == {"keep"}
    assert built(output) == []
    assert carried(output) == {*SERVICES}
    assert ids(platform.host, PROJECT, *SERVICES) == before

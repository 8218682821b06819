"""The chat relay of examples/: public and private ports, a store, a bootstrap job, hooks, and a preview that goes with its data."""

import json
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

import pytest

from tests.system.acting import done
from tests.system.host import Host, Repository, docker, until
from tests.system.sources import (
    ask,
    built,
    carried,
    checkout,
    deployed,
    example,
    ids,
    only,
    planned,
    pushed,
    revised,
    send,
)
from tests.system.watching import settled

PROJECT, RELAY, BLOBS = "chat-relay", "chat-relay-relay", "chat-relay-blobs-2"
SERVICES = ("relay", "blobs", "database")
KEY = "the-key-of-the-store-in-production"
BRANCH, PREVIEW = "feature/greeting", "chat-relay-relay-preview"


@dataclass(frozen=True)
class Relay:
    """The example, live, and what its first push printed."""

    host: Host
    repository: Repository
    output: str

    def said(self, room: str, name: str = RELAY) -> list[tuple[str, str]]:
        """Return author and text of every message in a room."""
        status, messages = ask(self.host, name, f"/rooms/{room}")
        assert status == 200, messages
        return [(message["author"], message["text"]) for message in messages]

    def made(self, kind: str, environment: str) -> list[str]:
        """Return the engine's networks or volumes of an environment, by name."""
        labels = (f"instance={self.host.instance}", f"project={PROJECT}", f"environment={environment}")
        words = [word for label in labels for word in ("--filter", f"label=sh.hostess.{label}")]
        return docker(kind, "ls", "--format", "{{.Name}}", *words).split()

    def left(self, environment: str) -> list[str]:
        """Return everything that the engine has of an environment."""
        containers = self.host.containers(f"environment={environment}")
        return [*containers, *self.made("network", environment), *self.made("volume", environment)]

    def greet(self, greeting: str) -> None:
        """Commit another greeting of the relay's."""
        text = (self.repository.folder / "relay/relay.py").read_text()
        self.repository.write({"relay/relay.py": re.sub('GREETING = ".*"', f'GREETING = "{greeting}"', text)})
        self.repository.commit()


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """Give an installation that looks each second for what has expired."""
    host = Host(tmp_path_factory.mktemp("host"))
    try:
        host.start(module="tests.system.hasty")
        yield host
    finally:
        host.remove()


@pytest.fixture(scope="module")
def relay(host: Host) -> Relay:
    """Push the example with its secret."""
    output = deployed(host, PROJECT, example("chat-relay"), {"BLOBS_KEY": KEY})
    return Relay(host, checkout(host, PROJECT), output)


def test_the_job_has_ended_before_the_relay_starts(relay: Relay) -> None:
    """The store comes first, then the bootstrap job with what its shell made of ${...}, then the migration, then the relay."""
    marks = ("starting blobs", "job bootstrap:", "bucket attachments: made", "bucket avatars: made", "migrate relay:")
    places = [relay.output.index(mark) for mark in (*marks, "starting relay")]

    assert places == sorted(places)
    urls = [line.split()[1:3] for line in relay.output.splitlines() if "  http://" in line]
    port = relay.host.proxy[1]
    assert urls == [["relay", f"http://{RELAY}.localhost:{port}"], ["blobs", f"http://{BLOBS}.localhost:{port}"]]


def test_an_attachment_goes_through_private_ports(relay: Relay) -> None:
    """The relay writes to the store's private port, the store tells the relay's, and everybody reads at the store's public one."""
    assert ask(relay.host, RELAY, "/rooms/lobby", {"author": "ada", "text": "hello"})[0] == 201
    assert relay.said("lobby") == [("ada", "hello")]

    status, answer, _ = send(relay.host, RELAY, "PUT", "/attachments/cat.txt", "miaow")

    assert status == 201, answer
    url = urlsplit(json.loads(answer)["url"])
    assert (url.netloc, url.path) == (f"{BLOBS}.localhost:{relay.host.proxy[1]}", "/attachments/cat.txt")
    assert send(relay.host, BLOBS, "GET", url.path)[:2] == (200, "miaow")
    assert ("store", "cat.txt (5 bytes)") in relay.said("files")


def test_private_ports_are_private(relay: Relay) -> None:
    """No host name leads to a private port; a neighbour reaches it by the service's name."""
    for name in ("chat-relay-relay-2", "chat-relay-relay-3", "chat-relay-blobs"):
        assert send(relay.host, name, "GET", "/metrics")[0] == 404
    script = "import urllib.request; print(urllib.request.urlopen('http://relay:9102/metrics').read().decode())"

    told = docker("exec", only(relay.host, PROJECT, "blobs"), "python", "-c", script)

    assert json.loads(told)["messages"] >= 0


def test_a_change_of_the_relay_touches_the_relay_alone(relay: Relay) -> None:
    """What the plan says is done: one image, the job that is made of it, one restart; the old relay runs its shutdown command."""
    before = ids(relay.host, PROJECT, *SERVICES)
    relay.greet("hello again")

    plan = planned(relay.repository)
    output = pushed(relay.repository)
    settled(relay.host, PROJECT)

    assert plan == [
        ("rebuild", "bootstrap", ""),
        ("rebuild", "relay", ""),
        ("run", "bootstrap", "run: once"),
        ("migrate", "relay", ""),
        ("restart", "relay", "image"),
        ("keep", "blobs", ""),
        ("keep", "database", ""),
    ]
    assert len(built(output)) == 1
    assert "bucket avatars: there already" in output
    assert carried(output) == {"blobs", "database"}
    after = ids(relay.host, PROJECT, *SERVICES)
    assert {name for name in SERVICES if after[name] != before[name]} == {"relay"}
    assert ask(relay.host, RELAY, "/")[1]["greeting"] == "hello again"
    assert relay.said("operators")[-1][1] == "farewell"


def test_a_branch_gets_a_preview_of_its_own(relay: Relay) -> None:
    """A feature branch is live beside production with its own network, database, secrets and URLs, all told; then it is gone."""
    production, networks = ids(relay.host, PROJECT, *SERVICES), relay.made("network", "production")
    volumes = relay.made("volume", "production")
    greeting = ask(relay.host, RELAY, "/")[1]["greeting"]
    relay.repository.git("checkout", "--quiet", "-b", BRANCH)
    relay.greet("a preview")
    relay.repository.git("checkout", "--quiet", "main")
    refused = relay.repository.push(ref=BRANCH)
    assert refused.returncode != 0
    [command] = [line.split("!")[1] for line in refused.stderr.splitlines() if "hostess secrets add" in line]
    assert shlex.split(command)[-2:] == ["--envs", "preview"]
    added = relay.host.hostess(*shlex.split(command)[1:], stdin="the-key-of-the-store-in-the-preview")
    assert added.returncode == 0, added.stderr

    output = relay.repository.push(ref=BRANCH)

    assert output.returncode == 0, output.stderr
    for url in (PREVIEW, "chat-relay-blobs-preview-2"):
        assert f"http://{url}.localhost:{relay.host.proxy[1]}" in output.stderr
    assert "preview expires in 24h unless something is deployed to it" in output.stderr
    assert ask(relay.host, PREVIEW, "/")[1] == {"greeting": "a preview", "stage": "preview"}
    assert ask(relay.host, RELAY, "/")[1] == {"greeting": greeting, "stage": "production"}
    assert relay.said("lobby", PREVIEW) == []
    assert ask(relay.host, PREVIEW, "/rooms/lobby", {"author": "eve", "text": "only here"})[0] == 201
    assert send(relay.host, PREVIEW, "PUT", "/attachments/dog.txt", "woof")[0] == 201
    assert send(relay.host, "chat-relay-blobs-preview-2", "GET", "/attachments/dog.txt")[:2] == (200, "woof")
    assert send(relay.host, BLOBS, "GET", "/attachments/dog.txt")[0] == 404
    assert len(relay.made("volume", "preview")) == 2
    assert not set(relay.made("network", "preview")) & set(networks)

    done(relay.host, "environments", "update", "preview", "-p", PROJECT, "--ttl", "1s")

    until(lambda: not relay.left("preview"), 60, "the end of the preview")
    until(lambda: send(relay.host, PREVIEW, "GET", "/")[0] == 404, 10, "the end of its routes")
    assert ids(relay.host, PROJECT, *SERVICES) == production
    assert relay.made("volume", "production") == volumes
    assert ("eve", "only here") not in relay.said("lobby")


def without_store(text: str) -> str:
    """Return hostess.yml without the store, its job, and what the relay has of them."""
    before, rest = text.partition("\n  blobs:\n")[::2]
    relay = [line for line in before.splitlines() if not re.match(r" +(BLOBS_|blobs:|bootstrap:)", line)]
    return "\n".join(relay) + "\n\n  database:\n" + rest.partition("\n  database:\n")[2].partition("\njobs:\n")[0]


def test_a_service_that_left_the_file_goes_and_its_data_stays(relay: Relay) -> None:
    """Without the store in hostess.yml it stops, its URL is gone, its volume stays, plan and push say so; it comes back with all (23)."""
    [volume] = [name for name in relay.made("volume", "production") if ".blobs." in name]
    assert send(relay.host, RELAY, "PUT", "/attachments/bird.txt", "tweet")[0] == 201
    text = (relay.repository.folder / "hostess.yml").read_text()
    relay.repository.write({"hostess.yml": without_store(text)})
    relay.repository.commit()

    plan = planned(relay.repository)
    output = pushed(relay.repository)
    settled(relay.host, PROJECT)

    assert plan == [
        ("migrate", "relay", ""),
        ("restart", "relay", "environment"),
        ("env", "relay", "removes BLOBS_KEY, BLOBS_PUBLIC_URL, BLOBS_URL"),
        ("route", "blobs", f"removes {BLOBS}.localhost"),
        ("remove", "blobs", "its volumes stay"),
        ("remove", "bootstrap", "a job"),
        ("keep", "database", ""),
    ]
    assert "blobs: no longer in hostess.yml, it stops after the switch, what it stored stays" in output
    assert ids(relay.host, PROJECT, "blobs")["blobs"] == []
    assert send(relay.host, BLOBS, "GET", "/attachments/bird.txt")[0] == 404
    assert send(relay.host, RELAY, "PUT", "/attachments/bird.txt", "chirp")[0] == 503
    assert volume in relay.made("volume", "production")

    output = revised(relay.repository, {"hostess.yml": text})
    settled(relay.host, PROJECT)

    assert "bootstrap: ran before and has not changed" in output
    assert send(relay.host, BLOBS, "GET", "/attachments/bird.txt")[:2] == (200, "tweet")


def test_a_push_that_changes_nothing_runs_nothing(relay: Relay) -> None:
    """A commit that touches no service keeps every container and runs no job, as the plan says."""
    before = ids(relay.host, PROJECT, *SERVICES)
    relay.repository.commit("nothing")

    plan = planned(relay.repository)
    output = pushed(relay.repository)

    assert plan == [("keep", name, "") for name in SERVICES]
    assert carried(output) == {*SERVICES}
    assert "-----> job" not in output
    assert ids(relay.host, PROJECT, *SERVICES) == before

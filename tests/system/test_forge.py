"""A forge's event and the end of the daemon: what was answered is deployed, once, whatever happens meanwhile."""

import hmac
import json
import subprocess
import threading
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.system.host import GIT, Host, echo_files, until


@dataclass
class Forge:
    """A bare repository that is served over HTTP, but not before *let* is set; *asked* are the requests."""

    folder: Path
    url: str = ""
    asked: list[str] = field(default_factory=list)
    let: threading.Event = field(default_factory=threading.Event)


class Files(SimpleHTTPRequestHandler):
    """Gives a forge's files to who waits for them."""

    def __init__(self, forge: Forge, *arguments: Any) -> None:
        self._forge = forge
        super().__init__(*arguments, directory=str(forge.folder))

    def do_GET(self) -> None:
        """Answer when it is time to."""
        self._forge.asked.append(self.path)
        self._forge.let.wait(60)
        super().do_GET()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def forge(tmp_path: Path) -> Iterator[Forge]:
    """Serve a repository with an app on main, which takes three seconds to start."""
    work, bare = tmp_path / "work", tmp_path / "forge" / "shop.git"
    files = echo_files("one")
    files["Dockerfile"] = files["Dockerfile"].replace("echo:1", "echo:slow")
    for name, content in files.items():
        (work / name).parent.mkdir(parents=True, exist_ok=True)
        (work / name).write_text(content)

    def git(*arguments: str) -> None:
        names = {**GIT, "PATH": "/usr/bin:/bin:/usr/local/bin"}
        subprocess.run(["git", *arguments], cwd=work, env=names, check=True, capture_output=True)

    git("init", "--quiet", "--initial-branch=main")
    git("add", "--all")
    git("commit", "--quiet", "--message=one")
    git("clone", "--quiet", "--bare", str(work), str(bare))
    git(f"--git-dir={bare}", "update-server-info")
    forge = Forge(bare.parent)
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Files, forge)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        forge.url = f"http://127.0.0.1:{server.server_address[1]}/shop.git"
        yield forge
        forge.let.set()
        server.shutdown()


def heard(host: Host, secret: str) -> int:
    """Tell the daemon of a push as a forge does; return the status."""
    body = json.dumps({"ref": "refs/heads/main", "pusher": {"name": "octocat"}}).encode()
    headers = {
        "X-GitHub-Event": "push",
        "X-Hub-Signature-256": f"sha256={hmac.new(secret.encode(), body, sha256).hexdigest()}",
        "Content-Type": "application/json",
    }
    request = urllib.request.Request(f"http://{host.api}/v1/projects/shop/webhook", body, headers)
    with urllib.request.urlopen(request, timeout=20) as answer:
        return int(answer.status)


def written_down(host: Host) -> int:
    """Return how many events are not carried out yet."""
    [[count]] = host.query("SELECT count(*) FROM tasks WHERE kind = 'webhook'")
    return int(str(count))


def begun_in(host: Host, phase: str) -> bool:
    """Whether a deployment is in that phase."""
    return bool(host.query(f"SELECT 1 FROM deployments WHERE json_extract(record, '$.phase') = '{phase}'"))


def test_an_event_outlives_the_daemon(own_host: Host, forge: Forge) -> None:
    """Killed while it fetches, the daemon deploys what it was told when it is back; killed once more, it does not so again."""
    assert own_host.hostess("projects", "create", "shop").returncode == 0
    made = own_host.hostess("webhook", "set", forge.url, "-p", "shop", "-o", "json")
    assert made.returncode == 0, made.stderr

    status = heard(own_host, json.loads(made.stdout)["secret"])
    until(lambda: forge.asked, 20, "the fetch")
    own_host.kill()
    left = written_down(own_host)
    forge.let.set()
    own_host.start()
    until(lambda: written_down(own_host) == 0, 60, "the deployment")
    served = own_host.get("shop-web.localhost")[0]
    own_host.kill()
    own_host.start()
    deployments = own_host.query(
        "SELECT json_extract(record, '$.actor'), json_extract(record, '$.state') FROM deployments"
    )

    assert (status, left, served) == (202, 1, 200), own_host.log()
    assert deployments == [("octocat (webhook)", "live")]
    assert written_down(own_host) == 0


def test_a_deployment_that_the_daemon_died_over_is_begun_again(own_host: Host, forge: Forge) -> None:
    """Killed while what a forge told of starts, the daemon takes it back when it returns, and begins it once more."""
    assert own_host.hostess("projects", "create", "shop").returncode == 0
    made = own_host.hostess("webhook", "set", forge.url, "-p", "shop", "-o", "json")
    assert made.returncode == 0, made.stderr
    forge.let.set()

    heard(own_host, json.loads(made.stdout)["secret"])
    until(lambda: begun_in(own_host, "start"), 60, "the start")
    own_host.kill()
    own_host.start()
    until(lambda: written_down(own_host) == 0, 60, "the deployment")
    served = own_host.get("shop-web.localhost")[0]
    deployments = own_host.query("SELECT json_extract(record, '$.state') FROM deployments ORDER BY seq")

    assert served == 200, own_host.log()
    assert deployments == [("failed",), ("live",)]

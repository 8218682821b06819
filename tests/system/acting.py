"""What tests do to a running installation: push, run commands, call the API, look at who answers."""

import json
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

from tests.system.host import Host, Repository, docker, echo_files, until

SHELL = 'FROM hostess-test/echo:1-sh\nENV VERSION={version}\nENTRYPOINT []\nCMD ["/echo"]\n'


def pushed(repository: Repository, files: dict[str, str], message: str = "change") -> str:
    """Commit these files and push; the push must go well. Return what the pusher read."""
    repository.write(files)
    repository.commit(message)
    done = repository.push()
    assert done.returncode == 0, done.stderr
    return done.stderr


def hooked(version: str, lifecycle: str) -> dict[str, str]:
    """Return the tiny app, with a shell in its image and this lifecycle."""
    files = echo_files(version, services=f"    lifecycle:\n{lifecycle}")
    files["Dockerfile"] = SHELL.format(version=version)
    return files


def held(version: str) -> dict[str, str]:
    """Return the tiny app with a migration that ends when a test says so: `let_go`."""
    wait = "until [ -e /tmp/go ]; do sleep 0.1; done"
    return hooked(version, f"      migrate: {{command: [sh, -c, '{wait}'], timeout: 10m}}\n")


def let_go(host: Host, project: str) -> None:
    """Let the deployment of a held version go on."""
    there = (f"project={project}", "role=task")
    until(lambda: host.containers(*there, running=True), 60, f"the migration of {project}")
    docker("exec", host.containers(*there, running=True)[0], "touch", "/tmp/go")


def version(host: Host, name: str) -> str:
    """Return which version of the tiny app answers."""
    status, body, headers = host.get(f"{name}.localhost")
    assert status == 200, body
    return headers["x-version"]


def done(host: Host, *arguments: str, stdin: str = "") -> str:
    """Run a command that must go well; return what it printed."""
    ran = host.hostess(*arguments, stdin=stdin)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def post(host: Host, path: str) -> tuple[int, Any]:
    """POST to the API; return status and answer."""
    headers = {"Authorization": f"Bearer {host.token}", "Content-Type": "application/json"}
    request = urllib.request.Request(f"http://{host.api}{path}", b"{}", headers, method="POST")
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


class Doing(threading.Thread):
    """Something that goes on beside the test; `result` waits for what it returned."""

    def __init__(self, work: Callable[[], Any]) -> None:
        super().__init__(daemon=True)
        self._work = work
        self._result: Any = None
        self._error: BaseException | None = None
        self.start()

    def run(self) -> None:
        """Work."""
        try:
            self._result = self._work()
        except BaseException as error:  # noqa: BLE001 -- raised again where it is waited for
            self._error = error

    def result(self, within: float) -> Any:
        """Return the work's outcome."""
        self.join(within)
        assert not self.is_alive(), "it goes on"
        if self._error is not None:
            raise self._error
        return self._result

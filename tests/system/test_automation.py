"""The automation tool of examples/: webhooks, a worker, a clock, and state that survives whatever happens to its container."""

import json
import os
import re
import signal
from base64 import b64encode
from dataclasses import dataclass
from http.client import HTTPException

import pytest

from hostess.domain.hostess_yml.file import parse
from tests.system.acting import done
from tests.system.host import Host, Repository, docker, until
from tests.system.sources import (
    built,
    carried,
    checkout,
    deployed,
    example,
    ids,
    inspected,
    only,
    planned,
    pushed,
    send,
)
from tests.system.watching import settled

PASSWORD = "the-password-of-the-webhooks-0123"
PROJECT, EDITOR = "automation", "automation-editor"


@dataclass(frozen=True)
class Tool:
    """The example, live, and what its first push printed."""

    host: Host
    repository: Repository
    output: str

    def call(self, name: str, text: str, password: str = PASSWORD) -> tuple[int, str]:
        """Call a webhook; return status and answer."""
        headers = {"Authorization": "Basic " + b64encode(f"hook:{password}".encode()).decode()}
        return send(self.host, EDITOR, "POST", f"/webhook/{name}", text, headers)[:2]

    def runs(self) -> list[tuple[str, str, str]]:
        """Return name, input and output of every run, in order; none while the editor does not answer."""
        try:
            status, body, _ = send(self.host, EDITOR, "GET", "/runs")
        except HTTPException:  # it was killed in the middle of its answer
            return []
        return [(run["name"], run["input"], run["output"]) for run in json.loads(body)] if status == 200 else []

    @property
    def greeting(self) -> str:
        """How outputs begin in the version that is live."""
        [found] = re.findall(r'GREETING = "(\w+)"', (self.repository.folder / "flow/flow.py").read_text())
        return str(found)

    def worked(self, name: str, text: str, output: str) -> None:
        """Wait until a run has been carried out."""
        until(lambda: (name, text, output) in self.runs(), 30, f"the end of {text!r}")


@pytest.fixture(scope="module")
def tool(host: Host) -> Tool:
    """Push the example with its secret, and let one webhook be carried out."""
    output = deployed(host, PROJECT, example("automation"), {"WEBHOOK_PASSWORD": PASSWORD})
    tool = Tool(host, checkout(host, PROJECT), output)
    assert tool.call("first", "kept for ever")[0] == 202
    tool.worked("first", "kept for ever", "done: KEPT FOR EVER")
    return tool


def test_a_webhook_reaches_the_worker_and_comes_back(tool: Tool) -> None:
    """A webhook with the right password is carried out by a worker that nothing is routed to, through a port that is not public."""
    assert re.search(r"worker\.1 is healthy after", tool.output)
    assert [line.split()[1] for line in tool.output.splitlines() if "  http://" in line] == ["editor"]

    assert tool.call("order", "ship it", "a wrong password")[0] == 401
    assert tool.call("order", "ship it")[0] == 202

    tool.worked("order", "ship it", f"{tool.greeting}: SHIP IT")
    assert send(tool.host, "automation-worker", "GET", "/")[0] == 404
    assert send(tool.host, EDITOR, "POST", "/claim", "{}")[0] == 401
    assert PASSWORD not in tool.output


def test_the_clock_asks_for_a_run(tool: Tool) -> None:
    """The cron job is scheduled by the push; run by hand it asks the editor for what it will ask for every night."""
    [job] = json.loads(done(tool.host, "jobs", "list", "-p", PROJECT, "-o", "json"))
    assert (job["name"], job["schedule"]) == ("every-night", "30 3 * * *")
    assert job["next_fire"].endswith(("T03:30:00Z", "T03:30:00+00:00"))

    done(tool.host, "jobs", "run", "every-night", "-p", PROJECT, "-e", "production", "--force", "--follow")

    tool.worked("clock", "nightly report", f"{tool.greeting}: NIGHTLY REPORT")


def test_a_change_of_the_worker_touches_the_worker_alone(tool: Tool) -> None:
    """One variable of one service is planned and done as one replacement; nothing is built, the editor runs on."""
    before = ids(tool.host, PROJECT, "editor", "worker")
    text = (tool.repository.folder / "hostess.yml").read_text()
    mark = "      EDITOR_URL: ${editor.port_2.url}\n    depends_on"
    tool.repository.write({"hostess.yml": text.replace(mark, f"      TZ: UTC\n{mark}")})
    tool.repository.commit()

    plan = planned(tool.repository)
    output = pushed(tool.repository)
    settled(tool.host, PROJECT)

    assert plan == [
        ("replace", "worker", "pauses; environment"),
        ("env", "worker", "adds TZ"),
        ("keep", "editor", ""),
    ]
    assert built(output) == []
    assert carried(output) == {"editor"}
    after = ids(tool.host, PROJECT, "editor", "worker")
    assert (after["editor"] == before["editor"], after["worker"] == before["worker"]) == (True, False)


def test_state_survives_a_new_version_a_restart_and_a_kill(tool: Tool) -> None:
    """After a push that hands the editor over, a restart and a kill -9 of its container every run is there, and more can come."""
    source = (tool.repository.folder / "flow/flow.py").read_text()
    tool.repository.write({"flow/flow.py": source.replace('GREETING = "done"', 'GREETING = "finished"')})
    tool.repository.commit()
    seen, first = tool.runs(), only(tool.host, PROJECT, "editor")

    output = pushed(tool.repository)

    assert "-----> handing over editor: it pauses" in output
    assert tool.runs() == seen
    assert tool.call("second", "x")[0] == 202
    tool.worked("second", "x", "finished: X")

    done(tool.host, "services", "restart", "editor", "-p", PROJECT)

    settled(tool.host, PROJECT)
    assert tool.runs()[: len(seen)] == seen
    assert only(tool.host, PROJECT, "editor") != first

    os.kill(int(inspected(only(tool.host, PROJECT, "editor"), "{{.State.Pid}}")), signal.SIGKILL)

    until(lambda: tool.runs()[: len(seen)] == seen, 30, "the return of the editor")
    assert tool.call("third", "y")[0] == 202
    tool.worked("third", "y", "finished: Y")
    assert ("second", "x", "finished: X") in tool.runs()


def test_the_backup_commands_of_the_file_work(tool: Tool) -> None:
    """What `backups.command` wrote is what `restore_command` brings back, run as hostess.yml has them in the running container."""
    backups = parse((tool.repository.folder / "hostess.yml").read_bytes(), "hostess.yml").services["editor"].backups
    assert backups is not None
    container, seen = only(tool.host, PROJECT, "editor"), tool.runs()

    docker("exec", container, *backups.command)
    assert tool.call("later", "z")[0] == 202
    tool.worked("later", "z", f"{tool.greeting}: Z")
    docker("exec", container, *backups.restore_command)

    assert tool.runs() == seen


def test_a_push_that_changes_nothing_changes_nothing(tool: Tool) -> None:
    """A commit that touches no service keeps both containers, builds nothing and runs no job, as the plan says."""
    before = ids(tool.host, PROJECT, "editor", "worker")
    tool.repository.commit("nothing")

    plan = planned(tool.repository)
    output = pushed(tool.repository)

    assert plan == [("keep", "editor", ""), ("keep", "worker", "")]
    assert built(output) == []
    assert carried(output) == {"editor", "worker"}
    assert ids(tool.host, PROJECT, "editor", "worker") == before

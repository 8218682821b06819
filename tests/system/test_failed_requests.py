"""A real replica that fails requests: the proxy tells, and its check comes at once."""

import json
from contextlib import suppress
from http.client import HTTPException

from tests.system.host import Host, a_repository, echo_files, until

APP = "moody-web.localhost"


def test_who_fails_requests_is_asked_and_replaced(host: Host) -> None:
    """Where its own time would come in an hour, a replica that hangs up and answers its check badly is replaced within seconds."""
    files = echo_files()
    files["hostess.yml"] = files["hostess.yml"].replace("interval: 1s, retries: 3", "interval: 1h, retries: 1")
    pushed = a_repository(host, "moody", files).push()
    assert pushed.returncode == 0, pushed.stderr
    [sick] = host.containers("project=moody")
    assert host.get(APP, "/unhealthy")[0] == 200

    until(lambda: replaced(host), 90, "the successor")

    [told] = [json.loads(str(data)) for (data,) in host.query(OF_KIND, "service.unhealthy")]
    assert (told["container"], told["last_failure"]) == (sick[:12], "closed")
    assert told["requests_failed"] > 0
    assert "503" in told["evidence"]
    until(lambda: sick not in host.containers("project=moody"), 60, "the end of the unhealthy one")
    assert host.get(APP)[0] == 200
    assert host.query(OF_KIND, "service.restarted") == []


OF_KIND = "SELECT data FROM events WHERE kind = ? AND project = 'moody'"


def replaced(host: Host) -> bool:
    """Fail another request; return whether the replica was replaced."""
    if host.query(OF_KIND, "service.replaced"):
        return True
    with suppress(HTTPException, OSError):
        host.get(APP, "/close")
    return False

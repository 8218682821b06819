"""What system tests push besides the tiny app: the examples, and files made from them; and what they read in a push's output."""

import http.client
import json
import re
import subprocess
import sys
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from tests.system.host import Host, Repository, a_repository, docker

EXAMPLES = Path(__file__).parents[2] / "examples"


def example(*names: str) -> dict[str, str]:
    """Return the files of an example; each further one is copied over those before it."""
    files: dict[str, str] = {}
    for name in names:
        folder = EXAMPLES / name
        files |= {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if _belongs(path)}
    return files


def _belongs(path: Path) -> bool:
    return path.is_file() and "__pycache__" not in path.parts and ".venv" not in path.parts


def revised(repository: Repository, files: Mapping[str, str]) -> str:
    """Commit these files and push them, which must work; return what the pusher read."""
    repository.write(files)
    repository.commit()
    return pushed(repository)


def pushed(repository: Repository, *arguments: str) -> str:
    """Push what is committed, which must work; return what the pusher read."""
    done = repository.push(*arguments)
    assert done.returncode == 0, f"{done.stderr}\n{repository.host.log()}"
    return done.stderr


def deployed(host: Host, project: str, files: Mapping[str, str], secrets: Mapping[str, str] | None = None) -> str:
    """Push these files as a new project that has these secrets, which must work; return what the pusher read."""
    return pushed(prepared(host, project, files, secrets))


def prepared(
    host: Host, project: str, files: Mapping[str, str], secrets: Mapping[str, str] | None = None
) -> Repository:
    """Return a repository of these files, of a project that has these secrets already."""
    if secrets:
        assert host.hostess("projects", "create", project).returncode == 0
    for name, value in (secrets or {}).items():
        added = host.hostess("secrets", "add", name, "--project", project, stdin=value)
        assert added.returncode == 0, added.stderr
    return a_repository(host, project, files)


def checkout(host: Host, project: str) -> Repository:
    """Return the repository that a project was pushed from."""
    return Repository(host.folder / "work" / project, host, project)


def built(output: str) -> list[str]:
    """Return for which services a push built an image, in order."""
    return re.findall(r"-----> building (\S+) from", output)


def carried(output: str) -> set[str]:
    """Return which services a push said it carried over."""
    return set(re.findall(r"remote: +(\S+): unchanged, carried over", output))


def ids(host: Host, project: str, *services: str) -> dict[str, list[str]]:
    """Return the ids of the running containers of these services."""
    return {name: sorted(host.containers(f"project={project}", f"service={name}", running=True)) for name in services}


def only(host: Host, project: str, service: str) -> str:
    """Return the id of the one running container of a service; what was started beside it for a task does not count."""
    labels = (f"project={project}", f"service={service}", "role=replica")
    [found] = host.containers(*labels, running=True)
    return found


def inspected(container: str, template: str) -> str:
    """Return what `docker inspect` says of a container or image."""
    return docker("inspect", "--format", template, container).strip()


def planned(repository: Repository, *arguments: str) -> list[tuple[str, str, str]]:
    """Return what `hostess plan` says in this checkout: verb, service and detail of each change."""
    if "hostess" in repository.git("remote").stdout.split():
        repository.git("remote", "set-url", "hostess", repository.url)
    else:
        repository.git("remote", "add", "hostess", repository.url)
    told = subprocess.run(
        [sys.executable, "-m", "hostess", "plan", "--format", "json", *arguments],
        cwd=repository.folder,
        env=repository.host.environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert told.returncode == 0, told.stderr
    return [(each["verb"], each["service"], each["detail"]) for each in json.loads(told.stdout)["changes"]]


def send(
    host: Host,
    name: str,
    method: str,
    path: str,
    body: str | bytes = "",
    headers: Mapping[str, str] | None = None,
) -> tuple[int, str, Mapping[str, str]]:
    """Send a request to an app through the proxy; return status, body and headers (lower-case names) of the answer."""
    address, port = host.proxy
    with closing(http.client.HTTPConnection(address, port, timeout=30)) as connection:
        sent = body.encode() if isinstance(body, str) else body
        connection.request(method, path, sent or None, {"Host": f"{name}.localhost", **(headers or {})})
        answer = connection.getresponse()
        text = answer.read().decode()
        return answer.status, text, {key.lower(): value for key, value in answer.getheaders()}


def ask(host: Host, name: str, path: str, body: object = None, token: str = "") -> tuple[int, Any]:
    """Ask an app through the proxy (POST where there is a body), with JSON both ways; return status and answer."""
    headers = {"Host": f"{name}.localhost", "Content-Type": "application/json"}
    headers |= {"Authorization": f"Bearer {token}"} if token else {}
    address, port = host.proxy
    with closing(http.client.HTTPConnection(address, port, timeout=30)) as connection:
        sent = None if body is None else json.dumps(body)
        connection.request("GET" if sent is None else "POST", path, sent, headers)
        answer = connection.getresponse()
        text = answer.read().decode()
        return answer.status, json.loads(text) if answer.headers.get_content_type() == "application/json" else text

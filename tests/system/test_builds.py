"""Builds through real pushes: the page's Dockerfiles, arguments, commands, ports, what is built once, kept, limited and hidden."""

import json
import re
import subprocess
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.system.host import Host, a_repository, docker, echo_files
from tests.system.sources import ask, built, checkout, example, ids, inspected, only, pushed, revised

PIP = """FROM python:3.12-slim
WORKDIR /app
# Install dependencies
COPY requirements.txt .
RUN pip install --no-cache-dir -r requirements.txt
# Copy application code
COPY . .
# Run with Uvicorn
EXPOSE 8000
CMD ["uvicorn", "app.main:app", "--host", "0.0.0.0", "--port", "8000"]
"""
POETRY = """FROM python:3.12-slim
WORKDIR /app
# Install Poetry
RUN pip install --no-cache-dir poetry
RUN poetry config virtualenvs.create false
# Install dependencies
COPY pyproject.toml poetry.lock ./
RUN poetry install --no-dev --no-interaction --no-ansi
# Copy application code
COPY . .
# Run with Uvicorn
EXPOSE 8000
CMD ["uvicorn", "app.main:app", "--host", "0.0.0.0", "--port", "8000"]
"""
UV = """FROM python:3.12-slim
WORKDIR /app
# Install uv
COPY --from=ghcr.io/astral-sh/uv:latest /uv /usr/local/bin/uv
# Install dependencies
COPY pyproject.toml uv.lock ./
RUN uv sync --frozen --no-dev
# Copy application code
COPY . .
# Run with Uvicorn
EXPOSE 8000
CMD ["uv", "run", "uvicorn", "app.main:app", "--host", "0.0.0.0", "--port", "8000"]
"""
SENTINEL = "sentinel-4f1b9c77e2"


def echo(changes: Mapping[str, str], services: str = "", dockerfile: tuple[str, ...] = ()) -> dict[str, str]:
    """Return the tiny app with these parts of its hostess.yml exchanged."""
    files = echo_files("1", services, dockerfile)
    for old, new in changes.items():
        assert old in files["hostess.yml"]
        files["hostess.yml"] = files["hostess.yml"].replace(old, new)
    return files


def python_of(version: str) -> dict[str, str]:
    """Return an app whose base image a build argument chooses, in a Dockerfile of another name."""
    dockerfile = (
        "ARG PYTHON_VERSION=3.12\nFROM python:${PYTHON_VERSION}-slim\nARG GREETING\nWORKDIR /www\n"
        'RUN python -c "import sys; print(sys.version)" > index.html && echo "$GREETING" > greeting.html\n'
        'CMD ["python", "-m", "http.server", "8000"]\n'
    )
    build = f"source: ., dockerfile: Dockerfile.prod, args: {{PYTHON_VERSION: '{version}', GREETING: hello}}"
    return {
        **echo({"source: .": build, "http: /health": "http: /"}),
        "Dockerfile": "FROM scratch\n",
        "Dockerfile.prod": dockerfile,
    }


MIGRATE = "    lifecycle: {migrate: {command: %s, timeout: %s}}\n    ports:"
CALLER = """  caller:
    type: custom
    build: {source: .}
    ports: [9000]
    env: {API_URL: "${api.url}"}
    visibility: public
    resources: {cpu: 0.25, memory: 128Mi}
"""
WORKERS = """  first:
    type: custom
    build: {source: .}
    command: ["sleep", "1000"]
    health: {command: ["/echo", "print", "well"]}
  second:
    type: custom
    build: {source: ., args: {OTHER: "1"}}
    command: ["sleep", "1000"]
    health: {command: ["/echo", "print", "well"]}
"""
GOOD = {
    "pip": {**example("fastapi-minimal"), "Dockerfile": PIP},
    "poetry": example("fastapi-poetry"),
    "uv": example("fastapi-uv"),
    "arguments": python_of("3.11"),
    "command": echo({"ports: [8000]": 'ports: [8000]\n    command: ["print", "to nobody"]'})
    | {
        "Dockerfile": 'FROM hostess-test/echo:1-sh\nENTRYPOINT ["/bin/sh", "/start.sh", "kept"]\nCMD ["replaced"]\n'
        "COPY start.sh /\n",
        "start.sh": 'echo "$@"\nVERSION="$*" exec /echo\n',
    },
    "ports": echo({"web:": "api:", "type: custom": "type: fastapi", "[8000]": "[8080]"}, CALLER, ("ENV PORT=8080",)),
    "ignored": echo({}, dockerfile=("COPY . /data/",))
    | {
        ".dockerignore": "secret.txt\n**/*.log\n!kept.log\n",
        "secret.txt": SENTINEL,
        "a.log": "a",
        "below/b.log": "b",
        "kept.log": "kept",
    },
    "shared": echo({}, WORKERS),
    "patient": echo({"    ports:": MIGRATE % ('["print", "all is well"]', "15m")}),
    "limits": echo({"cpu: 0.5, memory: 128Mi": "cpu: 16, memory: 160Mi"}),
}
BAD = {
    "poetry-1": {**example("fastapi-poetry"), "Dockerfile": POETRY},
    "impatient": echo({"    ports:": MIGRATE % ('["sleep", "60"]', "1s")}),
    "secret-argument": echo({"source: .": "source: ., args: {TOKEN: '${secret:TOKEN}'}"}),
}
"""What is pushed and must work, and what is pushed and must not: all side by side, because each waits for others more than it works."""


@pytest.fixture(scope="module")
def outputs(host: Host) -> dict[str, str]:
    """Push everything; give what each pusher read."""

    def push(name: str) -> subprocess.CompletedProcess[str]:
        return a_repository(host, name, (GOOD | BAD)[name]).push()

    with ThreadPoolExecutor(4) as pool:
        done = dict(zip(GOOD | BAD, pool.map(push, GOOD | BAD), strict=True))
    for name, ended in done.items():
        assert (ended.returncode == 0) == (name in GOOD), f"{name}\n{ended.stderr}\n{host.log()}"
    return {name: ended.stderr for name, ended in done.items()}


@pytest.mark.parametrize("name", ["pip", "poetry", "uv"])
def test_dependencies_by_each_tool_of_the_page(host: Host, outputs: dict[str, str], name: str) -> None:
    """A FastAPI application whose dependencies pip, Poetry or uv installs is built by a push and answers."""
    assert built(outputs[name]) == ["api"]
    assert ask(host, f"{name}-api", "/")[1]["hello"] == "world"


def test_the_page_s_uv_dockerfile(host: Host, outputs: dict[str, str]) -> None:
    """The page's Dockerfile for uv is built word for word where the lock file is committed, its COPY --from an image included."""
    assert outputs["uv"]
    lock = docker("exec", only(host, "uv", "api"), "cat", "/app/uv.lock")

    output = revised(checkout(host, "uv"), {"Dockerfile": UV, "uv.lock": lock})

    assert "COPY --from=ghcr.io/astral-sh/uv:latest /uv /usr/local/bin/uv" in output
    assert ask(host, "uv-api", "/")[1]["hello"] == "world"


def test_poetry_without_dev_is_explained(outputs: dict[str, str]) -> None:
    """The page's Dockerfile for Poetry fails with Poetry 2, and the pusher reads why and what to write instead."""
    text = outputs["poetry-1"]
    assert 'The option "--no-dev" does not exist' in text
    assert "`--no-dev` was removed in Poetry 2: write `poetry install --only main`" in text
    assert "! [remote rejected] main -> main (the build of api failed" in text


def test_build_arguments_reach_the_first_line(host: Host, outputs: dict[str, str]) -> None:
    """`args` reach an ARG before FROM and one after it, in the Dockerfile that `dockerfile` names."""
    assert "(Dockerfile.prod)" in outputs["arguments"]
    assert host.get("arguments-web.localhost", "/")[1].startswith("3.11.")
    assert host.get("arguments-web.localhost", "/greeting.html")[1].strip() == "hello"


def test_another_argument_is_another_build(host: Host, outputs: dict[str, str]) -> None:
    """A build argument is part of what decides whether an image is there already: a change of it builds anew, back again does not."""
    assert outputs["arguments"]
    repository = checkout(host, "arguments")

    changed = revised(repository, python_of("3.12"))
    back = revised(repository, python_of("3.11"))

    assert (built(changed), built(back)) == (["web"], [])
    assert host.get("arguments-web.localhost", "/")[1].startswith("3.11.")


def test_command_replaces_cmd_and_not_entrypoint(host: Host, outputs: dict[str, str]) -> None:
    """`command` takes the place of the image's CMD; its ENTRYPOINT stays and gets it as arguments."""
    assert outputs["command"]
    assert host.get("command-web.localhost")[2]["x-version"] == "kept print to nobody"


def test_ports_move_the_probe_and_the_url(host: Host, outputs: dict[str, str]) -> None:
    """`ports: [8080]` is where the health check asks, where the proxy goes, what PORT and `${api.url}` say."""
    assert "api.1 is healthy" in outputs["ports"]
    assert host.get("ports-api.localhost")[0] == 200
    assert host.get("ports-api.localhost", "/env?name=PORT")[1].strip() == "8080"
    url = host.get("ports-caller.localhost", "/env?name=API_URL")[1].strip()
    assert url == "http://api:8080"
    status, body, _ = host.get("ports-caller.localhost", f"/fetch?url={url}/version")
    assert (status, body.strip()[-1:]) == (200, "1"), body


def test_dockerignore_is_honoured(host: Host, outputs: dict[str, str]) -> None:
    """What .dockerignore names is not in the image, what it excepts is, and hostess.yml never is."""
    assert outputs["ignored"]
    status = {
        path: host.get("ignored-web.localhost", f"/file?path=/data/{path}")[0]
        for path in ("secret.txt", "a.log", "below/b.log", "kept.log", "hostess.yml")
    }
    assert status == {"secret.txt": 404, "a.log": 404, "below/b.log": 404, "kept.log": 200, "hostess.yml": 404}


def test_what_is_the_same_is_built_once(host: Host, outputs: dict[str, str]) -> None:
    """Services with the same folder, Dockerfile and arguments share one build, and each has an image of its own name."""
    assert built(outputs["shared"]) == ["web", "second"]
    assert "first: same source as another service, built once" in outputs["shared"]
    ours = ("--filter", f"label=sh.hostess.instance={host.instance}", "hostess/shared/*")
    tagged = docker("image", "ls", "--no-trunc", "--format", "{{.Repository}} {{.ID}}", *ours).split()
    images = dict(zip(tagged[::2], tagged[1::2], strict=True))
    assert set(images) == {f"hostess/shared/{name}" for name in ("web", "first", "second")}
    assert images["hostess/shared/web"] == images["hostess/shared/first"]
    assert {name: inspected(only(host, "shared", name), "{{.Image}}") for name in ("web", "first", "second")} == {
        name: images[f"hostess/shared/{name}"] for name in ("web", "first", "second")
    }


def test_timeouts_of_migrations(host: Host, outputs: dict[str, str]) -> None:
    """`timeout: 15m` is taken as it is, and a migration that takes longer than its timeout is killed then."""
    assert "all is well" in outputs["patient"]
    assert "migrate of web was killed after its timeout of 1 s" in outputs["impatient"]
    assert host.containers("project=impatient") == []


def test_limits_are_the_engine_s(host: Host, outputs: dict[str, str]) -> None:
    """CPU and memory are limits of the container; more cores than the host has become all that it has, and the pusher is told."""
    cores = int(docker("info", "--format", "{{.NCPU}}"))
    assert (f"web may use 16 cores and this host has {cores}" in outputs["limits"]) == (cores < 16)
    assert limits(only(host, "limits", "web")) == (min(16, cores), 160 * 1024**2)
    assert limits(only(host, "ports", "caller")) == (0.25, 128 * 1024**2)
    assert limits(only(host, "pip", "api")) == (1, 1024**3)


def limits(container: str) -> tuple[float, int]:
    """Return how many cores and bytes a container may use."""
    cores, memory = inspected(container, "{{.HostConfig.NanoCpus}} {{.HostConfig.Memory}}").split()
    return int(cores) / 10**9, int(memory)


def test_build_output_is_kept(host: Host) -> None:
    """What a build said is read again later with `hostess deployments logs`, of one that failed too."""
    files = echo({}) | {"Dockerfile": 'FROM busybox:1\nRUN echo "said by the build" && exit 9\n'}
    refused = a_repository(host, "kept", files).push()
    assert "said by the build" in refused.stderr

    kept = host.hostess("deployments", "logs", "--project", "kept")

    assert kept.returncode == 0, kept.stderr
    assert "said by the build" in kept.stdout
    assert re.search(r"the build of web failed: .*exit code 9", kept.stdout)


def test_a_secret_is_in_no_image(host: Host, outputs: dict[str, str]) -> None:
    """A secret is refused as a build argument; one of `env` is in the container and in no image, history, output or log (50)."""
    assert re.search(r"hostess\.yml:\d+:\d+: services\.web\.build\.args\.TOKEN: .*secret", outputs["secret-argument"])
    files = echo({"    ports:": "    env: {TOKEN: '${secret:TOKEN}'}\n    ports:"}, dockerfile=("COPY . /data/",))
    assert host.hostess("projects", "create", "hidden").returncode == 0
    assert host.hostess("secrets", "add", "TOKEN", "--project", "hidden", stdin=SENTINEL).returncode == 0

    output = pushed(a_repository(host, "hidden", files))

    assert host.get("hidden-web.localhost", "/env?name=TOKEN")[1].strip() == SENTINEL
    container = only(host, "hidden", "web")
    image = inspected(container, "{{.Image}}")
    everything = subprocess.run(["docker", "save", image], capture_output=True, check=True, timeout=60).stdout
    assert SENTINEL.encode() not in everything
    history = docker("history", "--no-trunc", "--format", "{{json .}}", image) + docker("image", "inspect", image)
    log = (host.folder / "daemon.log").read_text()
    kept = host.hostess("deployments", "logs", "--project", "hidden").stdout
    events = host.hostess("events", "--project", "hidden", "--format", "json").stdout
    assert [text for text in (history, output, log, kept, events) if SENTINEL in text] == []


def test_an_unchanged_folder_is_never_built_again(host: Host) -> None:
    """The same content in a later commit, or another push of the commit, builds nothing; `-o no-cache` builds it anew."""
    repository = a_repository(host, "again", echo({}))
    assert built(pushed(repository)) == ["web"]
    before = ids(host, "again", "web")
    repository.commit("nothing")

    assert built(pushed(repository)) == []
    assert ids(host, "again", "web") == before
    repository.commit("nothing again")
    assert built(pushed(repository, "--push-option=no-cache")) == ["web"]
    assert json.loads(host.hostess("deployments", "list", "--project", "again", "--format", "json").stdout)


def test_a_change_of_env_builds_nothing(host: Host) -> None:
    """A push that changes only `env` of a service whose folder stays the same restarts it with the image that there is (26)."""

    def files(level: str) -> dict[str, str]:
        env = f"    env: {{LOG_LEVEL: {level}}}\n    ports:"
        made = echo({"source: .": "source: ./app", "    ports:": env})
        return {"hostess.yml": made["hostess.yml"], "app/Dockerfile": made["Dockerfile"]}

    repository = a_repository(host, "levels", files("info"))
    pushed(repository)
    [before] = ids(host, "levels", "web")["web"]

    output = revised(repository, files("debug"))

    assert built(output) == []
    assert host.get("levels-web.localhost", "/env?name=LOG_LEVEL")[1].strip() == "debug"
    image = inspected(before, "{{.Image}}")
    assert {inspected(one, "{{.Image}}") for one in ids(host, "levels", "web")["web"]} == {image}

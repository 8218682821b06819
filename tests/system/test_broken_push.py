"""Broken pushes: each rejects the ref with its own message, and the release that serves is untouched."""

import re
import subprocess
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest

from tests.system.host import Host, Repository, a_repository, echo_files

DOCKERFILE = "FROM hostess-test/echo:1\nENV VERSION=2\n"


@dataclass(frozen=True)
class Broken:
    """What is changed in a working app, and what the pusher must read."""

    files: Mapping[str, str]
    says: tuple[str, ...]


def changed(old: str, new: str) -> str:
    """Return the tiny app's hostess.yml with one thing changed."""
    text = echo_files()["hostess.yml"]
    assert old in text
    return text.replace(old, new)


CASES = {
    "syntax": Broken({"hostess.yml": "services:\n  web: [\n"}, (r"hostess\.yml:\d+:\d+: ",)),
    "mistakes-all-at-once": Broken(
        {"hostess.yml": changed("type: custom", "type: fastapy") + "  other:\n    type: redis\n    imge: x\n"},
        (r"hostess\.yml:4:11: services\.web\.type: .*fastapi", r"services\.other\.imge"),
    ),
    "unknown-dependency": Broken(
        {"hostess.yml": changed("    ports:", "    depends_on: [databse]\n    ports:")},
        (r"services\.web\.depends_on", "databse"),
    ),
    "build-fails": Broken(
        {"Dockerfile": 'FROM busybox:1\nRUN echo "the cause is here" && exit 7\n'},
        (r"\| .*the cause is here", r"the build of web failed: .*7"),
    ),
    "no-dockerfile": Broken(
        {"hostess.yml": changed("source: .", "source: ., dockerfile: Missing")},
        (r"there is no Missing in the pushed commit",),
    ),
    "base-image-missing": Broken({"Dockerfile": "FROM no-such-image-anywhere:9\n"}, (r"no-such-image-anywhere:9",)),
    "image-missing": Broken(
        {"hostess.yml": changed("build: {source: .}", "image: no-such-image-anywhere:9")},
        (r"no-such-image-anywhere:9",),
    ),
    "migrate-fails": Broken(
        {
            "Dockerfile": 'FROM hostess-test/echo:1-sh\nENV VERSION=2\nENTRYPOINT []\nCMD ["/echo"]\n',
            "hostess.yml": changed(
                "    ports:",
                '    lifecycle: {migrate: {command: ["sh", "-c", "echo no such table; exit 3"]}}\n    ports:',
            ),
        },
        (r"\| no such table", r"migrate of web failed: exit 3"),
    ),
    "migrate-times-out": Broken(
        {
            "Dockerfile": DOCKERFILE,
            "hostess.yml": changed(
                "    ports:", '    lifecycle: {migrate: {command: ["sleep", "60"], timeout: 2s}}\n    ports:'
            ),
        },
        (r"migrate of web was killed after its timeout of 2 s",),
    ),
    "crashes-at-start": Broken(
        {"Dockerfile": DOCKERFILE + "ENV EXIT_ON_START=3\n"}, (r"web stopped right after its start \(exit code 3\)",)
    ),
    "wrong-port": Broken(
        {
            "Dockerfile": DOCKERFILE + 'ENV PORT=9000\nENTRYPOINT ["/echo"]\n',
            "hostess.yml": changed("ports: [8000]", "ports: [8000]\n    env: {PORT: 9000}"),
        },
        (r"refused the connection on port 8000", r"it listens on port 9000: set `ports: \[9000\]`"),
    ),
    "health-500": Broken({"Dockerfile": DOCKERFILE + "ENV HEALTH=fail\n"}, (r"answered GET /health with 503",)),
    "health-redirects": Broken(
        {"Dockerfile": DOCKERFILE, "hostess.yml": changed("http: /health", "http: '/redirect?to=/login'")},
        (r"with a redirect to /login",),
    ),
    "health-404": Broken(
        {"Dockerfile": DOCKERFILE, "hostess.yml": changed("http: /health", "http: /nowhere")},
        (r"answered GET /nowhere with 404",),
    ),
    "secret-missing": Broken(
        {"hostess.yml": changed("    ports:", "    env: {KEY: '${secret:STRIPE_KEY}'}\n    ports:")},
        (r"hostess secrets add STRIPE_KEY --project broken-secret-missing",),
    ),
    "not-served-yet": Broken(
        {
            "hostess.yml": changed("    ports:", "    env: {DB: '${store.external_url}'}\n    ports:")
            + "  store:\n    type: postgres\n"
        },
        (
            r"hostess\.yml:6:15: services\.web\.env\.DB: \$\{store\.external_url\} has no value: store is not reached from outside",
        ),
    ),
    "worker-crashes": Broken(
        {
            "Dockerfile": DOCKERFILE,
            "Worker": "FROM hostess-test/echo:1\nENV EXIT_ON_START=4\n",
            "hostess.yml": echo_files(
                services="  worker:\n    type: custom\n    build: {source: ., dockerfile: Worker}\n"
            )["hostess.yml"],
        },
        (r"worker stopped right after its start \(exit code 4\)",),
    ),
}


@dataclass(frozen=True)
class Outcome:
    """One broken push: what was there before it, what the pusher read."""

    repository: Repository
    before: list[str]
    tip: str
    pushed: subprocess.CompletedProcess[str]


def break_it(host: Host, name: str) -> Outcome:
    """Deploy the tiny app, then push the broken change."""
    repository = a_repository(host, f"broken-{name}", echo_files("1"))
    first = repository.push()
    assert first.returncode == 0, first.stderr
    before = host.containers(f"project={repository.project}")
    tip = repository.git("ls-remote", repository.url, "refs/heads/main").stdout
    repository.write(CASES[name].files)
    repository.commit(name)
    return Outcome(repository, before, tip, repository.push())


@pytest.fixture(scope="module")
def outcomes(host: Host) -> dict[str, Outcome]:
    """Give the outcome of every case: they are pushed at the same time, because several only fail at their deadline."""
    with ThreadPoolExecutor(len(CASES)) as pool:
        running = {name: pool.submit(break_it, host, name) for name in CASES}
        return {name: outcome.result(240) for name, outcome in running.items()}


@pytest.mark.parametrize("name", list(CASES))
def test_broken_push_is_rejected_and_nothing_changes(host: Host, outcomes: dict[str, Outcome], name: str) -> None:
    """The ref is rejected with its own message, the old release serves from the same container, nothing is left (4, 10, 12-14, 20)."""
    repository, pushed = outcomes[name].repository, outcomes[name].pushed

    assert pushed.returncode != 0, pushed.stderr
    assert "! [remote rejected] main -> main" in pushed.stderr
    for pattern in CASES[name].says:
        assert re.search(pattern, pushed.stderr), f"{pattern} in\n{pushed.stderr}"
    assert re.search(r"v1 \([0-9a-f]{7}\) still serves, untouched", pushed.stderr), pushed.stderr
    assert "Traceback" not in pushed.stderr
    status, _, headers = host.get(f"{repository.project}-web.localhost")
    assert (status, headers["x-version"]) == (200, "1")
    assert host.containers(f"project={repository.project}") == outcomes[name].before
    assert repository.git("ls-remote", repository.url, "refs/heads/main").stdout == outcomes[name].tip


def test_the_same_commit_can_be_pushed_again(host: Host) -> None:
    """What failed for a reason outside the commit (a missing secret) is fine after it is mended."""
    text = changed("    ports:", "    env: {KEY: '${secret:API_KEY}'}\n    ports:")
    repository = a_repository(host, "mended", {**echo_files(), "hostess.yml": text})
    refused = repository.push()
    assert "hostess secrets add API_KEY --project mended" in refused.stderr
    added = host.hostess("secrets", "add", "API_KEY", "--project", "mended", stdin="s3cr3t-value-1")
    assert added.returncode == 0, added.stderr

    pushed = repository.push()

    assert pushed.returncode == 0, pushed.stderr
    assert "s3cr3t-value-1" not in pushed.stderr

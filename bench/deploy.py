"""What a push costs beyond what it must: against a plain `git push`, and against `docker build` and `docker run` by hand."""

import json
import statistics
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from installation import ROOT, Installation, Repository, installation, run

ROUNDS = 5
SERVICES = 6
ANSWER_WITHIN = 60.0
PAUSE = 0.005
LABEL = "hostess.bench=by-hand"


def emit(name: str, value: float, unit: str, peer: str, **detail: object) -> None:
    """Print one figure."""
    figure = {"name": name, "value": round(value, 3), "unit": unit, "peer": peer, "detail": detail}
    sys.stdout.write(json.dumps(figure) + "\n")
    sys.stdout.flush()


def six_services() -> dict[str, str]:
    """Return the files of a stack with six services, each with a folder and an image of its own."""
    files = {"hostess.yml": 'version: "1.0"\nservices:\n'}
    for number in range(1, SERVICES + 1):
        name = f"s{number}"
        files["hostess.yml"] += (
            f"  {name}:\n    type: custom\n    build:\n      source: ./{name}\n    ports: [8000]\n"
            "    visibility: public\n    health:\n      http: /health\n"
        )
        files[f"{name}/Dockerfile"] = "FROM hostess-test/echo:1\nCOPY note /note\n"
        files[f"{name}/note"] = f"the note of {name}\n"
    return files


def push_that_changes_nothing(host: Installation, repository: Repository) -> None:
    """Push empty commits: how much longer it takes than to a bare repository, and whether anything was restarted."""
    before = host.objects("ps")
    ours: list[float] = []
    theirs: list[float] = []
    for number in range(ROUNDS):
        repository.commit(f"Nothing {number}", "--allow-empty")
        ours.append(repository.push("hostess"))
        theirs.append(repository.push("plain"))
    emit(
        "push.nothing_changed.overhead",
        statistics.median(ours) - statistics.median(theirs),
        "s",
        "git push to a bare repository",
        with_hostess=ours,
        without=theirs,
        restarted=len(set(host.objects("ps")) - set(before)),
    )


def push_that_changes_one_of_six(host: Installation, repository: Repository) -> None:
    """Push a change to one service of six: how many images are built, and how many containers are new."""
    images, containers = set(host.objects("image", "ls")), set(host.objects("ps"))
    (repository.folder / "s3" / "note").write_text("another note\n", encoding="utf-8")
    repository.commit("Another note")
    took = repository.push("hostess")
    emit(
        "push.one_of_six.images_built",
        len(set(host.objects("image", "ls")) - images),
        "images",
        "all services",
        services=SERVICES,
        containers_new=len(set(host.objects("ps")) - containers),
        seconds=took,
    )


def change(repository: Repository, text: str) -> None:
    """Change the application's code in a way that no cache knows."""
    main = repository.folder / "app" / "main.py"
    main.write_text(f"{main.read_text(encoding='utf-8')}\n# {text}\n", encoding="utf-8")


def push_that_changes_code(host: Installation) -> None:
    """Push a changed line of a FastAPI app: how much longer it takes than build, run and first answer by hand."""
    repository = host.repository("bench-code", ROOT / "examples" / "fastapi-minimal")
    repository.push("hostess")
    by_hand(repository.folder)  # both have their caches filled from here on
    ours: list[float] = []
    theirs: list[float] = []
    for number in range(ROUNDS):
        change(repository, f"ours {number}")
        repository.commit(f"Change {number}")
        ours.append(repository.push("hostess"))
        change(repository, f"by hand {number}")
        theirs.append(by_hand(repository.folder))
    emit(
        "push.code_changed.overhead",
        statistics.median(ours) - statistics.median(theirs),
        "s",
        "docker build, docker run, first 200",
        with_hostess=ours,
        without=theirs,
    )


SLEEPER = """version: "1.0"
services:
  web:
    type: custom
    image: hostess-test/echo:1
    ports: [8000]
    visibility: public
    replicas: {min: 0, max: 1, sleep_after: 1s}
    health: {http: /health}
"""


def request_that_wakes(host: Installation) -> None:
    """Ask for a service that sleeps: how much longer the answer takes than the start of a container that is there, by hand."""
    repository = host.repository("bench-sleeper", {"hostess.yml": SLEEPER})
    repository.push("hostess")
    limits = ("--cpus", "1", "--memory", "1g", "--label", LABEL)
    ours: list[float] = []
    theirs: list[float] = []
    for _ in range(ROUNDS):
        until_none_runs(host)
        began = time.perf_counter()
        host.ask("bench-sleeper-web.localhost")
        ours.append(time.perf_counter() - began)
        container = run("docker", "create", *limits, "hostess-test/echo:1").strip()
        theirs.append(started_by_hand(container))
    emit(
        "wake.overhead",
        statistics.median(ours) - statistics.median(theirs),
        "s",
        "docker start, first 200",
        with_hostess=ours,
        without=theirs,
    )


def until_none_runs(host: Installation) -> None:
    """Wait until the service sleeps."""
    own = (
        "--filter",
        f"label=sh.hostess.instance={host.instance}",
        "--filter",
        "label=sh.hostess.project=bench-sleeper",
    )
    give_up = time.monotonic() + ANSWER_WITHIN
    while run("docker", "ps", "--quiet", "--all", *own).strip():
        if time.monotonic() > give_up:
            raise TimeoutError("the service does not fall asleep")
        time.sleep(PAUSE)


def started_by_hand(container: str) -> float:
    """Start a container, and remove it; return the seconds to its first 200."""
    began = time.perf_counter()
    try:
        run("docker", "start", container)
        address = run("docker", "container", "inspect", "--format", "{{.NetworkSettings.IPAddress}}", container).strip()
        until_answer(f"http://{address}:8000/health")
        return time.perf_counter() - began
    finally:
        run("docker", "rm", "--force", container)


def by_hand(folder: Path) -> float:
    """Build and run the app without Hostess; return the seconds to its first 200."""
    began = time.perf_counter()
    image = run("docker", "build", "--quiet", "--label", LABEL, folder).strip()
    container = run("docker", "run", "--detach", "--label", LABEL, image).strip()
    try:
        address = run("docker", "container", "inspect", "--format", "{{.NetworkSettings.IPAddress}}", container).strip()
        until_answer(f"http://{address}:8000/health")
        return time.perf_counter() - began
    finally:
        run("docker", "rm", "--force", container)


def until_answer(url: str) -> None:
    """Ask until the first good answer."""
    give_up = time.monotonic() + ANSWER_WITHIN
    while True:
        try:
            with urllib.request.urlopen(url, timeout=1):
                return
        except OSError:
            if time.monotonic() > give_up:
                raise
            time.sleep(PAUSE)


def progress(step: Callable[[], None], what: str) -> None:
    """Say what is measured, and measure it."""
    sys.stderr.write(f"{what}\n")
    step()


@contextmanager
def images_by_hand() -> Iterator[None]:
    """Remove the images that were built by hand at the end: their layers are the cache until then."""
    try:
        yield
    finally:
        if images := run("docker", "image", "ls", "--quiet", "--filter", f"label={LABEL}").split():
            run("docker", "image", "rm", "--force", *sorted(set(images)))


def main() -> None:
    """Measure everything on one fresh installation."""
    with images_by_hand(), installation() as host:
        repository = host.repository("bench-six", six_services())
        repository.push("hostess")
        repository.push("plain")
        progress(lambda: push_that_changes_nothing(host, repository), "a push that changes nothing")
        progress(lambda: push_that_changes_one_of_six(host, repository), "a push that changes one service of six")
        progress(lambda: push_that_changes_code(host), "a push that changes code")
        progress(lambda: request_that_wakes(host), "a request that wakes a service")


if __name__ == "__main__":
    main()

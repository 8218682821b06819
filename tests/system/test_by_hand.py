"""What people do by hand on a real engine: plans, one-off commands, jobs, environments that are removed."""

import json
import signal
import subprocess
import sys

from tests.system.host import Host, a_repository, docker, echo_files, until

JOBS = """
jobs:
  report: {image: "hostess-test/echo:1", command: [print, reported], run: manual}
  fail: {image: "hostess-test/echo:1", command: [exit, "3"], run: manual, retries: 0}
environments:
  preview: {branches: ["feature/*"], ephemeral: true, ttl: 36h}
"""


def files(more: str = JOBS) -> dict[str, str]:
    """Return the tiny app with jobs."""
    made = echo_files()
    return {**made, "hostess.yml": made["hostess.yml"] + more}


def tasks(host: Host, project: str) -> list[str]:
    """Return the one-off containers."""
    return host.containers(f"project={project}", "role=task")


def test_a_command_is_run_once(host: Host) -> None:
    """Output and exit code of `hostess run` are those of the command; its container is gone afterwards, also when interrupted (45)."""
    repository = a_repository(host, "once", files())
    assert repository.push().returncode == 0

    said = host.hostess("run", "web", "-p", "once", "--set-env", "EXTRA=1", "--", "env")
    code = host.hostess("run", "web", "-p", "once", "--", "exit", "7")

    assert said.returncode == 0, said.stderr
    assert "EXTRA=1" in said.stdout.splitlines()
    assert code.returncode == 7
    assert tasks(host, "once") == []
    running = subprocess.Popen(
        # Whoever runs the tests in the background has its children ignore interrupts.
        [
            "env",
            "--default-signal=INT",
            sys.executable,
            "-m",
            "hostess",
            "run",
            "web",
            "-p",
            "once",
            "--",
            "sleep",
            "300",
        ],
        env={**host.environment, "HOSTESS_URL": f"http://{host.api}", "HOSTESS_TOKEN": host.token},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    until(lambda: tasks(host, "once"), 20, "the start of the command")
    running.send_signal(signal.SIGINT)
    assert running.wait(60) == 130
    until(lambda: not tasks(host, "once"), 20, "the end of the command")


def test_jobs_are_run_by_hand(host: Host) -> None:
    """`jobs run --follow` ends as the run did, and what it wrote can be read later."""
    repository = a_repository(host, "jobs", files())
    assert repository.push().returncode == 0
    place = ("-p", "jobs", "-e", "production")

    good = host.hostess("jobs", "run", "report", *place, "--follow")
    bad = host.hostess("jobs", "run", "fail", *place, "--follow")
    logs = host.hostess("jobs", "logs", "report", "-p", "jobs")
    runs = json.loads(host.hostess("jobs", "runs", "fail", "-p", "jobs", "-o", "json").stdout)

    assert good.returncode == 0, good.stderr
    assert bad.returncode == 1
    assert logs.stdout == "reported\n"
    assert [(run["outcome"], run["exit_code"]) for run in runs] == [("failed", 3)]
    assert tasks(host, "jobs") == []


def test_a_plan_is_asked_for_by_git(host: Host) -> None:
    """`hostess plan` in a checkout tells what the push that follows does."""
    repository = a_repository(host, "planned", files())
    assert repository.push().returncode == 0
    repository.write({"hostess.yml": echo_files(services="    env: {MARK: a-value-of-mine}\n")["hostess.yml"] + JOBS})
    repository.commit()
    repository.git("remote", "add", "hostess", repository.url)

    told = subprocess.run(
        [sys.executable, "-m", "hostess", "plan", "-o", "json"],
        cwd=repository.folder,
        env=host.environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert told.returncode == 0, told.stderr
    found = json.loads(told.stdout)
    changes = [(each["verb"], each["service"], each["detail"]) for each in found["changes"]]
    assert (found["project"], found["environment"]) == ("planned", "production")
    assert ("restart", "web", "environment") in changes
    assert ("env", "web", "adds MARK") in changes
    assert "a-value-of-mine" not in told.stdout + told.stderr
    assert repository.push().returncode == 0


def test_an_environment_is_removed(host: Host) -> None:
    """A matching branch makes an ephemeral environment that tells its end; deleting it leaves no container, network or volume."""
    repository = a_repository(host, "envs", files())
    assert repository.push().returncode == 0
    repository.git("checkout", "--quiet", "-b", "feature/cart")

    pushed = repository.push(ref="feature/cart")
    assert pushed.returncode == 0, pushed.stderr
    assert "preview expires in 36h" in pushed.stderr
    place = ("project=envs", "environment=preview")
    assert host.containers(*place)
    gone = host.hostess("environments", "delete", "preview", "-p", "envs", "--yes")

    assert gone.returncode == 0, gone.stderr
    assert host.containers(*place) == []
    filters = [f"label=sh.hostess.{label}" for label in place] + [f"label=sh.hostess.instance={host.instance}"]
    words = [word for one in filters for word in ("--filter", one)]
    assert docker("network", "ls", "--quiet", *words).split() == []
    assert host.get("envs-web.localhost")[0] == 200

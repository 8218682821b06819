"""The first of the README's two commands, and the images that both stand on."""

import os
import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]


def script(*command: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a script of the repository; its output is kept."""
    env = {**os.environ, **environment}
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=580, check=False)


def test_the_demo_replaces_a_running_app_without_a_failed_request_and_leaves_nothing_behind(tmp_path: Path) -> None:
    """`scripts/demo --once` pushes two versions under load, counts no failure, removes all that it made and exits with 0."""
    done = script(ROOT / "scripts" / "demo", "--once", DEMO_STATE=str(tmp_path / "demo"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "release v1 of my-api (production) is live" in done.stderr
    assert "release v2 of my-api (production) is live" in done.stderr
    assert "curl --cacert root.pem https://my-api-api.localhost:" in done.stdout
    for version in ("1", "2"):
        assert re.search(rf"[1-9]\d* requests answered by version {version}", done.stdout)
    assert re.search(r"^ +0 failed", done.stdout, re.MULTILINE)
    assert "nothing is left" in done.stderr
    assert not (tmp_path / "demo").exists()


def test_there_is_nothing_to_stop_where_no_demo_runs(tmp_path: Path) -> None:
    """`scripts/demo --stop` says so and exits with 0 when no demo is running."""
    done = script(ROOT / "scripts" / "demo", "--stop", DEMO_STATE=str(tmp_path / "demo"))
    assert (done.returncode, "no demo is running" in done.stderr) == (0, True)


def test_images_that_are_there_are_left_alone() -> None:
    """A second run of the images script finds every image, and neither pulls nor makes one."""
    images = ROOT / "tests" / "images" / "images.sh"
    assert script(images).returncode == 0
    again = script(images)
    assert (again.returncode, re.findall(r"making|made|pulling", again.stderr)) == (0, [])
    missing = [
        line for line in script(images, "list").stdout.splitlines() if "missing" in line and "optional" not in line
    ]
    assert missing == []


def test_the_uv_image_holds_a_program_that_runs_in_another_image(tmp_path: Path) -> None:
    """`COPY --from=ghcr.io/astral-sh/uv:latest /uv` brings a uv that runs in a slim Python image."""
    (tmp_path / "Dockerfile").write_text(
        "FROM python:3.12-slim\nCOPY --from=ghcr.io/astral-sh/uv:latest /uv /usr/local/bin/uv\nRUN uv --version\n",
        encoding="utf-8",
    )
    label = "hostess.test=uv"
    done = script("docker", "build", "--quiet", "--force-rm", "--label", label, str(tmp_path), DOCKER_BUILDKIT="0")
    assert done.returncode == 0, done.stdout + done.stderr
    assert script("docker", "image", "rm", done.stdout.split()[-1]).returncode == 0

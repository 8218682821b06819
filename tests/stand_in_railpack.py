#!/usr/bin/env python3
"""Stands in for `railpack`, by its documented command line: `--version`, `prepare` and `build`, each with the flags used here.

What it does with a folder stands in the folder's `stand-in.json`: "start" (the command found), "fail" ("prepare" or "build"),
"say" (a line), "sleep" (seconds), "image" (what the image is made from, by the Docker client; none is made without). Each call
is noted in `calls.jsonl` beside the program, with what it was given in DOCKER_CONFIG.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

CALLS = Path(__file__).resolve().with_name("calls.jsonl")


def parsed() -> argparse.Namespace:
    """Return the command line; what Railpack does not know is an error here, too."""
    parser = argparse.ArgumentParser(prog="railpack", allow_abbrev=False)
    parser.add_argument("--version", "-v", action="version", version="railpack version 0.15.4")
    commands = parser.add_subparsers(dest="command", required=True)
    prepare = commands.add_parser("prepare", allow_abbrev=False)
    prepare.add_argument("--plan-out")
    prepare.add_argument("--info-out")
    build = commands.add_parser("build", allow_abbrev=False)
    build.add_argument("--name")
    build.add_argument("--progress", choices=["auto", "plain", "tty"], default="auto")
    build.add_argument("--cache-key")
    build.add_argument("--no-cache", action="store_true")
    for command in (prepare, build):
        command.add_argument("directory", type=Path)
    return parser.parse_args()


def planned(given: argparse.Namespace, wanted: dict[str, Any]) -> None:
    """Write the plan and what is known of the app."""
    deploy = {"startCommand": wanted["start"]} if wanted.get("start") else {}
    if given.plan_out:
        Path(given.plan_out).write_text(json.dumps({"deploy": deploy, "steps": []}), encoding="utf-8")
    if given.info_out:
        Path(given.info_out).write_text(json.dumps({"detectedProviders": ["stand-in"]}), encoding="utf-8")


def built(given: argparse.Namespace, wanted: dict[str, Any]) -> None:
    """Make the image as Railpack leaves it: below /app, with a shell as its entrypoint."""
    host = os.environ.get("BUILDKIT_HOST", "")
    if not host:
        sys.exit("BUILDKIT_HOST environment variable is not set.")
    if host == "docker-container://nowhere":
        sys.exit("failed to get buildkit information.")
    if "image" in wanted:
        container = docker("create", wanted["image"])
        docker("cp", f"{given.directory}/.", f"{container}:/app")
        changes = [
            "WORKDIR /app",
            'ENTRYPOINT ["/bin/bash", "-c"]',
            f"CMD {json.dumps([wanted.get('start') or '/bin/bash'])}",
        ]
        docker("commit", *(word for change in changes for word in ("--change", change)), container, given.name)
        docker("rm", container)


def logins() -> dict[str, Any] | None:
    """Return what the folder of Docker's client has that this was given; None when it was given none."""
    if "DOCKER_CONFIG" not in os.environ:
        return None
    folder = Path(os.environ["DOCKER_CONFIG"])
    config = folder / "config.json"
    entries = sorted(path.name for path in folder.iterdir())
    return {"config": json.loads(config.read_text()), "mode": config.stat().st_mode & 0o777, "entries": entries}


def docker(*arguments: str) -> str:
    """Run the Docker client; return what it printed."""
    return subprocess.run(["docker", *arguments], capture_output=True, text=True, check=True).stdout.strip()


def main() -> None:
    """Do what the folder says."""
    given = parsed()
    wanted = json.loads((given.directory / "stand-in.json").read_text(encoding="utf-8"))
    found = sorted(str(path.relative_to(given.directory)) for path in given.directory.rglob("*"))
    noted = {
        "argv": sys.argv[1:],
        "environment": dict(os.environ),
        "files": found,
        "pid": os.getpid(),
        "docker": logins(),
    }
    with CALLS.open("a", encoding="utf-8") as calls:
        calls.write(json.dumps(noted) + "\n")
    if wanted.get("say"):
        sys.stdout.write(f"{wanted['say']}\n")
        sys.stdout.flush()
    time.sleep(wanted.get("sleep", 0))
    if wanted.get("fail") == given.command:
        sys.exit(f"{given.command} went wrong")
    (planned if given.command == "prepare" else built)(given, wanted)


if __name__ == "__main__":
    main()

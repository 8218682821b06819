"""The page that new users follow, docs/getting-started.md: its files and commands as they stand there, on a host of their own."""

import os
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.system.host import Host, a_host
from tests.system.sources import example, send

PAGE = (Path(__file__).parents[2] / "docs" / "getting-started.md").read_text(encoding="utf-8")
BLOCKS = [block for block in re.findall(r"(?:^    .*\n|^\n(?=    ))+", PAGE, re.MULTILINE) if block.strip()]
FILES = [re.sub(r"^    ", "", block, flags=re.MULTILINE).strip() + "\n" for block in BLOCKS if "services:" in block]
VALIDATE, ADD_REMOTE, PUSH, LOGIN, CREDENTIALS, ADD_SECRET, ROLLBACK, AGAIN, A_TAG = [
    line.strip() for block in BLOCKS for line in block.splitlines() if re.match(r"    (?:hostess|git) ", line)
]
WHERE = "127.0.0.1:7654"
API = "my-api-api"


@dataclass
class User:
    """Somebody with a folder and a terminal, who types what the page says."""

    folder: Path
    host: Host

    def types(self, line: str, *, told: str = "", password: bool = False) -> subprocess.CompletedProcess[str]:
        """Run a line of the page; *told* is what is typed in there, *password*: git asks, and gets the token."""
        words = shlex.split(line.replace(WHERE, self.host.api))
        hidden = {"HOSTESS_URL", "HOSTESS_TOKEN", "HOSTESS_DATA_DIR"}
        environ = {name: value for name, value in self.host.environment.items() if name not in hidden}
        environ |= {
            "HOME": str(self.folder.parent),
            "XDG_CONFIG_HOME": str(self.folder.parent / "config"),
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_ASKPASS": str(self.asker) if password else "",
        }
        return subprocess.run(
            words, cwd=self.folder, env=environ, input=told, capture_output=True, text=True, timeout=400, check=False
        )

    @property
    def asker(self) -> Path:
        """A program that answers as the user would."""
        path = self.folder.parent / "asked"
        path.write_text(f"#!/bin/sh\necho {self.host.token}\n")
        path.chmod(0o700)
        return path

    def saves(self, files: dict[str, str]) -> None:
        """Write files and commit them."""
        for name, text in files.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        for line in ("git add --all", "git commit --quiet --message change"):
            assert self.types(line).returncode == 0


def of_folder(name: str, folder: str) -> dict[str, str]:
    """Return what an example has in one of its folders, as if that were all."""
    return {path.removeprefix(f"{folder}/"): text for path, text in example(name).items() if path.startswith(folder)}


def test_from_nothing_to_the_second_version(tmp_path: Path) -> None:
    """Every file and every command of the page, in its order; each does what the page says of it."""
    with a_host(tmp_path / "host") as host:
        user = User(tmp_path / "code", host)
        user.folder.mkdir()
        assert user.types("git init --quiet --initial-branch=main").returncode == 0
        user.saves({**example("fastapi-minimal"), "hostess.yml": FILES[0]})

        validated = user.types(VALIDATE)
        assert validated.returncode == 0, validated.stderr
        assert user.types(ADD_REMOTE).returncode == 0
        first = user.types(PUSH, password=True)
        assert first.returncode == 0, first.stderr
        assert send(host, API, "GET", "/health")[0] == 200

        assert user.types(LOGIN, told=f"{host.token}\n").returncode == 0
        assert user.types(CREDENTIALS).returncode == 0
        user.saves({**of_folder("fastapi-postgres", "backend"), "hostess.yml": FILES[1]})
        refused = user.types(PUSH)
        assert refused.returncode != 0
        assert ADD_SECRET in refused.stderr
        assert send(host, API, "GET", "/health")[0] == 200

        assert user.types(ADD_SECRET, told="a secret of some length\n").returncode == 0
        second = user.types(PUSH)
        assert second.returncode == 0, second.stderr
        assert send(host, API, "GET", "/health")[0] == 200

        user.saves({"notes.txt": "another version\n"})
        third = user.types(PUSH)
        assert third.returncode == 0, third.stderr
        back = user.types(ROLLBACK)
        assert back.returncode == 0, back.stderr
        assert send(host, API, "GET", "/health")[0] == 200

        again = user.types(AGAIN)
        assert again.returncode == 0, again.stderr
        assert "(production) is live" in again.stderr
        assert user.types("git tag v1.4").returncode == 0
        tagged = user.types(A_TAG)
        assert "to staging of my-api" in tagged.stderr
        assert "JWT_SECRET" in tagged.stderr

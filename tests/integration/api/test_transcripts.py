"""Every command as a person sees it: sessions at a terminal, word for word, against a whole daemon.

A session is a file in tests/corpus/transcripts: `$ hostess ...` (`<<< TEXT` is standard input), then what is printed: standard output as
it is, standard error behind `! `, and `? CODE` when it does not end with 0. What differs from run to run has a name in capitals.
`HOSTESS_TRANSCRIPTS=write` writes the files anew; then read them, and what is different from before.
"""

import asyncio
import os
import re
import shlex
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from hostess import __version__
from hostess.cli.main import ALIASES, cli
from tests.integration.api.stage import FILE, Stage
from tests.unit.cli.test_commands import EVERY

FOLDER = Path(__file__).parents[2] / "corpus" / "transcripts"
SESSIONS = {file.stem: file.read_text(encoding="utf-8") for file in sorted(FOLDER.glob("*.txt"))}
LIVE = "live-"
"""What the names of those sessions begin with that find a project that is live."""
JOB = """
jobs:
  report: {image: "leaky:1", command: [print, done], run: manual}
"""
BLOB = b"\0\0\0\x0bssh-ed25519\0\0\0\x20" + b"k" * 32
KEY = f"ssh-ed25519 {b64encode(BLOB).decode()} me@laptop\n"
GIVEN = {
    "id.pub": KEY,
    "app/requirements.txt": "fastapi\nuvicorn\n",
    "app/main.py": "from fastapi import FastAPI\n\napp = FastAPI()\n",
    "compose.yml": "services:\n  web: {image: 'nginx:1', ports: ['80:80']}\n",
    "broken.yml": "services: {web: {type: nonsense}}\n",
    "good.yml": FILE,
}
"""The files that each session finds."""
ELSEWHERE = {
    "connect shell": "needs a terminal: tests/system/test_connect.py",
    "host recover": "needs an empty host: tests/system/test_host_recovery.py",
    "setup": "changes this host: tests/unit/cli/test_setup.py and tests/system",
    "services exec": "needs a container: tests/system/test_connect.py",
    "canary start": "needs a git repository: tests/system/test_canary.py",
    "plan": "needs a git repository: tests/unit/cli/test_plan.py and tests/system",
    "doctor": "tells of this host: tests/integration/state",
    "daemon": "is the program itself: tests/system",
    "proxy": "is the program itself: tests/integration/proxy",
}
_DIFFERENT = (
    (re.compile(r"hst_[\w-]{43}"), "TOKEN"),
    (re.compile(r"-----BEGIN.*?-----END [A-Z ]+-----", re.DOTALL), "PEM"),
    (re.compile(r"(?<![\w-])[\w-]{43}(?![\w-])"), "SECRET"),
    (re.compile(r"\b(?:[0-9A-F]{2}:){31}[0-9A-F]{2}\b"), "FINGERPRINT"),
    (re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d(?::\d\d)?(?:\.\d+)?(?:Z|[+-]\d\d:\d\d| UTC)?"), "TIME"),
    (re.compile(r"\b\d{4}-\d\d-\d\d\b"), "DATE"),
    (re.compile(r"\b(?:\d+[smhd] ago|just now)\b"), "AGO"),
    (re.compile(r"\b[0-9a-f]{12,64}\b"), "ID"),
    (re.compile(r"\b(?!ed25519\b)[0-9a-f]{7,8}\b"), "COMMIT"),
    (re.compile(r"\bage1[0-9a-z]{58}\b"), "RECIPIENT"),
    (re.compile(r"(?m)(?:^Disk: .*\n)+"), "Disk: ...\n"),
    (re.compile(r"(?m)(?:^(?:CPU|Memory|Pressure|Open files): .*\n)+"), "Use: ...\n"),
    (re.compile(r"\b\d+(?:\.\d+)? (?:s|GB|MB|GiB|MiB)\b"), "SOME"),
    (re.compile(r"(?m)[ \t]+$"), ""),
    (re.compile(r"(?<=\S) {2,}(?=\S)"), "  "),
)


def asked(text: str) -> Iterator[str]:
    """Yield the commands of a session."""
    return (line.removeprefix("$ ") for line in text.splitlines() if line.startswith("$ "))


def words_of(line: str) -> tuple[list[str], str]:
    """Return the words behind `hostess`, and what comes by standard input."""
    program, *words = shlex.split(line)
    assert program == "hostess"
    if "<<<" not in words:
        return words, ""
    at = words.index("<<<")
    return words[:at], words[at + 1] + "\n"


def alike(text: str, stage: Stage) -> str:
    """Return what was printed, with a name for whatever differs from run to run."""
    for found, name in ((stage.url, "http://DAEMON"), (str(stage.folder), "FOLDER"), (__version__, "VERSION")):
        text = text.replace(found, name)
    for pattern, name in _DIFFERENT:
        text = pattern.sub(name, text)
    return text


def run(line: str, stage: Stage, remembered: dict[str, str]) -> str:
    """Run one command in this process and return what the session shows of it; blocking. "$ID" is the last id that was printed."""
    words, given = words_of(line)
    clean = {name: None for name in os.environ if name.startswith("HOSTESS_")}
    server = {} if words[0] in {"login", "logout"} else {"HOSTESS_URL": stage.url, "HOSTESS_TOKEN": stage.token}
    environ = {**clean, **server, "HOME": str(stage.folder / "home"), "COLUMNS": "110"}
    filled = [
        word.replace("$ID", remembered.get("id", "")).replace("$TOKEN", stage.token).replace("$URL", stage.url)
        for word in words
    ]
    done = CliRunner().invoke(cli, filled, input=given, env=environ, prog_name="hostess")
    if found := re.findall(r"\b[0-9a-f]{12,64}\b", done.stdout):
        remembered["id"] = found[-1]
    shown = [f"$ {line}", *alike(done.stdout, stage).splitlines()]
    shown += [f"! {each}".rstrip() for each in alike(done.stderr, stage).splitlines()]
    return "\n".join([*shown, *([f"? {done.exit_code}"] if done.exit_code else [])])


def given(folder: Path) -> None:
    """Write the files that each session finds."""
    for name, text in GIVEN.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")


@pytest.mark.parametrize("name", SESSIONS)
async def test_a_session(stage: Stage, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each command of the session prints what it printed when the session was written down."""
    monkeypatch.chdir(tmp_path)
    given(tmp_path)
    stage.engine.accounts["private.test"] = ("octocat", "open sesame")
    if name.startswith(LIVE):
        await stage.project()
        await stage.secret("a-greeting")
        assert (await stage.push(FILE + JOB)).accepted
    remembered = dict[str, str]()

    said = [await asyncio.to_thread(run, line, stage, remembered) for line in asked(SESSIONS[name])]
    session = "\n\n".join(said) + "\n"

    if os.environ.get("HOSTESS_TRANSCRIPTS") == "write":
        await asyncio.to_thread((FOLDER / f"{name}.txt").write_text, session, encoding="utf-8")
    assert session == SESSIONS[name]


def test_every_command_is_in_a_session() -> None:
    """No command is without a transcript, but for those that are tested elsewhere, for a reason."""
    found = set()
    for text in SESSIONS.values():
        for line in asked(text):
            words = words_of(line)[0]
            spelt = [*ALIASES.get(words[0], words[0]).split(), *words[1:]]
            found |= {" ".join(spelt[:count]) for count in (1, 2, 3)}

    assert EVERY.keys() - found == ELSEWHERE.keys()

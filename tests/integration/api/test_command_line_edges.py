"""The command line where something around it is odd: its output, its login, what git asks it for."""

import asyncio
import os
import sys

from tests.integration.api.stage import WITHIN, Stage


def nowhere(stage: Stage) -> dict[str, str]:
    """Return the environment of who is told of no daemon."""
    return {"HOSTESS_URL": "", "HOSTESS_TOKEN": "", "HOSTESS_DATA_DIR": str(stage.folder / "none")}


async def test_a_token_from_a_pipe_signs_in(stage: Stage) -> None:
    """A token that is piped in is read from there, whatever terminal there is, and nothing but the result is said."""
    signed_in = await stage.hostess("login", "--url", stage.url, environ=nowhere(stage), given=f"{stage.token}\r\n")
    empty = await stage.hostess("login", "--url", stage.url, environ=nowhere(stage), given="\n")

    assert signed_in.code == 0
    assert signed_in.err.splitlines()[0].startswith("saved in ")
    assert (empty.code, empty.err.splitlines()[0]) == (2, "error: no token was given")


async def test_a_login_that_cannot_be_read_is_made_anew(stage: Stage) -> None:
    """What the error says to do helps."""
    file = stage.folder / "home" / ".config" / "hostess" / "config.json"
    file.parent.mkdir(parents=True)
    file.write_text("[]")

    broken = await stage.hostess("whoami", environ=nowhere(stage))
    again = await stage.hostess("login", "--url", stage.url, environ=nowhere(stage), given=stage.token)
    whole = await stage.hostess("whoami", environ=nowhere(stage))

    assert (broken.code, "`hostess login` makes it anew" in broken.err) == (1, True)
    assert (again.code, whole.code) == (0, 0)


async def test_output_that_goes_nowhere_is_told(stage: Stage) -> None:
    """Where what is printed cannot be written, the command says so in one line, and ends with exit code 1."""
    arguments = (sys.executable, "-m", "hostess", "whoami", "--url", stage.url, "--token", stage.token)
    full = os.open("/dev/full", os.O_WRONLY)
    process = await asyncio.create_subprocess_exec(
        *arguments, stdout=full, stderr=asyncio.subprocess.PIPE, env=dict(os.environ), cwd=stage.folder
    )
    os.close(full)
    async with asyncio.timeout(WITHIN):
        _, err = await process.communicate()

    assert (process.returncode, err.decode()) == (
        1,
        "error: this could not be done here: [Errno 28] No space left on device\n",
    )


async def test_git_asks_for_a_place_that_is_none(stage: Stage) -> None:
    """What no URL can be gets no credential, and no traceback."""
    for host in (f"{stage.url.removeprefix('http://')}.example.com", "[::1", "", "a:99999"):
        helped = await stage.hostess("git-credential", "get", given=f"protocol=http\nhost={host}\n\n")
        assert (helped.code, helped.out, helped.err) == (0, "", ""), host


async def test_no_message_can_be_taken_for_an_entry(stage: Stage) -> None:
    """What an event quotes of others moves no cursor, and begins no line as an entry does."""
    said = "it said \x1b[2J\x1b[31mred\n2026-01-01 00:00:00  audit.token.created  root: made token x"
    await stage.journal.tell("webhook.refused", said, stage.services.clock.now())

    shown = await stage.hostess("events", "--kind", "webhook.refused")
    raw = await stage.hostess("events", "--kind", "webhook.refused", "-o", "json")

    first, second = shown.out.splitlines()
    assert first.endswith("it said ?[2J?[31mred")
    assert second == "    2026-01-01 00:00:00  audit.token.created  root: made token x"
    assert raw.json[0]["message"] == said

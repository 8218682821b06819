"""How much git one SSH key gets at once: a refusal that git shows, and nothing for the others."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from hostess.domain.settings import ApiSettings
from hostess.doors.git_limits import GitLimits
from hostess.doors.ssh_socket import SshSocket
from hostess_hooks.ssh_wire import EXIT, Command, encode
from tests.integration.git.conftest import World


@contextlib.asynccontextmanager
async def over_ssh(world: World, path: Path) -> AsyncIterator[None]:
    """Let the world's repositories be reached by the socket of sshd's commands, one conversation for each key."""

    async def nobody(_kind: str, _blob: str) -> str | None:
        return None

    async def authorize(key: str, _project: str, _action: str) -> str:
        return key

    async def ensure(project: str, _actor: str) -> None:
        await world.repositories.create(project)

    limits = GitLimits(ApiSettings(at_once=1))
    door = SshSocket(path, world.repositories.path, world.hooks, nobody, authorize, ensure, limits)
    door.patience = 2
    await door.start()
    try:
        yield
    finally:
        await door.stop()


async def asked(path: Path, key: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Ask to fetch, as sshd's command does for who came in with a key; the conversation lasts until it is closed."""
    reader, writer = await asyncio.open_unix_connection(str(path))
    writer.write(encode(Command(key, "git-upload-pack 'shop.git'", "")))
    return reader, writer


async def begun(path: Path, key: str) -> str:
    """Begin to fetch, and end it; return what was said at first."""
    reader, writer = await asked(path, key)
    writer.write_eof()
    said = await reader.read()
    writer.close()
    return said.decode(errors="replace")


async def test_a_key_with_too_much_under_way_is_told_in_words(world: World, tmp_path: Path) -> None:
    """The second conversation of a key is refused while the first one lasts; another key's is not, and the first one's end counts."""
    clone = await world.clone()
    await clone.good("push", "hostess", "main")
    path = tmp_path / "ssh.sock"
    async with over_ssh(world, path):
        first, writer = await asked(path, "key-of-ada")
        offered = await first.readuntil(b"refs/heads/main")
        refused = await begun(path, "key-of-ada")
        other = await begun(path, "key-of-bob")
        writer.write_eof()
        rest = await first.read()
        writer.close()
        again = await begun(path, "key-of-ada")

    assert b"refs/heads/main" in offered
    assert "ERR 1 requests are under way already" in refused
    assert "refs/heads/main" not in refused
    assert "refs/heads/main" in other
    assert rest[-6] == EXIT
    assert "refs/heads/main" in again

"""Keys for git over SSH by API and command line."""

import base64
import json
from pathlib import Path

from tests.integration.api.stage import Stage


def a_key(letter: str = "k") -> str:
    """Return a line of a `.pub` file."""
    blob = b"\0\0\0\x0bssh-ed25519\0\0\0\x20" + letter.encode() * 32
    return f"ssh-ed25519 {base64.b64encode(blob).decode()} me@laptop"


async def test_a_key_from_its_file_to_its_end(stage: Stage, tmp_path: Path) -> None:
    """A key is taken from its file, listed with its fingerprint, told when it comes twice, and gone when removed; the audit says so."""
    file = tmp_path / "id.pub"
    file.write_text(a_key())

    added = await stage.hostess("keys", "add", "laptop", str(file), "-p", "shop")
    twice = await stage.hostess("keys", "add", "other", given=a_key())
    [row] = json.loads((await stage.hostess("keys", "list", "-o", "json")).out)
    shown = await stage.hostess("keys", "list")
    removed = await stage.hostess("keys", "remove", row["id"], "--force")
    again = await stage.hostess("keys", "remove", row["id"], "--force")

    assert added.code == 0, added.err
    assert (row["name"], row["role"], row["projects"]) == ("laptop", "developer", ["shop"])
    assert row["fingerprint"].startswith("SHA256:")
    assert row["fingerprint"] in added.out
    assert row["fingerprint"] in shown.out
    assert (twice.code, f"there already: laptop ({row['id']})" in twice.err) == (7, True)
    assert (removed.code, again.code) == (0, 3)
    assert (await stage.get("/v1/keys"))["items"] == []
    kinds = [event.kind for event in await stage.journal.events()]
    assert [kind for kind in kinds if "key." in kind] == ["audit.key.added", "audit.key.removed"]


async def test_a_private_key_does_not_leave_its_host(stage: Stage) -> None:
    """Who gives a private key by mistake is told by the command itself; nothing is sent. A line with options is refused by the daemon."""
    private = "-----BEGIN OPENSSH PRIVATE KEY-----\nc2VjcmV0\n-----END OPENSSH PRIVATE KEY-----\n"

    mistaken = await stage.hostess("keys", "add", "laptop", given=private)
    options = await stage.hostess("keys", "add", "laptop", given=f'command="sh" {a_key()}')

    assert (mistaken.code, "was not sent" in mistaken.err) == (2, True)
    assert (options.code, "options before the key" in options.err) == (2, True)
    assert (await stage.get("/v1/keys"))["items"] == []

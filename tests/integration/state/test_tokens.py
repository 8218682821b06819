"""Tokens: made once, known by their digest only, worthless when expired or revoked."""

import re
import stat
from datetime import timedelta
from pathlib import Path

import pytest

from hostess.adapters.clock_system import SystemClock
from hostess.adapters.journal.sqlite import SqliteJournal
from hostess.domain.problem import Problem
from hostess.services.tokens import Tokens
from tests.fakes.clock import FakeClock
from tests.integration.state.folder import holding, names


@pytest.fixture
def tokens(journal: SqliteJournal, clock: FakeClock) -> Tokens:
    """Return the service."""
    return Tokens(journal, clock)


async def test_a_token_is_known_afterwards(tokens: Tokens) -> None:
    """A new token authenticates as the row that was returned with it, and no other text does."""
    row, text = await tokens.create("laptop", "developer", ["shop"])

    found = await tokens.authenticate(text)
    assert found is not None
    assert (found.id, found.name, found.role, found.projects) == (row.id, "laptop", "developer", ("shop",))
    for other in (text[:-1], text + "A", text.upper(), "", "hst_", row.digest, row.id, "hst_" + "A" * 43, text + "\n"):
        assert await tokens.authenticate(other) is None


async def test_tokens_are_chance(journal: SqliteJournal) -> None:
    """A token is a prefix and 32 bytes of chance in URL-safe letters, never the same twice."""
    tokens = Tokens(journal, SystemClock())
    texts = {(await tokens.create("t", "viewer"))[1] for _ in range(20)}

    assert len(texts) == 20
    assert all(re.fullmatch(r"hst_[A-Za-z0-9_-]{43}", text) for text in texts)


async def test_the_token_itself_is_not_stored(tokens: Tokens, journal: SqliteJournal, tmp_path: Path) -> None:
    """Neither the journal's rows nor its files hold the token."""
    _, text = await tokens.create("laptop", "owner")

    assert text not in repr(await journal.tokens())
    assert not holding(tmp_path, text)


async def test_a_token_expires(tokens: Tokens, clock: FakeClock) -> None:
    """A token with a lifetime is known until it ends."""
    _, text = await tokens.create("ci", "developer", lifetime=timedelta(hours=1))
    clock.advance(3599)
    before = await tokens.authenticate(text)
    clock.advance(1)

    assert before is not None
    assert await tokens.authenticate(text) is None


async def test_a_revoked_token_is_worthless_at_once(tokens: Tokens) -> None:
    """After a token was revoked it is not known; revoking it again is a problem."""
    row, text = await tokens.create("laptop", "owner")
    await tokens.revoke(row.id)
    with pytest.raises(Problem) as caught:
        await tokens.revoke(row.id)

    assert caught.value.code == "token-not-found"
    assert await tokens.authenticate(text) is None
    assert await tokens.list() == []


async def test_use_is_noted_once_a_minute(tokens: Tokens, clock: FakeClock) -> None:
    """When a token was last used is noted, but a busy one is not written down at each request."""
    _, text = await tokens.create("laptop", "owner")
    first = clock.now()
    await tokens.authenticate(text)
    clock.advance(59)
    await tokens.authenticate(text)
    noted = [row.used_at for row in await tokens.list()]
    clock.advance(1)
    await tokens.authenticate(text)

    assert noted == [first]
    assert [row.used_at for row in await tokens.list()] == [clock.now()]


@pytest.mark.parametrize(
    ("name", "role", "seconds"),
    [
        ("laptop", "king", 60),
        ("", "owner", 60),
        ("a\nb", "owner", 60),
        ("x" * 101, "owner", 60),
        ("laptop", "owner", 0),
    ],
)
async def test_senseless_tokens_are_refused(tokens: Tokens, name: str, role: str, seconds: int) -> None:
    """A token of an unknown role, without a printable name or without a lifetime is not made."""
    with pytest.raises(Problem) as caught:
        await tokens.create(name, role, lifetime=timedelta(seconds=seconds))

    assert caught.value.code == "token-invalid"
    assert await tokens.list() == []


async def test_the_first_start_writes_an_owner_token(tokens: Tokens, tmp_path: Path) -> None:
    """Where there is no token at all, one for the owner is written to a private file; the next start changes nothing."""
    path = tmp_path / "owner-token"
    made = await tokens.ensure_owner(path)
    text = path.read_text()
    again = await tokens.ensure_owner(path)

    found = await tokens.authenticate(text.strip())
    assert (made, again) == (True, False)
    assert found is not None
    assert (found.role, found.projects) == ("owner", ())
    assert path.read_text() == text
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert names(tmp_path) == {"hostess.db", "hostess.db-shm", "hostess.db-wal", "hostess.db.lock", "owner-token"}


async def test_a_crash_between_file_and_journal_is_healed(tokens: Tokens, tmp_path: Path) -> None:
    """A token that was written but never counted is the owner's after the next start."""
    path = tmp_path / "owner-token"
    path.touch(mode=0o600)
    path.write_text("hst_" + "A" * 43 + "\n")

    await tokens.ensure_owner(path)

    assert path.read_text() == "hst_" + "A" * 43 + "\n"
    assert await tokens.authenticate("hst_" + "A" * 43) is not None


@pytest.mark.parametrize(("text", "mode"), [("hst_" + "A" * 43, 0o644), ("nonsense", 0o600), ("é", 0o600)])
async def test_a_doubtful_owner_file_is_replaced(tokens: Tokens, tmp_path: Path, text: str, mode: int) -> None:
    """A file that others could read, or that holds no token, is replaced by a new private one."""
    path = tmp_path / "owner-token"
    path.write_text(text)
    path.chmod(mode)

    await tokens.ensure_owner(path)

    assert path.read_text().strip() != text
    assert await tokens.authenticate(path.read_text().strip()) is not None
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


async def test_a_deleted_owner_file_stays_deleted(tokens: Tokens, tmp_path: Path) -> None:
    """Where a token exists, no file is written again for one who took it away."""
    path = tmp_path / "owner-token"
    await tokens.ensure_owner(path)
    path.unlink()

    assert not await tokens.ensure_owner(path)
    assert not path.exists()

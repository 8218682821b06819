"""The vault: what it seals opens only with its key and in its place; its key is kept private and never replaced."""

import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostess.adapters.journal.sqlite import SqliteJournal
from hostess.adapters.vault_files import FileVault, open_vault
from hostess.domain.ports import Vault
from hostess.domain.problem import Problem
from tests.integration.state.folder import names


@pytest.fixture(scope="module")
def vault(tmp_path_factory: pytest.TempPathFactory) -> Vault:
    """Return a vault with a key of its own."""
    return FileVault(tmp_path_factory.mktemp("vault") / "key")


@given(value=st.text(), place=st.text())
def test_what_is_sealed_opens_in_its_place(vault: Vault, value: str, place: str) -> None:
    """A sealed value opens with the binding it was sealed with, and with no other."""
    sealed = vault.seal(value, place)

    assert vault.open(sealed, place) == value
    with pytest.raises(Problem) as caught:
        vault.open(sealed, place + "x")
    assert caught.value.code == "secret-unreadable"


def test_sealing_twice_differs(vault: Vault) -> None:
    """Equal values cannot be told from their sealed texts, which do not hold the value."""
    first, second = vault.seal("hunter2-hunter2", "a"), vault.seal("hunter2-hunter2", "a")

    assert first != second
    assert "hunter2" not in first


def test_damaged_text_does_not_open(vault: Vault) -> None:
    """A sealed text that was cut or lengthened, is empty or in another form is refused."""
    sealed = vault.seal("value", "a")
    for damaged in (sealed[:-4], sealed + "AAAA", "", "v9" + sealed[2:], sealed[:14], sealed[:3]):
        with pytest.raises(Problem) as caught:
            vault.open(damaged, "a")
        assert caught.value.code == "secret-unreadable"


def test_every_changed_character_is_noticed(vault: Vault) -> None:
    """A sealed text in which any one character was changed is refused."""
    sealed = vault.seal("value", "a").rstrip("=")
    for place, old in enumerate(sealed[:-1]):
        with pytest.raises(Problem):
            vault.open(sealed[:place] + ("A" if old != "A" else "B") + sealed[place + 1 :], "a")


def test_digests_are_keyed(vault: Vault, tmp_path: Path) -> None:
    """A digest is 32 hex digits, the same each time with one key and another with another key."""
    digest = vault.digest("text")

    assert len(digest) == 32
    assert vault.digest("text") == digest
    assert vault.digest("Text") != digest
    assert FileVault(tmp_path / "key").digest("text") != digest


def test_the_key_is_private_and_stays(tmp_path: Path) -> None:
    """The first start makes a key of 32 bytes that only the owner can read; later ones use it."""
    path = tmp_path / "key"
    sealed = FileVault(path).seal("value", "a")
    key = path.read_bytes()

    assert len(key) == 32
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert FileVault(path).open(sealed, "a") == "value"
    assert path.read_bytes() == key
    assert names(tmp_path) == {"key"}


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o620])
def test_an_exposed_key_is_refused(tmp_path: Path, mode: int) -> None:
    """A key that others can read or change is refused and left as it is."""
    path = tmp_path / "key"
    FileVault(path)
    path.chmod(mode)
    with pytest.raises(Problem) as caught:
        FileVault(path)

    assert caught.value.code == "key-exposed"
    assert stat.S_IMODE(path.stat().st_mode) == mode


@pytest.mark.parametrize("content", [b"", b"x" * 31, b"x" * 33])
def test_what_is_no_key_is_refused(tmp_path: Path, content: bytes) -> None:
    """A file of another length than a key's is refused and left as it is."""
    path = tmp_path / "key"
    path.touch(mode=0o600)
    path.write_bytes(content)
    with pytest.raises(Problem) as caught:
        FileVault(path)

    assert caught.value.code == "key-unreadable"
    assert path.read_bytes() == content


def test_a_key_that_cannot_be_read_is_a_problem(tmp_path: Path) -> None:
    """Something that is no file is refused with a reason."""
    (tmp_path / "key").mkdir(mode=0o700)
    with pytest.raises(Problem) as caught:
        FileVault(tmp_path / "key")

    with pytest.raises(Problem) as no_folder:
        FileVault(tmp_path / "absent" / "key")

    assert (caught.value.code, no_folder.value.code) == ("key-unreadable", "key-unreadable")


def test_the_sentinel_knows_its_key(tmp_path: Path) -> None:
    """A sentinel is accepted by the key that made it and by no other."""
    ours, other = FileVault(tmp_path / "key"), FileVault(tmp_path / "other")
    ours.check(ours.sentinel())
    with pytest.raises(Problem) as caught:
        other.check(ours.sentinel())

    assert caught.value.code == "key-lost"


async def test_a_lost_key_is_not_replaced(tmp_path: Path) -> None:
    """Once something may have been sealed, the daemon starts with that key only: no new one is made beside it."""
    path = tmp_path / "key"
    journal = await SqliteJournal.open(tmp_path / "hostess.db")
    sealed = (await open_vault(path, journal)).seal("value", "a")
    assert (await open_vault(path, journal)).open(sealed, "a") == "value"
    kept = path.rename(tmp_path / "kept")

    with pytest.raises(Problem) as gone:
        await open_vault(path, journal)
    assert names(tmp_path) & {"key"} == set()
    made_anew = FileVault(path)
    with pytest.raises(Problem) as another:
        await open_vault(path, journal)
    kept.replace(path)

    assert made_anew.seal("value", "a") != sealed
    assert (gone.value.code, another.value.code) == ("key-lost", "key-lost")
    assert (await open_vault(path, journal)).open(sealed, "a") == "value"
    await journal.close()

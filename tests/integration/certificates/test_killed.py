"""Killed at any step, what is kept of certificates is whole, and doing it again ends it."""

import asyncio
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from hostess.adapters.certificates.authority_internal import FileAuthority
from hostess.adapters.certificates.store import FileCertificates
from hostess.adapters.clock_system import SystemClock
from hostess.domain.certificates.certificate import Certificate, Source
from tests.integration.state.folder import names
from tests.issuing import Issued, issue

NEW = issue(("new.example.org",))


def save(folder: Path, issued: Issued) -> Certificate:
    """Keep a certificate."""
    return asyncio.run(FileCertificates(folder, SystemClock()).save(issued.chain, issued.key, Source.IMPORTED))


def kept(folder: Path) -> list[Certificate]:
    """Return what another process finds."""
    return asyncio.run(FileCertificates(folder, SystemClock()).all())


def killed(act: str, folder: Path) -> list[Path]:
    """Do it in many folders, and be killed one step later in each; return the folders."""
    program = [sys.executable, "-m", "tests.integration.certificates.mortal_store", act, str(folder)]
    subprocess.run(program, check=True, timeout=60)
    found = [path for path in folder.iterdir() if path.name.isdigit()]
    assert len(found) > 4
    return found


@pytest.fixture
def before(tmp_path: Path) -> Certificate:
    """Keep a certificate in the folder that all others are copies of, and lay out the new one."""
    (tmp_path / "chain.pem").write_text(NEW.chain)
    (tmp_path / "key.pem").write_text(NEW.key)
    return save(tmp_path / "before", issue(("old.example.org",)))


def test_a_killed_save_tears_nothing(tmp_path: Path, before: Certificate) -> None:
    """A save leaves what was there, and the new one whole or not at all; the next save ends it and leaves nothing else."""
    for folder in killed("save", tmp_path):
        found = kept(folder)
        saved = save(folder, NEW)

        assert before in found
        assert {each.id for each in found} <= {before.id, saved.id}
        assert {each.id for each in kept(folder)} == {before.id, saved.id} == names(folder)
        assert all(stat.S_IMODE((folder / each / "key.pem").stat().st_mode) == 0o600 for each in names(folder))


def test_a_killed_repair_tears_nothing(tmp_path: Path, before: Certificate) -> None:
    """Where a damaged certificate is saved again, it is there whole in the end, whatever was interrupted."""
    damaged = save(tmp_path / "before", NEW)
    (tmp_path / "before" / damaged.id / "chain.pem").write_text("")
    for folder in killed("save", tmp_path):
        found = kept(folder)
        save(folder, NEW)

        assert before in found
        assert {each.id for each in kept(folder)} == {before.id, damaged.id} == names(folder)


def test_a_killed_removal_leaves_no_half(tmp_path: Path, before: Certificate) -> None:
    """A removal leaves the certificate whole, or nothing of it once the store is looked at."""
    for folder in killed("remove", tmp_path):
        found = kept(folder)

        assert found in ([before], [])
        assert names(folder) == {each.id for each in found}


def test_a_killed_start_leaves_one_root(tmp_path: Path) -> None:
    """A root that was being made is there or is not; from then on it stays the same, and the file of its key is 0600."""
    (tmp_path / "before").mkdir()
    for folder in killed("root", tmp_path):
        file = folder / "internal" / "authority.pem"
        there = file.read_text() if file.exists() else ""
        first, second = (
            asyncio.run(FileAuthority(folder / "internal", SystemClock(), ["example.org"]).root()) for _ in "ab"
        )

        assert first == second
        assert not there or there.startswith(first)
        assert names(file.parent) == {"authority.pem"}
        assert stat.S_IMODE(file.stat().st_mode) == 0o600

"""Which certificates are loaded, when, and what becomes of those that cannot be."""

import ssl
from pathlib import Path
from typing import Any

import pytest

from hostess_proxy.tables.table import Certificate
from hostess_proxy.tls import certificates
from hostess_proxy.tls.certificates import LOADED_CERTIFICATES, RETRY_SECONDS, Certificates
from hostess_proxy.tls.context import server_context
from tests.integration.proxy.papers import Papers


class Store:
    """Certificates, with a clock of their own and a count of contexts."""

    def __init__(self) -> None:
        self.now = 0.0
        self.made = 0
        self.kept = Certificates(self._make)

    def _make(self) -> ssl.SSLContext:
        self.made += 1
        return server_context(["http/1.1"])

    def swap(self, *entries: dict[str, Any]) -> None:
        """Serve these entries of a table."""
        self.kept.swap(tuple(Certificate(tuple(entry["names"]), entry["chain"], entry["key"]) for entry in entries))

    def serves(self, name: str) -> bool:
        """Whether there is a certificate for a name."""
        return self.kept.find(name, "127.0.0.1") is not None


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Store:
    """Give a store without certificates."""
    store = Store()
    monkeypatch.setattr(certificates, "monotonic", lambda: store.now)
    return store


def test_loaded_when_needed(store: Store, papers: Papers) -> None:
    """Of ten thousand certificates those are loaded that are asked for, once, and the least used are let go."""
    entry = papers.certificate("b.x")
    store.swap(*({**entry, "names": [f"h{number}.x"]} for number in range(10_000)))
    assert store.made == 0

    for number in [0, *range(LOADED_CERTIFICATES), 0, LOADED_CERTIFICATES, 0]:
        assert store.serves(f"h{number}.x")
    assert store.made == LOADED_CERTIFICATES + 1

    assert store.serves("h1.x")
    assert store.made == LOADED_CERTIFICATES + 2


def test_same_table_again(store: Store, papers: Papers) -> None:
    """A new table with the same certificates loads nothing again; one without them lets go of them."""
    store.swap(papers.certificate("b.x"))
    store.serves("b.x")
    store.swap(papers.certificate("b.x"))
    assert (store.serves("b.x"), store.made) == (True, 1)

    store.swap()

    assert not store.serves("b.x")


def spoil(what: str, entry: dict[str, Any], papers: Papers) -> None:
    """Make a certificate unusable."""
    key = Path(entry["key"])
    if what == "gone":
        key.unlink()
    elif what == "garbage":
        Path(entry["chain"]).write_bytes(b"garbage")
    elif what == "another key":
        key.write_bytes(Path(papers.certificate("c.x")["key"]).read_bytes())
    else:
        key.write_text("-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n")


@pytest.mark.parametrize("what", ["gone", "garbage", "another key", "a password"])
def test_broken(what: str, store: Store, papers: Papers, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """One that cannot be loaded affects nothing but its names, is told once, and tried again after a while."""
    entry = papers.issue(tmp_path / "one", "b.x")
    spoil(what, entry, papers)
    store.swap(entry, papers.certificate("c.x"))

    assert [store.serves("b.x"), store.serves("c.x")] == [False, True]
    made = store.made
    assert not store.serves("b.x")
    assert store.made == made
    store.swap(entry, papers.certificate("c.x"))
    assert not store.serves("b.x")
    assert list(store.kept.broken) == ["b.x"]
    told = capfd.readouterr().err
    assert told.startswith("hostess proxy: the certificate of b.x cannot be used: ")
    assert told.count("\n") == 1

    papers.issue(tmp_path / "one", "b.x")
    assert not store.serves("b.x")
    store.now += RETRY_SECONDS
    assert store.serves("b.x")
    assert not store.kept.broken


def test_broken_renewal(store: Store, papers: Papers, tmp_path: Path) -> None:
    """While a new certificate cannot be loaded, the one before it for the same names is served on; then the new one."""
    store.swap(papers.issue(tmp_path / "old", "b.x"))
    before = store.kept.find("b.x", "")
    entry = papers.issue(tmp_path / "new", "b.x")
    Path(entry["key"]).unlink()
    store.swap(entry)
    assert store.kept.find("b.x", "") is before is not None
    assert list(store.kept.broken) == ["b.x"]

    papers.issue(tmp_path / "new", "b.x")
    store.now += RETRY_SECONDS

    assert store.kept.find("b.x", "") is not before
    assert store.kept.find("b.x", "") is not None


@pytest.mark.parametrize("name", ["", ".", "x", "*", "*.x", "a..x", "." + "x", "x" * 300])
def test_odd_names(name: str, store: Store, papers: Papers) -> None:
    """Names that are none find at most what everybody gets."""
    store.swap(papers.certificate("b.x"))
    assert not store.serves(name)

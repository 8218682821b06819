"""The keys of open orders on disk."""

import stat
from pathlib import Path

import pytest

from hostess.adapters.certificates.order_files import FileOrders
from hostess.adapters.certificates.store import Reader
from hostess.domain.certificates.acme_answers import fresh_key
from hostess.domain.problem import Problem
from tests.integration.certificates.rights import NOBODY, may, only_root


async def test_a_key_is_the_daemons_alone(tmp_path: Path) -> None:
    """A key is kept 0600 in a folder that nobody else enters, is there again after a restart, and is gone when it is forgotten."""
    key = fresh_key()
    await FileOrders(tmp_path).keep_key("a1", key)
    [folder] = (tmp_path / "orders").iterdir()

    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert [stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()] == [0o600]
    assert await FileOrders(tmp_path).key("a1") == key
    await FileOrders(tmp_path).forget("a1")
    assert await FileOrders(tmp_path).key("a1") is None


async def test_only_open_orders_have_files(tmp_path: Path) -> None:
    """What orders that are none any more have left is removed; that of others stays."""
    files = FileOrders(tmp_path)
    for order in ("a1", "b2"):
        await files.keep_key(order, fresh_key())
        await files.show(order, "shop.example.org", "a chain\n", fresh_key())
    await files.keep_only(["b2"])

    assert [path.name for path in (tmp_path / "orders").iterdir()] == ["b2"]
    assert {path.name[:2] for path in (tmp_path / "challenges").iterdir()} == {"b2"}
    assert {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "challenges").iterdir()} == {0o600}


async def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    """What the disk refuses is a Problem that says what serves meanwhile."""
    (tmp_path / "orders").write_text("in the way")
    with pytest.raises(Problem) as caught:
        await FileOrders(tmp_path).keep_key("a1", fresh_key())

    assert caught.value.code == "order-not-kept"
    assert caught.value.serving == "the certificates that were there before"


@only_root
async def test_the_proxys_user_reads_challenges_alone(passable: Path) -> None:
    """Where the proxy has a user of its own, it reads what it shows for a challenge, and no key of an order; others read nothing."""
    files = FileOrders(passable, Reader(NOBODY, NOBODY))
    await files.keep_key("a1", fresh_key())
    shown = await files.show("a1", "shop.example.org", "a chain\n", fresh_key())

    key = passable / "orders" / "a1" / "key.pem"
    assert may(NOBODY, *shown, key, passable / "challenges", passable) == [True, True, False, False, False]
    assert may(NOBODY - 1, *shown, key) == [False] * 3

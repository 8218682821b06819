"""Sites on disk: whole or not at all, nothing leads out, bounded, readable by others."""

import io
import os
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from hostess.adapters.sites_files import FileSites
from hostess.domain.ports import SiteLimits
from hostess.domain.problem import Problem

KEY = "a" * 64


def tar(*members: tuple[str, bytes, str], content: bytes = b"x") -> list[bytes]:
    """Return a tar of (name, type, link target), in small pieces."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as made:
        for name, kind, target in members:
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = kind, target
            entry.mode = 0o600
            entry.size = len(content) if kind == tarfile.REGTYPE else 0
            made.addfile(entry, io.BytesIO(content))
    raw = buffer.getvalue()
    return [raw[at : at + 700] for at in range(0, len(raw), 700)]


def file(name: str) -> tuple[str, bytes, str]:
    """Return a plain file."""
    return name, tarfile.REGTYPE, ""


def link(name: str, target: str) -> tuple[str, bytes, str]:
    """Return a symlink."""
    return name, tarfile.SYMTYPE, target


@pytest.fixture
def _narrow_umask() -> Iterator[None]:
    """Let files be made as the daemon's unit does."""
    before = os.umask(0o077)
    yield
    os.umask(before)


@pytest.mark.usefixtures("_narrow_umask")
async def test_a_site(tmp_path: Path) -> None:
    """What lies below the named folder becomes the site, readable by all whatever the umask, with symlinks that stay inside."""
    sites = FileSites(tmp_path)
    archive = tar(file("out/index.html"), file("out/a/b.txt"), link("out/c", "a/b.txt"), file("else/d"))

    assert sites.put(KEY, archive, "out")

    assert await sites.has(KEY)
    found = {str(path.relative_to(tmp_path / KEY)) for path in (tmp_path / KEY).rglob("*")}
    assert found == {"index.html", "a", "a/b.txt", "c"}
    assert (tmp_path / KEY / "c").read_text() == "x"
    assert [oct((tmp_path / KEY / name).stat().st_mode & 0o777) for name in ("", "a", "a/b.txt")] == [
        "0o755",
        "0o755",
        "0o644",
    ]


@pytest.mark.parametrize(
    ("archive", "code"),
    [
        (tar(file("../x")), "path-unsafe"),
        (tar(file("a/../../x")), "path-unsafe"),
        (tar(file("/etc/x")), "path-unsafe"),
        (tar(file("index.html"), link("etc", "/etc")), "path-unsafe"),
        (tar(file("index.html"), link("up", "../..")), "path-unsafe"),
        (tar(file("d/x"), link("d/up", ".."), link("far", "d/up/../..")), "path-unsafe"),
        (tar(file("index.html"), ("fifo", tarfile.FIFOTYPE, "")), "path-unsafe"),
        (tar(file("index.html"), ("hard", tarfile.LNKTYPE, "../../etc/passwd")), "path-unsafe"),
        (tar(), "site-empty"),
        (tar(*[file(str(number)) for number in range(11)]), "site-too-large"),
        (tar(file("big"), content=bytes(2000)), "site-too-large"),
    ],
)
async def test_refused(tmp_path: Path, archive: list[bytes], code: str) -> None:
    """What leads out, is no file, or is too much is refused, and nothing of it stays."""
    sites = FileSites(tmp_path / "static", SiteLimits(files=10, bytes=1000))

    with pytest.raises(Problem) as raised:
        sites.put(KEY, archive, ".")

    assert raised.value.code == code
    assert list((tmp_path / "static").iterdir()) == []


async def test_nothing_is_written_through_a_symlink(tmp_path: Path) -> None:
    """A file below a name that was a symlink before does not land where that led."""
    (tmp_path / "outside").mkdir()
    sites = FileSites(tmp_path / "static")

    with pytest.raises((Problem, OSError)):
        sites.put(KEY, tar(link("d", str(tmp_path / "outside")), file("d/x")), ".")

    assert list((tmp_path / "outside").iterdir()) == []


async def test_removal(tmp_path: Path) -> None:
    """A removed site is gone and its bytes are told; an absent one is no error; what is no key is no site."""
    sites = FileSites(tmp_path)
    sites.put(KEY, tar(file("index.html")), ".")
    (tmp_path / ".new-half").mkdir()

    assert await sites.keys() == {KEY}
    assert await sites.remove(KEY) == 1
    assert await sites.remove(KEY) == 0
    assert await sites.keys() == set()

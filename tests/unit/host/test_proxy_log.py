"""What the proxy says of itself takes little of the disk."""

from pathlib import Path

from hostess.adapters.proxy.proxy_process import keep_small


def test_a_large_log_is_cut_under_its_writer(tmp_path: Path) -> None:
    """What is too much is moved beside, in place of what was there; who writes goes on at the beginning of the file."""
    log = tmp_path / "proxy.log"
    keep_small(log, 10)
    with log.open("ab", buffering=0) as writer:
        writer.write(b"first line")
        keep_small(log, 10)
        assert log.read_bytes() == b"first line"
        writer.write(b", second line")
        keep_small(log, 10)
        writer.write(b"third line")

    assert log.read_bytes() == b"third line"
    assert (tmp_path / "proxy.log.1").read_bytes() == b"first line, second line"

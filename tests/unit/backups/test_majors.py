"""Which server a dump fits."""

import pytest

from hostess.domain.backups.postgres_restore import check_major
from hostess.domain.problem import Problem


@pytest.mark.parametrize(
    ("dumped", "live"),
    [
        ("15.9 (Debian 15.9-0)", "15.2"),
        ("9.6.3", "16.1"),
        ("16.1", "16.10"),
        ("17beta1", "18.0"),
        ("", "16.1"),
        ("16.1", ""),
    ],
)
def test_the_same_or_a_later_one(dumped: str, live: str) -> None:
    """A dump fits a server of its own major or a later one; where one of them is not known nothing is refused."""
    check_major(dumped, live)


def test_an_earlier_one() -> None:
    """A server of an earlier major is refused, with both named."""
    with pytest.raises(Problem, match="of PostgreSQL 17, and the server is 16") as raised:
        check_major("17.2", "16.9 (Debian 16.9-1)")

    assert raised.value.code == "restore-unfit"

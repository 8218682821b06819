"""How a command is told to a pusher."""

from hostess.domain.releases.push import COMMAND, in_one_line


def test_a_command_is_told_in_one_line() -> None:
    """A short command is told as it is, a script in one line, and of a long one the beginning."""
    assert in_one_line(["alembic", "upgrade", "head"]) == "alembic upgrade head"
    assert (
        in_one_line(["sh", "-c", "set -e\nfor a in 1 2; do\n  echo $a\ndone\n"])
        == "sh -c set -e for a in 1 2; do echo $a done"
    )
    assert in_one_line(["x" * 500]) == "x" * COMMAND + "..."

"""What to do about the exit codes by which an init process or a shell says that a command could not be begun. Pure."""

from typing import Final

NOT_EXECUTABLE: Final = 126
ABSENT: Final = 127


def advice(code: int | None) -> str:
    """Return what mends a command that ended so, "" where its own words have to tell."""
    if code == NOT_EXECUTABLE:
        return "a file that is to be run may not be: `git update-index --chmod=+x FILE` makes it so, then commit and push again"
    if code == ABSENT:
        return (
            "a program is not in the image, or is a script whose first line ends as on Windows (CR LF): correct that, commit and push "
            "again"
        )
    return ""

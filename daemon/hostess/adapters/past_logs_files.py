"""What containers wrote that are gone: a file each, `FOLDER/PROJECT/ENVIRONMENT/SERVICE/NAME`, bounded in number and age."""

from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from shutil import rmtree

from hostess.adapters.whole_file import write_whole

KEEP = 20
"""Files of one service."""
AGE = timedelta(days=7)


class FilePastLogs:
    """Implements `ports.PastLogFiles`; names sort by time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, place: tuple[str, str, str], name: str, text: str, now: datetime) -> None:
        """Keep a text, and remove what is too old, or too much of this service. OSError."""
        folder = self._folder.joinpath(*place)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_whole(folder / name, text.encode())
        for path in sorted(folder.iterdir())[:-KEEP]:
            path.unlink(missing_ok=True)
        for path in self._folder.glob("*/*/*/*"):
            with suppress(OSError):  # it has just gone
                if path.stat().st_mtime < (now - AGE).timestamp():
                    path.unlink()

    def texts(self, place: tuple[str, str, str]) -> dict[str, str]:
        """Return name -> text, the oldest first."""
        folder, found = self._folder.joinpath(*place), {}
        for path in sorted(folder.iterdir()) if folder.is_dir() else ():
            with suppress(OSError):
                found[path.name] = path.read_text(encoding="utf-8")
        return found

    def forget(self, project: str, environment: str = "") -> None:
        """Remove all of a project, or of one of its environments."""
        rmtree(self._folder / project / environment if environment else self._folder / project, ignore_errors=True)

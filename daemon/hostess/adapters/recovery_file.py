"""How far bringing a host back has come: a file in the data folder, written whole, and gone when all is done."""

import json
from pathlib import Path

from hostess.adapters.folder_sync import sync_folder
from hostess.adapters.whole_file import write_whole
from hostess.domain.codec import CodecError, from_json, to_json
from hostess.domain.host_bundle import Recovery
from hostess.domain.problem import Problem

NAME, ENDED = "recovering.json", "recovered.json"


class RecoveryFile:
    """Implements `ports.RecoveryRecord` in *folder*."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / NAME
        self._ended = folder / ENDED

    def read(self) -> Recovery | None:
        """Return what is written; None when nothing is being brought back. Problem "state-unreadable"."""
        return _read(self._path)

    def write(self, recovery: Recovery) -> None:
        """Put it in the place of what was."""
        write_whole(self._path, json.dumps(to_json(recovery), indent=1).encode())

    def end(self) -> None:
        """All is done: what is written says how it ended, and nothing is left to be brought back."""
        if self._path.exists():
            self._path.replace(self._ended)
            sync_folder(self._path.parent)


def _read(path: Path) -> Recovery | None:
    try:
        return from_json(Recovery, json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, CodecError) as error:
        raise Problem("state-unreadable", f"{path} cannot be used: {error}") from error

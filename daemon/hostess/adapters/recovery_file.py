"""How far bringing a host back has come: a file in the data folder, written whole, and gone when all is done."""

import json
from pathlib import Path

from hostess.adapters.whole_file import write_whole
from hostess.domain.codec import CodecError, from_json, to_json
from hostess.domain.host_bundle import Recovery
from hostess.domain.problem import Problem

NAME = "recovering.json"


class RecoveryFile:
    """Implements `ports.RecoveryRecord` in *folder*."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / NAME

    def read(self) -> Recovery | None:
        """Return what is written; None when nothing is being brought back. Problem "state-unreadable"."""
        try:
            return from_json(Recovery, json.loads(self._path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, CodecError) as error:
            raise Problem("state-unreadable", f"{self._path} cannot be used: {error}") from error

    def write(self, recovery: Recovery) -> None:
        """Put it in the place of what was."""
        write_whole(self._path, json.dumps(to_json(recovery), indent=1).encode())

    def remove(self) -> None:
        """All is done."""
        self._path.unlink(missing_ok=True)

"""A file that is there whole or not at all, whatever happens meanwhile, and lasts."""

import os
from contextlib import suppress
from pathlib import Path

from hostess.adapters.folder_sync import sync_folder


def write_whole(path: Path, data: bytes, owner: tuple[int, int] | None = None) -> None:
    """Put *data* in the place of what *path* was, readable by nobody but *owner* (uid and gid; None: this user). OSError.

    It is written beside, always under the same name: what a kill leaves there is not kept for ever.
    """
    fresh = path.with_name(f".{path.name}.new")
    fresh.unlink(missing_ok=True)
    try:
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(descriptor)
        if owner is not None:
            os.chown(fresh, *owner)
        fresh.replace(path)
    except OSError:
        with suppress(OSError):
            fresh.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)

"""What was renamed, linked or removed in a folder, made to last."""

import os
from pathlib import Path


def sync_folder(folder: Path) -> None:
    """Return when the names in *folder* are on disk (fsync(2)); OSError when they cannot be had there."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

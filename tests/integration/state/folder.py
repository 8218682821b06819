"""What lies in a folder, seen from outside."""

from pathlib import Path


def names(folder: Path) -> set[str]:
    """Return the names of everything in a folder."""
    return {path.name for path in folder.iterdir()}


def holding(folder: Path, text: str) -> list[str]:
    """Return the names of the files in a folder that hold *text*."""
    return [path.name for path in folder.iterdir() if text.encode() in path.read_bytes()]

"""How volumes take back what they held: it is unpacked in a folder of their own, so that putting it in place is only renaming. Pure.

Scripts take the directories that volumes are mounted at as arguments. Each may be run again, however far it came when it was killed.
"""

import posixpath
from collections.abc import Iterable, Mapping

from hostess.domain.backups.backup import Files

BESIDE = ".hostess-restore"
WAIT = ("sleep", "86400")
MEMORY = 128 * 1024 * 1024

_PREPARE = f"""for directory in "$@"; do
    rm -rf "$directory/{BESIDE}" && mkdir -m 0700 "$directory/{BESIDE}" "$directory/{BESIDE}/new" "$directory/{BESIDE}/old" || exit 1
done"""
# What a service wrote meanwhile, started again by whatever killed us, is not what was restored: it goes aside, too.
_MOVE = """move() { # FROM TO ASIDE: each entry
    for entry in "$1"/* "$1"/.[!.]* "$1"/..?*; do
        [ -e "$entry" ] || [ -L "$entry" ] || continue
        name=${entry##*/}
        [ "$name" != BESIDE ] || continue
        if [ -e "$2/$name" ] || [ -L "$2/$name" ]; then
            number=0
            while [ -e "$3.$number" ]; do number=$((number + 1)); done
            mkdir -m 0700 "$3.$number" && mv -- "$2/$name" "$3.$number/" || return 1
        fi
        mv -- "$entry" "$2/" || return 1
    done
}
""".replace("BESIDE", BESIDE)
_ASIDE = f"""{_MOVE}for directory in "$@"; do
    move "$directory" "$directory/{BESIDE}/old" "$directory/{BESIDE}/over" || exit 1
done"""
# What KEPT names below our folder becomes what the directory holds, and our folder goes.
_END = f"""{_MOVE}for directory in "$@"; do
    [ -d "$directory/{BESIDE}" ] || continue
    move "$directory/{BESIDE}/KEPT" "$directory" "$directory/{BESIDE}/over" || exit 1
    sync
    rm -rf "$directory/{BESIDE}" || exit 1
done"""
_IN = _END.replace("KEPT", "new/${directory##*/}")
_BACK = _END.replace("KEPT", "old")


def check(directories: Iterable[str]) -> tuple[str, ...]:
    """Return what fails where a program is missing that the others use, or a directory."""
    return ("sh", "-c", 'type mv mkdir rm sync && ls -d "$@"', "sh", *directories)


def prepare(directories: Iterable[str]) -> tuple[str, ...]:
    """Return what makes room beside the live files, and removes what one before has left."""
    return ("sh", "-c", _PREPARE, "sh", *directories)


def aside(directories: Iterable[str]) -> tuple[str, ...]:
    """Return what moves all live files aside."""
    return ("sh", "-c", _ASIDE, "sh", *directories)


def put_in(directories: Iterable[str]) -> tuple[str, ...]:
    """Return what moves the restored files in, and removes those before."""
    return ("sh", "-c", _IN, "sh", *directories)


def put_back(directories: Iterable[str]) -> tuple[str, ...]:
    """Return what takes `aside` back, and removes what was unpacked."""
    return ("sh", "-c", _BACK, "sh", *directories)


def unpacked_below(directory: str) -> str:
    """Return where the archive of a directory is unpacked: its entries begin with the directory's own name."""
    return posixpath.join(directory, BESIDE, "new")


def unpacked_at(directory: str) -> str:
    """Return where the files of a directory are then."""
    return posixpath.join(unpacked_below(directory), posixpath.basename(directory))


def unfit(files: Iterable[Files], volumes: Mapping[str, str]) -> str:
    """Return why the directories of a backup are not those of a service's volumes (name -> path); "" when they are."""
    held = {each.directory.rstrip("/") for each in files}
    mounted = {path.rstrip("/") for path in volumes.values()}
    if nested := [path for path in mounted if any(path.startswith(f"{other}/") for other in mounted)]:
        return f"{nested[0]} lies in another volume, and cannot be moved aside"
    if held == mounted:
        return ""
    return f"it holds {_told(held)}, and what is mounted now is {_told(mounted)}"


def _told(directories: Iterable[str]) -> str:
    return ", ".join(sorted(directories)) or "nothing"

"""What of an installation a host has. Looks, and changes nothing; needs no root, though root sees more."""

import grp
import json
import os
import pwd
import re
import sqlite3
import stat
import subprocess
import sysconfig
import time
from collections.abc import Iterable
from contextlib import closing, suppress
from importlib import metadata
from pathlib import Path

import hostess
from hostess.domain.installation.parts import ENABLED, SETTINGS, STARTED, Folder, Found, Installation

SSHD_SETTINGS = Path("/etc/ssh/sshd_config")
_INCLUDE = re.compile(
    r'^\s*Include\s(.*[\s"])?(/etc/ssh/)?sshd_config\.d/\*(\.conf)?["\s]', re.MULTILINE | re.IGNORECASE
)
"""Keywords know no case, and paths are below /etc/ssh where they do not begin with a slash (sshd_config(5))."""
PEOPLE = 1000
"""The first number of a person's account on Debian and Ubuntu (login.defs(5)); systemd-sysusers gives ours one below."""
_WITHIN = 30.0


def texts() -> dict[str, str]:
    """Return the files of systemd/ by name: those in this package, or, in a checkout, those beside it."""
    package = Path(hostess.__file__).parent
    folder = next(each for each in (package / "systemd", package.parents[1] / "systemd") if each.is_dir())
    return {path.name: path.read_text(encoding="utf-8") for path in sorted(folder.iterdir())}


def programs() -> Path:
    """Return the folder in which the commands of this installation are."""
    return Path(sysconfig.get_path("scripts"))


def has_systemd() -> bool:
    """Whether this host was booted by systemd (sd_booted(3))."""
    return Path("/run/systemd/system").is_dir()


def look(wanted: Installation) -> Found:
    """Return what there is of *wanted*."""
    data_dir = Path(wanted.data_dir)
    return Found(
        files={path: text for path in wanted.files if (text := _text(Path(path))) is not None},
        links={path: str(Path(path).readlink()) for path in wanted.links if Path(path).is_symlink()},
        users=frozenset(
            each.pw_name for each in pwd.getpwall() if each.pw_name in wanted.users and not _is_person(each)
        ),
        groups=frozenset(each.gr_name for each in grp.getgrall() if each.gr_name in wanted.groups),
        folders=dict(_folders([*(each.path for each in wanted.folders), wanted.data_dir, str(Path(SETTINGS).parent)])),
        enabled=frozenset(unit for unit in ENABLED if _systemctl("is-enabled", unit) == "enabled"),
        started={unit: at for unit in {*STARTED, *ENABLED} if (at := _started(unit)) is not None},
        changed=_changed([*wanted.units, *wanted.links]),
        settings=Path(SETTINGS).exists(),
        reads_snippets=reads_snippets(),
        instance=instance(data_dir),
        version=_told(data_dir, "version"),
    )


def foreign_users(names: Iterable[str]) -> list[str]:
    """Return which of these names people of this host have: what sshd lets ours do would lock them out."""
    return [each.pw_name for each in pwd.getpwall() if each.pw_name in set(names) and _is_person(each)]


def _is_person(account: pwd.struct_passwd) -> bool:
    return account.pw_uid >= PEOPLE


def reads_snippets(settings: Path = SSHD_SETTINGS) -> bool:
    """Whether sshd is on this host, and reads /etc/ssh/sshd_config.d."""
    return _INCLUDE.search(f"{_text(settings) or ''}\n") is not None


def place_of(data_dir: Path) -> str:
    """Return where a data folder really is: units, and the disks that they wait for, follow no links."""
    return str(data_dir.resolve())


def instance(data_dir: Path) -> str:
    """Return the id of the installation that has this data folder; "" when nothing tells it."""
    if told := _told(data_dir, "instance"):
        return told
    journal = data_dir / "hostess.db"
    with suppress(sqlite3.Error), closing(sqlite3.connect(f"file:{journal}?mode=ro", uri=True)) as database:
        found = database.execute("SELECT value FROM facts WHERE name = 'instance'").fetchone()
        return str(found[0]) if found else ""
    return ""


def journal_faults(data_dir: Path) -> list[str] | None:
    """Return what is damaged in the journal, at most three sentences of SQLite's; None when there is none that this user may read."""
    journal = data_dir / "hostess.db"
    if not os.access(journal, os.R_OK):
        return None
    try:
        with closing(sqlite3.connect(f"file:{journal}?mode=ro", uri=True)) as database:
            said = [str(row[0]) for row in database.execute("PRAGMA integrity_check(3)")]
    except sqlite3.Error as error:
        return [str(error)]
    return [] if said == ["ok"] else said


def _told(data_dir: Path, name: str) -> str:
    """Return what the daemon that runs tells of itself; "" when none does."""
    with suppress(OSError, ValueError, KeyError):
        return str(json.loads((data_dir / "run" / "daemon.json").read_text(encoding="utf-8"))[name])
    return ""


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return None


def _folders(paths: Iterable[str]) -> Iterable[tuple[str, Folder]]:
    for path in paths:
        try:
            found = Path(path).stat()
        except OSError:
            continue
        if stat.S_ISDIR(found.st_mode):
            owner, group = _name_of_user(found.st_uid), _name_of_group(found.st_gid)
            yield path, Folder(path, stat.S_IMODE(found.st_mode), owner, group)


def _name_of_user(number: int) -> str:
    with suppress(KeyError):
        return pwd.getpwuid(number).pw_name
    return str(number)


def _name_of_group(number: int) -> str:
    with suppress(KeyError):
        return grp.getgrgid(number).gr_name
    return str(number)


def _systemctl(*words: str) -> str:
    try:
        asked = subprocess.run(["systemctl", *words], capture_output=True, text=True, timeout=_WITHIN, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return asked.stdout.strip()


def _started(unit: str) -> float | None:
    """Return when the main process of a unit that is active started (Unix, seconds); 0 for one without; None for one that is not."""
    names = ("ActiveState", "ExecMainStartTimestampMonotonic")
    said = dict(
        line.partition("=")[::2] for line in _systemctl("show", unit, *(f"-p{name}" for name in names)).splitlines()
    )
    if said.get("ActiveState") not in {"active", "reloading"}:
        return None
    since_boot = int(said.get(names[1]) or 0) / 1_000_000
    return time.time() - time.monotonic() + since_boot if since_boot else 0.0


def _changed(paths: Iterable[str]) -> float:
    """Return when the program that is installed, or one of these files and links, was changed last (Unix, seconds)."""
    found = [str(path) for path in (metadata.distribution("hostess").files or ()) if path.name == "RECORD"]
    records = [str(metadata.distribution("hostess").locate_file(path)) for path in found]
    times = [0.0]
    for path in (*paths, *records):
        with suppress(OSError):
            times.append(os.lstat(path).st_mtime)
    return max(times)

"""How PostgreSQL is asked for its log, copied whole, and recovered to a moment; all of it by its own programs. Pure.

They are in every image of it, in the server's own version. pgBackRest and WAL-G would have to be in the image as well.
"""

import json
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from hostess.domain.backups.wal import Server, place_of
from hostess.domain.databases.postgres import LIBRARIES, PSQL
from hostess.domain.problem import Problem

HELD = "1GB"
"""How much of its log a server keeps for us when nothing can be shipped; what is beyond is lost to the archive, not to the server."""

BASE = ("pg_basebackup", "-U", "postgres", "-D", "-", "-F", "tar", "-X", "fetch", "-c", "fast", "-v")
"""Writes a tar of the data directory, with checksums of pages verified and a manifest in it."""
PLAIN = {"LC_ALL": "C"}
BASE_PART = "base.tar"
_SYSTEM = re.compile(r"[0-9]{1,20}")
_NAME = re.compile(r"[0-9A-F]{24}")
_SEGMENTS = frozenset(1 << power for power in range(20, 31))
_TIMELINES, _PLACES = 1 << 32, 1 << 64
_START = re.compile(r"write-ahead log start point: ([0-9A-F]+/[0-9A-F]+)")

_STATE = """SELECT json_build_object('system', system_identifier::text, 'timeline', timeline_id, 'now', clock_timestamp(),
    'segment', (SELECT setting::bigint FROM pg_settings WHERE name = 'wal_segment_size'),
    'flushed', pg_current_wal_flush_lsn(), 'data', current_setting('data_directory'),
    'oldest', (SELECT min(name) FROM pg_ls_waldir() WHERE name ~ '^[0-9A-F]{24}$'),
    'held', (SELECT restart_lsn FROM pg_replication_slots
        WHERE slot_name = 'hostess' AND wal_status IS DISTINCT FROM 'lost'))
    FROM pg_control_system(), pg_control_checkpoint()"""
STATE = (*PSQL, "-c", _STATE)
DROP = (
    "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = 'hostess' AND NOT active;\n"
)
HOLD = (
    f"ALTER SYSTEM SET max_slot_wal_keep_size = '{HELD}';\nSELECT pg_reload_conf();\n{DROP}"
    "SELECT pg_create_physical_replication_slot('hostess', true);\n"
)
"""Lets the server keep its log for us from now on, as far as HELD."""
SWITCH = "SELECT pg_switch_wal();\n"
"""Lets the server begin a new segment, if it has written anything to the one it is in."""
_ADVANCE = """SELECT pg_replication_slot_advance(slot_name, :'place') FROM pg_replication_slots
    WHERE slot_name = 'hostess' AND restart_lsn < :'place';
"""
LET_GO = f"{DROP}ALTER SYSTEM RESET max_slot_wal_keep_size;\nSELECT pg_reload_conf();\n"

UNPACK = ("sh", "-c", 'umask 077; mkdir -p "$PGDATA" && chmod 700 "$PGDATA" && tar -x -f - -C "$PGDATA"')
ADD_WAL = ("sh", "-c", 'umask 077; mkdir -p "$PGDATA/hostess_wal" && tar -x -f - -C "$PGDATA/hostess_wal"')
CONFIGURE = ("sh", "-c", 'cat >> "$PGDATA/postgresql.auto.conf" && touch "$PGDATA/recovery.signal"')
_START_UP = """pg_ctl start -D "$PGDATA" -l "$PGDATA/hostess.log" -w -t 86400 >/dev/null 2>&1 </dev/null
while pg_ctl status -D "$PGDATA" >/dev/null 2>&1
do pg_isready -q && exit 0; sleep 0.2
done
grep -E 'FATAL|PANIC' "$PGDATA/hostess.log" | tail -n 3 >&2
exit 1"""
START = ("sh", "-c", _START_UP)
"""Ends when the server has reached the moment and takes connections, or has failed; for pg_ctl it is started long before."""
NOT_REACHED = "recovery ended before configured recovery target was reached"
ANYWAY = "recovery_target_time = ''\n"
"""For a log that ends before the moment because nothing was written any more."""
REACHED = (*PSQL, "-c", "SELECT extract(epoch FROM pg_last_xact_replay_timestamp())")
WAIT = ("sleep", "86400")
"""What the container of a server that recovers runs meanwhile."""


def state(lines: Iterable[str]) -> Server:
    """Return what STATE told. Problem "command-failed" where that is nothing that a server says.

    Whoever may do everything in a container may put another psql there, and what is told becomes the names of files.
    """
    try:
        return _server(json.loads("\n".join(lines)))
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
        raise Problem("command-failed", "psql told nothing of the server's log that could be so") from None


def _server(told: dict[str, Any]) -> Server:
    found = Server(
        system=told["system"],
        timeline=told["timeline"],
        segment=told["segment"],
        now=datetime.fromisoformat(told["now"]).astimezone(UTC),
        flushed=place_of(told["flushed"]),
        oldest=told["oldest"],
        data=told["data"],
        held=None if told["held"] is None else place_of(told["held"]),
    )
    fits = (
        _SYSTEM.fullmatch(found.system),
        _NAME.fullmatch(found.oldest),
        type(found.timeline) is int and 0 < found.timeline < _TIMELINES,
        found.segment in _SEGMENTS,
        all(0 <= place < _PLACES for place in (found.flushed, found.held or 0)),
        found.data.startswith("/"),
    )
    if not all(fits):
        raise ValueError
    return found


def advance(place: int) -> str:
    """Return what tells the server that its log up to a place is kept."""
    return f"\\set place {place >> 32:X}/{place & 0xFFFF_FFFF:X}\n{_ADVANCE}"


def whole(data: str, name: str) -> tuple[str, ...]:
    """Return the command that writes a segment."""
    return ("cat", f"{data}/pg_wal/{name}")


def beginning(data: str, name: str, length: int) -> tuple[str, ...]:
    """Return the command that writes the first bytes of a segment."""
    return ("head", "-c", str(length), f"{data}/pg_wal/{name}")


class BaseListener:
    """Hears from a base backup where in the log it begins."""

    def __init__(self) -> None:
        self.start: int | None = None

    def hear(self, line: str) -> None:
        """Take a line."""
        found = _START.search(line)
        if found:
            self.start = place_of(found[1])


def recovery(moment: datetime, extensions: Iterable[str]) -> str:
    """Return the settings of a server that recovers to a moment and is thrown away afterwards: quick rather than safe.

    It takes no connections before: then it needs no settings of the server that wrote the log. It has room to lock as many tables as
    any that wrote one, since all of them are dumped.
    """
    settings = {
        "restore_command": 'cp "hostess_wal/%f" "%p"',
        "recovery_target_time": f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f}+00",
        "recovery_target_action": "promote",
        "hot_standby": "off",
        "listen_addresses": "",
        "fsync": "off",
        "full_page_writes": "off",
        "autovacuum": "off",
        "shared_buffers": "64MB",
        "max_connections": "20",
        "max_locks_per_transaction": "2048",
        "archive_mode": "off",
        "shared_preload_libraries": ",".join(name for name in extensions if name in LIBRARIES),
    }
    return "".join(f"{name} = '{value}'\n" for name, value in settings.items())

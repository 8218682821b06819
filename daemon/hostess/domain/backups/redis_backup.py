"""How Redis is dumped, and what it says of itself. Pure."""

import re
from collections.abc import Mapping

from hostess.domain.backups.backup import Dumped
from hostess.domain.databases.redis import DATABASES

PART = "dump.rdb"

# The server sends the snapshot down the connection: a BGSAVE would write it to the disk first, beside the data.
DUMP = ("redis-cli", "--rdb", "-")
# It would wait for more replicas to come before it begins.
AT_ONCE = ("redis-cli", "CONFIG", "SET", "repl-diskless-sync-delay", "0")
INFO = ("redis-cli", "INFO", "everything")

TAKE = ("sh", "-c", "cat > /data/dump.rdb")
CHECK = ("redis-check-rdb", "/data/dump.rdb")

# The password is that of the live server, as a hash. Nothing is written beside what was loaded.
_SERVER = (
    'cd /data && printf "user default on ~* &* +@all #%s\\n" "$REDIS_PASSWORD_HASH" > beside.acl && '
    "exec redis-server --dir /data --daemonize yes --appendonly no --save '' --aclfile /data/beside.acl "
    f"--databases {DATABASES} --repl-diskless-sync-delay 0"
)
SERVE = ("sh", "-c", _SERVER)
WAIT = ("sleep", "86400")
"""What the container of such a server runs meanwhile."""

_KEYSPACE = re.compile(r"^db(\d+):keys=(\d+)", re.MULTILINE)
_READ = re.compile(r"(\d+) keys read")
_FIELD = re.compile(r"^(\w+):(.*?)\r?$", re.MULTILINE)


def fields(info: str) -> dict[str, str]:
    """Return the fields of INFO."""
    return dict(_FIELD.findall(info))


def keyspace(info: str) -> list[Dumped]:
    """Return the indexes that hold keys."""
    return [Dumped(index, keys=int(keys)) for index, keys in _KEYSPACE.findall(info)]


def keys_read(checked: str) -> int:
    """Return how many keys redis-check-rdb has read."""
    found = _READ.search(checked)
    return int(found[1]) if found else -1


def keys_loaded(info: Mapping[str, str]) -> int:
    """Return how many keys a server has read from its snapshot; those whose time was over are not kept."""
    return int(info.get("rdb_last_load_keys_loaded", 0)) + int(info.get("rdb_last_load_keys_expired", 0))

"""How Redis is dumped, and what it says of itself. Pure."""

import re

from hostess.domain.backups import Dumped

PART = "dump.rdb"

# The server sends the snapshot down the connection: a BGSAVE would write it to the disk first, beside the data.
DUMP = ("redis-cli", "--rdb", "-")
# It would wait for more replicas to come before it begins.
AT_ONCE = ("redis-cli", "CONFIG", "SET", "repl-diskless-sync-delay", "0")
INFO = ("redis-cli", "INFO", "everything")

_KEYSPACE = re.compile(r"^db(\d+):keys=(\d+)", re.MULTILINE)
_FIELD = re.compile(r"^(\w+):(.*?)\r?$", re.MULTILINE)


def fields(info: str) -> dict[str, str]:
    """Return the fields of INFO."""
    return dict(_FIELD.findall(info))


def keyspace(info: str) -> list[Dumped]:
    """Return the indexes that hold keys."""
    return [Dumped(index, keys=int(keys)) for index, keys in _KEYSPACE.findall(info)]

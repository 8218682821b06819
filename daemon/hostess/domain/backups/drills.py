"""What a drill may take of the host, and how its server runs: quick rather than safe, because it is thrown away. Pure."""

from collections.abc import Iterable
from datetime import timedelta

from hostess.domain.databases.postgres import LIBRARIES, MIB

DAILY = "30 4 * * *"
SMALL = 64 * MIB
"""Bytes of an artefact up to which a backup is proved right after it was taken."""

LONGEST = timedelta(hours=6)
CPU = 0.5
MEMORY = 512 * MIB


# heapallindexed: each row of the table is looked for in the index, too.
AMCHECK = """SET default_transaction_read_only = off;
SELECT 'CREATE EXTENSION IF NOT EXISTS amcheck' WHERE EXISTS
    (SELECT FROM pg_available_extensions WHERE name = 'amcheck') \\gexec
SELECT format('SELECT bt_index_check(%L::regclass, true)', c.oid::regclass::text) FROM pg_index x JOIN pg_class c ON c.oid = x.indexrelid
    JOIN pg_am a ON a.oid = c.relam
    WHERE a.amname = 'btree' AND c.relkind = 'i' AND x.indisvalid AND x.indisready AND c.relpersistence = 'p'
    AND EXISTS (SELECT FROM pg_extension WHERE extname = 'amcheck') \\gexec
"""
"""Checks every index (btree) of a database where the image has what that takes; an error names the first that is damaged."""

LIMITS = "SET statement_timeout = '5min'; SET default_transaction_read_only = on;"
"""What statements of hostess.yml run under."""
LONGEST_ANSWER = 64 * 1024
"""Bytes: a statement that is to judge says little."""


def memory(limit: int, *, postgres: bool) -> int:
    """Return the bytes that a throw-away container may take, of a service with this limit: redis has to hold all of its data."""
    return min(limit, MEMORY) if postgres else limit


def server(extensions: Iterable[str]) -> tuple[str, ...]:
    """Return the command line of a PostgreSQL that is thrown away."""
    settings = {
        "fsync": "off",
        "synchronous_commit": "off",
        "full_page_writes": "off",
        "autovacuum": "off",
        "shared_buffers": "64MB",
        "maintenance_work_mem": "64MB",
        "max_connections": "20",
    }
    libraries = [name for name in extensions if name in LIBRARIES]
    if libraries:
        settings["shared_preload_libraries"] = ",".join(libraries)
    return ("postgres", *(word for name, value in settings.items() for word in ("-c", f"{name}={value}")))

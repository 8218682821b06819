"""The tables of what is kept of the logs of databases."""

_PLACE = """
    record TEXT NOT NULL,
    project TEXT NOT NULL GENERATED ALWAYS AS (json_extract(record, '$.project')) STORED
        REFERENCES projects (name) ON DELETE CASCADE,
    environment TEXT NOT NULL GENERATED ALWAYS AS (json_extract(record, '$.environment')) STORED,
    service TEXT NOT NULL GENERATED ALWAYS AS (json_extract(record, '$.service')) STORED,
"""

TABLES = f"""
CREATE TABLE wal_archives (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, {_PLACE}
    UNIQUE (project, environment, service)
) STRICT;
CREATE TABLE wal_segments (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, {_PLACE}
    chain TEXT NOT NULL GENERATED ALWAYS AS (json_extract(record, '$.chain')) STORED,
    name TEXT NOT NULL GENERATED ALWAYS AS (json_extract(record, '$.name')) STORED,
    UNIQUE (project, environment, service, chain, name)
) STRICT;
CREATE TABLE base_backups (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, {_PLACE}
    id TEXT NOT NULL UNIQUE GENERATED ALWAYS AS (json_extract(record, '$.id')) STORED,
    state TEXT NOT NULL GENERATED ALWAYS AS (json_extract(record, '$.state')) STORED
) STRICT;
"""

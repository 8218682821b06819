"""Scoped databases: which group of a database a consumer belongs to, and what of the database is its own. Pure."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from hostess.domain.hostess_yml.stack import Service

LONGEST = 63
"""The most bytes of a name that PostgreSQL keeps; it cuts longer ones without a word."""

_HASH = 8


@dataclass(frozen=True, slots=True)
class Access:
    """How a consumer reaches a database. *user* and *database* are empty where the database's own are meant."""

    password: str = ""
    user: str = ""
    database: str = ""


def group_of(database: Service, consumer: str) -> str:
    """Return the group of *database* that a service or job belongs to; "" for a consumer of a shared database, or in no group."""
    groups = database.databases or {}
    return next((group for group, members in groups.items() if consumer in members), "")


def scoped_name(service: str, group: str) -> str:
    """Return what a group's database and role in postgres are called: never longer than PostgreSQL keeps, never the same for two."""
    name = f"{service}__{group}"
    if len(name) <= LONGEST:
        return name
    return f"{name[: LONGEST - _HASH - 1]}_{hashlib.sha256(name.encode()).hexdigest()[:_HASH]}"


def indexes(groups: Iterable[str], kept: Mapping[str, int]) -> dict[str, int]:
    """Return the index of each group in redis: the one it has been given before, else the lowest that nobody ever had.

    So groups that are written at once take 0, 1, 2 in their order, and one that comes or goes later moves no other's data.
    """
    taken = set(kept.values())
    found: dict[str, int] = {}
    for group in groups:
        found[group] = kept[group] if group in kept else next(n for n in range(len(taken) + 1) if n not in taken)
        taken.add(found[group])
    return found

"""A certificate as Hostess keeps it."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Source(StrEnum):
    """Where a certificate comes from."""

    ACME = "acme"
    INTERNAL = "internal"
    IMPORTED = "imported"


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate that was checked and is kept; its private key is in a file beside it and nowhere else.

    *id* names its folder. *authority* is the directory's URL (empty where no ACME authority issued it). *renewal_id* is the
    identifier of RFC 9773 §4.1, empty where there is none. Times are aware, in UTC.
    """

    id: str
    names: tuple[str, ...]
    source: Source
    issuer: str
    serial: str
    not_before: datetime
    not_after: datetime
    authority: str = ""
    renewal_id: str = ""

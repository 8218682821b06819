"""How a database's client is told in its own protocol why it gets no further; drivers show these sentences as they are."""

from typing import Final, NamedTuple

from hostess_proxy.tables.table import POSTGRES, REDIS


class Refusal(NamedTuple):
    """A *sentence*, with its *code* in the access log, and its *state* among those of PostgreSQL (SQLSTATE)."""

    code: str
    state: str
    sentence: str


NEEDS_TLS: Final = Refusal(
    "needs-tls", "28000", "this server is reached by TLS only: connect with sslmode=verify-full, or sslmode=require"
)
NOT_RUNNING: Final = Refusal("no-target", "57P03", "the database does not run at the moment: try again in a while")
TOO_MANY: Final = Refusal(
    "too-many-connections",
    "53300",
    "too many connections from outside to this database: close some, or try again in a while",
)


def _of_postgres(refusal: Refusal) -> bytes:
    """Return an ErrorResponse (PostgreSQL's documentation, "Message Formats")."""
    said = ("SFATAL", "VFATAL", f"C{refusal.state}", f"M{refusal.sentence}")
    body = b"".join(field.encode() + b"\0" for field in said) + b"\0"
    return b"E" + (len(body) + 4).to_bytes(4) + body


def _of_redis(refusal: Refusal) -> bytes:
    return f"-ERR {refusal.sentence}\r\n".encode()


SAYING: Final = {POSTGRES: _of_postgres, REDIS: _of_redis}
"""Protocol -> what writes a refusal in it."""

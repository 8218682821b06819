"""What an authority's error documents mean (RFC 8555 §6.7): which kind of trouble it is, and a sentence for people."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from hostess.domain.certificates.order import Trouble

LONGEST = 2000
"""Characters of a sentence; the link to a paused account's page alone may be half of that."""
_URN = "urn:ietf:params:acme:error:"
_PAUSED = "temporarily prevented from requesting certificates"
"""Let's Encrypt reports a paused name as `rateLimited`; only these words tell that no waiting ends it."""

_TROUBLES: Mapping[str, Trouble] = {
    "connection": Trouble.NOT_OURS_YET,
    "dns": Trouble.NOT_OURS_YET,
    "incorrectResponse": Trouble.NOT_OURS_YET,
    "tls": Trouble.NOT_OURS_YET,
    "unauthorized": Trouble.NOT_OURS_YET,
    "badCSR": Trouble.FORBIDDEN,
    "badPublicKey": Trouble.FORBIDDEN,
    "badSignatureAlgorithm": Trouble.FORBIDDEN,
    "caa": Trouble.FORBIDDEN,
    "externalAccountRequired": Trouble.FORBIDDEN,
    "invalidContact": Trouble.FORBIDDEN,
    "invalidProfile": Trouble.FORBIDDEN,
    "malformed": Trouble.FORBIDDEN,
    "rejectedIdentifier": Trouble.FORBIDDEN,
    "unsupportedContact": Trouble.FORBIDDEN,
    "unsupportedIdentifier": Trouble.FORBIDDEN,
    "rateLimited": Trouble.RATE_LIMITED,
    "alreadyReplaced": Trouble.REPLACED,
    "userActionRequired": Trouble.PAUSED,
    "accountDoesNotExist": Trouble.AUTHORITY,
    "badNonce": Trouble.AUTHORITY,
    "orderNotReady": Trouble.AUTHORITY,
    "serverInternal": Trouble.AUTHORITY,
}

Json = Any


@dataclass(frozen=True, slots=True)
class Fault:
    """An error document, read. *kind* is the last part of its type, empty where there was none."""

    kind: str
    trouble: Trouble
    said: str


def read_fault(document: Json, status: int = 0, *, may_return: bool = False, link: str = "") -> Fault:
    """Return what an error document means; whatever it is, something is returned.

    *status* is that of the answer (0: the document stood inside another one); *may_return* whether the answer told when to ask
    again; *link* where a person can act (RFC 8555 §7.3.3), which an `instance` in the document says better.
    """
    document = document if isinstance(document, dict) else {}
    kind, said = _kind(document), _said(document)
    trouble = _trouble(document, status, may_return=may_return)
    if trouble is Trouble.RATE_LIMITED and _PAUSED in said:
        trouble = Trouble.PAUSED
    if trouble is Trouble.PAUSED:
        link = str(document.get("instance") or link)
        said = said if not link or link in said else f"{said} ({plain(link)})"
    return Fault(kind, trouble, said or f"it answered with status {status}")


def plain(text: str) -> str:
    """Return foreign text as one line that harms no terminal and no log: control characters are gone, and it has an end."""
    line = " ".join("".join(letter if letter.isprintable() else " " for letter in text[: 4 * LONGEST]).split())
    return line if len(line) <= LONGEST else line[: LONGEST - 1] + "…"


def _kind(document: Json) -> str:
    name = document.get("type")
    return name.removeprefix(_URN) if isinstance(name, str) and name.startswith(_URN) else ""


def _trouble(document: Json, status: int, *, may_return: bool) -> Trouble:
    kind = _kind(document)
    if kind == "compound":
        # What nobody can wait for weighs more than what passes by itself.
        troubles = {_TROUBLES.get(_kind(each)) for each in _parts(document)}
        return Trouble.FORBIDDEN if Trouble.FORBIDDEN in troubles else Trouble.NOT_OURS_YET
    if status == HTTPStatus.TOO_MANY_REQUESTS or (status == HTTPStatus.SERVICE_UNAVAILABLE and may_return):
        return Trouble.RATE_LIMITED
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return Trouble.AUTHORITY
    return _TROUBLES.get(kind, Trouble.AUTHORITY)


def _said(document: Json) -> str:
    sentences = [_detail(document)]
    for part in _parts(document):
        about = part.get("identifier")
        name = about.get("value") if isinstance(about, dict) else ""
        sentences.append(f"{name}: {_detail(part)}" if name else _detail(part))
    return plain("; ".join(sentence for sentence in sentences if sentence))


def _detail(document: Json) -> str:
    detail = document.get("detail") or document.get("title")
    return detail if isinstance(detail, str) else _kind(document)


def _parts(document: Json) -> Iterator[Json]:
    parts = document.get("subproblems")
    yield from (part for part in parts if isinstance(part, dict)) if isinstance(parts, list) else ()

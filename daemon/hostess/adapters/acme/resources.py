"""What an ACME authority says of orders, authorizations and renewals (RFC 8555 §7.1, RFC 9773 §4.2), read into our values."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from hostess.adapters.acme.wire import Answer, broken
from hostess.domain.certificates.acme_answers import key_authorization
from hostess.domain.certificates.acme_errors import Fault, read_fault
from hostess.domain.certificates.order import Authorization, Challenge, Kind, Order, RenewalWindow, Trouble

STATUSES = ("pending", "ready", "processing", "valid", "invalid")
MOST_NAMES = 100
ASK_AGAIN = timedelta(hours=6)
"""When to ask for a renewal window again where the authority does not say."""
SOONEST, LATEST = timedelta(minutes=1), timedelta(days=1)
"""Between which a Retry-After of a renewal window counts (RFC 9773 §4.3.2)."""
_TOKEN = re.compile(r"[A-Za-z0-9_-]{22,512}")
"""RFC 8555 §8.1: base64url, 128 bits at least. It becomes part of a path."""

Json = Any


@dataclass(frozen=True, slots=True)
class OrderResource:
    """An order as it stands on the wire; its authorizations are addresses yet."""

    url: str
    status: str
    names: tuple[str, ...]
    authorizations: tuple[str, ...]
    finalize: str
    certificate: str
    fault: Fault | None

    def with_authorizations(self, found: Sequence[Authorization]) -> Order:
        """Return the whole order; where it does not say why it is invalid, the challenge that failed does."""
        failed = next((each for one in found for each in one.challenges if each.trouble is not None), None)
        error, trouble = (
            ("", None) if failed is None else (f"{_name_of(found, failed)}: {failed.error}", failed.trouble)
        )
        if failed is None and self.fault is not None:
            error, trouble = self.fault.said, self.fault.trouble
        if self.status == "invalid" and trouble is None:
            error, trouble = "the authority does not say why", Trouble.AUTHORITY
        return Order(self.url, self.status, self.names, tuple(found), error, trouble)


def read_order(url: str, answer: Answer) -> OrderResource:
    """Return an order; AuthorityError when the answer is none."""
    document = answer.json()
    status, names = document.get("status"), document.get("identifiers")
    if status not in STATUSES or not isinstance(names, list) or len(names) > MOST_NAMES:
        raise broken(answer.url, "is no order")
    return OrderResource(
        url=url,
        status=status,
        names=tuple(_text(answer, each, "value").lower() for each in names),
        authorizations=_addresses(answer, document.get("authorizations")),
        finalize=_text(answer, document, "finalize"),
        certificate=_text(answer, document, "certificate") if "certificate" in document else "",
        fault=read_fault(document["error"]) if document.get("error") else None,
    )


def read_authorization(answer: Answer, thumbprint: str) -> Authorization:
    """Return an authorization with the challenges that we can meet, by kind; AuthorityError when the answer is none."""
    document = answer.json()
    challenges = document.get("challenges")
    if not isinstance(challenges, list) or len(challenges) > MOST_NAMES:
        raise broken(answer.url, "is no authorization")
    return Authorization(
        name=_text(answer, document.get("identifier"), "value").lower(),
        wildcard=document.get("wildcard") is True,
        status=_text(answer, document, "status"),
        challenges=tuple(
            _challenge(answer, each, thumbprint)
            for kind in Kind
            for each in challenges
            if isinstance(each, dict) and each.get("type") == kind
        ),
    )


def read_window(answer: Answer, now: datetime) -> RenewalWindow:
    """Return a renewal window; AuthorityError when the answer is none, or ends before it begins (RFC 9773 §4.2)."""
    document = answer.json()
    window = document.get("suggestedWindow")
    start, end = _time(answer, window, "start"), _time(answer, window, "end")
    if end <= start:
        raise broken(answer.url, "is a window that ends before it begins")
    until = answer.retry_after(now)
    return RenewalWindow(
        start=start,
        end=end,
        ask_after=ASK_AGAIN if until is None else min(max(until - now, SOONEST), LATEST),
    )


def _challenge(answer: Answer, document: Mapping[str, Json], thumbprint: str) -> Challenge:
    token = _text(answer, document, "token")
    if not _TOKEN.fullmatch(token):
        raise broken(answer.url, "has a token that is none")
    fault = read_fault(document["error"]) if document.get("error") else None
    return Challenge(
        kind=Kind(document["type"]),
        url=_text(answer, document, "url"),
        token=token,
        status=_text(answer, document, "status"),
        answer=key_authorization(token, thumbprint),
        error="" if fault is None else fault.said,
        trouble=None if fault is None else fault.trouble,
    )


def _name_of(found: Sequence[Authorization], challenge: Challenge) -> str:
    return next(f"*.{each.name}" if each.wildcard else each.name for each in found if challenge in each.challenges)


def _addresses(answer: Answer, value: Json) -> tuple[str, ...]:
    if not isinstance(value, list) or len(value) > MOST_NAMES or not all(isinstance(each, str) for each in value):
        raise broken(answer.url, "is an order without authorizations")
    return tuple(value)


def _text(answer: Answer, document: Json, name: str) -> str:
    value = document.get(name) if isinstance(document, dict) else None
    if not isinstance(value, str):
        raise broken(answer.url, f"has no {name}")
    return value


def _time(answer: Answer, document: Json, name: str) -> datetime:
    """Return a time of RFC 3339 in UTC."""
    text = _text(answer, document, name)
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        raise broken(answer.url, f"has a {name} that is no time") from None

"""A route's own pages for the errors that the proxy itself answers with. What the app says itself is never touched."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final

from hostess_proxy.routes.pages import Answer
from hostess_proxy.routes.transport_security import secured

if TYPE_CHECKING:
    from hostess_proxy.exchange import Exchange

Pages = Mapping[str, bytes]
NO_PAGES: Final[Pages] = {}
_ERRORS = 400


def pages_of(texts: Iterable[tuple[str, str]]) -> Pages:
    """Return pages ready to be sent, by status ("502") or class of it ("5xx")."""
    return {status: text.encode("utf-8", "replace") for status, text in texts}


def dressed(answer: Answer, exchange: "Exchange") -> Answer:
    """Return an answer with the page that its route, or else its host, has for it: for its status, or else for its class.

    An answer that has something of its own to say (the message of a maintenance) keeps it. All get what the route adds to responses
    by TLS.
    """
    answer = secured(answer, exchange)
    if answer.status < _ERRORS or answer.sentence:
        return answer
    live, status = exchange.live, str(answer.status)
    pages = live.pages if live is not None else exchange.traffic.targets.table.pages_of(exchange.asked.fields.name)
    page = pages.get(status) or pages.get(f"{status[0]}xx")
    return answer._replace(page=page) if page else answer

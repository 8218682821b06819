"""http-01 (RFC 8555 §8.3): authorities find the answers of today's table at every host, before anything that a route asks."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from hostess_proxy.routes.pages import Answer
from hostess_proxy.tables.challenges import CHALLENGE_PATH, Challenges

if TYPE_CHECKING:
    from hostess_proxy.exchange import Exchange
    from hostess_proxy.targets import LiveRoute


def answers_of(challenges: Challenges) -> Mapping[bytes, bytes]:
    """Return what is answered at which path."""
    return {CHALLENGE_PATH + token.encode(): answer.encode() for token, answer in challenges.http.items()}


def answered(live: "LiveRoute", exchange: "Exchange") -> Answer:  # noqa: ARG001 -- one shape for all checks
    """Return the answer to a challenge, whatever the method: there is nothing else at its path."""
    text = exchange.traffic.targets.table.answers[exchange.request.path.partition(b"?")[0]]
    return Answer(200, "acme-challenge", text=text)


def asks_for_challenge(exchange: "Exchange") -> bool:
    """Whether a request may be an authority's: such are never sent elsewhere, an app may have something to prove itself."""
    return exchange.request.path.startswith(CHALLENGE_PATH)

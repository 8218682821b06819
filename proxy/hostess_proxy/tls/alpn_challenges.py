"""tls-alpn-01 (RFC 8737): who speaks "acme-tls/1" alone, for a name that has a challenge, is shown the certificate that answers it.

Nobody else ever is: an ordinary client names other protocols, or none. A certificate is loaded when it is asked for.
"""

import ssl
import sys
from typing import Final

from hostess_proxy.tables.challenges import AlpnChallenge, Challenges
from hostess_proxy.tls.client_hello import Asked
from hostess_proxy.tls.context import server_context

ACME_PROTOCOL: Final = "acme-tls/1"


class AlpnChallenges:
    """Those of today's table, by name. *connection_class* is what their handshakes are."""

    def __init__(self, connection_class: type[ssl.SSLObject]) -> None:
        self.pending: dict[str, AlpnChallenge] = {}
        self._connection_class = connection_class
        self._contexts: dict[str, ssl.SSLContext | None] = {}

    def swap(self, challenges: Challenges) -> None:
        """Answer these from now on, and no others."""
        self.pending = {each.name: each for each in challenges.alpn}
        self._contexts.clear()  # files of the same names may be others now

    def find(self, asked: Asked) -> ssl.SSLContext | None:
        """Return the context of a handshake that answers; None for who is no authority."""
        if asked.protocols != (ACME_PROTOCOL.encode(),):
            return None
        challenge = self.pending.get(asked.name)
        if challenge is None:
            return None
        if challenge.name not in self._contexts:
            self._contexts[challenge.name] = self._load(challenge)
        return self._contexts[challenge.name]

    def _load(self, challenge: AlpnChallenge) -> ssl.SSLContext | None:
        context = server_context((ACME_PROTOCOL,))
        context.num_tickets = 0  # nobody comes again
        context.sslobject_class = self._connection_class
        try:
            context.load_cert_chain(challenge.chain, challenge.key, password="")
        except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
            reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or str(error)
            sys.stderr.write(
                f"hostess proxy: the challenge of {challenge.name} cannot be answered: {challenge.chain}: {reason}\n"
            )
            return None
        return context

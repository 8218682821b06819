"""The statuses that decide something here (RFC 9110 §15)."""

from typing import Final

CONTINUE: Final = 100
SWITCHING_PROTOCOLS: Final = 101
OK: Final = 200
FINAL: Final = 200
"""From here on a response is the last one to its request; what is below are interim ones."""
UNAUTHORIZED: Final = 401
METHOD_NOT_ALLOWED: Final = 405
BODYLESS: Final = frozenset({204, 304})
"""Responses that have no body, whatever their fields say."""

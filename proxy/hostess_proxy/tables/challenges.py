"""What certificate authorities may ask for at present, to see who controls a name; `challenges_parsing` makes these values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

CHALLENGE_PATH: Final = b"/.well-known/acme-challenge/"
"""Where http-01 is answered, followed by a token (RFC 8555 §8.3)."""


@dataclass(frozen=True, slots=True)
class AlpnChallenge:
    """What is shown for a name to who speaks "acme-tls/1" (RFC 8737); *chain* and *key* are absolute paths of PEM files."""

    name: str
    chain: str
    key: str


@dataclass(frozen=True, slots=True)
class Challenges:
    """All of them: *http* is token -> key authorization."""

    http: Mapping[str, str] = field(default_factory=dict)
    alpn: tuple[AlpnChallenge, ...] = ()


NO_CHALLENGES: Final = Challenges()

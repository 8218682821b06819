"""DNS and a network of which tests say what is in them."""

from collections.abc import Mapping
from datetime import timedelta

from hostess.domain.ports import Heard
from hostess.domain.problem import Problem


class FakeNameServers:
    """Implements `ports.NameServers`. *records* is "KIND name" -> values; None fails."""

    def __init__(self, records: Mapping[str, tuple[str, ...] | None] | None = None) -> None:
        self.known = dict(records or {})

    async def records(self, name: str, kind: str, timeout: timedelta) -> tuple[str, ...]:
        """Return what the test has said."""
        values = self.known.get(f"{kind} {name}", ())
        if values is None:
            raise Problem("dns-failed", f"the name servers could not answer for {name} ({kind}): SERVFAIL")
        return values


class FakeChallengeProbe:
    """Implements `ports.ChallengeProbe`. *answers* is address -> what is heard there; nobody answers at others."""

    def __init__(self, answers: Mapping[str, Heard] | None = None) -> None:
        self.answers = dict(answers or {})

    async def ask(self, host: str, address: str, token: str, timeout: timedelta) -> Heard:
        """Return what the test has said."""
        return self.answers.get(address, Heard(fault="refuses connections"))

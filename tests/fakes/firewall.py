"""A firewall in memory: notes what it was asked to lead."""

from collections.abc import Sequence


class FakeFirewall:
    """Implements `ports.Firewall`. *able*: whether it can lead at all; *led* are the networks that it leads now, *apart* those it parts."""

    def __init__(self) -> None:
        self.able = True
        self.led: tuple[str, ...] = ()
        self.apart: tuple[str, ...] = ()

    async def lead(self, instance: str, networks: Sequence[str]) -> bool:
        """Note the networks."""
        self.led = tuple(networks) if self.able and instance else ()
        return self.able

    async def keep_apart(self, instance: str, networks: Sequence[str]) -> bool:
        """Note the networks."""
        self.apart = tuple(networks) if self.able and instance else ()
        return self.able

    async def clear(self) -> None:
        """Lead nothing any more."""
        self.led = self.apart = ()

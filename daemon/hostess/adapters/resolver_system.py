"""Host names looked up by the system's resolver."""

import asyncio
import socket
from datetime import timedelta


class SystemResolver:
    """Resolver on getaddrinfo."""

    async def addresses(self, host: str, timeout: timedelta) -> tuple[str, ...]:
        """Return the addresses of *host*, sorted; none when the name does not resolve in time."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(timeout.total_seconds()):
                found = await loop.getaddrinfo(host, None, type=socket.SOCK_STREAM)
        except (OSError, TimeoutError, UnicodeError):
            return ()
        return tuple(sorted({str(entry[4][0]) for entry in found}))


def own_addresses() -> tuple[str, ...]:
    """Return the addresses that this host uses towards the internet; nothing is sent to find out."""
    found = []
    for family, elsewhere in ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1")):
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            try:
                probe.connect((elsewhere, 53))
            except OSError:
                continue
            found.append(str(probe.getsockname()[0]))
    return tuple(found)

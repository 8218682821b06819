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

"""Time and chance from the operating system."""

import asyncio
import secrets
from datetime import UTC, datetime


class SystemClock:
    """Implements `ports.Clock`."""

    def now(self) -> datetime:
        """Return the time in UTC."""
        return datetime.now(UTC)

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)

    def token(self, bits: int) -> str:
        """Return lower-case hex chance of so many bits (rounded up to whole digits)."""
        digits = -(-bits // 4)
        return f"{secrets.randbits(digits * 4):0{digits}x}"

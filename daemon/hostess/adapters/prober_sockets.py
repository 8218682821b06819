"""Probes over plain sockets: one small HTTP/1.1 request or one TCP connect, with a deadline."""

import asyncio
from datetime import timedelta

from hostess.domain.ports import Answer

HEAD_LIMIT = 16 * 1024


class SocketProber:
    """Prober on asyncio streams; every probe opens and closes its own connection."""

    async def http(self, address: str, port: int, path: str, host: str, timeout: timedelta) -> Answer:
        """Ask once; any answer but 200 to 299 within *timeout* is a failure that names what was seen."""
        try:
            async with asyncio.timeout(timeout.total_seconds()):
                status, location = await self._get(address, port, path, host)
        except TimeoutError:
            return Answer(ok=False, evidence=f"gave no answer to GET {path} within {timeout.total_seconds():g} s")
        except ConnectionRefusedError:
            return Answer(ok=False, evidence=f"refused the connection on port {port}")
        except (OSError, ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
            return Answer(
                ok=False, evidence=f"broke off GET {path} on port {port} ({str(error) or type(error).__name__})"
            )
        if 200 <= status < 300:  # noqa: PLR2004 -- the success class of RFC 9110 section 15.3
            return Answer(ok=True, evidence=f"answered {status}")
        where = f" with a redirect to {location}" if location else ""
        return Answer(ok=False, evidence=f"answered GET {path} with {status}{where}")

    async def tcp(self, address: str, port: int, timeout: timedelta) -> bool:
        """Connect and hang up."""
        try:
            async with asyncio.timeout(timeout.total_seconds()):
                _, writer = await asyncio.open_connection(address, port)
        except (OSError, TimeoutError):
            return False
        writer.close()
        return True

    async def _get(self, address: str, port: int, path: str, host: str) -> tuple[int, str]:
        reader, writer = await asyncio.open_connection(address, port, limit=HEAD_LIMIT)
        try:
            request = (
                f"GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: hostess-probe\r\n"
                "Accept: */*\r\nX-Forwarded-Proto: https\r\nConnection: close\r\n\r\n"
            )
            writer.write(request.encode("latin-1"))
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        finally:
            writer.close()
        first, *fields = head.split("\r\n")
        version, status, *_ = [*first.split(" ", 2), "", ""]
        if not version.startswith("HTTP/1.") or not status.isdigit():
            raise ValueError("not an HTTP answer")
        location = next((f.split(":", 1)[1].strip() for f in fields if f.lower().startswith("location:")), "")
        return int(status), location

"""One request for a challenge, at an address that is given and not looked up."""

from datetime import timedelta

import aiohttp

from hostess.domain.ports import Heard

BODY = 1024
"""How much of an answer is read: ours is shorter."""


class HttpChallengeProbe:
    """ChallengeProbe on aiohttp. *port* is another one in tests."""

    def __init__(self, port: int = 80) -> None:
        self._port = port

    async def ask(self, host: str, address: str, token: str, timeout: timedelta) -> Heard:
        """GET, and read the beginning of what comes."""
        where = f"[{address}]" if ":" in address else address
        url = f"http://{where}:{self._port}/.well-known/acme-challenge/{token}"
        limit = aiohttp.ClientTimeout(total=timeout.total_seconds())
        try:
            async with (
                aiohttp.ClientSession(timeout=limit, auto_decompress=False) as session,
                session.get(url, headers={"Host": host}, allow_redirects=False) as response,
            ):
                body = await response.content.read(BODY)
                server, location = response.headers.get("Server", ""), response.headers.get("Location", "")
                return Heard(response.status, body.decode("utf-8", "replace"), server, location)
        except TimeoutError:
            return Heard(fault=f"gives no answer within {timeout.total_seconds():g} s")
        except aiohttp.ClientConnectorError as error:
            refused = isinstance(error.os_error, ConnectionRefusedError)
            return Heard(fault="refuses connections" if refused else f"cannot be reached ({error.os_error.strerror})")
        except (aiohttp.ClientError, OSError, ValueError):
            return Heard(fault="breaks the connection off")

"""What every request passes: an id, the checks of Host and origin, and problems told in one form."""

import ipaddress
import logging
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Middleware

from hostess.domain.problem import Problem
from hostess.doors.api import problems
from hostess.doors.api.caller import refuse_basic_in_clear
from hostess.doors.api.peers import peer_of
from hostess.doors.api.proxied import refuse_proxied_in_clear
from hostess.doors.api.wiring import ApiServices

REQUEST_ID = web.RequestKey("request_id", str)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_BUG = Problem(
    "internal-error",
    "something in Hostess itself went wrong; the daemon's log has the details",
    serving="what runs goes on running",
    remedy="look for the request id in the log (`journalctl -u hostess`)",
)
_LATE = Problem(
    "timed-out",
    "this took longer than it may",
    serving="what was begun goes on",
    remedy="look again in a while: `hostess deployments list`",
)
_STATUS_CODES = {404: "not-found", 405: "method-not-allowed", 413: "body-too-large"}

log = logging.getLogger(__name__)


def guards(services: ApiServices) -> list[Middleware]:
    """Return the middlewares, outermost first."""

    @web.middleware
    async def tell_problems(request: web.Request, handler: Handler) -> web.StreamResponse:
        request[REQUEST_ID] = services.clock.token(64)
        try:
            refuse_proxied_in_clear(services.voucher, request)
            _check_host(services, request)
            _check_origin(request)
            refuse_basic_in_clear(services.voucher, request)
            return await handler(request)
        except web.HTTPException as error:
            if error.status < 400 or request.path.startswith("/git/"):  # noqa: PLR2004 -- the first status that is an error
                raise
            told = problems.answer(_http_problem(error, request), services.redactor, request_id=request[REQUEST_ID])
            if isinstance(error, web.HTTPMethodNotAllowed):
                told.headers["Allow"] = ",".join(sorted(error.allowed_methods))  # RFC 9110, section 15.5.6
            return told
        except Exception as error:  # noqa: BLE001 -- what is no problem is logged as a bug
            told = problems.answer(_problem_of(error, request), services.redactor, request_id=request[REQUEST_ID])
            if isinstance(error, web.RequestPayloadError):
                request.content.feed_eof()  # there is no end of it that could be waited for
                told.force_close()
            return told

    return [tell_problems]


async def mark(request: web.Request, response: web.StreamResponse) -> None:
    """Put the request's id and the headers that belong on every answer (a signal handler, so that streams get them too)."""
    response.headers.setdefault("X-Request-Id", request.get(REQUEST_ID, ""))
    response.headers.setdefault("X-Content-Type-Options", "nosniff")
    response.headers.setdefault("Cache-Control", "no-store")


def _check_host(services: ApiServices, request: web.Request) -> None:
    """Refuse other names: a page that made its own name point here (DNS rebinding) gives itself away by it."""
    if peer_of(request) is not None:
        return
    name = _host_name(request.headers.get("Host", ""))
    settings = services.settings
    own = {"localhost", settings.api.host, settings.api.listen.host, settings.base_domain}
    if name and (name in own or _is_address(name)):
        return
    raise Problem(
        "wrong-host", "this is not a name of the admin API", remedy="use its address, or set api.host to that name"
    )


def _check_origin(request: web.Request) -> None:
    origin = request.headers.get("Origin")
    site = request.headers.get("Sec-Fetch-Site", "none")
    foreign = origin is not None and _place(origin) != request.headers.get("Host", "").lower()
    if foreign or site not in {"none", "same-origin"}:
        raise Problem("cross-origin", "requests from pages of other origins are refused")


def _place(origin: str) -> str | None:
    """Return host and port of an origin; None for what is no URL."""
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return None


def _host_name(host: str) -> str:
    try:
        return (urlsplit(f"//{host}").hostname or "").lower()
    except ValueError:
        return ""


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _problem_of(error: Exception, request: web.Request) -> Problem:
    """Return what is told of *error*; a bug is written down, too."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, TimeoutError):
        return _LATE
    if isinstance(error, web.RequestPayloadError):
        what = f"the body cannot be read: {str(error).rpartition(chr(10))[2].strip() or 'it broke off'}"
        return Problem("bad-request", what, remedy="send it whole, and encoded as its head says")
    if not isinstance(error, ConnectionError) or not _has_gone(request):
        log.error(
            "%s %s (request %s) ended in a bug", request.method, request.path, request[REQUEST_ID], exc_info=error
        )
    return _BUG


def _has_gone(request: web.Request) -> bool:
    """Whether nobody waits for the answer any more."""
    return request.transport is None or request.transport.is_closing()


def _http_problem(error: web.HTTPException, request: web.Request) -> Problem:
    code = _STATUS_CODES.get(error.status, "bad-request")
    what = {
        "not-found": f"there is nothing at {request.path}",
        "method-not-allowed": f"{request.method} is not understood at {request.path}",
        "body-too-large": "the body is larger than 1 MiB",
    }.get(code, error.reason)
    return Problem(code, what, remedy="`/v1/openapi.json` lists every operation")

"""What a route asks of the proxy, as keys of its table; a key stands there only where somebody asked for it.

So an older proxy, which serves on while the daemon is upgraded, refuses no table but those that it could not serve as they are meant.
"""

from dataclasses import asdict
from typing import Any

from hostess.domain.hostess_yml.stack import Buffer, Protocol, Proxy, RateLimit
from hostess.domain.ports import CanaryTargets, Maintenance, Upstreams
from hostess.domain.ports.proxy import Hsts
from hostess.domain.routing.route_settings import RouteSettings

REDIRECT = 308


def keys_of(route: Upstreams) -> dict[str, Any]:
    """Return the keys of one route beside host, path, targets and sign-in."""
    settings = route.settings or RouteSettings()
    return _asked(
        {
            **_of_service(settings.asked),
            "basic_auth": [asdict(login) for login in settings.logins],
            "error_pages": dict(settings.pages),
            "redirect": _redirect(route.host, settings),
            "maintenance": _maintenance(route.maintenance),
            "canary": _canary(route.canary),
            "pause": asdict(route.pause) if route.pause else None,
            "wake": asdict(route.wake) if route.wake else None,
            "redirect_https": route.redirect_https,
            "hsts": _hsts(route.hsts),
            "voucher": route.voucher,
            "environment": route.environment,
        }
    )


def _of_service(asked: Proxy) -> dict[str, Any]:
    return {
        "strip_prefix": asked.strip_prefix,
        "first_byte_timeout": asked.response_timeout.total_seconds() if asked.response_timeout else None,
        "body_limit": asked.max_body,
        "buffer": _buffer(asked.buffer_requests),
        "compress": asked.compress,
        "allow": list(asked.allow),
        "rate_limit": _rate(asked.rate_limit),
        "expose_release": asked.expose_release,
        "slow_start": asked.slow_start.total_seconds(),
        "protocol": str(asked.protocol) if asked.protocol is not Protocol.HTTP1 else "",
    }


def _asked(keys: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in keys.items() if value}


def _buffer(buffer: Buffer | None) -> dict[str, int] | None:
    return asdict(buffer) if buffer else None


def _rate(limit: RateLimit | None) -> dict[str, Any] | None:
    if limit is None:
        return None
    return {"requests": limit.requests, "seconds": limit.per.total_seconds(), "burst": limit.burst}


def _redirect(host: str, settings: RouteSettings) -> dict[str, Any] | None:
    return {"host": settings.asked.canonical_host, "status": REDIRECT} if host in settings.redirected else None


def _canary(found: CanaryTargets | None) -> dict[str, Any] | None:
    if found is None:
        return None
    chosen = {"header": found.header, "values": list(found.values)} if found.header else {}
    return {"release": found.release, "targets": list(found.targets), "percent": found.percent, **chosen}


def _hsts(found: Hsts | None) -> dict[str, Any] | None:
    """Return the key; a length of 0 stands in it, too."""
    return None if found is None else {"max_age": found.max_age} | _asked(asdict(found))


def _maintenance(found: Maintenance | None) -> dict[str, Any] | None:
    """Return the key; what is empty in it is left out."""
    if found is None:
        return None
    return {"retry_after": found.retry_after} | _asked({**asdict(found), "allow": list(found.allow)})

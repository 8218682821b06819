"""Who asks: a token (Bearer, or Basic with the token as password), or a process on the unix socket."""

import base64
import binascii
from dataclasses import dataclass
from datetime import UTC, datetime

from aiohttp import web

from hostess.domain.problem import Problem
from hostess.domain.records import Token
from hostess.doors.api.peers import ADMIN_GROUP, peer_of, user_name
from hostess.doors.api.proxied import came_in_clear
from hostess.doors.api.wiring import ApiServices


@dataclass(frozen=True, slots=True)
class Caller:
    """Whoever asks; a process on the unix socket has a token made for the occasion, with the role of an owner."""

    name: str
    token: Token


NOBODY = Caller("nobody", Token("", "nobody", "", "", (), datetime.min.replace(tzinfo=UTC)))
"""The caller of what is open to all."""


async def identify(services: ApiServices, request: web.Request) -> Caller:
    """Return who asks; Problem "unauthenticated" for nobody, "not-allowed" for a process of somebody else's."""
    header = request.headers.get("Authorization", "")
    if header:
        token = await services.tokens.authenticate(_token(header))
        if token is None:
            raise _nobody("the token is not known, or has expired")
        return Caller(token.name, token)
    peer = peer_of(request)
    if peer is None:
        raise _nobody("this needs a token")
    user = user_name(peer[0])
    if not services.admin_peer(*peer):
        raise Problem(
            "not-allowed",
            f"user {user} is not in the group {ADMIN_GROUP}",
            remedy=f"use sudo, a token, or add the user to the group: `usermod -aG {ADMIN_GROUP} {user}`",
        )
    name = f"{user} (socket)"
    return Caller(name, Token("socket", name, "", "owner", (), services.clock.now()))


def key_of(caller: Caller) -> str:
    """Return what tells one caller from all others, in memory and in the journal."""
    return f"{caller.token.id} {caller.name}"


def refuse_basic_in_clear(voucher: str, request: web.Request) -> None:
    """Raise Problem "insecure-basic" for a password that was sent over a network without TLS."""
    basic = request.headers.get("Authorization", "").lower().startswith("basic")
    if basic and came_in_clear(voucher, request):
        raise Problem(
            "insecure-basic",
            "a password over plain HTTP can be read by everybody on the way, so it is refused here",
            remedy="use HTTPS (the setting api.host), SSH, or a tunnel to the loopback address",
        )


def _token(header: str) -> str:
    scheme, _, value = header.partition(" ")
    if scheme.lower() != "basic":
        return value.strip() if scheme.lower() == "bearer" else ""
    try:
        return base64.b64decode(value, validate=True).decode().partition(":")[2]
    except (binascii.Error, UnicodeDecodeError):
        return ""


def _nobody(what: str) -> Problem:
    return Problem("unauthenticated", what, remedy="sign in with `hostess login`, or set HOSTESS_TOKEN")

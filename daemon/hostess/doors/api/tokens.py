"""Tokens of people and machines; and who one is."""

from contextlib import suppress
from datetime import datetime, timedelta

from pydantic import Field

from hostess.domain.problem import Problem
from hostess.domain.quantities import parse_duration
from hostess.domain.records import Token
from hostess.doors.api.operation import Call, Given, Nothing, View, op
from hostess.doors.api.problems import InvalidRequest
from hostess.services.tokens import Role


class TokenView(View):
    """A token's row; the token itself is never shown again. No *projects* means all."""

    id: str
    name: str
    role: str
    projects: tuple[str, ...]
    created_at: datetime
    expires_at: datetime | None
    used_at: datetime | None


class TokenList(View):
    """Tokens, the oldest first."""

    items: tuple[TokenView, ...]


class NewToken(Given):
    """A token to be made; *expires_in* is a duration such as 90d, none means never."""

    name: str = Field(max_length=100)
    role: Role = Role.DEVELOPER
    projects: tuple[str, ...] = ()
    expires_in: str | None = None


class MadeToken(TokenView):
    """A token that was just made: the only time that *token* is seen."""

    token: str


class Identity(View):
    """Who asks."""

    name: str
    role: str
    projects: tuple[str, ...]
    expires_at: datetime | None


@op("GET /v1/whoami", "read", returns=Identity)
async def who_am_i(call: Call, _: Nothing) -> Identity:
    """Tell who the caller is."""
    token = call.caller.token
    return Identity(name=token.name, role=token.role, projects=token.projects, expires_at=token.expires_at)


@op("GET /v1/tokens", "admin", returns=TokenList)
async def list_tokens(call: Call, _: Nothing) -> TokenList:
    """List tokens."""
    return TokenList(items=tuple(_view(token) for token in await call.services.tokens.list()))


@op("POST /v1/tokens", "admin", given=NewToken, returns=MadeToken, status=201)
async def create_token(call: Call, given: NewToken) -> MadeToken:
    """Make a token."""
    lifetime = _lifetime(given.expires_in)
    row, text = await call.services.tokens.create(given.name, given.role, given.projects, lifetime)
    call.services.redactor.learn([text])
    data = {"token": row.id, "role": row.role, "projects": list(row.projects)}
    await call.audit("token.created", f"made token {row.name}", data)
    with suppress(Problem):  # the token counts; the reconciler tells the proxy as soon as it answers
        await call.services.routing.publish()
    return MadeToken(**_view(row).model_dump(), token=text)


@op("DELETE /v1/tokens/{token}", "admin", status=204)
async def revoke_token(call: Call, _: Nothing) -> None:
    """Make a token worthless at once; Problem "proxy-not-told" when services that ask for sign-in let it pass for the moment."""
    token = call.path["token"]
    await call.services.tokens.revoke(token)
    await call.audit("token.revoked", f"revoked token {token}", {"token": token})
    try:
        await call.services.routing.publish()
    except Problem as problem:
        raise Problem(
            "proxy-not-told",
            f"token {token} is revoked, but the proxy could not be told: {problem}",
            serving="services that ask for sign-in still let it pass; the API and git do not",
            remedy="the proxy is told as soon as that is mended: `hostess doctor`",
        ) from problem


def _lifetime(text: str | None) -> timedelta | None:
    try:
        return None if text is None else parse_duration(text)
    except ValueError as error:
        raise InvalidRequest((f"expires_in: {error}",)) from None


def _view(token: Token) -> TokenView:
    return TokenView(
        id=token.id,
        name=token.name,
        role=token.role,
        projects=token.projects,
        created_at=token.created_at,
        expires_at=token.expires_at,
        used_at=token.used_at,
    )


OPERATIONS = (who_am_i, list_tokens, create_token, revoke_token)

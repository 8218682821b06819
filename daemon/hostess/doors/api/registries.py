"""Registries that private images come from. They are the whole host's: whoever may deploy can use what can be fetched."""

from datetime import datetime

from pydantic import Field, SecretStr

from hostess.domain.registries import Registry
from hostess.doors.api.operation import Call, Given, Nothing, View, op


class RegistryView(View):
    """A registry that is signed in at; the password is never shown."""

    host: str
    user: str
    added_at: datetime


class RegistryList(View):
    """Registries, by host."""

    items: tuple[RegistryView, ...]


class NewLogin(Given):
    """Who signs in. *password* may be an access token."""

    user: str = Field(min_length=1, max_length=400)
    password: SecretStr = Field(min_length=1, max_length=3600)


@op("GET /v1/registries", "admin", returns=RegistryList)
async def list_registries(call: Call, _: Nothing) -> RegistryList:
    """List the registries that are signed in at."""
    return RegistryList(items=tuple(_view(row) for row in await call.services.registries.list()))


@op("PUT /v1/registries/{registry}", "admin", given=NewLogin, returns=RegistryView)
async def sign_in_at_registry(call: Call, given: NewLogin) -> RegistryView:
    """Sign in at a registry (`ghcr.io`, `registry.example.com:5000`) and remember it, when it takes the password."""
    password = given.password.get_secret_value()
    row = await call.services.registries.login(call.path["registry"], given.user, password)
    await call.audit(
        "registry.login", f"signed in at {row.host} as {row.user}", {"registry": row.host, "user": row.user}
    )
    return _view(row)


@op("DELETE /v1/registries/{registry}", "admin", status=204)
async def sign_out_of_registry(call: Call, _: Nothing) -> None:
    """Forget how to sign in at a registry; images that are on the host stay."""
    host = call.path["registry"]
    await call.services.registries.logout(host)
    await call.audit("registry.logout", f"signed out of {host}", {"registry": host})


def _view(row: Registry) -> RegistryView:
    return RegistryView(host=row.host, user=row.user, added_at=row.added_at)


OPERATIONS = (list_registries, sign_in_at_registry, sign_out_of_registry)

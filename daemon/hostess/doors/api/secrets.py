"""Secrets: names are shown, values only to those who ask for them and may."""

from datetime import datetime

from pydantic import Field, SecretStr

from hostess.domain.names import PRODUCTION, check_environment_name
from hostess.domain.problem import Problem
from hostess.doors.api.operation import Call, Given, Several, View, op


class SecretView(View):
    """A secret. *value* only when it was asked for."""

    name: str
    environment: str
    version: int
    changed_at: datetime
    value: str | None = None


class SecretList(View):
    """Secrets by environment and name."""

    items: tuple[SecretView, ...]


class SecretsWanted(Given):
    """Which ones; no *environments* means all of the project. *values* shows them."""

    environments: Several = ()
    names: Several = ()
    values: bool = False


class NewSecret(Given):
    """A secret to be set; no *environments* means all of the project."""

    name: str = Field(max_length=200)
    value: SecretStr
    environments: tuple[str, ...] = ()


class NewValue(Given):
    """Another value; no *environments* means all that have the secret."""

    value: SecretStr
    environments: tuple[str, ...] = ()


class Where(Given):
    """No *environments* means all that have the secret."""

    environments: Several = ()


class Outcome(View):
    """What became of one environment's secret: added, kept (it was there already), changed, deleted."""

    environment: str
    outcome: str
    version: int | None = None


class Outcomes(View):
    """One per environment."""

    items: tuple[Outcome, ...]


BASE = "/v1/projects/{project}/secrets"


@op(f"GET {BASE}", "read", given=SecretsWanted, returns=SecretList)
async def list_secrets(call: Call, given: SecretsWanted) -> SecretList:
    """List names, versions and dates of secrets; with `values=true` their values, too."""
    if given.values:
        call.require("secrets", call.project)
        await call.audit("secrets.shown", "looked at values of secrets", {"environments": list(given.environments)})
    found = []
    for environment in given.environments or await _environments(call):
        values = await call.services.secrets.values(call.project, environment) if given.values else {}
        found += [
            SecretView(
                name=each.name,
                environment=environment,
                version=each.version,
                changed_at=each.changed_at,
                value=values.get(each.name),
            )
            for each in await call.services.secrets.names(call.project, environment)
            if not given.names or each.name in given.names
        ]
    return SecretList(items=tuple(found))


@op(f"POST {BASE}", "secrets", given=NewSecret, returns=Outcomes, status=201)
async def add_secret(call: Call, given: NewSecret) -> Outcomes:
    """Add a secret to each environment that has none of that name; the others keep theirs."""
    value = _learnt(call, given.value)
    found = []
    for environment in given.environments or await _environments(call):
        check_environment_name(environment)
        try:
            version = await call.services.secrets.add(call.project, environment, given.name, value)
        except Problem as problem:
            if problem.code != "secret-exists":
                raise
            found.append(Outcome(environment=environment, outcome="kept"))
            continue
        found.append(Outcome(environment=environment, outcome="added", version=version))
        await _told(call, "added", given.name, environment)
    return Outcomes(items=tuple(found))


@op(f"PUT {BASE}/{{name}}", "secrets", given=NewValue, returns=Outcomes)
async def edit_secret(call: Call, given: NewValue) -> Outcomes:
    """Give a secret another value; what runs keeps the old one until it is deployed or restarted."""
    name, value = call.path["name"], _learnt(call, given.value)
    found = []
    for environment in await _having(call, name, given.environments):
        version = await call.services.secrets.edit(call.project, environment, name, value)
        found.append(Outcome(environment=environment, outcome="changed", version=version))
        await _told(call, "changed", name, environment)
    return Outcomes(items=tuple(found))


@op(f"DELETE {BASE}/{{name}}", "secrets", given=Where, returns=Outcomes)
async def delete_secret(call: Call, given: Where) -> Outcomes:
    """Delete a secret with all its versions; what runs keeps the value it started with."""
    name = call.path["name"]
    found = []
    for environment in await _having(call, name, given.environments):
        await call.services.secrets.delete(call.project, environment, name)
        found.append(Outcome(environment=environment, outcome="deleted"))
        await _told(call, "deleted", name, environment)
    return Outcomes(items=tuple(found))


async def _environments(call: Call) -> tuple[str, ...]:
    """Return the environments of the project; production counts even before its first deployment."""
    places = await call.services.journal.places(call.project)
    return tuple(dict.fromkeys([PRODUCTION, *(place.environment for place in places)]))


async def _having(call: Call, name: str, environments: tuple[str, ...]) -> tuple[str, ...]:
    """Return the environments asked for, or all that have the secret; Problem "secret-not-found"."""
    known = environments or await _environments(call)
    stored = {each: await call.services.secrets.names(call.project, each) for each in known}
    having = tuple(each for each in known if name in {secret.name for secret in stored[each]})
    missing = [environment for environment in environments if environment not in having]
    if missing or not having:
        where = ", ".join(missing) or "any environment"
        raise Problem(
            "secret-not-found",
            f"{call.project} has no secret {name[:130]} in {where}",
            remedy=f"add it with `hostess secrets add {name[:130]} -p {call.project}`",
        )
    return having


def _learnt(call: Call, value: SecretStr) -> str:
    """Return the value, known to the redactor from now on."""
    text = value.get_secret_value()
    call.services.redactor.learn([text])
    return text


async def _told(call: Call, what: str, name: str, environment: str) -> None:
    message = f"{what} secret {name} in {environment}"
    await call.audit(f"secret.{what}", message, {"secret": name}, environment=environment)


OPERATIONS = (list_secrets, add_secret, edit_secret, delete_secret)

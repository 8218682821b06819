"""Environments of a project: what they are, made, changed, removed."""

from datetime import datetime, timedelta
from typing import Annotated

from pydantic import BeforeValidator, Field

from hostess.domain.quantities import duration_text, parse_duration
from hostess.domain.records import EnvironmentSettings
from hostess.doors.api.deployments import PLACE
from hostess.doors.api.operation import Call, Given, Nothing, View, op
from hostess.services.environments import Known

BASE = "/v1/projects/{project}/environments"


def _duration(text: object) -> object:
    if not isinstance(text, str):
        raise ValueError("must be a text such as 36h")  # noqa: TRY004 -- what pydantic makes a mistake of
    return parse_duration(text)


Duration = Annotated[timedelta, BeforeValidator(_duration, json_schema_input_type=str)]


class EnvironmentAttributes(View):
    """An environment. *type*: production, ephemeral, standard. *expires_at*: when it is removed if nothing more is deployed to it."""

    name: str
    project: str
    type: str
    branches: tuple[str, ...]
    ephemeral: bool
    ttl: str | None
    auto_delete: bool
    protected: bool
    release: int | None
    created_at: datetime
    expires_at: datetime | None


class EnvironmentList(View):
    """Environments, by name."""

    items: tuple[EnvironmentAttributes, ...]


class Changes(Given):
    """What is to hold from now on, above what hostess.yml says; what is left out stays as it was. *ttl* is text such as "36h"."""

    branches: tuple[str, ...] | None = None
    ephemeral: bool | None = None
    ttl: Duration | None = None
    auto_delete: bool | None = None
    protected: bool | None = None


class NewEnvironment(Changes):
    """An environment to be made; with *ensure* one that is there is changed instead."""

    name: str = Field(max_length=200)
    ensure: bool = False


class Removed(View):
    """What is left of an environment: the volumes with permanent data."""

    volumes_kept: tuple[str, ...]


class WhatGoes(Given):
    """*data*: permanent data goes, too."""

    data: bool = False


@op(f"GET {BASE}", "read", returns=EnvironmentList)
async def list_environments(call: Call, _: Nothing) -> EnvironmentList:
    """List the environments of a project."""
    return EnvironmentList(items=tuple(map(_view, await call.services.environments.known(call.project))))


@op(f"POST {BASE}", "deploy", given=NewEnvironment, returns=EnvironmentAttributes, status=201)
async def create_environment(call: Call, given: NewEnvironment) -> EnvironmentAttributes:
    """Make an environment before anything is deployed to it."""
    made = await call.services.environments.create(_settings(call.project, given.name, given), ensure=given.ensure)
    await call.audit("environment.made", f"made sure of {given.name}", _said(given), environment=given.name)
    return _view(made)


@op(f"PATCH {PLACE}", "deploy", given=Changes, returns=EnvironmentAttributes)
async def update_environment(call: Call, given: Changes) -> EnvironmentAttributes:
    """Change what holds for an environment."""
    changed = await call.services.environments.update(_settings(call.project, call.environment, given))
    await call.audit("environment.changed", f"changed {call.environment}", _said(given))
    return _view(changed)


@op(f"DELETE {PLACE}", "admin", given=WhatGoes, returns=Removed)
async def delete_environment(call: Call, given: WhatGoes) -> Removed:
    """Remove an environment: containers, network, hosts, secrets, history, and data that is not permanent."""
    kept = await call.services.environments.remove(call.project, call.environment, data=given.data)
    await call.audit("environment.deleted", f"removed {call.environment}", {"data": given.data, "kept": list(kept)})
    return Removed(volumes_kept=kept)


def _settings(project: str, name: str, given: Changes) -> EnvironmentSettings:
    return EnvironmentSettings(
        project, name, given.branches, given.ephemeral, given.ttl, given.auto_delete, given.protected
    )


def _said(given: Changes) -> dict[str, object]:
    return given.model_dump(mode="json", exclude_none=True)


def _view(known: Known) -> EnvironmentAttributes:
    place, found = known.place, known.attributes
    return EnvironmentAttributes(
        name=place.environment,
        project=place.project,
        type=found.kind,
        branches=found.branches,
        ephemeral=found.ephemeral,
        ttl=None if found.ttl is None else duration_text(found.ttl),
        auto_delete=found.auto_delete,
        protected=found.protected,
        release=place.live,
        created_at=place.created_at,
        expires_at=known.expires_at,
    )


OPERATIONS = (list_environments, create_environment, update_environment, delete_environment)

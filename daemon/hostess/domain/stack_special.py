"""The key `special`: what only one type of service has."""

from typing import Annotated

from pydantic import Discriminator, Field, Tag

from hostess.domain import stack_values
from hostess.domain.stack import ServiceType
from hostess.domain.stack_forms import FULL, SHORT, Part
from hostess.domain.stack_values import Line, RelativePath, choice
from hostess.domain.stack_words import Eviction, PoolMode


class StaticSpecial(Part):
    """`special` of a static site."""

    output: RelativePath | None = None
    spa: stack_values.Flag | None = None
    build_command: Line | None = None


class PoolerPart(Part):
    """A connection pooler in its long form."""

    mode: Annotated[PoolMode, choice(PoolMode)] | None = None
    instances: Annotated[stack_values.Whole, Field(ge=1, le=10)] | None = None


def _pooler(value: object) -> str:
    return FULL if isinstance(value, dict) else SHORT


class PostgresSpecial(Part):
    """`special` of postgres."""

    version: stack_values.PostgresVersion | None = None
    extensions: list[stack_values.Extension] | None = None
    pooler: (
        Annotated[
            Annotated[stack_values.Flag, Tag(SHORT)] | Annotated[PoolerPart, Tag(FULL)],
            Discriminator(_pooler),
        ]
        | None
    ) = None


class RedisSpecial(Part):
    """`special` of redis."""

    version: stack_values.RedisVersion | None = None
    maxmemory: stack_values.Size | None = None
    maxmemory_percent: Annotated[stack_values.Whole, Field(ge=1, le=100)] | None = None
    maxmemory_policy: Annotated[Eviction, choice(Eviction)] | None = None


SPECIAL: dict[ServiceType, type[Part]] = {
    ServiceType.STATIC: StaticSpecial,
    ServiceType.POSTGRES: PostgresSpecial,
    ServiceType.REDIS: RedisSpecial,
}
"""The models of `special`, for the types that have one."""

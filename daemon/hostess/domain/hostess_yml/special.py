"""The key `special`: what only one type of service has."""

from typing import Annotated

from pydantic import Discriminator, Field, Tag

from hostess.domain.hostess_yml import values as stack_values
from hostess.domain.hostess_yml.forms import FULL, SHORT, Part, about
from hostess.domain.hostess_yml.proxy import Network
from hostess.domain.hostess_yml.stack import ServiceType
from hostess.domain.hostess_yml.values import Line, RelativePath, choice
from hostess.domain.hostess_yml.words import Eviction, PoolMode


class StaticSpecial(Part):
    """`special` of a static site."""

    output: Annotated[
        RelativePath | None,
        about(
            "The folder that is served after the build.",
            otherwise="`dist` with a package.json, else the source itself",
            example="build",
        ),
    ] = None
    spa: Annotated[
        stack_values.Flag | None,
        about("Answer paths that lead to no file with index.html.", default=False, example=True),
    ] = None
    build_command: Annotated[
        Line | None,
        about("How it is built.", otherwise="the `build` script of package.json", example="npm run export"),
    ] = None


class PoolerPart(Part):
    """A connection pooler in its long form."""

    mode: Annotated[
        Annotated[PoolMode, choice(PoolMode)] | None,
        about("How connections are shared.", default="transaction", example="session"),
    ] = None
    instances: Annotated[
        Annotated[int, Field(ge=1, le=10), stack_values.WHOLE] | None, about("How many run.", default=1, example=2)
    ] = None


def _long_or_short(value: object) -> str:
    return FULL if isinstance(value, dict) else SHORT


class ExternalPart(Part):
    """A way in from outside in its long form."""

    allow: Annotated[
        Annotated[list[Network], Field(min_length=1, max_length=1000)] | None,
        about(
            "Only clients of these networks may come, others are closed.",
            otherwise="all may",
            example=["203.0.113.0/24", "2001:db8::/32"],
        ),
    ] = None


External = Annotated[
    Annotated[
        Annotated[stack_values.Flag, Tag(SHORT)] | Annotated[ExternalPart, Tag(FULL)],
        Discriminator(_long_or_short),
    ]
    | None,
    about(
        "Reached from outside by TLS, where the host listens for that; adds `${name.external_url}`.",
        default=False,
        example=True,
    ),
]


class PostgresSpecial(Part):
    """`special` of postgres."""

    version: Annotated[
        stack_values.PostgresVersion | None,
        about("Counts when the database is first made.", default="18", example="17"),
    ] = None
    extensions: Annotated[
        list[stack_values.Extension] | None,
        about("Made in every database.", otherwise="none", example=["pg_trgm", "pgcrypto"]),
    ] = None
    pooler: Annotated[
        Annotated[
            Annotated[stack_values.Flag, Tag(SHORT)] | Annotated[PoolerPart, Tag(FULL)],
            Discriminator(_long_or_short),
        ]
        | None,
        about("A connection pooler; adds `${name.pooled_url}`.", default=False, example={"mode": "session"}),
    ] = None
    external: External = None


class RedisSpecial(Part):
    """`special` of redis."""

    version: Annotated[
        stack_values.RedisVersion | None, about("Counts when it is first made.", default="8", example="8.2")
    ] = None
    maxmemory: Annotated[
        stack_values.Size | None,
        about("When keys are dropped; not above the memory limit.", otherwise="none", example="256Mi"),
    ] = None
    maxmemory_percent: Annotated[
        Annotated[int, Field(ge=1, le=100), stack_values.WHOLE] | None,
        about("The same in percent of the memory limit; instead of `maxmemory`.", otherwise="none", example=75),
    ] = None
    maxmemory_policy: Annotated[
        Annotated[Eviction, choice(Eviction)] | None,
        about("Which keys are dropped.", default="noeviction", example="allkeys-lru"),
    ] = None
    external: External = None


SPECIAL: dict[ServiceType, type[Part]] = {
    ServiceType.STATIC: StaticSpecial,
    ServiceType.POSTGRES: PostgresSpecial,
    ServiceType.REDIS: RedisSpecial,
}
"""The models of `special`, for the types that have one."""

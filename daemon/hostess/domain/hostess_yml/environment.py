"""The parts of hostess.yml around the services: environments, and the repository."""

from typing import Annotated, ClassVar

from hostess.domain.hostess_yml import values as stack_values
from hostess.domain.hostess_yml.forms import Part, ReplicasForm, about
from hostess.domain.hostess_yml.values import Line, choice
from hostess.domain.hostess_yml.words import Provider


class OverridePart(Part):
    """What an environment may change of a service."""

    replicas: Annotated[
        ReplicasForm | None,
        about("Replaces the `replicas` of the service.", otherwise="the service's", example=1),
    ] = None


class EnvironmentPart(Part):
    """An environment: which branches are deployed to it, and what is different there."""

    instead: ClassVar[dict[str, str]] = {"domain": "domains", "expires": "ttl", "preview": "ephemeral"}

    domains: Annotated[
        dict[str, list[stack_values.Domain]] | None,
        about(
            "Host names by service; they replace the service's own list here.",
            otherwise="production: the services' own; others: none",
            example={"api": ["staging.example.com"]},
        ),
    ] = None
    services: Annotated[
        dict[str, OverridePart] | None,
        about("Replicas by service.", otherwise="as for the services", example={"api": {"replicas": 1}}),
    ] = None
    branches: Annotated[
        list[stack_values.Branch] | None,
        about(
            "Branches that are deployed here: names or globs; a name wins over a glob, a longer glob over a shorter.",
            otherwise="production: main and master",
            example=["develop", "release/*"],
        ),
    ] = None
    branch: Annotated[
        stack_values.Branch | None,
        about("One branch; the old form of `branches`.", otherwise="none", example="develop"),
    ] = None
    ephemeral: Annotated[
        stack_values.Flag | None,
        about("Made by a push and removed with its data. Not for production.", default=False, example=True),
    ] = None
    ttl: Annotated[
        stack_values.Life | None,
        about("How long an ephemeral environment stays after its last push.", otherwise="no end", example="72h"),
    ] = None


class RepoPart(Part):
    """The repository that the file belongs to; accepted and kept for other tools."""

    provider: Annotated[Annotated[Provider, choice(Provider)], about("Where it lives.", example="github")]
    owner: Annotated[Line, about("Organization or user.", example="acme")]
    name: Annotated[Line, about("Name of the repository.", example="shop")]
    branch: Annotated[stack_values.Branch | None, about("Its main branch.", default="main", example="trunk")] = None

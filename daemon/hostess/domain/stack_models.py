"""The shape of hostess.yml as pydantic models: which keys there are, and what each value may be on its own.

Rules that look at more than one value are in stack_checks; defaults that depend on the type are filled in by stack_build.
"""

from typing import Annotated, ClassVar, Literal

from pydantic import BeforeValidator, Field, Tag

from hostess.domain import schedules, stack_values
from hostess.domain.mistakes import WrongValue
from hostess.domain.stack import OnFailure, Run, ServiceType
from hostess.domain.stack_forms import (
    FULL,
    SHORT,
    BuildPart,
    DependsForm,
    FilePart,
    HealthPart,
    Part,
    PersistenceForm,
    PortForm,
    ReplicasForm,
    ResourcesForm,
    SeenBy,
    Toggle,
    forms,
)
from hostess.domain.stack_values import Argv, EnvName, Line, RelativePath, choice
from hostess.domain.stack_words import Logs, PerService, Provider, Retention
from hostess.domain.stack_yaml import Token


def _service_schedule(value: object) -> str:
    return schedules.schedule(stack_values.text_of(value), ("daily", "weekly", "biweekly", "monthly"))


def _job_schedule(value: object) -> str:
    return schedules.schedule(stack_values.text_of(value), ("daily", "weekly", "monthly"))


def _version(value: object) -> str:
    text = value.text if isinstance(value, Token) else value
    if text != "1.0":
        raise WrongValue("is a version that is not supported", 'write version: "1.0"')
    return text


class HookPart(Part):
    """A lifecycle hook."""

    shorthand: ClassVar[str] = "command"
    instead: ClassVar[dict[str, str]] = {"cmd": "command", "run": "command", "onFailure": "on_failure"}

    command: Argv | None = None
    job: stack_values.Text | None = None
    timeout: stack_values.Span | None = None
    on_failure: Annotated[OnFailure, choice(OnFailure)] | None = None


class LifecyclePart(Part):
    """The hooks of a service."""

    instead: ClassVar[dict[str, str]] = {"release": "migrate", "pre_deploy": "migrate", "pre_stop": "shutdown"}

    init: HookPart | None = None
    migrate: HookPart | None = None
    post_deploy: HookPart | None = None
    shutdown: HookPart | None = None


class BackupsPart(Part):
    """When and how a service is backed up."""

    instead: ClassVar[dict[str, str]] = {"keep": "retention", "cron": "schedule", "restore": "restore_command"}

    schedule: Annotated[str, BeforeValidator(_service_schedule)]
    retention: Annotated[stack_values.Whole, Field(ge=1, le=365)] | None = None
    pitr: stack_values.Flag | None = None
    command: Argv | None = None
    restore_command: Argv | None = None


BackupsForm = Annotated[
    Annotated[str, BeforeValidator(_service_schedule), Tag(SHORT)] | Annotated[BackupsPart, Tag(FULL)],
    forms("needs a schedule or a mapping"),
]


class InsightsPart(Part):
    """What is measured."""

    server: Toggle | None = None
    browser: Toggle | None = None


InsightsForm = Annotated[
    Annotated[Toggle, Tag(SHORT)] | Annotated[InsightsPart, Tag(FULL)], forms("needs enabled, disabled or a mapping")
]


DatabasesForm = Annotated[
    Annotated[PerService, choice(PerService), Tag(SHORT)] | Annotated[dict[str, list[stack_values.Text]], Tag(FULL)],
    forms("needs per_service or a mapping of groups"),
]

Env = dict[EnvName, stack_values.Scalar]
_FROM_COMPOSE = {
    "environment": "env",
    "healthcheck": "health",
    "volumes": "persistence",
    "volume": "persistence",
    "scale": "replicas",
    "deploy": "replicas or resources",
    "expose": "ports",
    "port": "ports",
    "cmd": "command",
    "domain": "domains",
    "hosts": "domains",
    "dockerfile": "build.dockerfile",
    "context": "build.source",
    "observability": "insights and logs",
    "secrets": "env with ${secret:NAME}",
}


class ServicePart(Part):
    """A service."""

    instead: ClassVar[dict[str, str]] = _FROM_COMPOSE

    type: Annotated[ServiceType, choice(ServiceType)] | None = None
    build: BuildPart | None = None
    image: stack_values.Image | None = None
    source: RelativePath | None = None
    entrypoint: Argv | None = None
    command: Argv | None = None
    env: Env | None = None
    env_file: list[RelativePath] | None = None
    files: list[FilePart] | None = None
    depends_on: DependsForm | None = None
    domains: list[stack_values.Domain] | None = None
    visibility: SeenBy | None = None
    public: stack_values.Flag | None = None
    ports: Annotated[list[PortForm], Field(min_length=1)] | None = None
    resources: ResourcesForm | None = None
    replicas: ReplicasForm | None = None
    health: HealthPart | None = None
    retention: Annotated[Retention, choice(Retention)] | None = None
    persistence: PersistenceForm | None = None
    lifecycle: LifecyclePart | None = None
    insights: InsightsForm | None = None
    logs: Annotated[Logs, choice(Logs)] | None = None
    backups: BackupsForm | None = None
    databases: DatabasesForm | None = None
    special: dict[str, object] | None = None


class JobPart(Part):
    """A job."""

    stand_ins: ClassVar[dict[str, str]] = {"command": "stand-in"}
    instead: ClassVar[dict[str, str]] = {**_FROM_COMPOSE, "cron": "schedule", "when": "run", "source": "build.source"}

    image: stack_values.Image | None = None
    build: BuildPart | None = None
    entrypoint: Argv | None = None
    command: Argv
    env: Env | None = None
    env_file: list[RelativePath] | None = None
    files: list[FilePart] | None = None
    depends_on: DependsForm | None = None
    resources: ResourcesForm | None = None
    run: Annotated[Run, choice(Run)] | None = None
    schedule: Annotated[str, BeforeValidator(_job_schedule)] | None = None
    timeout: stack_values.Span | None = None
    retries: Annotated[stack_values.Whole, Field(ge=0, le=100)] | None = None


class OverridePart(Part):
    """What an environment may change of a service."""

    replicas: ReplicasForm | None = None


class EnvironmentPart(Part):
    """An environment."""

    instead: ClassVar[dict[str, str]] = {"domain": "domains", "expires": "ttl", "preview": "ephemeral"}

    domains: dict[str, list[stack_values.Domain]] | None = None
    services: dict[str, OverridePart] | None = None
    branches: list[stack_values.Branch] | None = None
    branch: stack_values.Branch | None = None
    ephemeral: stack_values.Flag | None = None
    ttl: stack_values.Life | None = None


class RepoPart(Part):
    """The repository that the file belongs to; accepted and kept for other tools."""

    provider: Annotated[Provider, choice(Provider)]
    owner: Line
    name: Line
    branch: stack_values.Branch | None = None


class StackPart(Part):
    """The whole file."""

    instead: ClassVar[dict[str, str]] = {
        "service": "services",
        "project": "name",
        "volumes": "persistence of a service",
    }

    version: Annotated[Literal["1.0"], BeforeValidator(_version)] | None = None
    name: Line | None = None
    description: stack_values.Text | None = None
    repo: RepoPart | None = None
    environments: dict[str, EnvironmentPart] | None = None
    services: Annotated[dict[str, ServicePart], Field(min_length=1)]
    jobs: dict[str, JobPart] | None = None

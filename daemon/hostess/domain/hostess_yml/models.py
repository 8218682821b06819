"""The shape of hostess.yml as pydantic models: which keys there are, and what each value may be on its own.

Rules that look at more than one value are in `checks`; defaults that depend on the type are filled in by `build`.
What is said here about each key also stands in the JSON Schema and on the reference page, which are made from these models.
"""

from typing import Annotated, ClassVar, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema

from hostess.domain.hostess_yml import values as stack_values
from hostess.domain.hostess_yml.blocks import (
    BackupsForm,
    DatabasesForm,
    InsightsForm,
    JobSchedule,
    LifecyclePart,
)
from hostess.domain.hostess_yml.environment import EnvironmentPart, RepoPart
from hostess.domain.hostess_yml.forms import (
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
    about,
)
from hostess.domain.hostess_yml.mistakes import WrongValue
from hostess.domain.hostess_yml.proxy import ProxyPart
from hostess.domain.hostess_yml.reading import Token
from hostess.domain.hostess_yml.stack import Concurrency, Run, ServiceType
from hostess.domain.hostess_yml.values import Argv, EnvName, Line, PartName, PlainName, RelativePath, choice
from hostess.domain.hostess_yml.words import Logs, Retention


def _version(value: object) -> str:
    text = value.text if isinstance(value, Token) else value
    if text != "1.0":
        raise WrongValue("is a version that is not supported", 'write version: "1.0"')
    return text


Env = dict[EnvName, stack_values.EnvValue]
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
    """A service. Which keys apply depends on its type; every app has exactly one of `build`, `image` and `source`."""

    instead: ClassVar[dict[str, str]] = _FROM_COMPOSE

    type: Annotated[
        Annotated[ServiceType, choice(ServiceType)] | None,
        about("What kind of service it is.", default="custom", example="fastapi"),
    ] = None
    build: Annotated[
        BuildPart | None, about("Build an image from a Dockerfile.", otherwise="none", example={"source": "./backend"})
    ] = None
    image: Annotated[
        stack_values.Image | None, about("Run an image as it is.", otherwise="none", example="ghcr.io/acme/app:1.2")
    ] = None
    source: Annotated[
        RelativePath | None,
        about(
            "Build from the source alone, without a Dockerfile; for static the folder or the one page to serve.",
            otherwise="none",
            example="./site",
        ),
    ] = None
    entrypoint: Annotated[
        Argv | None,
        about("Replaces the entrypoint of the image.", otherwise="the image's", example=["tini", "--"]),
    ] = None
    command: Annotated[
        Argv | None,
        about(
            "Replaces the command of the image. A list is passed on as it is; text is split by shell quoting rules, "
            "without a shell. `${...}` stays as it is.",
            otherwise="the image's",
            example=["celery", "-A", "app", "worker"],
        ),
    ] = None
    env: Annotated[
        Env | None,
        about(
            "Environment variables. Magic variables are resolved here, and only here; `$${` is a literal `${`.",
            otherwise="none",
            example={"DATABASE_URL": "${database.url}", "API_KEY": "${secret:API_KEY}"},
        ),
    ] = None
    env_file: Annotated[
        list[RelativePath] | None,
        about(
            "Files of NAME=value lines; later ones win, and `env` wins over all. Nothing in them is resolved.",
            otherwise="none",
            example=["app.env"],
        ),
    ] = None
    files: Annotated[
        list[FilePart] | None,
        about(
            "Single read-only files in the container.",
            otherwise="none",
            example=[{"name": "settings", "mount": "/etc/app/settings.toml", "source": "./settings.toml"}],
        ),
    ] = None
    depends_on: Annotated[
        DependsForm | None,
        about(
            "Services that must be healthy, and jobs that must be completed, before this one starts. A list means the "
            "condition that fits. Magic variables need no dependency.",
            otherwise="none",
            example={"database": "healthy", "seed": "completed"},
        ),
    ] = None
    domains: Annotated[
        list[stack_values.Domain] | None,
        about(
            "Host names of your own, in production; each leads to one service of one environment.",
            otherwise="none",
            example=["shop.example.com"],
        ),
    ] = None
    visibility: Annotated[
        SeenBy | None,
        about(
            "Who can reach it: `public` gives it a URL, `team` a URL that asks for sign-in with a Hostess token, `private` "
            "leaves it to the other services.",
            otherwise="nextjs, static and what has domains: `public`; others: `private`, but where nothing is public the "
            "first fastapi service is",
            example="public",
        ),
    ] = None
    public: Annotated[
        stack_values.Flag | None,
        about("The old spelling of `visibility`: true is `public`, false `private`.", otherwise="none", example=True),
    ] = None
    ports: Annotated[
        Annotated[list[PortForm], Field(min_length=1)] | None,
        about(
            "The ports that it listens on, each once. The first is the primary one: `${name.url}`, the health check and "
            "the URL lead to it.",
            otherwise="fastapi 8000; nextjs 3000; static 8080; custom 8080, or none when nothing says that it listens",
            example=[3000, {"port": 9102, "visibility": "private"}],
        ),
    ] = None
    proxy: Annotated[
        ProxyPart | None,
        about(
            "How the proxy treats requests to it. A change starts nothing anew.",
            otherwise="nothing of it",
            example={"max_body": "10Mi"},
        ),
    ] = None
    resources: Annotated[
        ResourcesForm | None,
        about("Limits: a preset, or an object.", default="medium", example={"cpu": 2, "memory": "4Gi"}),
    ] = None
    replicas: Annotated[
        ReplicasForm | None,
        about(
            "How many run: a number, or a range that follows the load.",
            otherwise="1; static: 0 to 1",
            example={"min": 2, "max": 10},
        ),
    ] = None
    health: Annotated[
        HealthPart | None,
        about(
            "How a replica shows that it is well: before it takes part, and as long as it lives. One that is not gets no "
            "requests while others are well, and is restarted unless what it depends on is the cause.",
            otherwise="by type; custom: up and stable for 5 s",
            example={"http": "/ready", "interval": "15s"},
        ),
    ] = None
    retention: Annotated[
        Annotated[Retention, choice(Retention)] | None,
        about(
            "Whether data outlives its deployment. `permanent` gives a custom service a folder `/data`.",
            otherwise="databases: `permanent`, except in ephemeral environments; custom: no data is kept",
            example="permanent",
        ),
    ] = None
    persistence: Annotated[
        PersistenceForm | None,
        about(
            "Folders whose content is kept: true for `/data`, one object, or a list of them.",
            otherwise="none",
            example={"mount": "/data", "size": "10Gi"},
        ),
    ] = None
    lifecycle: Annotated[
        LifecyclePart | None,
        about(
            "Commands before, around and after its life.",
            otherwise="none",
            example={"migrate": {"command": ["alembic", "upgrade", "head"]}},
        ),
    ] = None
    insights: Annotated[
        InsightsForm | None,
        about("What is measured. Accepted; nothing is measured yet.", default="enabled", example="disabled"),
    ] = None
    logs: Annotated[
        Annotated[Logs, choice(Logs)] | None,
        about(
            "How lines of output are read: as JSON objects or as text. Accepted; lines are kept as text yet.",
            otherwise="databases: `plain`; others: `structured`",
            example="plain",
        ),
    ] = None
    backups: Annotated[
        BackupsForm | None, about("When and how it is backed up.", otherwise="no backups", example="daily")
    ] = None
    databases: Annotated[
        DatabasesForm | None,
        about(
            "Separate databases with separate users: `per_service`, or groups of services. Whoever refers to the database "
            "is in exactly one group; redis has at most 16.",
            otherwise="all share one",
            example={"main": ["api"], "jobs": ["worker"]},
        ),
    ] = None
    special: Annotated[
        dict[str, object] | None,
        about("What only its type has, see below.", otherwise="none", example={"version": "17"}),
    ] = None


class JobPart(Part):
    """A command that ends; it has exactly one of `image` and `build`."""

    stand_ins: ClassVar[dict[str, str]] = {"command": "stand-in"}
    instead: ClassVar[dict[str, str]] = {
        **_FROM_COMPOSE,
        "cron": "schedule",
        "when": "run",
        "overlap": "concurrency",
        "source": "build.source",
    }

    image: Annotated[
        stack_values.Image | None, about("Run an image as it is.", otherwise="none", example="ghcr.io/acme/seed:3")
    ] = None
    build: Annotated[
        BuildPart | None, about("Build an image from a Dockerfile.", otherwise="none", example={"source": "./seed"})
    ] = None
    entrypoint: Annotated[
        Argv | None, about("Replaces the entrypoint of the image.", otherwise="the image's", example=["sh", "-c"])
    ] = None
    command: Annotated[
        Argv,
        about(
            "What runs. A list is passed on as it is; text is split by shell quoting rules, without a shell: `&&`, `|` and "
            "`>` are refused there.",
            example=["python", "-m", "app.seed"],
        ),
    ]
    env: Annotated[
        Env | None,
        about(
            "Environment variables, with magic variables.",
            otherwise="none",
            example={"DATABASE_URL": "${database.url}"},
        ),
    ] = None
    env_file: Annotated[
        list[RelativePath] | None,
        about(
            "Files of NAME=value lines; later ones win, and `env` wins over all. Nothing in them is resolved.",
            otherwise="none",
            example=["app.env"],
        ),
    ] = None
    files: Annotated[
        list[FilePart] | None,
        about(
            "Single read-only files in the container.",
            otherwise="none",
            example=[{"name": "roles", "mount": "/sql/roles.sql", "source": "./roles.sql"}],
        ),
    ] = None
    depends_on: Annotated[
        DependsForm | None,
        about("What must be healthy or completed before it runs.", otherwise="none", example=["database"]),
    ] = None
    resources: Annotated[ResourcesForm | None, about("Limits, as for services.", default="medium", example="small")] = (
        None
    )
    run: Annotated[
        Annotated[Run, choice(Run)] | None,
        about(
            "When it runs: `on_deploy` in every deployment; `once` until it has succeeded, and again when its definition or "
            "files change; `manual` when asked; `cron` by its schedule; `lifecycle` when a hook names it.",
            default="on_deploy",
            example="once",
        ),
    ] = None
    schedule: Annotated[
        JobSchedule | None, about("When, with `run: cron` and only there.", otherwise="none", example="0 3 * * *")
    ] = None
    timeout: Annotated[stack_values.Span | None, about("How long one run may take.", default="5m", example="30m")] = (
        None
    )
    retries: Annotated[
        Annotated[int, Field(ge=0, le=100), stack_values.WHOLE] | None,
        about("Further attempts after a failure.", default=1, example=3),
    ] = None
    concurrency: Annotated[
        Annotated[Concurrency, choice(Concurrency)] | None,
        about(
            "What happens when it is to run, by its schedule or by hand, while it runs: `forbid` skips the new run, `allow` "
            "runs both, `replace` ends the old one first. A deployment waits for a run with `forbid`, and is never cut short.",
            default="forbid",
            example="replace",
        ),
    ] = None


class StackPart(Part):
    """The whole file."""

    instead: ClassVar[dict[str, str]] = {
        "service": "services",
        "project": "name",
        "volumes": "persistence of a service",
    }

    version: Annotated[
        Annotated[
            Literal["1.0"],
            BeforeValidator(_version),
            # Written without quotes it is a number to everybody else.
            WithJsonSchema({"enum": ["1.0", 1.0]}),
        ]
        | None,
        about("The version of the format; the only one there is.", default="1.0", example="1.0"),
    ] = None
    name: Annotated[
        Line | None,
        about("The project's name, as a title.", otherwise="that of the repository pushed to", example="Corner Shop"),
    ] = None
    description: Annotated[
        stack_values.Text | None, about("What it is, for people.", otherwise="none", example="Sells things.")
    ] = None
    repo: Annotated[
        RepoPart | None,
        about(
            "The repository that the file belongs to.",
            otherwise="none",
            example={"provider": "github", "owner": "acme", "name": "shop"},
        ),
    ] = None
    environments: Annotated[
        dict[PlainName, EnvironmentPart] | None,
        about(
            "Environments by name.",
            otherwise="production, from main or master",
            example={"staging": {"branches": ["develop"]}},
        ),
    ] = None
    services: Annotated[
        Annotated[dict[PartName, ServicePart], Field(min_length=1)],
        about("Services by name.", example={"api": {"type": "fastapi", "build": {"source": "./backend"}}}),
    ]
    jobs: Annotated[
        dict[PartName, JobPart] | None,
        about(
            "Jobs by name; services and jobs share their names.",
            otherwise="none",
            example={"seed": {"image": "ghcr.io/acme/seed:3", "command": ["seed"], "run": "once"}},
        ),
    ] = None

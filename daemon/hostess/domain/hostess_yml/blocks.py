"""The parts of a service that say when something runs: lifecycle hooks and backups; and a few more of its blocks."""

from typing import Annotated, ClassVar

from pydantic import BeforeValidator, Field, Tag, WithJsonSchema

from hostess.domain.hostess_yml import values as stack_values
from hostess.domain.hostess_yml.forms import FULL, SHORT, Part, Toggle, about, forms
from hostess.domain.hostess_yml.stack import OnFailure
from hostess.domain.hostess_yml.values import Argv, Line, PlainName, choice
from hostess.domain.hostess_yml.words import PerService
from hostess.domain.jobs import schedules

_SERVICE_PRESETS = ("daily", "weekly", "biweekly", "monthly")
_JOB_PRESETS = ("daily", "weekly", "monthly")
_FIVE_FIELDS = r"\s*[0-9*,/-]+(?:\s+[0-9*,/-]+){4}\s*"


def _service_schedule(value: object) -> str:
    return schedules.schedule(stack_values.text_of(value), _SERVICE_PRESETS)


def _job_schedule(value: object) -> str:
    return schedules.schedule(stack_values.text_of(value), _JOB_PRESETS)


def _schedule_shape(presets: tuple[str, ...]) -> WithJsonSchema:
    return WithJsonSchema(
        {
            "type": "string",
            "title": "schedule",
            "pattern": f"^(?:{'|'.join(presets)}|{_FIVE_FIELDS})$",
            "x-range": f"{', '.join(presets)}, or five cron fields (UTC)",
        }
    )


ServiceSchedule = Annotated[str, BeforeValidator(_service_schedule), _schedule_shape(_SERVICE_PRESETS)]
JobSchedule = Annotated[str, BeforeValidator(_job_schedule), _schedule_shape(_JOB_PRESETS)]


class HookPart(Part):
    """A lifecycle hook: a `command`, or the name of a `job`."""

    shorthand: ClassVar[str] = "command"
    instead: ClassVar[dict[str, str]] = {"cmd": "command", "run": "command", "onFailure": "on_failure"}

    command: Annotated[
        Argv | None,
        about(
            "What runs, with the service's image and environment. Text is split by shell quoting rules, without a shell.",
            otherwise="none",
            example=["alembic", "upgrade", "head"],
        ),
    ] = None
    job: Annotated[
        stack_values.Text | None,
        about(
            "A job with `run: lifecycle` that runs instead of a command, with its own image, environment, timeout and "
            "retries; several services may share it.",
            otherwise="none",
            example="upgrade",
        ),
    ] = None
    timeout: Annotated[
        stack_values.Span | None,
        about(
            "When it counts as failed and is killed; for `shutdown` the time to end in.", default="5m", example="10m"
        ),
    ] = None
    on_failure: Annotated[
        Annotated[OnFailure, choice(OnFailure)] | None,
        about(
            "What a failure means: `abort` fails the deployment, `continue` only warns, `rollback` goes back to the "
            "release before.",
            default="abort",
            example="continue",
        ),
    ] = None


class LifecyclePart(Part):
    """Commands around the life of a service."""

    instead: ClassVar[dict[str, str]] = {"release": "migrate", "pre_deploy": "migrate", "pre_stop": "shutdown"}

    init: Annotated[
        HookPart | None,
        about(
            "Runs before each new container of the service, with its volumes; its failure fails the deployment. A "
            "rollback runs none.",
            otherwise="none",
            example={"command": ["python", "-m", "app.warm"]},
        ),
    ] = None
    migrate: Annotated[
        HookPart | None,
        about(
            "Runs once, from the new image, to its end, before any container of the new release starts.",
            otherwise="none",
            example={"command": ["alembic", "upgrade", "head"], "timeout": "10m"},
        ),
    ] = None
    post_deploy: Annotated[
        HookPart | None,
        about(
            "Runs once after the new release serves; its failure marks the release `degraded` unless "
            "`on_failure: rollback`.",
            otherwise="none",
            example={"command": ["python", "-m", "app.announce"], "on_failure": "continue"},
        ),
    ] = None
    shutdown: Annotated[
        HookPart | None,
        about(
            "Runs before a container is stopped, once it has left the routing table: a command inside it, a job beside it "
            "with its volumes. Its failure is an event and stops nothing. `timeout` alone sets the time to end in.",
            otherwise="none",
            example={"timeout": "45s"},
        ),
    ] = None


class BackupsPart(Part):
    """When and how a service is backed up. `command` and `restore_command` are for custom services only."""

    instead: ClassVar[dict[str, str]] = {"keep": "retention", "cron": "schedule", "restore": "restore_command"}

    schedule: Annotated[
        ServiceSchedule,
        about("When. `daily` is 02:00, `weekly` and `biweekly` Sunday, `monthly` the first day.", example="15 4 * * *"),
    ]
    retention: Annotated[
        Annotated[int, Field(ge=1, le=365), stack_values.WHOLE] | None,
        about("How many backups are kept; the oldest go first.", default=7, example=30),
    ] = None
    pitr: Annotated[
        stack_values.Flag | None,
        about("Postgres only: every change is kept too, to go back to any moment.", default=False, example=True),
    ] = None
    command: Annotated[
        Argv | None,
        about(
            "How a custom service writes its backup below `/backup`; it needs this.",
            otherwise="none",
            example=["tar", "czf", "/backup/data.tgz", "/data"],
        ),
    ] = None
    restore_command: Annotated[
        Argv | None,
        about(
            "How a custom service takes it back from `/backup`.",
            otherwise="none: no automatic restore",
            example=["tar", "xzf", "/backup/data.tgz", "-C", "/"],
        ),
    ] = None
    heartbeat: Annotated[
        stack_values.WebUrl | None,
        about(
            "Fetched (GET) after each good backup, so that a service that waits for it can tell you when none came.",
            otherwise="none",
            example="https://hc.example.com/ping/5f0c8a77",
        ),
    ] = None
    drill: Annotated[
        Annotated[list[Line], Field(min_length=1, max_length=20)] | None,
        about(
            "Postgres only: SQL that a drill runs in what it has restored. Each must work, and none may say false or nothing.",
            otherwise="none",
            example=["SELECT count(*) > 0 FROM orders"],
        ),
    ] = None


BackupsForm = Annotated[
    Annotated[ServiceSchedule, Tag(SHORT)] | Annotated[BackupsPart, Tag(FULL)],
    forms("needs a schedule or a mapping"),
]


class InsightsPart(Part):
    """What is measured."""

    server: Annotated[
        Toggle | None, about("Traffic, latency and traces of the server.", default="enabled", example="disabled")
    ] = None
    browser: Annotated[
        Toggle | None, about("Page views and timings of browsers.", default="enabled", example="disabled")
    ] = None


InsightsForm = Annotated[
    Annotated[Toggle, Tag(SHORT)] | Annotated[InsightsPart, Tag(FULL)], forms("needs enabled, disabled or a mapping")
]


DatabasesForm = Annotated[
    Annotated[PerService, choice(PerService), Tag(SHORT)]
    | Annotated[dict[PlainName, list[stack_values.Text]], Tag(FULL)],
    forms("needs per_service or a mapping of groups"),
]

"""The smaller parts of hostess.yml that have more than one form: ports, resources, replicas, health, dependencies, files, mounts."""

from typing import Annotated, ClassVar

from pydantic import BaseModel, ConfigDict, Discriminator, Field, JsonValue, Tag
from pydantic.fields import FieldInfo

from hostess.domain.hostess_yml import values as stack_values
from hostess.domain.hostess_yml.reading import Token
from hostess.domain.hostess_yml.stack import Condition, Visibility
from hostess.domain.hostess_yml.values import Argv, EnvName, RelativePath, choice
from hostess.domain.hostess_yml.words import Preset, Switch

SHORT, FULL = "\x00short", "\x00full"
"""Tags of the two forms that many values have: one word or number, or a mapping. No key of a file can be equal to them."""


def _form(value: object) -> str:
    """Return which of its two forms a value is written in."""
    return FULL if isinstance(value, dict) else SHORT if isinstance(value, str | Token) else "\x00neither"


def _listing(value: object) -> str:
    """Return whether names are written as a list or as a mapping."""
    return FULL if isinstance(value, dict) else SHORT if isinstance(value, list) else "\x00neither"


def forms(message: str) -> Discriminator:
    """Return what tells the two forms apart; *message* is for values that have neither."""
    return Discriminator(_form, custom_error_type="form", custom_error_message=message)


def about(meaning: str, *, example: JsonValue, default: JsonValue = None, otherwise: str = "") -> FieldInfo:
    """Describe a field for the JSON Schema and the reference page.

    *example* is a value as it stands in a file; *default* the one value that counts when the field is left out; *otherwise* says
    in words what counts when that depends on something.
    """
    known: FieldInfo = Field(
        description=meaning, examples=[example], json_schema_extra={"default": default, "x-otherwise": otherwise}
    )
    return known


class Part(BaseModel):
    """A mapping of the file.

    *instead* maps keys that people know from elsewhere to ours, *without* those that have no like here to what does without
    them; *shorthand* is the key they mean who write text in its place.
    *stand_ins* take the place of missing values while the rest of the mapping is checked; the file is refused all the same.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    instead: ClassVar[dict[str, str]] = {}
    without: ClassVar[dict[str, str]] = {}
    shorthand: ClassVar[str] = ""
    stand_ins: ClassVar[dict[str, str]] = {}


SeenBy = Annotated[Visibility, choice(Visibility)]
Waits = Annotated[Condition, choice(Condition)]
Toggle = Annotated[Switch, choice(Switch)]


_NO_AGENT = (
    "builds are handed no SSH agent: fetch with a token that build.secrets names, commit private packages, "
    "or begin with a private image that has them, after hostess registry login"
)

BuildSecretsForm = Annotated[
    Annotated[list[stack_values.SecretName], Tag(SHORT)]
    | Annotated[dict[stack_values.ItemName, stack_values.SecretName], Tag(FULL)],
    Discriminator(_listing, custom_error_type="form", custom_error_message="needs a list of secrets or a mapping"),
]


class BuildPart(Part):
    """An image that is built from a Dockerfile in the repository."""

    shorthand: ClassVar[str] = "source"
    stand_ins: ClassVar[dict[str, str]] = {"source": "."}
    instead: ClassVar[dict[str, str]] = {
        "context": "source",
        "path": "source",
        "arguments": "args",
        "secret": "secrets",
    }
    without: ClassVar[dict[str, str]] = {"ssh": _NO_AGENT}

    source: Annotated[RelativePath, about("The build context: a folder, relative to hostess.yml.", example="./backend")]
    dockerfile: Annotated[
        RelativePath | None,
        about("The Dockerfile, relative to `source`.", default="Dockerfile", example="deploy/Dockerfile"),
    ] = None
    args: Annotated[
        dict[EnvName, stack_values.BuildArg] | None,
        about(
            "Build arguments. Passed on as written: magic variables are not resolved here, and secrets are refused, as "
            "arguments stay in the image.",
            otherwise="none",
            example={"NODE_ENV": "production"},
        ),
    ] = None
    secrets: Annotated[
        BuildSecretsForm | None,
        about(
            "Secrets of the environment that `RUN --mount=type=secret,id=NAME` can read while the image is made: their names, or "
            "the ids of the Dockerfile with the names. They stay out of the image.",
            otherwise="none",
            example=["NPM_TOKEN"],
        ),
    ] = None


class PortPart(Part):
    """A port in its long form."""

    instead: ClassVar[dict[str, str]] = {"number": "port", "target": "port", "containerPort": "port"}

    port: Annotated[stack_values.PortNumber, about("The TCP port that the container listens on.", example=9000)]
    visibility: Annotated[
        SeenBy | None,
        about("Who can reach this port.", otherwise="the visibility of the service", example="private"),
    ] = None
    public: Annotated[
        stack_values.Flag | None, about("The old spelling of `visibility`.", otherwise="none", example=True)
    ] = None


PortForm = Annotated[
    Annotated[stack_values.PortNumber, Tag(SHORT)] | Annotated[PortPart, Tag(FULL)],
    forms("needs a port number or a mapping with port"),
]


class ResourcesPart(Part):
    """Limits: a preset, or `cpu` and `memory` together. What is above the host's own size is cut to it, with a notice."""

    instead: ClassVar[dict[str, str]] = {"mem": "memory", "cpus": "cpu", "disk": "storage", "size": "preset"}

    preset: Annotated[
        Annotated[Preset, choice(Preset)] | None,
        about("A named size. Excludes `cpu` and `memory`.", default="medium", example="large"),
    ] = None
    cpu: Annotated[
        stack_values.Cores | None, about("Cores. Needs `memory` with it.", otherwise="by the preset", example=1.5)
    ] = None
    memory: Annotated[
        stack_values.Memory | None,
        about("Memory, in Mi, Gi or Ti. Needs `cpu` with it.", otherwise="by the preset", example="2Gi"),
    ] = None
    storage: Annotated[
        stack_values.Storage | None,
        about(
            "Disk of a database, watched and not reserved. Only for postgres and redis; custom services have "
            "`persistence.size`.",
            otherwise="by the preset",
            example="50Gi",
        ),
    ] = None


ResourcesForm = Annotated[
    Annotated[Preset, choice(Preset), Tag(SHORT)] | Annotated[ResourcesPart, Tag(FULL)],
    forms("needs a preset or a mapping"),
]


class ReplicasPart(Part):
    """A range of replicas. Equal ends mean a fixed number; databases and services with data on disk need one."""

    instead: ClassVar[dict[str, str]] = {"minimum": "min", "maximum": "max", "cpu": "target_cpu"}

    min: Annotated[
        Annotated[int, Field(ge=0, le=100), stack_values.WHOLE],
        about(
            "At least so many. 0 lets the service sleep; for that it needs at most one public port, and a custom "
            "service must list a port.",
            example=2,
        ),
    ]
    max: Annotated[
        Annotated[int, Field(ge=1, le=1000), stack_values.WHOLE],
        about("At most so many; not less than `min`.", example=10),
    ]
    target_cpu: Annotated[
        Annotated[int, Field(ge=1, le=100), stack_values.WHOLE] | None,
        about("The average CPU, in percent of the limit, above which replicas are added.", default=70, example=60),
    ] = None
    target_requests: Annotated[
        Annotated[int, Field(ge=1, le=10_000), stack_values.WHOLE] | None,
        about(
            "With `min: 0`, what counts instead of the CPU: how many requests a replica should have in flight on average.",
            default=20,
            example=50,
        ),
    ] = None
    sleep_after: Annotated[
        stack_values.Span | None,
        about(
            "With `min: 0`: how long nobody has asked for the service when it falls asleep.",
            default="5m",
            example="30m",
        ),
    ] = None


ReplicasForm = Annotated[
    Annotated[int, Field(ge=1, le=100), stack_values.WHOLE, Tag(SHORT)] | Annotated[ReplicasPart, Tag(FULL)],
    forms("needs a whole number or a mapping with min and max"),
]


class HealthPart(Part):
    """How a replica shows that it is well: `http` or `command`, not both. A custom service needs one of them here."""

    shorthand: ClassVar[str] = "http"
    instead: ClassVar[dict[str, str]] = {"path": "http", "test": "command", "cmd": "command", "period": "interval"}

    http: Annotated[
        stack_values.UrlPath | None,
        about(
            "The path that is asked for with GET; an answer of 200 to 299 is well.",
            otherwise="fastapi: `/health`; nextjs, static: `/`",
            example="/ready",
        ),
    ] = None
    command: Annotated[
        Argv | None,
        about(
            "A command inside the container; exit code 0 is well. Text is split by shell quoting rules, without a shell.",
            otherwise="none",
            example=["celery", "-A", "app", "inspect", "ping"],
        ),
    ] = None
    port: Annotated[
        stack_values.PortNumber | None,
        about("The port that `http` is asked on.", otherwise="the first port", example=9001),
    ] = None
    interval: Annotated[
        stack_values.Moment | None,
        about("Time between checks.", default="10s", otherwise="30s where there is no `health` at all", example="15s"),
    ] = None
    timeout: Annotated[
        stack_values.Moment | None, about("How long one check may take.", default="5s", example="3s")
    ] = None
    retries: Annotated[
        Annotated[int, Field(ge=1, le=100), stack_values.WHOLE] | None,
        about(
            "Failures in a row that make a replica unhealthy. Slow starters need more: they have `interval` x `retries`.",
            default=3,
            example=10,
        ),
    ] = None


class ConditionPart(Part):
    """What a dependent waits for, in the long form."""

    condition: Annotated[
        Waits, about("`healthy` is for services, `completed` for jobs that run in a deployment.", example="healthy")
    ]


DependsForm = Annotated[
    Annotated[list[stack_values.Text], Tag(SHORT)]
    | Annotated[
        dict[
            str,
            Annotated[
                Annotated[Waits, Tag(SHORT)] | Annotated[ConditionPart, Tag(FULL)],
                forms("needs a condition"),
            ],
        ],
        Tag(FULL),
    ],
    Discriminator(_listing, custom_error_type="form", custom_error_message="needs a list of names or a mapping"),
]


class FilePart(Part):
    """A single read-only file in the container; it has exactly one of `source`, `content` and `secret`."""

    instead: ClassVar[dict[str, str]] = {"path": "mount", "target": "mount", "text": "content"}

    name: Annotated[
        stack_values.ItemName, about("A name of its own among the files of the service.", example="settings")
    ]
    mount: Annotated[
        stack_values.AbsolutePath,
        about("Where it appears in the container. Not in a persistent folder.", example="/etc/app/settings.toml"),
    ]
    source: Annotated[
        RelativePath | None, about("A file of the repository.", otherwise="none", example="./settings.toml")
    ] = None
    content: Annotated[
        stack_values.Scalar | None,
        about("The text itself. `${...}` in it stays as it is.", otherwise="none", example="debug = false\n"),
    ] = None
    secret: Annotated[
        stack_values.SecretName | None,
        about("The name of a secret whose value is the text.", otherwise="none", example="TLS_KEY"),
    ] = None
    mode: Annotated[
        stack_values.Mode | None, about("Permissions, octal and in quotes.", default="0444", example="0400")
    ] = None


class MountPart(Part):
    """A folder of a custom service whose content outlives its containers."""

    instead: ClassVar[dict[str, str]] = {"path": "mount", "target": "mount", "storage": "size"}

    name: Annotated[
        stack_values.ItemName | None,
        about("What the data is called. Needed in a list of mounts.", default="data", example="uploads"),
    ] = None
    mount: Annotated[
        stack_values.AbsolutePath,
        about("The folder in the container: none of the system's, and none inside another mount.", example="/data"),
    ]
    size: Annotated[
        stack_values.Storage | None,
        about("How large it may become; watched, not reserved.", otherwise="by the preset", example="10Gi"),
    ] = None
    owner: Annotated[
        stack_values.Owner | None,
        about(
            "Who owns the folder, and all in it where the image has chown; set before each start. Numbers work with every "
            "image, names must be known to it.",
            otherwise="as in the image",
            example="1000:1000",
        ),
    ] = None


def _persistence(value: object) -> str:
    return FULL if isinstance(value, dict) else "\x00list" if isinstance(value, list) else SHORT


PersistenceForm = Annotated[
    Annotated[stack_values.Flag, Tag(SHORT)]
    | Annotated[MountPart, Tag(FULL)]
    | Annotated[list[MountPart], Tag("\x00list")],
    Discriminator(_persistence),
]

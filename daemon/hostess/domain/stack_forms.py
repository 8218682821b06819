"""The smaller parts of hostess.yml that have more than one form: ports, resources, replicas, health, dependencies, files, mounts."""

from typing import Annotated, ClassVar

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag

from hostess.domain import stack_values
from hostess.domain.stack import Condition, Visibility
from hostess.domain.stack_values import Argv, EnvName, RelativePath, choice
from hostess.domain.stack_words import Preset, Switch
from hostess.domain.stack_yaml import Token

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


class Part(BaseModel):
    """A mapping of the file.

    *instead* maps keys that people know from elsewhere to ours; *shorthand* is the key they mean who write text in its place.
    *stand_ins* take the place of missing values while the rest of the mapping is checked; the file is refused all the same.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    instead: ClassVar[dict[str, str]] = {}
    shorthand: ClassVar[str] = ""
    stand_ins: ClassVar[dict[str, str]] = {}


SeenBy = Annotated[Visibility, choice(Visibility)]
Waits = Annotated[Condition, choice(Condition)]
Toggle = Annotated[Switch, choice(Switch)]


class BuildPart(Part):
    """An image to build."""

    shorthand: ClassVar[str] = "source"
    stand_ins: ClassVar[dict[str, str]] = {"source": "."}
    instead: ClassVar[dict[str, str]] = {"context": "source", "path": "source", "arguments": "args"}

    source: RelativePath
    dockerfile: RelativePath | None = None
    args: dict[EnvName, stack_values.Scalar] | None = None


class PortPart(Part):
    """A port in its long form."""

    instead: ClassVar[dict[str, str]] = {"number": "port", "target": "port", "containerPort": "port"}

    port: stack_values.PortNumber
    visibility: SeenBy | None = None
    public: stack_values.Flag | None = None


PortForm = Annotated[
    Annotated[stack_values.PortNumber, Tag(SHORT)] | Annotated[PortPart, Tag(FULL)],
    forms("needs a port number or a mapping with port"),
]


class ResourcesPart(Part):
    """Limits in the long form."""

    instead: ClassVar[dict[str, str]] = {"mem": "memory", "cpus": "cpu", "disk": "storage", "size": "preset"}

    preset: Annotated[Preset, choice(Preset)] | None = None
    cpu: stack_values.Cores | None = None
    memory: stack_values.Memory | None = None
    storage: stack_values.Storage | None = None


ResourcesForm = Annotated[
    Annotated[Preset, choice(Preset), Tag(SHORT)] | Annotated[ResourcesPart, Tag(FULL)],
    forms("needs a preset or a mapping"),
]


class ReplicasPart(Part):
    """A range of replicas."""

    instead: ClassVar[dict[str, str]] = {"minimum": "min", "maximum": "max", "cpu": "target_cpu"}

    min: Annotated[stack_values.Whole, Field(ge=0, le=100)]
    max: Annotated[stack_values.Whole, Field(ge=1, le=1000)]
    target_cpu: Annotated[stack_values.Whole, Field(ge=1, le=100)] | None = None


ReplicasForm = Annotated[
    Annotated[stack_values.Whole, Field(ge=1, le=100), Tag(SHORT)] | Annotated[ReplicasPart, Tag(FULL)],
    forms("needs a whole number or a mapping with min and max"),
]


class HealthPart(Part):
    """A health check."""

    shorthand: ClassVar[str] = "http"
    instead: ClassVar[dict[str, str]] = {"path": "http", "test": "command", "cmd": "command", "period": "interval"}

    http: stack_values.UrlPath | None = None
    command: Argv | None = None
    port: stack_values.PortNumber | None = None
    interval: stack_values.Moment | None = None
    timeout: stack_values.Moment | None = None
    retries: Annotated[stack_values.Whole, Field(ge=1, le=100)] | None = None


class ConditionPart(Part):
    """What a dependent waits for, in the long form."""

    condition: Waits


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
    """A read-only file in the container."""

    instead: ClassVar[dict[str, str]] = {"path": "mount", "target": "mount", "text": "content"}

    name: stack_values.ItemName
    mount: stack_values.AbsolutePath
    source: RelativePath | None = None
    content: stack_values.Scalar | None = None
    secret: stack_values.SecretName | None = None
    mode: stack_values.Mode | None = None


class MountPart(Part):
    """A persistent directory."""

    instead: ClassVar[dict[str, str]] = {"path": "mount", "target": "mount", "storage": "size"}

    name: stack_values.ItemName | None = None
    mount: stack_values.AbsolutePath
    size: stack_values.Storage | None = None
    owner: stack_values.Owner | None = None


def _persistence(value: object) -> str:
    return FULL if isinstance(value, dict) else "\x00list" if isinstance(value, list) else SHORT


PersistenceForm = Annotated[
    Annotated[stack_values.Flag, Tag(SHORT)]
    | Annotated[MountPart, Tag(FULL)]
    | Annotated[list[MountPart], Tag("\x00list")],
    Discriminator(_persistence),
]

"""The labels that mark what is ours (CONTRACT section 7). Nothing without our own `instance` label is ever touched."""

from collections.abc import Mapping

PREFIX = "sh.hostess."

INSTANCE = PREFIX + "instance"
PROJECT = PREFIX + "project"
ENVIRONMENT = PREFIX + "environment"
SERVICE = PREFIX + "service"
RELEASE = PREFIX + "release"
REPLICA = PREFIX + "replica"
SPEC = PREFIX + "spec"
ROLE = PREFIX + "role"
DEPLOYMENT = PREFIX + "deployment"
BUILD = PREFIX + "build"

REPLICA_ROLE = "replica"
TASK_ROLE = "task"


def of_instance(instance: str) -> dict[str, str]:
    """Return the label that every object of this installation carries."""
    return {INSTANCE: instance}


def of_place(instance: str, project: str, environment: str) -> dict[str, str]:
    """Return the labels that everything of one environment carries."""
    return {INSTANCE: instance, PROJECT: project, ENVIRONMENT: environment}


def of_project(instance: str, project: str) -> dict[str, str]:
    """Return the labels that everything of one project carries."""
    return {INSTANCE: instance, PROJECT: project}


def is_replica(labels: Mapping[str, str]) -> bool:
    """Whether a container is a replica of a service (and not a one-off task)."""
    return labels.get(ROLE) == REPLICA_ROLE


def volume_name(instance: str, project: str, environment: str, service: str, mount: str) -> str:
    """Return the volume of one mount. Joined by dots, which no name holds, so that two environments can never meet in one volume."""
    return f"hostess-{instance}.{project}.{environment}.{service}.{mount}"


def service_of_volume(volume: str) -> str:
    """Return the service that a volume of ours belongs to; "" for a name that is not of `volume_name`'s making."""
    parts = volume.split(".")
    return parts[-2] if len(parts) == 5 else ""  # noqa: PLR2004 -- installation, project, environment, service, mount


def container_name(instance: str, project: str, environment: str, service: str, ending: str) -> str:
    """Return a container's name; *ending* makes it unique."""
    return f"hostess-{instance[:4]}.{project}.{environment}.{service}.{ending}"

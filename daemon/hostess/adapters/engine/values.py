"""Our values from the engine's JSON, and the engine's JSON from ours. Nothing here talks to anything."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from hostess.domain import labels
from hostess.domain.ports import Container, ContainerSpec, EngineFacts, Image
from hostess.domain.problem import Problem

Json = Mapping[str, Any]

PIDS = 2048
"""Processes and threads that one container may have: enough for any server, too few for a fork bomb to hurt."""
LOG = {"Type": "local", "Config": {"max-size": "10m", "max-file": "3"}}
"""The engine's compact log format; at most 30 MB per container stay on disk."""
LEAST_SHM = 64 * 1024**2
"""Bytes of shared memory. Otherwise it is half of the memory, of which what is in it is a part: so much a machine of that size has."""
NO_INSTANT = "0001-01-01"
"""How the engine's times begin that never were."""


def creation(spec: ContainerSpec, cpus: float, memory: int) -> dict[str, Any]:
    """Return the body that asks the engine for this container. Limits are cut to its *cpus* and bytes of *memory*."""
    endpoint: dict[str, Any] = {"Aliases": list(spec.aliases)}
    if spec.address:
        endpoint["IPAMConfig"] = {"IPv4Address": spec.address}
    body: dict[str, Any] = {
        "Image": spec.image,
        "Labels": dict(spec.labels),
        "Env": [f"{name}={value}" for name, value in spec.env.items()],
        "StopTimeout": int(spec.stop_grace.total_seconds()),
        "HostConfig": host_part(spec, cpus, memory),
        "NetworkingConfig": {"EndpointsConfig": {spec.network: endpoint}},
    }
    if spec.user is not None:
        body["User"] = spec.user
    if spec.command is not None:
        body["Cmd"] = list(spec.command)
    if spec.entrypoint is not None:
        body["Entrypoint"] = list(spec.entrypoint) or [""]  # an empty list would mean the image's own
    return body


def host_part(spec: ContainerSpec, cpus: float, memory: int) -> dict[str, Any]:
    """Return the part that says what it may use and how the host treats it."""
    host: dict[str, Any] = {
        "NetworkMode": spec.network,
        "ExtraHosts": [f"{name}:{address}" for name, address in spec.hosts.items()],
        "RestartPolicy": {"Name": "unless-stopped" if spec.restart else "no"},
        "Mounts": [{"Type": "volume", "Source": name, "Target": path} for name, path in spec.volumes.items()],
        "SecurityOpt": ["no-new-privileges"],
        "CapDrop": ["NET_RAW", "MKNOD"],
        "PidsLimit": PIDS,
        "LogConfig": LOG,
        "Init": True,
        "OomScoreAdj": spec.oom_score,
    }
    if spec.cpu is not None:  # an engine refuses more cores than it has
        host["NanoCpus"] = int(min(spec.cpu, cpus) * 1_000_000_000)
    if spec.memory is not None:
        host["Memory"] = host["MemorySwap"] = min(spec.memory, memory)
    # The engine's 64 MB are too little for parallel queries, VACUUM and indexes of PostgreSQL, and for browsers.
    host["ShmSize"] = max(host.get("Memory", memory) // 2, LEAST_SHM)
    return host


def container_of(details: Json) -> Container:
    """Return the container that an inspection shows."""
    state = details["State"]
    ended = state["Status"] in {"exited", "dead", "restarting"}
    return Container(
        id=details["Id"],
        name=details["Name"].removeprefix("/"),
        image=details["Image"],
        labels=details["Config"]["Labels"] or {},
        state=state["Status"],
        address=address_of(details["NetworkSettings"]["Networks"] or {}),
        exit_code=state["ExitCode"] if ended else None,
        oom_killed=bool(state.get("OOMKilled")),
        started_at=instant(state["StartedAt"]),
        restarts=details.get("RestartCount", 0),
        finished_at=instant(state["FinishedAt"]),
    )


def address_of(networks: Mapping[str, Json]) -> str:
    """Return the address on the first network: the one in use, else the one that was asked for."""
    for endpoint in networks.values():
        return str(endpoint.get("IPAddress") or (endpoint.get("IPAMConfig") or {}).get("IPv4Address") or "")
    return ""


def image_of(details: Json) -> Image:
    """Return the image that an inspection, or an entry of the list, shows."""
    created = details["Created"]
    labels = details["Config"].get("Labels") if details.get("Config") else details.get("Labels")
    return Image(
        id=details["Id"],
        tags=tuple(tag for tag in details["RepoTags"] or () if tag != "<none>:<none>"),
        labels=labels or {},
        size=details["Size"],
        created_at=datetime.fromtimestamp(created, UTC)
        if isinstance(created, int)
        else datetime.fromisoformat(created),
    )


def facts_of(info: Json, api: str) -> EngineFacts:
    """Return what the engine says of itself."""
    return EngineFacts(info["ServerVersion"], api, float(info["NCPU"]), info["MemTotal"], info["DockerRootDir"])


def instant(text: str) -> datetime | None:
    """Return a time of the engine's, None for one that never was."""
    return None if not text or text.startswith(NO_INSTANT) else datetime.fromisoformat(text)


def label_filter(labels: Mapping[str, str]) -> dict[str, list[str]]:
    """Return the filter for things that carry all these labels."""
    return {"label": [f"{name}={value}" for name, value in labels.items()]}


def no_command(spec: ContainerSpec) -> Problem:
    """Return the Problem of a container that nothing says a command for."""
    name = spec.labels.get(labels.SERVICE, spec.name)
    return Problem(
        "no-command",
        f"nothing says what {name} runs: its image has neither CMD nor ENTRYPOINT",
        remedy=f"give it one in the Dockerfile, or {name} a `command:` in hostess.yml",
    )

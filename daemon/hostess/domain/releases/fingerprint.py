"""What makes a container of a workload, as one text: equal texts are interchangeable containers."""

import json
from collections.abc import Mapping

from hostess.domain.releases.release import Workload


def fingerprint(workload: Workload, env: Mapping[str, str], files: Mapping[str, tuple[int, str]]) -> str:
    """Return the text that the spec digest is made of. It holds secrets: only its keyed digest may leave the caller.

    Replica count, hosts, dependencies and the hooks that run beside a release are not part of a container.
    """
    health = workload.health
    return json.dumps(
        {
            "service": workload.name,
            "type": workload.type,
            "image": workload.image,
            "env": sorted(env.items()),
            "files": sorted(files.items()),
            "command": workload.command,
            "entrypoint": workload.entrypoint,
            "ports": workload.ports,
            "cpu": workload.cpu,
            "memory": workload.memory,
            "volumes": sorted(workload.volumes.items()),
            "health": None
            if health is None
            else [health.http, health.command, health.port, str(health.interval), str(health.timeout), health.retries],
            "shutdown": None
            if workload.shutdown is None
            # A job only where there is one: the digests of all others stay what they were.
            else [workload.shutdown.command, str(workload.shutdown.timeout), *filter(None, [workload.shutdown.job])],
            "restarted": workload.restarted,
            # Only where there are any: the digests of all others stay what they were before there were these.
            **({"static": [workload.static.key, workload.static.spa]} if workload.static else {}),
            **({"owners": sorted(workload.owners.items())} if workload.owners else {}),
        },
        sort_keys=True,
    )


def seal_of(project: str, environment: str, service: str) -> str:
    """Return what a workload's sealed environment is bound to."""
    return f"env|{project}|{environment}|{service}"

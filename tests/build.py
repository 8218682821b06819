"""Values for tests, with sensible defaults."""

from collections.abc import Mapping
from datetime import UTC, datetime

from hostess.domain import labels
from hostess.domain.hostess_yml.stack import ServiceType
from hostess.domain.ports import Container
from hostess.domain.releases.release import Release, Workload

NOON = datetime(2026, 1, 2, 12, 0, tzinfo=UTC)


def a_workload(name: str = "api", **changes: object) -> Workload:
    """Return a routed fastapi workload; *changes* replace its fields."""
    fields: dict[str, object] = {
        "name": name,
        "type": ServiceType.FASTAPI,
        "image": "sha256:one",
        "spec": f"{name}-1",
        "sealed_env": "",
        "replicas": 1,
        "cpu": 1.0,
        "memory": 1024**3,
        "singleton": False,
        "ports": (8000,),
        "hosts": {8000: (f"shop-{name}.localhost",)},
    }
    return Workload(**{**fields, **changes})  # type: ignore[arg-type]  # fields by name, checked by the tests that use them


def a_worker(name: str = "beat", **changes: object) -> Workload:
    """Return a worker that must never run twice."""
    return a_workload(name, **{"type": ServiceType.CUSTOM, "ports": (), "hosts": {}, "singleton": True, **changes})


def a_database(name: str = "database", **changes: object) -> Workload:
    """Return a managed postgres."""
    fields = {"type": ServiceType.POSTGRES, "ports": (5432,), "hosts": {}, "singleton": True}
    return a_workload(name, **{**fields, **changes})


def a_release(*workloads: Workload, number: int = 1) -> Release:
    """Return a release of these workloads."""
    return Release(
        project="shop",
        environment="production",
        number=number,
        commit="c" * 40,
        created_at=NOON,
        workloads={workload.name: workload for workload in workloads or (a_workload(),)},
    )


def a_container(workload: Workload, replica: int = 1, **changes: object) -> Container:
    """Return a running replica of *workload*."""
    marks: Mapping[str, str] = {
        labels.PROJECT: "shop",
        labels.ENVIRONMENT: "production",
        labels.SERVICE: workload.name,
        labels.SPEC: workload.spec,
        labels.REPLICA: str(replica),
        labels.ROLE: labels.REPLICA_ROLE,
    }
    fields: dict[str, object] = {
        "id": f"{workload.spec}-{replica}",
        "name": f"{workload.name}-{replica}",
        "image": workload.image,
        "labels": marks,
        "state": "running",
        "address": f"10.213.0.{replica + 1}",
    }
    return Container(**{**fields, **changes})  # type: ignore[arg-type]  # fields by name, checked by the tests that use them

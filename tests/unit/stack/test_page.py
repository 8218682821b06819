"""The constructs of the FastAPI page mean what the page says."""

from datetime import timedelta

from hostess.domain.hostess_yml.file import parse
from hostess.domain.hostess_yml.references import needed_secrets, properties
from hostess.domain.hostess_yml.stack import Backups, Condition, Health, Hook, Port, Replicas, Stack, Visibility
from tests.unit.stack.corpus import FOLDER

GIB = 2**30


def page(name: str) -> Stack:
    """Return the stack of one of the page's files."""
    return parse((FOLDER / "valid" / f"page_{name}.yml").read_bytes())


def test_minimal_application() -> None:
    """The smallest file is a public service on port 8000 that answers GET /health, with one replica and medium limits."""
    api = page("complete_minimal").services["api"]

    assert api.ports == (Port(8000, Visibility.PUBLIC),)
    assert api.health == Health("/health", interval=timedelta(seconds=30), timeout=timedelta(seconds=5), retries=3)
    assert api.replicas == Replicas(1, 1)
    assert (api.resources.cpu, api.resources.memory) == (1.0, GIB)
    assert api.build is not None
    assert (api.build.source, api.build.dockerfile) == (".", "Dockerfile")


def test_application_with_database() -> None:
    """A migration, a range of replicas, a domain, and a large database with daily backups are taken from the file."""
    stack = page("complete_database")
    api, database = stack.services["api"], stack.services["database"]

    assert stack.name == "my-api"
    assert api.lifecycle.migrate == Hook(("alembic", "upgrade", "head"), timeout=timedelta(minutes=5))
    assert api.replicas == Replicas(2, 10, 70)
    assert api.domains == ("api.myapp.com",)
    assert api.depends_on == {"database": Condition.HEALTHY}
    assert (database.resources.cpu, database.resources.memory, database.resources.storage) == (2.0, 2 * GIB, 50 * GIB)
    assert database.backups == Backups("daily")
    assert needed_secrets(stack) == ("JWT_SECRET",)


def test_full_stack() -> None:
    """Workers listen on nothing, beat runs alone, what has domains is public, databases are private."""
    stack = page("complete_full_stack")
    services = stack.services

    assert [name for name, service in services.items() if service.is_worker] == ["worker", "beat"]
    assert [name for name, service in services.items() if service.is_singleton] == ["beat", "database", "cache"]
    assert [name for name, service in services.items() if service.public_ports] == ["api", "frontend"]
    assert services["worker"].replicas == Replicas(3, 3)
    assert services["worker"].health == Health(
        command=("celery", "-A", "app.celery", "inspect", "ping"), interval=timedelta(seconds=10)
    )
    assert services["database"].backups == Backups("daily", retention=30)
    assert stack.notices == ()
    assert needed_secrets(stack) == ("JWT_SECRET", "STRIPE_KEY")


def test_custom_port() -> None:
    """Another port moves the service's address with it."""
    api = page("ports").services["api"]

    assert properties(api, external_urls={})["url"] == "http://api:8080"


def test_custom_health_check() -> None:
    """Path, interval, timeout and retries of the health check are taken from the file."""
    assert page("health").services["api"].health == Health(
        "/api/v1/healthz", interval=timedelta(seconds=15), timeout=timedelta(seconds=3), retries=5
    )


def test_migration_timeout() -> None:
    """The timeout of a migration is taken from the file."""
    migrate = page("script_migration").services["api"].lifecycle.migrate

    assert migrate == Hook(("python", "scripts/migrate.py"), timeout=timedelta(minutes=15))

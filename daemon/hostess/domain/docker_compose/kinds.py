"""Which type of hostess.yml a Compose service becomes, told by its image, or by the files of its build context."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from hostess.domain.docker_compose.values import Checkout
from hostess.domain.hostess_yml.stack import ServiceType

_IMAGE = re.compile(r"(?:(?P<registry>[^/]*[.:][^/]*|localhost)/)?(?P<path>[^:@]+)(?::(?P<tag>[^@]+))?(?:@.*)?")
_POSTGRES = frozenset({"postgres", "library/postgres", "bitnami/postgresql", "pgvector/pgvector"})
_REDIS = frozenset({"redis", "library/redis", "bitnami/redis", "valkey", "valkey/valkey", "bitnami/valkey"})
_POSTGRES_MAJORS = frozenset({"16", "17", "18"})
_FASTAPI = re.compile(r"(?<![\w-])fastapi(?![\w-])", re.IGNORECASE)
_SERVERS = frozenset({"uvicorn", "gunicorn", "hypercorn", "fastapi", "granian", "daphne"})
_FILES_OF_PYTHON = ("requirements.txt", "pyproject.toml", "Pipfile", "requirements/base.txt", "requirements/prod.txt")
_NOT_HTTP = frozenset({22, 25, 53, 1883, 3306, 4222, 5432, 5672, 6379, 9042, 9092, 11211, 27017, 33060})


@dataclass(frozen=True, slots=True)
class Database:
    """A database that Hostess runs itself. *version* is "" when it cannot be told, *lost* what is not the same afterwards."""

    type: ServiceType
    version: str = ""
    extensions: tuple[str, ...] = ()
    lost: str = ""


def database(image: str) -> Database | None:
    """Return the managed database that an image is; None for any other image."""
    found = _IMAGE.fullmatch(image)
    if found is None or found["registry"] not in {None, "docker.io", "public.ecr.aws", "index.docker.io"}:
        return None
    path = found["path"].removeprefix("docker/")
    numbers = re.search(r"(\d{1,2})(?:\.(\d{1,2}))?", found["tag"] or "")
    if path in _POSTGRES:
        extensions = ("pgvector",) if "pgvector" in path else ()
        if numbers is None or numbers[1] in _POSTGRES_MAJORS:
            return Database(ServiceType.POSTGRES, numbers[1] if numbers else "", extensions)
        lost = f"postgres {numbers[1]} becomes 18: move the data with pg_dump"
        return Database(ServiceType.POSTGRES, "", extensions, lost)
    if path in _REDIS:
        lost = "valkey becomes redis, which speaks the same protocol" if "valkey" in path else ""
        version = numbers[0] if numbers and not lost else ""
        return Database(ServiceType.REDIS, version, lost=lost)
    return None


def application(checkout: Checkout, context: str, *, command: list[str], listens: bool) -> ServiceType:
    """Return the type of what is built from a folder: nextjs and fastapi are told by their dependencies, anything else is custom."""
    if _depends_on_next(checkout.text(f"{context}/package.json")):
        return (
            ServiceType.NEXTJS if not command or {"next", "start", "dev"} & set(_words(command)) else ServiceType.CUSTOM
        )
    texts = (checkout.text(f"{context}/{name}") for name in _FILES_OF_PYTHON)
    serves = bool(_SERVERS & set(_words(command))) or (listens and not _is_worker(command))
    if serves and any(_FASTAPI.search(text) for text in texts if text):
        return ServiceType.FASTAPI
    return ServiceType.CUSTOM


def speaks_http(number: int) -> bool:
    """Whether a port is none of those that are known for other protocols."""
    return number not in _NOT_HTTP


def _words(command: list[str]) -> list[str]:
    return [word.rpartition("/")[2] for part in command for word in part.split()]


def _is_worker(command: list[str]) -> bool:
    return bool({"celery", "rq", "dramatiq", "arq", "huey", "worker", "beat", "flower"} & set(_words(command)))


def _depends_on_next(text: str | None) -> bool:
    try:
        found = json.loads(text or "")
    except (ValueError, RecursionError):
        return False
    sections = [found.get(key) for key in ("dependencies", "devDependencies")] if isinstance(found, dict) else []
    return any(isinstance(section, Mapping) and "next" in section for section in sections)

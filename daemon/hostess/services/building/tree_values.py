"""What services and jobs take from the pushed tree as it is: `env_file` variables and mounted `files`."""

import base64
from collections.abc import Mapping

from hostess.domain.docker_compose.dotenv import parse_dotenv
from hostess.domain.hostess_yml.stack import Job, Service
from hostess.domain.ports import Repositories
from hostess.domain.problem import Problem
from hostess.services.secret_store import SecretStore

LIMIT = 1024**2


class TreeValues:
    """Reads them at the deployed commit; a missing file is a Problem before anything is built."""

    def __init__(self, repositories: Repositories, secrets: SecretStore) -> None:
        self._repositories = repositories
        self._secrets = secrets

    async def env(self, project: str, commit: str, part: Service | Job) -> dict[str, str]:
        """Return the variables of `env_file`, later files over earlier ones; the service's own `env` goes over these."""
        values: dict[str, str] = {}
        for path in part.env_file:
            raw = await self._read(project, commit, path, f"{part.name}.env_file")
            try:
                values |= parse_dotenv(raw.decode(), path)
            except UnicodeDecodeError as error:
                raise Problem("env-file-invalid", f"{path} is not UTF-8 text", remedy="save it as UTF-8") from error
        return values

    async def files(
        self, project: str, environment: str, commit: str, part: Service | Job
    ) -> dict[str, tuple[int, str]]:
        """Return path inside -> (mode, content in base64) for every entry of `files`."""
        secrets: Mapping[str, str] = {}
        if any(file.secret for file in part.files):
            secrets = await self._secrets.values(project, environment)
        found = {}
        for file in part.files:
            if file.source is not None:
                content = await self._read(project, commit, file.source, f"{part.name}.files.{file.name}")
            elif file.secret is not None:
                content = secrets[file.secret].encode()
            else:
                content = (file.content or "").encode()
            found[file.path] = (file.mode, base64.b64encode(content).decode())
        return found

    async def _read(self, project: str, commit: str, path: str, where: str) -> bytes:
        raw = await self._repositories.read_file(project, commit, path, LIMIT)
        if raw is None and await self._repositories.tree_id(project, commit, path) is not None:
            raise Problem(
                "file-missing",
                f"{where}: {path} is a folder in the pushed commit, and a file is needed",
                remedy="name a file in it; a folder is part of an image, or of a volume",
            )
        if raw is None:
            raise Problem(
                "file-missing",
                f"{where}: there is no file {path} in the pushed commit",
                remedy="commit it, or correct the path in hostess.yml",
            )
        return raw

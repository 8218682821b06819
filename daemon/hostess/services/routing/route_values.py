"""What `proxy` of a service comes to at a commit and in an environment: pages are read, passwords become digests."""

from hashlib import sha256

from hostess.domain.hostess_yml.stack import Proxy, Service
from hostess.domain.ports import Repositories, Vault
from hostess.domain.problem import Problem
from hostess.domain.releases.release import Deployment
from hostess.domain.routing.route_settings import PAGES, Login, RouteSettings
from hostess.services.secret_store import SecretStore

PAGE_LIMIT = 64 * 1024
PAGES_LIMIT = 128 * 1024
SALT = 32


class RouteValues:
    """Resolves `proxy`; what is wrong with its pages is a Problem before anything is built."""

    def __init__(self, repositories: Repositories, secrets: SecretStore, vault: Vault) -> None:
        self._repositories = repositories
        self._secrets = secrets
        self._vault = vault

    async def of(self, deployment: Deployment, service: Service) -> RouteSettings | None:
        """Return what a service asks of the proxy; None where it asks for nothing. Its secrets are known to be there."""
        asked = service.proxy
        if asked is None:
            return None
        canonical = asked.canonical_host
        elsewhere = [host for host in service.domains if host != canonical] if canonical in service.domains else []
        return RouteSettings(
            asked,
            await self._logins(deployment, service.name, asked),
            await self._pages(deployment, service.name, asked.error_pages),
            tuple(elsewhere),
        )

    async def _logins(self, deployment: Deployment, service: str, asked: Proxy) -> tuple[Login, ...]:
        if not asked.basic_auth:
            return ()
        secrets = await self._secrets.values(deployment.project, deployment.environment)
        place = f"{deployment.project}|{deployment.environment}|{service}"
        # The same for the same user: who looks at what changed must not see a new salt as a new password.
        salts = {user: self._vault.digest(f"basic auth|{place}|{user}")[:SALT] for user in asked.basic_auth}
        return tuple(
            Login(user, salts[user], sha256(bytes.fromhex(salts[user]) + secrets[secret].encode()).hexdigest())
            for user, secret in asked.basic_auth.items()
        )

    async def _pages(self, deployment: Deployment, service: str, folder: str) -> dict[str, str]:
        if not folder:
            return {}
        where = f"services.{service}.proxy.error_pages"
        there = await self._repositories.files(deployment.project, deployment.commit, folder, 1)
        sizes = {page: there[f"{page}.html"] for page in PAGES if f"{page}.html" in there}
        if not sizes:
            raise Problem(
                "error-pages-missing",
                f"{where}: the pushed commit has no page in a folder {folder}",
                remedy="commit it with 404.html, 502.html, 503.html, 4xx.html or the like, or correct the path in hostess.yml",
            )
        found: dict[str, str] = {}
        for page in sizes:
            path = f"{folder}/{page}.html"
            raw = await self._repositories.read_file(deployment.project, deployment.commit, path, PAGE_LIMIT)
            try:
                found[page] = (raw or b"").decode()
            except UnicodeDecodeError as error:
                raise Problem(
                    "error-pages-wrong", f"{where}: {path} is not UTF-8 text", remedy="save it as UTF-8"
                ) from error
            if not found[page]:
                raise Problem("error-pages-wrong", f"{where}: {path} is empty", remedy="write something, or remove it")
        if sum(len(text.encode()) for text in found.values()) > PAGES_LIMIT:
            raise Problem(
                "error-pages-wrong",
                f"{where}: the pages in {folder} have more than {PAGES_LIMIT // 1024} KB together",
                remedy="make them smaller: leave out images, or name them by their URL",
            )
        return found

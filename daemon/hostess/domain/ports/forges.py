"""What webhooks of forges need: rows in the journal, and a way to fetch."""

from typing import Protocol

from hostess.domain.forges import Webhook


class WebhookRecords(Protocol):
    """The journal's part about webhooks."""

    async def put_webhook(self, webhook: Webhook) -> None:
        """Store a project's webhook, in place of the one that it has."""

    async def webhook(self, project: str) -> Webhook | None:
        """Return a project's webhook."""

    async def remove_webhook(self, project: str) -> bool:
        """Delete a project's webhook; False when it has none."""


class BranchFetcher(Protocol):
    """Fetches branches from elsewhere into repositories of ours."""

    async def fetch(self, project: str, url: str, branch: str, user: str, password: str) -> str | None:
        """Bring a branch with its history; return the commit that it is at, None when there is no such branch (any more).

        Problem "fetch-failed" with git's own words.
        """

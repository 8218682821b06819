"""The ways by which people are told."""

from typing import Protocol

from hostess.domain.notices import Delivery


class NoticeChannel(Protocol):
    """One way out of the installation."""

    @property
    def name(self) -> str:
        """What it is called: "webhook", "mail", "command"."""

    async def send(self, delivery: Delivery) -> str:
        """Hand notices over, in bounded time; return what the other side answered, for people.

        Problem "notice-not-sent" when they were not taken, or nobody knows whether they were.
        """

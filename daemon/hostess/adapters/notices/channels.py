"""The ways by which people are told that the settings name."""

import shlex

from hostess.adapters.notices.command import Command
from hostess.adapters.notices.mail import Mail
from hostess.adapters.notices.webhook import Webhook
from hostess.domain.ports import NoticeChannel
from hostess.domain.settings import NotifySettings


def channels_of(settings: NotifySettings) -> list[NoticeChannel]:
    """Return a channel for each way that is set."""
    found: list[NoticeChannel] = []
    if settings.webhook.url:
        found.append(Webhook(settings.webhook.url, settings.webhook.secret_file))
    mail = settings.mail
    if mail.server is not None:
        found.append(Mail(mail.server.host, mail.server.port, mail.sender, mail.to, mail.user, mail.password_file))
    if argv := shlex.split(settings.command):
        found.append(Command(tuple(argv)))
    return found

"""hostess notify ..."""

import click

from hostess.cli import options
from hostess.cli.client import Client
from hostess.cli.failure import FAILED, Failure
from hostess.cli.groups import Aliased, example
from hostess.cli.output import show_json, show_table

WITHIN = 180.0
"""Seconds; a mail server may take its time."""


@click.group(cls=Aliased)
def notify() -> None:
    """How people are told of trouble: by webhook, mail or a program, as the settings below [notify] say."""


@example("hostess notify test")
@notify.command("test")
@options.form
@options.connected
def test(client: Client, form: str) -> None:
    """Send a notice by each way that is set, and show what each answered; exit code 1 when one did not take it."""
    found = client.send("POST", "/v1/notices/test", timeout=WITHIN)["items"]
    if not found:
        raise Failure(
            "no way is set by which people could be told",
            exit_code=FAILED,
            remedy="set notify.webhook.url, notify.mail.server or notify.command, and restart the daemon",
        )
    if form == "json":
        show_json(found)
    else:
        show_table(
            ["CHANNEL", "RESULT", "ANSWER"],
            [(each["channel"], "sent" if each["taken"] else "failed", each["answer"]) for each in found],
        )
    lost = [each["channel"] for each in found if not each["taken"]]
    if lost:
        raise Failure(
            f"not sent by {', '.join(lost)}", exit_code=FAILED, remedy="the answers above tell what was in the way"
        )

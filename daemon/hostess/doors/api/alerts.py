"""What is wrong now."""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime

from hostess.domain.alert import LEVELS, Alert
from hostess.doors.api.operation import Call, Nothing, View, op


class AlertView(View):
    """Something that is wrong. *level*: warning, error. *subject* is what it is about; *project* is "" where it is the whole host's."""

    kind: str
    level: str
    subject: str
    project: str
    environment: str
    service: str
    what: str
    since: datetime
    remedy: str


class AlertList(View):
    """Alerts, the gravest first."""

    items: tuple[AlertView, ...]


@op("GET /v1/alerts", "read", returns=AlertList)
async def list_alerts(call: Call, _: Nothing) -> AlertList:
    """List what is wrong now, the gravest first: of the projects that the caller may see and, for who sees all of them, of the host."""
    return AlertList(items=await alerts_for(call))


async def alerts_for(call: Call) -> tuple[AlertView, ...]:
    """Return those alerts that the caller may see."""
    return tuple(_view(call, each) for each in await call.services.alerts.now() if _sees(call, each))


def figures_of(alerts: Iterable[Alert]) -> list[tuple[str, int]]:
    """Return a sample for each kind, 0 for those that there are none of: a rule finds each from the beginning."""
    there = Counter(each.kind for each in alerts)
    return [(f'{{level="{level}",kind="{kind}"}}', there[kind]) for kind, level in LEVELS.items()]


def _sees(call: Call, alert: Alert) -> bool:
    return call.sees(alert.project) if alert.project else not call.caller.token.projects


def _view(call: Call, alert: Alert) -> AlertView:
    return AlertView(
        kind=alert.kind,
        level=alert.level,
        subject=alert.subject,
        project=alert.project,
        environment=alert.environment,
        service=alert.service,
        what=call.services.redactor.hide(alert.what),
        since=alert.since,
        remedy=alert.remedy,
    )


OPERATIONS = (list_alerts,)

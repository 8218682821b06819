"""What happened, for people and watchers."""

from collections.abc import AsyncGenerator, Mapping
from datetime import datetime
from typing import Any

from aiohttp import web
from pydantic import Field

from hostess.domain.codec import to_json
from hostess.domain.records import Event
from hostess.doors.api.operation import EVENTS, JSON, Call, Given, View, op
from hostess.doors.api.streams import Sent, last_number, send_events, wants_events

LOOK_AGAIN = 1.0
NEWEST = -1
LARGEST = 10**15


class EventView(View):
    """An event."""

    id: int
    at: datetime
    project: str
    environment: str
    kind: str
    message: str
    data: Mapping[str, Any]


class EventList(View):
    """Events, oldest first. *next*: what to give as `after` for those that follow."""

    items: tuple[EventView, ...]
    next: int


class EventFilter(Given):
    """Which events: those with an id above *after*, or (-1) the newest; of one *kind*, or of those that begin with it and a dot."""

    after: int = Field(default=NEWEST, ge=NEWEST, le=LARGEST)
    project: str | None = None
    kind: str = Field(default="", max_length=100)
    limit: int = Field(default=50, ge=1, le=100)


@op("GET /v1/events", "read", given=EventFilter, returns=EventList, media=(JSON, EVENTS))
async def list_events(call: Call, given: EventFilter) -> EventList | web.StreamResponse:
    """List events, oldest first; with `Accept: text/event-stream` go on with each new one (`Last-Event-ID` resumes)."""
    if given.project is not None:
        await call.require_project(given.project, "read")
    if wants_events(call.request):
        return await send_events(call.request, _stream(call, given))
    read, seen = await _page(call, given)
    return EventList(items=tuple(read), next=seen)


async def _stream(call: Call, given: EventFilter) -> AsyncGenerator[Sent]:
    last = last_number(call.request)
    after = given.after if last is None else last
    while True:
        views, after = await _page(call, given.model_copy(update={"after": after}))
        for view in views:
            yield Sent(view.model_dump_json(), id=str(view.id), event=view.kind)
        if not views:
            await call.services.clock.sleep(LOOK_AGAIN)  # the journal has no way to call back


async def _page(call: Call, given: EventFilter) -> tuple[list[EventView], int]:
    """Return a page of what the caller may see, and the id to go on after."""
    found = await call.services.journal.events(given.after, given.project, given.limit, given.kind)
    seen = found[-1].id if found else max(given.after, 0)
    return [_view(call, event) for event in found if _sees(call, event)], seen


def _sees(call: Call, event: Event) -> bool:
    """Events of no project are the whole host's."""
    return call.sees(event.project) if event.project else not call.caller.token.projects


def _view(call: Call, event: Event) -> EventView:
    view = EventView.model_validate(to_json(event))
    return view.model_copy(update={"message": call.services.redactor.hide(view.message)})


OPERATIONS = (list_events,)

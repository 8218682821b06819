"""What happens to containers, as the engine tells it: one JSON object a line, for as long as somebody listens."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterable, Mapping
from datetime import datetime, timedelta
from functools import partial

from hostess.adapters.engine.calls import Api, Calls, Line, checked, unreachable, url_of
from hostess.adapters.engine.logs import EPOCH, Feed, moment
from hostess.adapters.engine.values import label_filter
from hostess.domain.ports import ContainerEvent

TOLD = ("start", "die", "oom", "kill")


async def follow(
    calls: Calls, labels: Mapping[str, str], since: datetime | None, until: datetime | None = None
) -> AsyncIterator[ContainerEvent]:
    """Yield what happens to containers with these labels; Problem "engine-unreachable" when the engine goes away."""
    feed: Feed[ContainerEvent] = Feed(asyncio.get_running_loop())
    wanted = {"type": ["container"], "event": list(TOLD), **label_filter(labels)}
    bounds = {"since": since, "until": until}
    params = {"filters": json.dumps(wanted), **{name: moment(at) for name, at in bounds.items() if at is not None}}
    reading = asyncio.create_task(calls.alone("tell what happens", partial(pump, params, feed)))
    reading.add_done_callback(lambda _: feed.end())
    try:
        while (piece := await feed.take()) is not None:
            for event in piece:
                yield event
        await reading
        if until is not None:
            return
        raise unreachable("it stopped telling what happens")
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)


def pump(params: Mapping[str, str], feed: Feed[ContainerEvent], api: Api, line: Line) -> None:
    """Read what the engine tells; runs on a thread of its own."""
    answer = checked(api.get(url_of(api, "/events"), params=params, stream=True, timeout=(10, None)))
    with line.hold(answer) as response:
        rest = b""
        for data in response.iter_content(chunk_size=None):
            *lines, rest = (rest + data).split(b"\n")
            if piece := list(events_of(lines)):
                feed.put(piece, line)


def events_of(lines: Iterable[bytes]) -> Iterable[ContainerEvent]:
    """Yield the events that such lines tell."""
    for each in filter(None, (each.strip() for each in lines)):
        told = json.loads(each)
        code = told["Actor"]["Attributes"].get("exitCode")
        yield ContainerEvent(
            at=EPOCH + timedelta(microseconds=told["timeNano"] // 1000),
            what=told["Action"],
            container=told["Actor"]["ID"],
            exit_code=None if code is None else int(code),
        )

"""One-off commands: `hostess run`."""

import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing

from aiohttp import web
from pydantic import Field

from hostess.doors.api.deployments import PLACE
from hostess.doors.api.jobs import Variable
from hostess.doors.api.operation import EVENTS, Call, Given, Word, op
from hostess.doors.api.streams import Sent, send_events
from hostess.services.jobs.one_off import Command, Ended, OneOff


class NewCommand(Given):
    """A command as a list of words. *env* replaces values for this run only."""

    command: tuple[Word, ...] = Field(min_length=1, max_length=1000)
    env: Mapping[Variable, Word] = Field(default_factory=dict)


@op(f"POST {PLACE}/services/{{service}}/run", "deploy", given=NewCommand, media=(EVENTS,))
async def run_command(call: Call, given: NewCommand) -> web.StreamResponse:
    """Run a command in a container of its own with a service's image and environment; it ends with this request.

    Events: each line as `event: stdout` or `event: stderr`, then `event: end` with the exit code as JSON.
    """
    service = call.path["service"]
    command = Command(call.project, call.environment, service, given.command, given.env)
    await call.services.one_off.check(command)
    await call.audit("run", f"ran a command in {service}", {"service": service, "set": sorted(given.env)})
    return await send_events(call.request, _events(call.services.one_off, command))


async def _events(one_off: OneOff, command: Command) -> AsyncGenerator[Sent]:
    async with aclosing(one_off.run(command)) as said:
        async for each in said:
            if isinstance(each, Ended):
                yield Sent(json.dumps({"exit_code": each.exit_code, "killed": each.killed}), event="end")
            else:
                yield Sent(each.text, event=each.stream)


OPERATIONS = (run_command,)

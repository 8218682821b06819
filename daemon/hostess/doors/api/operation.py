"""One operation of the API as a value: method, path, who may, what comes in, what goes out."""

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from inspect import cleandoc
from typing import Annotated, Any, TypeVar

from aiohttp import web
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from hostess.domain.problem import Problem
from hostess.doors.api.caller import Caller
from hostess.doors.api.problems import InvalidRequest
from hostess.doors.api.wiring import ApiServices
from hostess.services.tokens import MAY, Action, allowed

G = TypeVar("G", bound=BaseModel)

JSON = "application/json"
TEXT = "text/plain"
EVENTS = "text/event-stream"


class Given(BaseModel):
    """A query or a body: what is not named in it is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class View(BaseModel):
    """Something shown."""

    model_config = ConfigDict(frozen=True)


class Nothing(Given):
    """No query and no body."""


def _several(given: object) -> object:
    """Make a list of "a,b", as queries write them; of a repeated parameter each."""
    texts = [given] if isinstance(given, str) else given
    if not isinstance(texts, list):
        return given
    return [part.strip() for text in texts for part in str(text).split(",") if part.strip()]


def _word(text: str) -> str:
    if "\0" in text:
        raise ValueError("holds a NUL character, which no command and no environment variable can")
    return text


Word = Annotated[str, AfterValidator(_word), Field(json_schema_extra={"pattern": r"^[^\u0000]*$"})]
"""A word of a command, or the value of an environment variable."""

Several = Annotated[tuple[str, ...], BeforeValidator(_several)]


@dataclass(frozen=True, slots=True)
class Call:
    """One request on its way: who asks, and what the path says."""

    services: ApiServices
    request: web.Request
    caller: Caller
    path: Mapping[str, str]

    @property
    def project(self) -> str:
        """The project that the path names."""
        return self.path["project"]

    @property
    def environment(self) -> str:
        """The environment that the path names."""
        return self.path["environment"]

    def sees(self, project: str) -> bool:
        """Whether the caller may know that *project* exists."""
        return allowed(self.caller.token, "read", project)

    def require(self, action: Action, project: str | None, absent: Problem | None = None) -> None:
        """Raise *absent* for a project that the caller must not know of, Problem "not-allowed" for what is not theirs to do.

        No *project* means the host as a whole.
        """
        if absent is not None and project is not None and not self.sees(project):
            raise absent
        if not allowed(self.caller.token, action, project):
            raise self._not_allowed()

    async def require_project(self, name: str, action: Action) -> None:
        """Raise Problem "project-not-found" for one that is not there or must not be known, "not-allowed" as `require` does."""
        absent = Problem(
            "project-not-found",
            f"there is no project {name}",
            remedy="`hostess projects list` shows those there are; a first push makes one",
        )
        self.require(action, name, absent)
        if name not in {project.name for project in await self.services.journal.projects()}:
            raise absent

    def require_somewhere(self, action: Action) -> None:
        """Raise Problem "not-allowed" when the caller's role may not do this in any project; the handler looks where."""
        if action not in MAY.get(self.caller.token.role, frozenset()):
            raise self._not_allowed()

    def _not_allowed(self) -> Problem:
        token = self.caller.token
        scope = f" of {', '.join(token.projects)}" if token.projects else ""
        return Problem(
            "not-allowed",
            f"{self.caller.name}, {token.role}{scope}, may not do this",
            remedy="use a token of another role or scope: `hostess tokens create --role ...`",
        )

    async def audit(self, what: str, message: str, data: Mapping[str, object], *, environment: str = "") -> None:
        """Write down who changed what. *data* must hold no secret."""
        await self.services.journal.tell(
            f"audit.{what}",
            f"{self.caller.name}: {message}",
            self.services.clock.now(),
            project=self.path.get("project", ""),
            environment=environment or self.path.get("environment", ""),
            data={"actor": self.caller.name, **data},
        )


Handler = Callable[[Call, Any], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Operation:
    """A row of the table. *action* None: open to all. *given* is the query of GET and DELETE, else the body.

    *takes*: the types of a body that its handler reads itself, as it comes; *given* is the query then. *makes_place*: it decides
    itself whether the environment that its path names must be there. *media*: the types of its answer, which is JSON unless they say
    otherwise; a WebSocket's status is 101. *group*: the words of its file's name.
    """

    name: str
    method: str
    path: str
    action: Action | None
    given: type[BaseModel]
    returns: type[BaseModel] | None
    status: int
    summary: str
    handler: Handler
    takes: tuple[str, ...] = ()
    makes_place: bool = False
    media: tuple[str, ...] = (JSON,)
    description: str = ""
    group: str = ""

    @property
    def in_query(self) -> bool:
        """Whether *given* comes in the query."""
        return self.method in {"GET", "DELETE"} or bool(self.takes)


def op(  # noqa: PLR0913 -- the columns of the table
    route: str,
    action: Action | None,
    *,
    given: type[BaseModel] = Nothing,
    returns: type[BaseModel] | None = None,
    status: int = 200,
    takes: tuple[str, ...] = (),
    makes_place: bool = False,
    media: tuple[str, ...] = (JSON,),
) -> Callable[[Callable[[Call, G], Awaitable[object]]], Operation]:
    """Make an operation of a handler; *route* is "GET /v1/..."; the first line of its docstring is the summary.

    The handler returns a model, None (204), or a response of its own.
    """
    method, path = route.split(" ", 1)

    def make(handler: Callable[[Call, G], Awaitable[object]]) -> Operation:
        summary, _, description = cleandoc(handler.__doc__ or "").partition("\n")
        return Operation(
            handler.__name__,
            method,
            path,
            action,
            given,
            returns,
            status,
            summary.rstrip("."),
            handler,
            takes,
            makes_place,
            media,
            description.strip(),
            handler.__module__.rpartition(".")[2].replace("_", " "),
        )

    return make


async def read(operation: Operation, request: web.Request) -> BaseModel:
    """Return what came in; InvalidRequest lists every mistake."""
    if operation.takes and request.content_type not in operation.takes:
        raise Problem("wrong-media", f"the body must be sent as {' or '.join(operation.takes)}")
    raw = _query(request) if operation.in_query else await _body(request, optional=operation.given is Nothing)
    try:
        return operation.given.model_validate(raw)
    except ValidationError as error:
        raise InvalidRequest(
            tuple(_mistake(each["loc"], each["msg"]) for each in error.errors(include_url=False, include_input=False))
        ) from None


def respond(answer: object, status: int) -> web.StreamResponse:
    """Return a handler's answer as a response."""
    if isinstance(answer, web.StreamResponse):
        return answer
    if answer is None:
        return web.Response(status=204)
    if not isinstance(answer, BaseModel):
        raise TypeError(f"{type(answer).__name__} is no answer")
    return web.Response(body=answer.model_dump_json().encode(), status=status, content_type="application/json")


def _query(request: web.Request) -> dict[str, object]:
    several = {name: request.query.getall(name) for name in request.query}
    return {name: values[0] if len(values) == 1 else values for name, values in several.items()}


async def _body(request: web.Request, *, optional: bool) -> object:
    raw = await request.read()
    if not raw and (optional or request.content_type != "application/json"):
        return {}
    if request.content_type != "application/json":
        raise Problem("not-json", "the body must be sent as application/json")
    try:
        return json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise Problem("bad-request", f"the body is not JSON: {error}") from None


def _mistake(place: tuple[int | str, ...], message: str) -> str:
    where = ".".join(str(step) for step in place)
    return f"{where}: {message.removeprefix('Value error, ')}" if where else message

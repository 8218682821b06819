"""Git's smart HTTP protocol (gitprotocol-http): `/git/<project>.git`, served by git's own programs, for whoever shows a token."""

import base64
import binascii
import hashlib
import math
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from pathlib import Path

from aiohttp import web

from hostess.domain.problem import Problem
from hostess.doors.api.problems import TooManyRequests
from hostess.doors.git_child import advertisement, converse
from hostess.doors.git_limits import GitBusy, GitLimits
from hostess.doors.hook_socket import HookSocket
from hostess_hooks.pktline import FLUSH, packet

Authorize = Callable[[str, str, str], Awaitable[str | None]]
"""Token, project, "push" or "fetch" -> who it is; None: the token is not known; Problem: not allowed."""

EnsureProject = Callable[[str, str], Awaitable[None]]
"""Project, actor: make the project and its repository if they are missing; Problem: the name is no good, or not allowed."""

ACTIONS = {"git-receive-pack": "push", "git-upload-pack": "fetch"}
PROTOCOL = re.compile(r"version=[0-2]")
_SIGN_IN = "Sign in with any user name, and an access token as the password (hostess tokens create).\n"


class GitHttp:
    """The routes. *repository* gives the folder of a project, *hooks* must be started; *idle* ends what does not move, in seconds.

    What is beyond *limits* is answered 429, or 503, with Retry-After and a sentence that git shows.
    """

    def __init__(
        self,
        repository: Callable[[str], Path],
        hooks: HookSocket,
        authorize: Authorize,
        ensure_project: EnsureProject,
        limits: GitLimits,
        *,
        idle: float = 600.0,
    ) -> None:
        self._repository = repository
        self._hooks = hooks
        self._authorize = authorize
        self._ensure_project = ensure_project
        self._limits = limits
        self._idle = idle

    def routes(self) -> list[web.RouteDef]:
        """Return the routes for an application that neither buffers nor bounds bodies (aiohttp's `client_max_size` does not)."""
        return [
            web.get("/git/{project}.git/info/refs", self._offer),
            web.post("/git/{project}.git/{service:git-(?:receive|upload)-pack}", self._exchange),
        ]

    async def _offer(self, request: web.Request) -> web.Response:
        """Tell what the repository has; a push begins here, so this is where a missing project is made."""
        service = request.query.get("service", "")
        if service not in ACTIONS:
            return _plain(403, "Only git's smart HTTP protocol is spoken here: use a git client newer than 1.6.6.\n")
        extra = _protocol(request) if service == "git-upload-pack" else {}
        preamble = (
            b"" if extra.get("GIT_PROTOCOL") == "version=2" else packet(f"# service={service}\n".encode()) + FLUSH
        )
        try:
            async with self._admitted(request, service) as actor:
                project = request.match_info["project"]
                if service == "git-receive-pack":
                    await self._ensure_project(project, actor)
                body = await advertisement(
                    service.removeprefix("git-"), existing(self._repository, project), extra, self._idle
                )
        except (TooManyRequests, GitBusy) as busy:
            return _later(busy)
        except Problem as problem:
            # An error status would reach people as "error: 403" only; this line git shows as "fatal: remote error: ...".
            body = packet(f"ERR {sentence(problem)}".encode())
        return web.Response(
            body=preamble + body,
            content_type=f"application/x-{service}-advertisement",
            headers={"Cache-Control": "no-cache"},
        )

    async def _exchange(self, request: web.Request) -> web.StreamResponse:
        """Let git's program talk with the client."""
        service, project = request.match_info["service"], request.match_info["project"]
        if request.content_type != f"application/x-{service}-request":
            return _plain(415, f"Expected application/x-{service}-request.\n")
        try:
            async with self._admitted(request, service) as actor:
                return await self._conversation(request, service, actor, existing(self._repository, project))
        except (TooManyRequests, GitBusy) as busy:
            return _later(busy)
        except Problem as problem:
            return _plain(403, sentence(problem) + "\n")

    async def _conversation(
        self, request: web.Request, service: str, actor: str, repository: Path
    ) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Cache-Control": "no-cache"})
        response.content_type = f"application/x-{service}-result"
        await response.prepare(request)
        arguments = [service.removeprefix("git-"), "--stateless-rpc", str(repository)]
        with self._variables(request, service, actor) as extra:
            code = await converse(arguments, extra, request.content.iter_any(), response.write, self._idle)
        if code and request.transport is not None:
            # An answer that stops halfway and yet ends well makes git's client wait for ever; a broken connection does not.
            request.transport.close()
        return response

    def _variables(self, request: web.Request, service: str, actor: str) -> AbstractContextManager[Mapping[str, str]]:
        """Return the environment variables for git's program: a push is expected as long as they are in use."""
        if service == "git-receive-pack":
            return self._hooks.expecting(request.match_info["project"], actor)
        return nullcontext(_protocol(request))

    @asynccontextmanager
    async def _admitted(self, request: web.Request, service: str) -> AsyncIterator[str]:
        """Give who asks, counted as long as the block runs; HTTPUnauthorized without a known token, Problem when it is not allowed.

        Git's client asks once without a token; that costs nothing and is not counted, else strangers could keep it from the rest.
        """
        token = _token(request.headers.get("Authorization", ""))
        actor = await self._authorize(token, request.match_info["project"], ACTIONS[service]) if token else None
        if actor is None:
            if token:
                self._limits.count_stranger(request.remote or "")
            raise web.HTTPUnauthorized(
                text=_SIGN_IN, headers={"WWW-Authenticate": 'Basic realm="Hostess", charset="UTF-8"'}
            )
        with self._limits.conversation(f"token {hashlib.sha256(token.encode()).hexdigest()}"):
            yield actor


def existing(repository: Callable[[str], Path], project: str) -> Path:
    """Return the folder of a project's repository; Problem "project-not-found"."""
    folder = repository(project)
    if not folder.is_dir():
        raise Problem("project-not-found", f"there is no project {project}", remedy="push to it, or check its name")
    return folder


def sentence(problem: Problem) -> str:
    """Return a problem as git's client can show it: one line."""
    parts = [str(problem), problem.serving, problem.remedy]
    return "; ".join(" ".join(part.split()) for part in parts if part)[:1000]


def _token(header: str) -> str:
    """Return the token that an Authorization header carries (Basic: the password; Bearer), "" for none."""
    scheme, _, value = header.partition(" ")
    if scheme.lower() == "bearer":
        return value.strip()
    if scheme.lower() != "basic":
        return ""
    try:
        return base64.b64decode(value, validate=True).decode().partition(":")[2]
    except (binascii.Error, UnicodeDecodeError):
        return ""


def _protocol(request: web.Request) -> Mapping[str, str]:
    """Return the variable that tells git which protocol version the client asks for."""
    asked = request.headers.get("Git-Protocol", "")
    return {"GIT_PROTOCOL": asked} if PROTOCOL.fullmatch(asked) else {}


def _later(busy: TooManyRequests | GitBusy) -> web.Response:
    """Return a refusal whose text git's client shows ("remote: ..."), in lines that fit a terminal."""
    status = 429 if isinstance(busy, TooManyRequests) else 503
    text = "".join(f"{line}\n" for line in (str(busy), f"still served: {busy.serving}", f"next: {busy.remedy}"))
    return web.Response(status=status, text=text, headers={"Retry-After": str(math.ceil(busy.retry_after))})


def _plain(status: int, text: str) -> web.Response:
    return web.Response(status=status, text=text)

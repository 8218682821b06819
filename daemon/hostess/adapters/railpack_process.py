"""Railpack as a child: `railpack prepare` plans, `railpack build` has BuildKit build and hands the image to `docker load`.

It gets a copy of the source folder, and of this process's environment only what says where things are.
"""

import asyncio
import json
import os
import re
import shutil
import signal
import tarfile
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from contextlib import aclosing, asynccontextmanager, suppress
from pathlib import Path
from tempfile import mkdtemp
from types import MappingProxyType
from typing import IO, cast

from hostess.adapters.docker_config import folder_of, write_logins
from hostess.adapters.engine.build_trace import COLOURS, LONGEST, TAIL
from hostess.adapters.expendable import make_expendable
from hostess.adapters.pieces import Pieces
from hostess.domain.ports import SourceOrder
from hostess.domain.problem import Problem
from hostess.domain.releases.push import Say

PROGRAM = "railpack"
ANSWERS_WITHIN = 10.0
LINE = 1024 * 1024
PASSED_ON = (
    *("PATH", "HOME", "LANG", "TMPDIR", "BUILDKIT_HOST", "SSL_CERT_FILE", "SSL_CERT_DIR"),
    *("DOCKER_HOST", "DOCKER_CONFIG", "DOCKER_CONTEXT", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH"),
    *("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"),
)
"""The variables that the child sees."""
SERVING = "nothing was switched: what served before serves on"
ASIDE = "or take railpack from the daemon's PATH: then Hostess writes the Dockerfile itself"
START_BUILDKIT = (
    "start one (docker run -d --restart always --privileged --name buildkit moby/buildkit), set "
    f"BUILDKIT_HOST=docker-container://buildkit for the daemon and restart it; {ASIDE}"
)
NO_BUILDKIT = re.compile(r"BUILDKIT_HOST|failed to (?:connect to buildkit|get buildkit information)")
LOGINS = "docker"
"""The folder beside the source that has the logins at registries, readable by the daemon's user alone."""
VERSION = re.compile(r"\d+\.\d+\.\d+\S*")


class RailpackProcess:
    """Runs the `railpack` on PATH. *folder* is where source folders are laid out, each for the time of its build."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self._folder = folder
        kept = {name: environment[name] for name in PASSED_ON if name in environment}
        self._environment = {**kept, "NO_COLOR": "1", "TERM": "dumb"}

    async def version(self) -> str | None:
        """Return its version, None when it is not on PATH."""
        program = self._program()
        if program is None:
            return None
        said: list[str] = []
        try:
            async with asyncio.timeout(ANSWERS_WITHIN):
                code = await self._run([program, "--version"], said.append)
        except TimeoutError:
            code = -1
        found = VERSION.search("\n".join(said))
        if code != 0 or found is None:
            raise _failed(f"{program} --version does not tell a version", said)
        return found[0]

    async def build(self, order: SourceOrder, say: Say) -> str:
        """Build an image; return the shell's line that starts it."""
        if not self._environment.get("BUILDKIT_HOST"):
            raise _no_buildkit("Railpack needs a BuildKit, and BUILDKIT_HOST is not set for the daemon", ())
        program = self._program()
        if program is None:
            raise _failed("railpack is not on the daemon's PATH any more", ())
        try:
            async with asyncio.timeout(order.timeout.total_seconds()), self._laid_out(order) as place:
                start = await self._planned(program, place, order, say)
                await self._built(program, place, order, say)
                return start
        except TimeoutError:
            raise Problem(
                "build-timeout",
                f"the build took longer than {order.timeout.total_seconds():.0f} s and was ended",
                serving=SERVING,
                remedy="make it faster, or raise build.timeout in Hostess's settings",
            ) from None

    def _program(self) -> str | None:
        return shutil.which(PROGRAM, path=self._environment.get("PATH", ""))

    async def _planned(self, program: str, place: Path, order: SourceOrder, say: Say) -> str:
        plan = place / "plan.json"
        command = [program, "prepare", "--plan-out", str(plan), "--info-out", str(place / "info.json")]
        tail = _Tail(say)
        code = await self._run([*command, str(place / "source")], tail)
        if code != 0:
            raise _failed(
                f"Railpack found no way to build this: `railpack prepare` ended with exit code {code}", tail.lines
            )
        try:
            start = json.loads(plan.read_bytes()).get("deploy", {}).get("startCommand") or ""
        except (OSError, ValueError, AttributeError) as error:
            raise _failed(f"the plan that Railpack wrote cannot be read: {error}", tail.lines) from error
        if not start and not order.commanded:
            raise Problem(
                "start-not-found",
                "Railpack found out how to build this, but not what starts it",
                serving=SERVING,
                remedy="add `command:` in hostess.yml, a Procfile, or deploy.startCommand in railpack.json",
                tail=tuple(tail.lines),
            )
        return str(start)

    async def _built(self, program: str, place: Path, order: SourceOrder, say: Say) -> None:
        command = [program, "build", "--name", order.tag, "--progress", "plain", "--cache-key", order.cache]
        tail = _Tail(say)
        logins = {"DOCKER_CONFIG": str(place / LOGINS)} if order.logins else {}
        code = await self._run(
            [*command, *(["--no-cache"] if order.no_cache else []), str(place / "source")], tail, logins
        )
        if code == 0:
            return
        if any(NO_BUILDKIT.search(line) for line in tail.lines):
            host = self._environment["BUILDKIT_HOST"]
            raise _no_buildkit(f"Railpack does not reach the BuildKit at {host}", tail.lines)
        raise _failed(f"`railpack build` ended with exit code {code}", tail.lines)

    async def _run(
        self, command: list[str], tell: Callable[[str], None], more: Mapping[str, str] = MappingProxyType({})
    ) -> int:
        """Run a program to its end, each line to *tell*; when this is cancelled, it and all its children are killed first."""
        try:
            child = await asyncio.create_subprocess_exec(
                *command,
                env={**self._environment, **more},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                start_new_session=True,
                limit=LINE,
            )
        except OSError as error:
            raise _failed(f"{command[0]} could not be started: {error}", ()) from error
        make_expendable(child.pid)
        try:
            async with aclosing(_lines(child)) as said:
                async for line in said:
                    tell(line)
            return await child.wait()
        finally:
            with suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            await asyncio.shield(child.wait())

    @asynccontextmanager
    async def _laid_out(self, order: SourceOrder) -> AsyncGenerator[Path]:
        """Give a folder with the source in `source`, and the logins beside, if there are any.

        It is gone afterwards, and so is what a daemon that died had left.
        """
        place = await asyncio.to_thread(self._unpacked, order)
        try:
            yield place
        finally:
            await asyncio.shield(asyncio.to_thread(shutil.rmtree, place, ignore_errors=True))

    def _unpacked(self, order: SourceOrder) -> Path:
        own = f"{os.getpid()}-"
        self._folder.mkdir(mode=0o700, exist_ok=True)
        for left in self._folder.iterdir():
            if not left.name.startswith(own):
                shutil.rmtree(left, ignore_errors=True)
        place = Path(mkdtemp(prefix=own, dir=self._folder))
        try:
            _unpack(order.context(), place / "source")
            if order.logins:
                write_logins(place / LOGINS, folder_of(self._environment), order.logins)
        except (tarfile.TarError, OSError) as error:
            shutil.rmtree(place, ignore_errors=True)
            raise _failed(f"the source could not be laid out: {error}", ()) from error
        return place


def _unpack(archive: Iterable[bytes], root: Path) -> None:
    """Lay a tar stream of a checked tree out. Symlinks are made last, so that nothing is written through one."""
    root.mkdir()
    links: list[tuple[Path, str]] = []
    with tarfile.open(fileobj=cast("IO[bytes]", Pieces(archive)), mode="r|") as tar:
        for member in tar:
            path = root / member.name
            path.parent.mkdir(parents=True, exist_ok=True)
            if member.issym():
                links.append((path, member.linkname))
            elif member.isdir():
                path.mkdir(exist_ok=True)
            elif (content := tar.extractfile(member)) is not None:
                with path.open("wb") as file:
                    shutil.copyfileobj(content, file)
                path.chmod(member.mode & 0o755)
    for path, target in links:
        path.symlink_to(target)


class _Tail:
    """Passes lines on, and keeps the last ones."""

    def __init__(self, say: Say) -> None:
        self._say = say
        self.lines: deque[str] = deque(maxlen=TAIL)

    def __call__(self, line: str) -> None:
        self.lines.append(line)
        self._say(f"       {line}")


async def _lines(child: asyncio.subprocess.Process) -> AsyncGenerator[str]:
    """Yield what a program writes, line by line, without colours and without what is too long to be read."""
    assert child.stdout is not None  # noqa: S101 -- it was started with a pipe
    while True:
        try:
            raw = await child.stdout.readline()
        except ValueError:  # longer than the pipe's limit: dropped by the reader
            continue
        if not raw:
            return
        line = COLOURS.sub("", raw.decode(errors="replace")).rstrip()
        if line:
            yield line[:LONGEST]


def _failed(what: str, tail: Iterable[str]) -> Problem:
    remedy = f"the lines above say why; railpack.json in the folder steers it. Use `build:` with a Dockerfile, {ASIDE}"
    return Problem("railpack-failed", what, serving=SERVING, remedy=remedy, tail=tuple(tail))


def _no_buildkit(what: str, tail: Iterable[str]) -> Problem:
    return Problem("buildkit-unreachable", what, serving=SERVING, remedy=START_BUILDKIT, tail=tuple(tail))

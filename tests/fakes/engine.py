"""The container engine in memory. Its containers really listen, each at a loopback address of its own, so probes are real."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address, IPv4Network
from typing import TypeVar

from hostess.domain.ports import (
    Container,
    ContainerEvent,
    ContainerSpec,
    EngineFacts,
    LogLine,
    Shell,
    Terminal,
)
from hostess.domain.problem import Problem
from tests.fakes.containers import Running
from tests.fakes.engine_images import FakeImages
from tests.fakes.programs import Program, absent
from tests.side_by_side import own_number

T = TypeVar("T")

BLOCK = 128 + own_number()
"""The second byte of all addresses: 127.BLOCK.0.0/16 is this process's own, so that runs side by side do not meet."""
CAP = 16 * 1024
TIMED_OUT = 124
KILLED = 137


class FakeEngine(FakeImages):
    """Implements `ports.Engine`; to be closed.

    What tests turn, besides what `FakeImages` has: *commands* (executables that every container has). What they read: *created*.
    """

    def __init__(self) -> None:
        super().__init__()
        self.commands: dict[str, Program] = {}
        self.created: list[ContainerSpec] = []
        self._networks: dict[str, tuple[str, Mapping[str, str]]] = {}
        self._volumes: dict[str, Mapping[str, str]] = {}
        self._containers: dict[str, Running] = {}
        self._happened: list[tuple[ContainerEvent, Mapping[str, str]]] = []
        self._news = asyncio.Event()
        self._mute = False
        self._went: list[Running] = []

    async def close(self) -> None:
        """Kill everything."""
        tasks = [running.task for running in self._containers.values() if running.task]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def facts(self) -> EngineFacts:
        """Return what the engine is."""
        self._enter("facts", "")
        return EngineFacts("0.fake", "1.41", 4.0, 8 * 1024**3, "/")

    # ---- networks and volumes

    async def make_network(self, name: str, subnet: str, labels: Mapping[str, str]) -> None:
        """Create a network."""
        self._enter("make_network", name)
        if name in self._networks:
            return
        if any(IPv4Network(subnet).overlaps(IPv4Network(other)) for other, _ in self._networks.values()):
            raise Problem("subnet-taken", f"the subnet {subnet} is used by another network")
        self._networks[name] = (subnet, dict(labels))

    async def networks(self, labels: Mapping[str, str]) -> dict[str, str]:
        """Return name -> subnet."""
        self._enter("networks", "")
        return {name: subnet for name, (subnet, has) in self._networks.items() if labels.items() <= has.items()}

    async def remove_network(self, name: str) -> None:
        """Remove a network; an absent one is no error."""
        self._enter("remove_network", name)
        if any(
            running.spec.network == name and running.value.state == "running" for running in self._containers.values()
        ):
            raise Problem(
                "engine-refused", f"the container engine could not remove a network: {name} has active endpoints"
            )
        self._networks.pop(name, None)

    async def make_volume(self, name: str, labels: Mapping[str, str]) -> None:
        """Create a volume."""
        self._enter("make_volume", name)
        self._volumes.setdefault(name, dict(labels))

    async def volumes(self, labels: Mapping[str, str]) -> list[str]:
        """Return the names of the volumes."""
        self._enter("volumes", "")
        return [name for name, has in self._volumes.items() if labels.items() <= has.items()]

    async def remove_volume(self, name: str) -> None:
        """Remove a volume; an absent one is no error."""
        self._enter("remove_volume", name)
        if any(name in running.spec.volumes for running in self._containers.values()):
            raise Problem("engine-refused", f"the container engine could not remove a volume: {name} is in use")
        self._volumes.pop(name, None)

    # ---- containers

    async def create(self, spec: ContainerSpec) -> str:
        """Create a container."""
        self._enter("create", spec.name)
        image = self._find(spec.image)
        if image is None:
            raise Problem("image-not-found", f"there is no image {spec.image} on this host")
        if any(running.spec.name == spec.name for running in self._containers.values()):
            raise Problem("name-taken", f"there is a container {spec.name} already")
        self.created.append(spec)
        number = next(self._numbers)
        address = loopback(spec.address) if spec.address else ""
        value = Container(f"{number:064x}", spec.name, image.id, dict(spec.labels), "created", address)
        self._containers[value.id] = Running(value, spec, self.recipes[image.id], number)
        return value.id

    async def start(self, container: str) -> None:
        """Start a container."""
        self._enter("start", container)
        running = self._held(container)
        if running is None:
            raise Problem("container-start-failed", f"the container did not start: no such container: {container}")
        if running.value.state in {"running", "restarting"}:
            return
        argv = self._argv(running)
        program = {**self.commands, **running.recipe.commands}.get(argv[0] if argv else "", absent)
        if running.spec.network not in {*self._networks, "bridge"}:
            raise Problem(
                "container-start-failed", f"the container did not start: network {running.spec.network} not found"
            )
        others = (other for other in self._containers.values() if other is not running)
        if any(other.value.state == "running" and other.value.address == running.value.address for other in others):
            raise Problem("container-start-failed", "the container did not start: Address already in use")
        running.wanted, running.stopping = True, asyncio.Event()
        running.value = replace(
            running.value, address=running.value.address or self._next_address(running.spec.network), restarts=0
        )
        self._begin(running)
        running.task = asyncio.create_task(self._life(running, program, argv))

    async def keep_running(self, container: str) -> None:
        """Restart it from now on when it ends by itself."""
        self._enter("keep_running", container)
        if running := self._held(container):
            running.spec = replace(running.spec, restart=True)

    async def stop(self, container: str, grace: timedelta) -> None:
        """Ask to stop, after *grace* kill."""
        self._enter("stop", container)
        running = self._held(container)
        if running and running.task and not running.task.done():
            running.wanted = False
            self.happens("kill", container)
            running.stopping.set()
            await asyncio.wait([running.task], timeout=grace.total_seconds())
            await self._kill(running)

    async def kill(self, container: str) -> None:
        """Kill at once."""
        self._enter("kill", container)
        if running := self._held(container):
            await self._kill(running)

    async def remove(self, container: str) -> None:
        """Remove a container."""
        self._enter("remove", container)
        if running := self._held(container):
            await self._kill(running)
            self._containers.pop(running.value.id, None)
            running.wake()

    async def wait(self, container: str) -> int:
        """Return the exit code once it has exited."""
        self._enter("wait", container)
        running = self._held(container)
        if running is None:
            raise Problem("container-not-found", f"the container {container} is gone")
        while running.value.state == "running":
            await running.news.wait()
        return running.value.exit_code or 0

    async def container(self, container: str) -> Container | None:
        """Return one container as it is now."""
        self._enter("container", container)
        running = self._held(container)
        return running.value if running else None

    async def containers(self, labels: Mapping[str, str]) -> list[Container]:
        """Return all containers, oldest first."""
        self._enter("containers", "")
        found = sorted(self._containers.values(), key=lambda running: running.place)
        return [running.value for running in found if labels.items() <= running.value.labels.items()]

    async def logs(self, container: str, tail: int) -> list[LogLine]:
        """Return its last lines."""
        self._enter("logs", container)
        running = self._held(container)
        return running.logs[-tail:] if running and tail > 0 else []

    async def follow(self, container: str, tail: int, since: datetime | None = None) -> AsyncIterator[LogLine]:
        """Yield its last lines, then each new one."""
        self._enter("follow", container)
        running = self._held(container)
        if running is None:
            return
        at = max(len(running.logs) - tail, 0)
        while True:
            news = running.news
            for line in running.logs[at:]:
                at += 1
                if since is None or line.at >= since:
                    yield line
            if running.value.state != "running" or running.value.id not in self._containers:
                return
            await news.wait()

    async def events(
        self, labels: Mapping[str, str], since: datetime | None = None, until: datetime | None = None
    ) -> AsyncIterator[ContainerEvent]:
        """Yield what happens to containers with these labels."""
        self._enter("events", "")
        if since is not None and until is not None and since > until:
            raise Problem("engine-failed", f"the container engine refused: {since} cannot be after {until}")
        at = 0 if since is not None else len(self._happened)
        while True:
            news = self._news
            for event, marks in self._happened[at:]:
                at += 1
                if until is not None and event.at > until:
                    return
                if labels.items() <= marks.items() and (since is None or event.at >= since):
                    yield event
            if until is not None:
                return
            if self.unreachable:
                raise Problem("engine-unreachable", "the container engine cannot be reached: it stopped telling")
            await news.wait()

    async def go_down(self, *, crashed: bool) -> None:
        """End everything, as an engine does that ends: it says so, or has *crashed*; then it is away."""
        running = [each for each in self._containers.values() if each.value.state == "running"]
        self._mute = crashed
        for each in running:
            await self._kill(each)
        self._mute, self.unreachable = True, True
        self._went = [] if crashed else [each for each in running if each.spec.restart]
        self._wake()

    async def come_back(self) -> None:
        """Be there again, without a word of what was; what had not crashed runs again."""
        self._happened.clear()
        self.unreachable = False
        for each in self._went:
            await self.start(each.value.id)
        self._mute = False

    def forget_events(self) -> None:
        """Remember nothing of what has happened, as an engine does after some hundred events more."""
        self._happened.clear()

    def happens(self, what: str, container: str, exit_code: int | None = None) -> None:
        """Tell that something happened to a container."""
        running = self._held(container)
        if running is not None and not self._mute:
            event = ContainerEvent(datetime.now(UTC), what, running.value.id, exit_code)
            self._happened.append((event, running.value.labels))
        self._wake()

    async def within(self, container: str, mark: str, work: Callable[[Shell], T]) -> T:
        """Refuse: no image here brings a database's programs."""
        self._enter("within", container)
        raise Problem("container-not-running", f"{container} has no programs whose output is a stream ({mark}, {work})")

    @asynccontextmanager
    async def terminal(
        self, container: str, command: Sequence[str], mark: str, *, tty: bool
    ) -> AsyncIterator[Terminal]:
        """Refuse: no image here brings a program to talk to."""
        self._enter("terminal", f"{container} {command} {mark} {tty}")
        raise Problem("container-not-running", f"{container} has no programs that one can talk to")
        yield

    async def end_commands(self, container: str, mark: str) -> None:
        """There are none."""
        self._enter("end_commands", f"{container} {mark}")

    async def execute(
        self, container: str, command: Sequence[str], timeout: timedelta, stdin: str = ""
    ) -> tuple[int, str]:
        """Run one of the image's commands inside."""
        self._enter("execute", " ".join(command))
        running = self._held(container)
        if running is None or running.value.state != "running":
            raise Problem("container-not-running", f"the container {container} is not running")
        program = {**self.commands, **running.recipe.commands}.get(command[0])
        if program is None:
            return 126, f'exec: "{command[0]}": executable file not found in $PATH'
        if stdin and "sh" not in {**self.commands, **running.recipe.commands}:
            return 126, 'exec: "sh": executable file not found in $PATH'
        written: list[str] = []
        box = replace(
            running.box(tuple(command), running.value.address),
            stdin=stdin,
            write=lambda _, text: written.append(f"{text}\n"),
            stopping=asyncio.Event(),
        )
        try:
            async with asyncio.timeout(timeout.total_seconds()):
                code = await program(box)
        except TimeoutError:
            code = TIMED_OUT
        return code, "".join(written)[-CAP:]

    # ---- within

    def _wake(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()

    def _uses(self, image: str) -> bool:
        return any(running.value.image == image for running in self._containers.values())

    def _held(self, container: str) -> Running | None:
        named = (running for running in self._containers.values() if container in {running.value.id, running.spec.name})
        return next(named, None)

    def _argv(self, running: Running) -> tuple[str, ...]:
        spec, recipe = running.spec, running.recipe
        entrypoint = recipe.entrypoint if spec.entrypoint is None else spec.entrypoint
        inherited = recipe.cmd if spec.entrypoint is None else ()
        return (*entrypoint, *(inherited if spec.command is None else spec.command))

    def _next_address(self, network: str) -> str:
        subnet = IPv4Network(self._networks.get(network, ("172.17.0.0/16", {}))[0])
        taken = {running.value.address for running in self._containers.values()}
        return next(
            found for host in itertools.islice(subnet.hosts(), 1, None) if (found := loopback(str(host))) not in taken
        )

    def _begin(self, running: Running) -> None:
        running.value = replace(running.value, state="running", exit_code=None, started_at=datetime.now(UTC))
        self.happens("start", running.value.id)

    async def _life(self, running: Running, program: Program, argv: tuple[str, ...]) -> None:
        for restart in itertools.count():
            short = False
            try:
                code = await program(running.box(argv, running.value.address))
            except OSError as error:
                running.write("stderr", str(error))
                code = 1
            except MemoryError:  # what a program of a test raises in order to be killed for want of it
                code, short = KILLED, True
            running.value = replace(running.value, oom_killed=short)
            self._end(running, code)
            if not (running.wanted and running.spec.restart):
                return
            running.value = replace(running.value, state="restarting")
            with suppress(TimeoutError):
                await asyncio.wait_for(running.stopping.wait(), 0.1 * 2 ** min(restart, 9))
                running.value = replace(running.value, state="exited")
                return
            running.value = replace(running.value, restarts=restart + 1)
            self._begin(running)

    def _end(self, running: Running, code: int) -> None:
        address = loopback(running.spec.address) if running.spec.address else ""
        ended = datetime.now(UTC)
        running.value = replace(running.value, state="exited", exit_code=code, address=address, finished_at=ended)
        self.happens("die", running.value.id, code)
        running.wake()

    async def _kill(self, running: Running) -> None:
        running.wanted = False
        if running.task and not running.task.done():
            self.happens("kill", running.value.id)
            running.task.cancel()
            await asyncio.gather(running.task, return_exceptions=True)
            self._end(running, KILLED)


def loopback(address: str) -> str:
    """Return where a container with this address really listens: the last two bytes are kept."""
    third, fourth = IPv4Address(address).packed[2:]
    return f"127.{BLOCK}.{third}.{fourth}"
